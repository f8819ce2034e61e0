"""API keys, access tokens and the caller (contracts/gen3.md 3)."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.gen3.conftest import PROGRAM, Gen3
from tests.running import PASSWORD


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def session(gen3: Gen3) -> httpx.Client:
    """A browser of the reader that has signed in on the portal."""
    client = httpx.Client(base_url=gen3.url, follow_redirects=True)
    page = client.get("/portal/sign-in").text
    token = page.split('name="form_token" value="')[1].split('"')[0] if 'name="form_token"' in page else ""
    if not token:
        pytest.skip("the portal has no sign-in form yet")
    answer = client.post(
        "/portal/sign-in", data={"form_token": token, "email": "reader@example.org", "password": PASSWORD}
    )
    assert answer.status_code == 200, answer.text[:500]
    return client


def test_a_key_made_at_the_console_may_make_keys(gen3: Gen3) -> None:
    assert "credentials" in claims(gen3.keys["reader"]["api_key"])["scope"]
    made = gen3.call("POST", "/user/credentials/cdis/", "reader", json={"scope": ["data", "user"]})
    assert made.status_code == 200
    key = made.json()
    assert set(key) == {"api_key", "key_id"}
    told = claims(key["api_key"])
    assert told["iss"] == f"{gen3.url}/user"
    assert (told["pur"], told["jti"], told["aud"], told["azp"]) == ("api_key", key["key_id"], ["gen3"], "")
    assert sorted(told["scope"]) == ["data", "user"]
    assert told["exp"] - told["iat"] == 2_592_000
    token = gen3.call("POST", "/user/credentials/cdis/access_token", None, json=key).json()["access_token"]
    access = claims(token)
    assert (access["pur"], access["exp"] - access["iat"]) == ("access", 1800)
    assert access["context"]["user"]["name"] == "reader@example.org"
    assert len(token) < 4096
    headers = {"Authorization": f"BEARER {token}"}
    assert gen3.call("GET", "/", None, headers=headers).status_code == 200
    # What a key made cannot make keys itself.
    assert gen3.call("POST", "/user/credentials/cdis", None, headers=headers).status_code == 403
    listed = gen3.call("GET", "/user/credentials/cdis", "reader").json()["jtis"]
    assert key["key_id"] in {one["jti"] for one in listed}
    assert [one["exp"] for one in listed] == sorted((one["exp"] for one in listed), reverse=True)
    assert gen3.call("DELETE", f"/user/credentials/cdis/{key['key_id']}", "admin").status_code == 404
    gone = gen3.call("DELETE", f"/user/credentials/api/{key['key_id']}", "reader")
    assert (gone.status_code, gone.content) == (204, b"")
    assert gen3.call("POST", "/user/credentials/cdis/access_token", None, json=key).status_code == 401
    # Its tokens die with it, here at once.
    assert gen3.call("GET", "/", None, headers=headers).status_code == 401


def test_a_portal_session_makes_keys_here_and_opens_nothing_else(gen3: Gen3, session: httpx.Client) -> None:
    made = session.post("/user/credentials/cdis/?expires_in=600")
    assert made.status_code == 200, made.text
    told = claims(made.json()["api_key"])
    assert told["exp"] - told["iat"] == 600
    # The key would expire before the token.
    short = session.post("/user/credentials/cdis/access_token", json=made.json())
    assert short.status_code == 400
    assert "new API key" in short.json()["message"]
    assert session.get("/api/v0/submission/").status_code == 401
    foreign = session.post("/user/credentials/cdis/", headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert session.delete(f"/user/credentials/cdis/{made.json()['key_id']}").status_code == 204


@pytest.mark.parametrize("content", [b"", b"{}", b'{"api_key": 7}', b"[]", b"nonsense", b"\xff\xfe"])
def test_exchange_without_a_key(gen3: Gen3, content: bytes) -> None:
    answer = gen3.call("POST", "/user/credentials/cdis/access_token", None, content=content)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_exchange_takes_forms_and_refuses_what_is_no_key(gen3: Gen3) -> None:
    place = "/user/credentials/cdis/access_token"
    assert gen3.call("POST", place, None, data={"api_key": gen3.keys["reader"]["api_key"]}).status_code == 200
    many = gen3.call("POST", place, None, files={"api_key": (None, gen3.keys["reader"]["api_key"])})
    assert many.status_code == 200
    assert gen3.call("POST", place + "/", None, json=gen3.keys["reader"]).status_code == 200
    good = gen3.keys["reader"]["api_key"]
    for wrong in ("x", "a.b.c", good[:-4] + "AAAA", gen3.token("reader")):
        assert gen3.call("POST", place, None, json={"api_key": wrong}).status_code == 401
    long = gen3.call("POST", f"{place}?expires_in=999999999", None, json=gen3.keys["reader"]).json()["access_token"]
    assert claims(long)["exp"] - claims(long)["iat"] == 3600
    assert gen3.call("POST", f"{place}?expires_in=x", None, json=gen3.keys["reader"]).status_code == 400


def test_scopes_that_no_key_can_have(gen3: Gen3) -> None:
    assert gen3.call("POST", "/user/credentials/cdis", "reader", json={"scope": ["admin"]}).status_code == 400
    assert gen3.call("POST", "/user/credentials/cdis", "reader", json={"scope": 7}).status_code == 400
    assert gen3.call("POST", "/user/credentials/cdis", None).status_code == 401
    assert set(gen3.call("GET", "/user/credentials", "reader").json()) == {"cdis", "api"}


def test_the_caller(gen3: Gen3) -> None:
    place = gen3.project()
    for method, path in (("GET", "/user/user"), ("POST", "/user/user/")):
        shown = gen3.call(method, path, "writer").json()
        assert (shown["username"], shown["is_admin"], shown["role"]) == ("writer@example.org", False, "user")
        assert shown["sub"] == str(shown["user_id"])
        path = f"/programs/{PROGRAM}/projects/{place.split('/')[2]}"
        methods = {entry["method"] for entry in shown["authz"][path]}
        assert methods >= {"read", "read-storage", "create", "update", "delete", "release", "file_upload"}
        assert f"/programs/{PROGRAM}" in shown["resources"]
    admin = gen3.call("GET", "/user/user").json()
    assert admin["authz"]["/services/sheepdog/submission/program"] == [{"method": "*", "service": "sheepdog"}]
    own = gen3.call("GET", "/user/user", "nobody").json()["project_access"]
    assert all(name[:1] == "u" and name[1:].isdigit() for name in own), "nothing but a home project"
    assert gen3.call("GET", "/user/user", None).status_code == 401


def test_public_keys_verify_tokens(gen3: Gen3) -> None:
    from joserfc import jwt
    from joserfc.jwk import KeySet, RSAKey

    keys = gen3.call("GET", "/user/.well-known/jwks", None).json()
    assert gen3.call("GET", "/user/jwks", None).json() == keys
    told = jwt.decode(gen3.token("reader"), KeySet.import_key_set(keys), algorithms=["RS256"])
    assert told.claims["pur"] == "access"
    kid, pem = gen3.call("GET", "/user/jwt/keys", None).json()["keys"][0]
    assert kid == told.header["kid"]
    assert jwt.decode(gen3.token("reader"), RSAKey.import_key(pem), algorithms=["RS256"]).claims == told.claims
    about = gen3.call("GET", "/user/.well-known/openid-configuration", None).json()
    assert about["issuer"] == f"{gen3.url}/user"
