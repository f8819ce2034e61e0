"""Keys, tokens, retries and errors, against a server that misbehaves on demand."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from commensal import errors
from commensal.client import _http
from commensal.client._credentials import RENEW_BEFORE, TokenKeeper, read_key, server_of
from commensal.client.errors import ServerFault, TimedOut, WrongServer
from commensal.client.gen3 import Gen3
from tests.client.wire_server import WireServer, hang_up, status, token

TOKEN = "/access_token"
PROGRAMS = "/submission/"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Remember the pauses between tries instead of waiting."""
    made: list[float] = []
    monkeypatch.setattr(_http.time, "sleep", made.append)
    return made


def test_one_token_serves_many_requests(wire: WireServer, gen3: Gen3) -> None:
    assert gen3.projects("KIDNEY") == ["PILOT"]
    assert gen3.programs() == ["KIDNEY"]
    (sent,) = wire.asked(TOKEN)
    assert json.loads(sent[3]) == {"api_key": wire.api_key}
    assert {name.lower() for name in sent[2]}.isdisjoint({"authorization"})
    assert wire.asked("/KIDNEY")[0][2]["authorization"].startswith("bearer ")


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_token_is_renewed_once(wire: WireServer, gen3: Gen3, code: int) -> None:
    gen3.projects("KIDNEY")
    wire.next("/KIDNEY", status(code))
    assert gen3.projects("KIDNEY") == ["PILOT"]
    assert len(wire.asked(TOKEN)) == 2
    wire.next("/KIDNEY", status(code), times=2)
    with pytest.raises((errors.Unauthenticated, errors.Forbidden), match=f"status {code}"):
        gen3.projects("KIDNEY")
    assert len(wire.asked("/KIDNEY")) == 5


def test_a_token_is_renewed_before_it_ends() -> None:
    made: list[str] = []

    def fetch() -> str:
        made.append(token("http://x/user", "access", begin=time.time() - 10 * 86400, seconds=seconds))
        return made[-1]

    seconds = RENEW_BEFORE + 1000  # by a clock that is ten days off
    keeper = TokenKeeper(fetch)
    assert keeper.token() == keeper.token() == made[0]
    keeper._renew_at -= 999
    assert keeper.token() == made[0]
    keeper._renew_at -= 2
    assert keeper.token() == made[1] != made[0]
    assert keeper.token(not_this=made[0]) == made[1]
    assert keeper.token(not_this=made[1]) == made[2]


def test_key_that_expired_says_that_a_new_one_is_needed(wire: WireServer, tmp_path: Path) -> None:
    old = token(f"{wire.url}/user", "api_key", begin=time.time() - 40 * 86400, seconds=30 * 86400)
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"api_key": old, "key_id": "k"}))
    with pytest.raises(
        errors.CredentialExpired, match=r"old\.json expired on .* a new one is needed\. .*/portal/profile"
    ):
        Gen3(credentials=path).projects("KIDNEY")


def test_key_that_ends_before_its_token_is_named_so(wire: WireServer, gen3: Gen3) -> None:
    wire.next(TOKEN, status(400, {"message": "ends within the next minutes"}))
    with pytest.raises(errors.CredentialExpired, match=r"ends within the next minutes.*Make a new API key"):
        gen3.projects("KIDNEY")


def test_key_of_another_server_is_named_so(wire: WireServer) -> None:
    key = token("https://elsewhere.example.org/user", "api_key", begin=time.time(), seconds=86400)
    with pytest.raises(errors.Unauthenticated, match=r"does not accept.*made by https://elsewhere\.example\.org/user"):
        Gen3(wire.url, {"api_key": key}).projects("KIDNEY")


def test_wrong_server_is_named_so(wire: WireServer, gen3: Gen3) -> None:
    wire.next(TOKEN, status(404, b"<html>nothing here</html>"))
    with pytest.raises(WrongServer, match="no Gen3 door is there"):
        gen3.projects("KIDNEY")
    wire.next(PROGRAMS, status(200, b"<html>welcome</html>"))
    with pytest.raises(WrongServer, match="not this door's JSON"):
        gen3.programs()
    wire.next(PROGRAMS, status(302, b"", Location="https://new.example.org/"))
    with pytest.raises(WrongServer, match=r"https://new\.example\.org/"):
        gen3.programs()


def test_no_network_is_said_after_a_few_tries(short_pauses: list[float]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    client = Gen3(f"http://127.0.0.1:{port}", None, tries=3)
    with pytest.raises(errors.Unavailable, match=r"cannot be reached.*Is the server running"):
        client.dictionary()
    assert len(short_pauses) == 2


def test_busy_server_is_asked_again_as_it_wishes(wire: WireServer, gen3: Gen3, short_pauses: list[float]) -> None:
    wire.next(PROGRAMS, status(503, None, Retry_After="7"))
    wire.next(PROGRAMS, status(429, None, Retry_After="3"))
    wire.next(PROGRAMS, status(503))
    wire.next(PROGRAMS, status(502))
    assert gen3.programs() == ["KIDNEY"]
    assert short_pauses[:2] == [7, 3]
    assert 0.5 < short_pauses[2] < short_pauses[3]
    wire.next(PROGRAMS, status(503, None, Retry_After="3600"))
    with pytest.raises(errors.Unavailable) as caught:
        gen3.programs()
    assert caught.value.retry_after == 3600
    assert len(short_pauses) == 4


def test_tries_come_to_an_end(wire: WireServer, gen3: Gen3) -> None:
    wire.next(PROGRAMS, status(503, {"message": "closed for today"}, Retry_After="1"), times=5)
    with pytest.raises(errors.Unavailable, match="closed for today"):
        gen3.programs()
    assert len(wire.asked(PROGRAMS)) == 5


def test_broken_connection_repeats_only_what_may_be_repeated(wire: WireServer, gen3: Gen3) -> None:
    wire.next(PROGRAMS, hang_up)
    assert gen3.programs() == ["KIDNEY"]
    wire.next("/entities/a", hang_up)
    with pytest.raises(errors.Unavailable, match="broke"):
        gen3.delete("KIDNEY", "PILOT", "a")
    assert len(wire.asked("/entities/a")) == 1


def test_no_answer_in_time_is_not_asked_again(wire: WireServer) -> None:
    wire.next(PROGRAMS, lambda _: bool(threading_wait(0.3)))
    with Gen3(credentials={"api_key": wire.api_key}, timeout=0.1) as client, pytest.raises(TimedOut, match="unknown"):
        client.programs()
    assert len(wire.asked(PROGRAMS)) == 1


def threading_wait(seconds: float) -> bool:
    import threading

    threading.Event().wait(seconds)
    return True


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.BadRequest),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (422, errors.Invalid),
        (504, TimedOut),
        (507, errors.NoSpace),
    ],
)
def test_every_status_has_its_error(wire: WireServer, gen3: Gen3, code: int, kind: type[Exception]) -> None:
    wire.next(PROGRAMS, status(code, {"message": "because of the weather"}))
    with pytest.raises(kind, match="because of the weather"):
        gen3.programs()


def test_defect_of_the_server_carries_its_error_id(wire: WireServer, gen3: Gen3) -> None:
    wire.next(PROGRAMS, status(500, {"message": "Something broke", "error_id": "e-17"}))
    with pytest.raises(ServerFault, match="Something broke") as caught:
        gen3.programs()
    assert caught.value.error_id == "e-17"


def test_the_server_is_given_or_of_the_environment_or_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = read_key({"api_key": token("https://a.example.org:8443/user", "api_key", begin=0, seconds=9e9)})
    assert server_of(None, key) == "https://a.example.org:8443"
    monkeypatch.setenv("COMMENSAL_URL", "http://b.example.org/")
    assert server_of(None, key) == "http://b.example.org"
    assert server_of("http://[::1]:8080", key) == "http://[::1]:8080"
    monkeypatch.delenv("COMMENSAL_URL")
    with pytest.raises(errors.SetupError, match="No server is known"):
        server_of(None, None)


@pytest.mark.parametrize("url", ["commons.example.org", "ftp://a", "https://", "http://a:99999", "http://a/portal"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.SetupError, match="base_url"):
        server_of(url, None)


def test_credentials_come_from_files_text_and_dicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.SetupError, match=r"no file credentials\.json in .*Profile page"):
        Gen3()
    content = {"api_key": token("http://a.example.org/user", "api_key", begin=0, seconds=9e9), "key_id": "k"}
    Path("credentials.json").write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    assert Gen3().base_url == "http://a.example.org"
    assert Gen3(credentials=json.dumps(content)).base_url == "http://a.example.org"
    key = read_key(content)
    assert content["api_key"] not in repr(key)
    for text, said in (("{}", "no 'api_key'"), ("[1]", "no 'api_key'"), ("nothing", "not the JSON")):
        Path("credentials.json").write_text(text)
        with pytest.raises(errors.SetupError, match=said):
            Gen3()
