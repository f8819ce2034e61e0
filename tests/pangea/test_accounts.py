"""Registering, logging in and out, passwords, and who is seen by whom (contracts/pangea.md b1, b2)."""

from __future__ import annotations

from tests.pangea.conftest import PASSWORD, Pangea, Person


def test_register_log_in_and_out(pangea: Pangea, stranger: Person):
    me = stranger("POST", "auth/users/", 201, json={"email": "Zoe@EXAMPLE.org", "password": "Foobar22"})
    assert me == {"email": "Zoe@example.org", "id": me["id"]}
    assert isinstance(me["id"], int)
    taken = stranger("POST", "auth/users/", 400, json={"email": "zoe@example.org", "password": "Foobar22"})
    assert taken == {"email": ["user with this email address already exists."]}
    weak = stranger("POST", "auth/users/", 400, json={"email": "y@example.org", "password": "4827561"})
    short = "This password is too short. It must contain at least 8 characters."
    assert weak == {"password": [short, "This password is entirely numeric."]}
    weak = stranger("POST", "auth/users/", 400, json={"email": "y@example.org", "password": "password"})
    assert weak == {"password": ["This password is too common."]}
    missing = stranger("POST", "auth/users/", 400, json={"email": ""})
    assert missing == {"email": ["This field may not be blank."], "password": ["This field is required."]}

    login = {"email": "zoe@example.org", "password": "Foobar22"}
    token = stranger("POST", "auth/token/login", json=login)["auth_token"]
    assert len(token) == 40
    int(token, 16)
    # The same until the log-out; with a slash, as a form, and whatever stale token comes along.
    assert stranger("POST", "auth/token/login/", data=login)["auth_token"] == token
    stale = {"Authorization": "Token " + "0" * 40}
    assert stranger("POST", "auth/token/login", json=login, headers=stale)["auth_token"] == token
    for wrong in ({"email": "zoe@example.org", "password": "Foobar23"}, {"email": "zoe@example.org"}, {}):
        answer = stranger("POST", "auth/token/login", 400, json=wrong)
        assert answer == {"non_field_errors": ["Unable to log in with provided credentials."]}

    zoe = Person(pangea.running, "zoe@example.org", token)
    assert zoe("GET", "auth/users/me/") == {"email": "Zoe@example.org", "id": me["id"]}
    assert zoe("GET", "auth/users/")["results"] == [{"email": "Zoe@example.org", "id": me["id"]}]
    assert zoe("POST", "auth/users/set_password/", 400, json={"new_password": PASSWORD, "current_password": "no"}) == {
        "current_password": ["Invalid password."]
    }
    # Without a slash the answer is JSON, which the command line client reads; the token ends with the old password.
    assert zoe("POST", "auth/users/set_password", json={"new_password": PASSWORD, "current_password": "Foobar22"}) == {}
    assert zoe("GET", "users/me", 403) == {"detail": "Invalid token."}
    login["password"] = PASSWORD
    zoe.token = stranger("POST", "auth/token/login", json=login)["auth_token"]
    assert zoe.token != token
    assert zoe.send("POST", "auth/users/set_password/", json={
        "new_password": "Foobar22", "current_password": PASSWORD,
    }).status_code == 204  # fmt: skip
    login["password"] = "Foobar22"
    zoe.token = stranger("POST", "auth/token/login", json=login)["auth_token"]
    zoe("POST", "auth/token/logout", 204)
    assert zoe("GET", "users/me", 403) == {"detail": "Invalid token."}


def test_people_see_whom_they_work_with(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    assert stranger("GET", "users/me", 403)["detail"] == "Authentication credentials were not provided."
    stranger("GET", "users", 403)
    cat = pangea.person("cat")
    me = cat("GET", "users/me")
    assert (me["email"], me["is_staff"], me["is_active"], me["organization_objs"]) == (cat.email, False, True, [])
    assert cat("GET", f"users/{me['uuid']}") == cat("GET", f"users/id/{me['id']}") == me
    bob("GET", f"users/{me['uuid']}", 404)
    bob("GET", f"users/id/{me['id']}", 404)
    assert me["id"] not in [one["id"] for one in bob("GET", "users")["results"]]

    changed = cat("PATCH", f"users/{me['uuid']}", json={"name": "Cat", "company": "Lab", "email": "evil@x.org"})
    assert (changed["name"], changed["company"], changed["email"]) == ("Cat", "Lab", cat.email)
    assert cat("PATCH", f"users/{me['uuid']}", 400, json={"url": 5}) == {"url": ["Not a valid string."]}

    org = ann("POST", "organizations", 201, json={"name": pangea.name("people")})
    place = f"organizations/{org['uuid']}/users"
    assert bob("POST", place, 404, json={"user": cat.id}) == {"detail": "Not found."}  # he may not know of it
    assert ann("POST", place, 400, json={"user": 999999999}) == {
        "user": ['Invalid pk "999999999" - object does not exist.']
    }
    assert ann("POST", place, json={"user": cat.id}) == {"status": "success"}
    assert ann("POST", place, json={"user": cat.id}) == {"status": "success"}
    assert [one["email"] for one in cat("GET", place)["results"]] == [ann.email, cat.email]
    assert {"uuid": org["uuid"], "name": org["name"]} in cat("GET", "users/me")["organization_objs"]
    assert ann("GET", f"users/id/{cat.id}")["name"] == "Cat"
    assert cat("POST", "sample_groups", 201, json={"name": pangea.name("g"), "organization": org["uuid"]})
    other = pangea.library(ann)
    assert bob("POST", f"organizations/{other['organization']}/users", 403, json={"user": bob.id}) == {
        "detail": "Insufficient permissions to add user to organization."
    }
    bob("GET", f"organizations/{other['organization']}/users", 403)


def test_words_of_refusals(ann: Person, stranger: Person):
    for method, path in (("POST", "organizations"), ("POST", "samples"), ("PUT", "samples/x"), ("GET", "users/me")):
        answer = stranger.send(method, f"/api/{path}", json={})
        assert (answer.status_code, answer.json()) == (
            403,
            {"detail": "Authentication credentials were not provided."},
        )
        assert "www-authenticate" not in answer.headers
    wrong = {"Authorization": "Token 123"}
    assert stranger("GET", "sample_groups", 403, headers=wrong) == {"detail": "Invalid token."}
    assert stranger("GET", "sample_groups", headers={"Authorization": "Bearer 123"})["count"] >= 0  # a foreign scheme
    nobody = "00000000-0000-4000-8000-000000000000"
    # Only where the token may come with the address is the answer 401.
    for more in ({"headers": wrong}, {"params": {"token": "123"}}):
        answer = stranger.send("GET", f"sample_groups/{nobody}/manifest", **more)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Token")
        assert answer.json() == {"detail": "Invalid token."}
    assert ann("DELETE", "samples", 405) == {"detail": 'Method "DELETE" not allowed.'}
    for path in (f"samples/{nobody}", "samples/zz", "nested/nope", "nested/no/sample_groups/x", "nonsense/x"):
        assert ann("GET", path, 404) == {"detail": "Not found."}
    assert ann("GET", "samples?format=xml", 404) == {"detail": "Not found."}
    assert ann("GET", "samples.json")["count"] >= 0
    assert ann("GET", "samples?uuid=zz", 400) == {"uuid": ["Enter a valid UUID."]}
    assert ann("GET", "sample_groups?organization_id=zz", 400) == {"organization_id": ["“zz” is not a valid UUID."]}
    assert ann("POST", "samples", 400, content=b"{x")["detail"].startswith("JSON parse error - ")
    assert "non_field_errors" in ann("POST", "samples", 400, json=[1])
