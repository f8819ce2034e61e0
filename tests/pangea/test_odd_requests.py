"""Whatever is sent to any route of this door, the answer is JSON with a sentence, never a defect (b12: no 500)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from commensal.faces.pangea.routes import ROUTES
from commensal.storage.postgres.database import PgDatabase
from tests.pangea.conftest import Pangea, Person
from tests.pangea.door import in_process

ODD: tuple[bytes, ...] = (
    b"", b"null", b"[]", b'"x"', b"{", b'{"name": null}', b'{"name": "\\u0000", "metadata": {"a": "\\ud800"}}',
    b'{"name": 5, "names": 5, "library": 5, "organization": [], "sample": {}, "sample_group": true, "user": {}}',
    b'{"name": "%s", "metadata": "x", "stored_data": null, "is_public": "maybe", "replicate": [], "filename": 3}'
    % (b"n" * 3000),
    b'{"sample_uuids": "x", "sample_uuid": [1], "tag_uuid": "0", "parts": [1], "dependencies": 5, "pipeline": "x"}',
    b'{"name": "ok", "module_name": "m", "version": 1, "payload": {}, "upload_id": 1, "n_parts": "x", "stance": "no"}',
)  # fmt: skip
QUERIES = (
    "page=x&uuid=%00&name=%00", "page=99999999999999999999&library_id=x", "name=%F0%9F%98%80&n=-5&query=%25%27",
    f"page=000000000001{'9' * 5000}", f"page=0000000000019{'9' * 20}&n={'9' * 5000}&max_num={'9' * 30}",
)  # fmt: skip


def test_no_request_is_a_defect(pangea: Pangea, ann: Person, stranger: Person):
    library = pangea.library(ann)
    sample = pangea.sample(ann, library, "s")
    result = pangea.result(ann, sample, "m")
    field = {"analysis_result": result["uuid"], "name": "f", "stored_data": {}}
    made = ann("POST", "sample_ar_fields", 201, json=field)
    known = {
        "org": library["organization_obj"]["name"],
        "group": library["name"],
        "sample": "s",
        "module": "m",
        "field": "f",
    }
    uuids = [library["uuid"], sample["uuid"], result["uuid"], made["uuid"], library["organization"], "zz", "\u0000"]
    bad: list[Any] = []
    for route in ROUTES:
        if route.path.startswith("/api/auth/") or not route.documented:
            continue
        # A DELETE of what is there would take the rest of the test away.
        places = {"uuid": "zz" if "DELETE" in route.verbs else None}
        for turn, body in enumerate(ODD):

            def value(found: re.Match[str], turn: int = turn, places: dict[str, Any] = places) -> str:
                name = found[1].partition(":")[0]
                odd = "ü'\"%; --" if turn % 3 == 2 else known.get(name)
                return quote(odd if odd is not None else places.get(name) or uuids[turn % len(uuids)], safe="")

            path = re.sub(r"\{([^}]+)\}", value, route.path)
            if "DELETE" in route.verbs and "nested" in path and turn % 3 != 2:
                continue
            for method in route.verbs:
                more = {"content": body, "headers": {"Content-Type": "application/json"}} if method != "GET" else {}
                query = QUERIES[turn % len(QUERIES)]
                who = ann if turn % 4 else stranger
                answer = who.send(method, f"{path}?{query}", **more)
                kind = answer.headers.get("content-type", "")
                if answer.status_code >= 500 or (answer.content and answer.status_code >= 400 and "json" not in kind):
                    bad.append((method, path, query, body[:60], answer.status_code, answer.text[:200]))
    assert bad == []


def test_what_cannot_be_stored_is_named_by_its_field(pangea: Pangea, ann: Person):
    library = pangea.library(ann)["uuid"]
    zero = "\u0000"
    for sent, field in (({"name": "s", "metadata": {"a": zero}}, "metadata"), ({"name": f"a{zero}"}, "name")):
        assert list(ann("POST", "samples", 400, json={"library": library, **sent})) == [field]
    refused = ann("POST", "bulk_samples", 400, json={"names": ["kept out", f"a{zero}"], "library": library})
    assert list(refused) == ["name"]
    assert ann("GET", f"samples?library_id={library}")["count"] == 0


def test_a_number_beyond_all_floats_has_a_type(pangea: Pangea, ann: Person):
    library = pangea.library(ann)
    large = "9" * 400
    body = f'{{"name": "s", "library": "{library["uuid"]}", "metadata": {{"n": {large}}}}}'
    made = ann("POST", "samples", 201, content=body, headers={"Content-Type": "application/json"})
    assert made["metadata"] == {"n": int(large)}
    place = f"sample_groups/{library['uuid']}"
    schema = ann("POST", f"{place}/generate_metadata_schema", 201)["schema"]
    assert schema == {"fields": [{"name": "n", "type": "integer"}]}
    assert ann("GET", f"{place}/validate_metadata_schema")["errors"] == []


@pytest.mark.parametrize("registration", ["closed", "invite"])
async def test_where_nobody_registers_himself_it_is_said(
    database: PgDatabase, dsn: str, tmp_path: Path, registration: str
):
    async with in_process(database, dsn, tmp_path, registration=registration) as door:
        sent = {"email": "b@example.org", "password": "Foobar22xq"}
        refused = await door("POST", "auth/users/", 403, json=sent)
        assert list(refused) == ["detail"]
        assert refused["detail"] != "You do not have permission to perform this action."
        wrong = await door("POST", "auth/token/login", 400, json=sent)
        assert wrong == {"non_field_errors": ["Unable to log in with provided credentials."]}
        own = {"email": "a@example.org", "password": "correct horse battery"}
        assert len((await door("POST", "auth/token/login", json=own))["auth_token"]) == 40


async def test_a_group_is_made_in_an_organization_that_stays_or_not_at_all(
    database: PgDatabase, dsn: str, tmp_path: Path
):
    async with in_process(database, dsn, tmp_path) as door:
        for _ in range(4):
            org = await door("POST", "organizations", 201, json={"name": "o"})
            place = f"/api/organizations/{org['uuid']}"
            sent = [{"name": f"g{n}", "organization": org["uuid"], "is_library": n % 2 == 0} for n in range(6)]
            made = [door.client.post("/api/sample_groups", json=body) for body in sent]
            made.insert(3, door.client.delete(place))
            answers = await asyncio.gather(*made)
            assert {answer.status_code for answer in answers} <= {201, 204, 400, 404}, [one.text for one in answers]
            assert answers[3].status_code == 204
            assert (await door("GET", f"sample_groups?organization_id={org['uuid']}"))["count"] == 0
            await door("GET", f"organizations/{org['uuid']}", 404)
