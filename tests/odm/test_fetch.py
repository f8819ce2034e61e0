"""Fetching foreign addresses: what is on the list, and against servers that do what none should."""

from __future__ import annotations

import datetime
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from commensal.core.own_links import OwnLink, OwnPlaces
from commensal.errors import CommensalError, Forbidden, Invalid, Malformed, TooLarge, Unavailable
from commensal.services.fetching import name_in
from commensal.storage.fetch.allowed import entry_for, is_public, parse_allowed, read_address
from commensal.storage.fetch.http import HttpFetcher, Limits
from tests.odm.foreign import Foreign, answer, broken_chunks, endless, redirect, serving, silent, trickling

NAME = "data.example.test"


@pytest.fixture
async def foreign() -> AsyncIterator[Foreign]:
    async with serving() as made:
        yield made


async def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def fetcher(*allowed: str, resolve=None, ours=lambda _: False, tls=None, **limits: float) -> HttpFetcher:
    more = {"resolve": resolve} if resolve else {}
    return HttpFetcher([parse_allowed(one) for one in allowed], limits=Limits(**limits), ours=ours, tls=tls, **more)


async def read(made: HttpFetcher, address: str, limit: int | None = None) -> bytes:
    async with made.open(address, limit=limit) as incoming:
        return b"".join([chunk async for chunk in incoming.chunks])


async def refusal(made: HttpFetcher, address: str, limit: int | None = None) -> CommensalError:
    with pytest.raises(CommensalError) as caught:
        await read(made, address, limit)
    return caught.value


# --- the list


@pytest.mark.parametrize(
    ("entry", "address", "allowed"),
    [
        ("data.example.org", "https://data.example.org/a", True),
        ("data.example.org", "http://DATA.example.org./a", True),
        ("data.example.org", "https://data.example.org:8443/a", False),
        ("data.example.org", "https://evil.data.example.org/a", False),
        ("data.example.org", "https://data.example.org.evil.net/a", False),
        ("data.example.org:8443", "https://data.example.org:8443/a", True),
        ("data.example.org:8443", "https://data.example.org/a", False),
        ("*.example.org", "https://a.b.example.org/a", True),
        ("*.example.org", "https://example.org/a", False),
        ("*.example.org", "https://notexample.org/a", False),
        ("bücher.example", "http://xn--bcher-kva.example/", True),
        ("[::1]:80", "http://[0:0::1]/", True),
        ("127.0.0.1", "http://127.0.0.1/", True),
    ],
)
def test_the_list(entry: str, address: str, allowed: bool):
    place = read_address(address)
    if allowed:
        assert entry_for(place, [parse_allowed(entry)]).host
    else:
        with pytest.raises(Forbidden, match="--allow-fetch"):
            entry_for(place, [parse_allowed(entry)])


@pytest.mark.parametrize(
    "entry", ["*", "*.org", "a b", "http://a", "a:0", "a:99999", "*.[::1]", "", "a/b", "2130706433"]
)
def test_entries_that_are_none(entry: str):
    with pytest.raises(ValueError, match="no host to fetch from"):
        parse_allowed(entry)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://data.example.org/a",
        "gopher://data.example.org/",
        "s3://bucket/key",
        "//data.example.org/a",
        "data.example.org/a",
        "http://user:secret@data.example.org/",
        "http://user@data.example.org/",
        "http://data.example.org\\@evil.net/",
        "http://data.example.org/a b",
        "http://data.example.org/\r\nHost: evil",
        "http://data.example.org:99999/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http:///a",
        "http://[::1/",
        "http://" + "a" * 9_000,
        "http://data.example.org/" + "\N{GRINNING FACE}" * 7_000,
    ],
)
def test_addresses_that_are_none(address: str):
    with pytest.raises(Malformed) as caught:
        read_address(address)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("ip", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::1", False),
        ("::127.0.0.1", False),
        ("fec0::1", False),
        ("::ffff:0:127.0.0.1", False),
    ],
)
def test_private_addresses(ip: str, public: bool):
    assert is_public(ip) is public


# --- well-behaved servers


async def test_an_answer_and_what_was_asked(foreign: Foreign, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    foreign.paths["/a%20b?x=1"] = answer(b"hello", Content_Type="text/plain", Content_Encoding="gzip")
    made = fetcher(f"127.0.0.1:{foreign.port}")
    async with made.open(foreign.url("/a%20b?x=1#part")) as incoming:
        assert (incoming.size, incoming.media_type) == (5, "text/plain")
        assert b"".join([chunk async for chunk in incoming.chunks]) == b"hello"  # bytes as they came, never unpacked
    head = foreign.asked[0].lower()
    assert f"host: 127.0.0.1:{foreign.port}" in head
    assert "accept-encoding: identity" in head
    assert not any(word in head for word in ("cookie", "authorization", "python"))


async def test_three_redirects_but_not_four(foreign: Foreign):
    for n in range(4):
        foreign.paths[f"/{n}"] = redirect(f"/{n + 1}", f"30{[1, 2, 7, 8][n]} There")
    foreign.paths["/4"] = answer(b"end")
    made = fetcher(f"127.0.0.1:{foreign.port}")
    assert await read(made, foreign.url("/1")) == b"end"
    error = await refusal(made, foreign.url("/0"))
    assert isinstance(error, Invalid)
    assert "more than 3 redirects" in error.message


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://other.example.org/", Forbidden),
        ("http://127.0.0.1:1/", Forbidden),
        ("http://localhost:{port}/", Forbidden),
        ("file:///etc/passwd", Malformed),
        ("ftp://127.0.0.1/", Malformed),
        ("http://user:secret@127.0.0.1:{port}/", Malformed),
        ("//[::1]:{port}/", Forbidden),
        ("", Invalid),
    ],
)
async def test_redirects_are_checked_again(foreign: Foreign, location: str, kind: type[CommensalError]):
    foreign.paths["/go"] = redirect(location.format(port=foreign.port))
    error = await refusal(fetcher(f"127.0.0.1:{foreign.port}"), foreign.url("/go"))
    assert isinstance(error, kind)
    assert "secret" not in error.message
    assert len(foreign.asked) == 1


async def test_a_redirect_into_our_own_store_is_refused(foreign: Foreign):
    foreign.paths["/go"] = redirect("/bucket/key")
    foreign.paths["/bucket/key"] = answer(b"secret")
    own = OwnPlaces.of([], [foreign.url("/bucket")])
    made = fetcher(f"127.0.0.1:{foreign.port}", ours=lambda address: own.link(address) is not None)
    error = await refusal(made, foreign.url("/go"))
    assert isinstance(error, Malformed)
    assert len(foreign.asked) == 1


@pytest.mark.parametrize(
    ("path", "announced", "name"),
    [
        ("/a/counts%20one.h5ad", None, "counts one.h5ad"),
        ("/a/counts.tsv", 'attachment; filename="other.txt"', "counts.tsv"),
        ("/geo/download/", 'attachment; filename="GSE781.tar"', "GSE781.tar"),
        ("/geo/download/", "attachment; filename*=UTF-8''%C3%BC.txt", "ü.txt"),
        ("/geo/download/", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("/geo/download/", 'attachment; filename=".."', "download"),
        ("/geo/download/", "attachment; filename*=UTF-8''a; filename*0*=b", "download"),
        ("/..%2f..%2fx", None, ".._.._x"),
        ("/", None, "file"),
    ],
)
async def test_the_name_of_a_file(foreign: Foreign, path: str, announced: str | None, name: str):
    more = {} if announced is None else {"Content_Disposition": announced}
    foreign.paths[path] = answer(b"x", **more)
    link = foreign.url(path)
    async with fetcher(f"127.0.0.1:{foreign.port}").open(link) as incoming:
        assert name_in(link, incoming.name) == name


# --- names


async def test_a_name_that_leads_to_a_private_network_must_be_on_the_list_itself(foreign: Foreign):
    foreign.paths["/"] = answer(b"inside")
    address = foreign.url("/", NAME)
    error = await refusal(fetcher(f"*.example.test:{foreign.port}", resolve=loopback), address)
    assert isinstance(error, Forbidden)
    assert "private network" in error.message
    assert "127.0.0.1" not in error.message
    assert not foreign.asked
    assert await read(fetcher(f"{NAME}:{foreign.port}", resolve=loopback), address) == b"inside"
    assert f"Host: {NAME}:{foreign.port}".lower() in foreign.asked[0].lower()


async def test_a_name_is_looked_up_once_for_each_hop(foreign: Foreign):
    looked_up: list[str] = []

    async def changing(host: str, _port: int) -> list[str]:
        """A name that changes its mind: what is checked must be what is connected to."""
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["169.254.169.254"]

    foreign.paths["/"] = answer(b"ok")
    assert await read(fetcher(f"{NAME}:{foreign.port}", resolve=changing), foreign.url("/", NAME)) == b"ok"
    assert looked_up == [NAME]


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    async def mixed(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    error = await refusal(fetcher("*.example.test", resolve=mixed), f"http://{NAME}/")
    assert isinstance(error, Forbidden)


async def test_unknown_names(foreign: Foreign):
    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    error = await refusal(fetcher(NAME, resolve=unknown), f"http://{NAME}/")
    assert isinstance(error, Unavailable)
    assert NAME in error.message


async def test_tls_is_for_the_name_and_checked(tmp_path: Path):
    server_tls, client_tls = certificates(tmp_path, NAME)
    async with serving(server_tls) as foreign:
        foreign.paths["/"] = answer(b"sealed")
        made = fetcher(f"{NAME}:{foreign.port}", f"other.test:{foreign.port}", resolve=loopback, tls=client_tls)
        assert await read(made, foreign.url("/", NAME, "https")) == b"sealed"
        assert foreign.names == [NAME]
        error = await refusal(made, foreign.url("/", "other.test", "https"))
        assert isinstance(error, Unavailable)
        assert "certificate" in error.message
        plain = fetcher(f"{NAME}:{foreign.port}", resolve=loopback)
        assert "certificate" in (await refusal(plain, foreign.url("/", NAME, "https"))).message


# --- servers that do what none should


async def test_endless_silent_slow_and_broken_bodies(foreign: Foreign):
    foreign.paths.update(
        {
            "/endless": endless,
            "/silent": silent,
            "/trickling": trickling,
            "/chunks": broken_chunks,
            "/short": answer(b"12345", length=10),
            "/large": answer(b"", length=10_000_000),
            "/bad?signature=secret": answer(b"", status="500 Oh"),
            "/part": answer(b"12", status="206 Partial Content"),
        }
    )
    host = f"127.0.0.1:{foreign.port}"
    for path, limits, kind, says in (
        ("/endless", {"size": 1_000_000}, TooLarge, "1,000,000"),
        ("/large", {"size": 1_000_000}, TooLarge, "10,000,000"),
        ("/silent", {"pause": 0.1}, Unavailable, "in time"),
        ("/trickling", {"grace": 0.2, "pace": 10_000}, Unavailable, "too slowly"),
        ("/trickling", {"total": 0.3}, Unavailable, "in time|too slowly"),
        ("/chunks", {}, Unavailable, "broke off"),
        ("/short", {}, Unavailable, "broke off"),
        ("/bad?signature=secret", {}, Invalid, "/bad answered 500"),
        ("/part", {}, Invalid, "answered 206"),
        ("/absent", {}, Invalid, "answered 404"),
    ):
        error = await refusal(fetcher(host, **limits), foreign.url(path))
        assert isinstance(error, kind), path
        assert re.search(says, error.message), (path, error.message)


async def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = await refusal(fetcher(f"127.0.0.1:{port}"), f"http://127.0.0.1:{port}/")
    assert isinstance(error, Unavailable)
    assert "cannot be reached" in error.message


# --- our own links


def test_own_links():
    own = OwnPlaces.of(
        ["https://commons.example.org", "http://127.0.0.1:8000"],
        ["http://s3.local:9000/bucket/prefix"],
    )
    assert own.link("https://elsewhere.org/api/v1/as-user/files/GSF12/download") is None
    assert own.link("https://commons.example.org:443/api/v1/as-user/files/GSF12/download") == OwnLink(seq=12)
    uuid = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert str(own.link(f"http://127.0.0.1:8000/user/data/download/{uuid}?redirect").uuid) == uuid
    key = "a" * 40
    assert own.link(f"https://COMMONS.example.org/commensal/v1/bytes/files/{key}/x.txt?expires=1") == OwnLink(key=key)
    assert own.link(f"http://s3.local:9000/bucket/prefix/aa/bb/{key}?X-Amz=1") == OwnLink(key=key)
    assert own.link(f"http://s3.local:9000/bucket/%70refix/aa/bb/{key}") == OwnLink(key=key)
    assert own.link(f"http://s3.local:9000/bucket/other/{key}") is None
    assert str(own.link(f"https://commons.example.org/user/data/download/dg.1/{uuid}").uuid) == uuid
    assert str(own.link(f"https://commons.example.org/ga4gh/drs/v1/objects/dg.1/{uuid}/access/https").uuid) == uuid
    assert own.link("https://commons.example.org/anything") == OwnLink()
    assert own.link("https://known.example.org/anything", "https://known.example.org:443") == OwnLink()
    assert own.link("no address") is None


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key_pem)
    return server, ssl.create_default_context(cafile=str(pem))
