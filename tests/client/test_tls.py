"""Servers with a certificate of their own."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from commensal import errors
from commensal.client.errors import WrongServer
from commensal.client.gen3 import Gen3
from tests.client.wire_server import WireServer


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "commons")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[WireServer]:
    server = WireServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    with server:
        yield server


def test_own_certificate_is_trusted_when_it_is_given(secure: WireServer, tmp_path: Path) -> None:
    key = {"api_key": secure.api_key}
    with Gen3(secure.url, key, verify=str(tmp_path / "cert.pem")) as client:
        assert client.programs() == ["KIDNEY"]
    with Gen3(secure.url, key) as client, pytest.raises(errors.SetupError, match=r"not trusted.*verify='ca\.pem'"):
        client.programs()
    for path in (tmp_path / "none.pem", tmp_path / "key.pem"):
        with pytest.raises(errors.SetupError, match="holds no CA certificate"):
            Gen3(secure.url, key, verify=str(path))


def test_https_to_a_server_that_speaks_http(wire: WireServer) -> None:
    with (
        Gen3(wire.url.replace("http:", "https:"), {"api_key": wire.api_key}) as client,
        pytest.raises(WrongServer, match="does not speak https"),
    ):
        client.programs()
