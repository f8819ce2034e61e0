"""Whatever is sent to any route of this door, the answer is JSON with a sentence, never a defect (b12: no 500)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from commensal.faces.pangea.routes import ROUTES
from tests.pangea.conftest import Pangea, Person

ODD: tuple[bytes, ...] = (
    b"", b"null", b"[]", b'"x"', b"{", b'{"name": null}', b'{"name": "\\u0000", "metadata": {"a": "\\ud800"}}',
    b'{"name": 5, "names": 5, "library": 5, "organization": [], "sample": {}, "sample_group": true, "user": {}}',
    b'{"name": "%s", "metadata": "x", "stored_data": null, "is_public": "maybe", "replicate": [], "filename": 3}'
    % (b"n" * 3000),
    b'{"sample_uuids": "x", "sample_uuid": [1], "tag_uuid": "0", "parts": [1], "dependencies": 5, "pipeline": "x"}',
    b'{"name": "ok", "module_name": "m", "version": 1, "payload": {}, "upload_id": 1, "n_parts": "x", "stance": "no"}',
)  # fmt: skip
QUERIES = ("page=x&uuid=%00&name=%00", "page=99999999999999999999&library_id=x", "name=%F0%9F%98%80&n=-5&query=%25%27")


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
