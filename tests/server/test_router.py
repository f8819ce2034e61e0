"""Paths to routes, faces to places."""

from __future__ import annotations

import pytest

from commensal.core.principals import Door
from commensal.errors import Malformed, SetupError
from commensal.faces.face import Face, Faces, Route
from commensal.faces.kit.answers import empty
from commensal.faces.kit.router import Router, split_path


def make(*patterns: str, either_slash: bool = True) -> Router[str]:
    router = Router[str](either_slash=either_slash)
    for entry in patterns:
        method, pattern = entry.split(" ")
        router.add(method, pattern, entry)
    return router


def find(router: Router[str], method: str, path: str) -> tuple[str | None, dict[str, str]]:
    found = router.match(method, split_path(path.encode()))
    return found.target, found.params


def test_literal_text_wins_over_typed_over_plain_parameters_over_the_rest():
    router = make("GET /a/new", "GET /a/{id:int}", "GET /a/{name}", "GET /a/{path:path}")
    assert find(router, "GET", "/a/new") == ("GET /a/new", {})
    assert find(router, "GET", "/a/17") == ("GET /a/{id:int}", {"id": "17"})
    assert find(router, "GET", "/a/x17") == ("GET /a/{name}", {"name": "x17"})
    assert find(router, "GET", "/a/x/17") == ("GET /a/{path:path}", {"path": "x/17"})


def test_a_choice_that_leads_nowhere_is_taken_back():
    router = make("GET /p/graphql", "GET /p/{program}/{project}", "POST /{x}/graphql/y")
    assert find(router, "GET", "/p/graphql/z") == ("GET /p/{program}/{project}", {"program": "graphql", "project": "z"})
    assert find(router, "POST", "/p/graphql/y") == ("POST /{x}/graphql/y", {"x": "p"})


def test_escapes_are_decoded_inside_their_segment():
    router = make("GET /f/{name}/end", "GET /g/{path:path}")
    assert find(router, "GET", "/f/a%2Fb%20%C3%A9/end")[1] == {"name": "a/b é"}
    assert find(router, "GET", "/g/a%20b/c")[1] == {"path": "a b/c"}


@pytest.mark.parametrize("path", ["/f/%zz", "/f/%", "/f/%ff", "/f/%00", "/f/\xff"])
def test_paths_that_cannot_be_read_are_refused(path: str):
    with pytest.raises(Malformed):
        split_path(path.encode("latin-1"))


def test_slash_at_the_end():
    either, exact = make("GET /a/b/"), make("GET /a/b/", "POST /a/b", either_slash=False)
    assert find(either, "GET", "/a/b")[0] == find(either, "GET", "/a/b/")[0] == "GET /a/b/"
    assert find(exact, "GET", "/a/b")[0] is None
    assert find(exact, "GET", "/a/b/")[0] == "GET /a/b/"
    assert find(exact, "POST", "/a/b")[0] == "POST /a/b"


def test_other_methods_are_named_and_head_is_get():
    router = make("GET /a", "PUT /a", "DELETE /{x}")
    found = router.match("POST", ["a"])
    assert found.target is None
    assert found.allowed == ("DELETE", "GET", "HEAD", "PUT")
    assert router.match("HEAD", ["a"]).target == "GET /a"
    assert router.match("DELETE", ["a"]).target == "DELETE /{x}"


def test_the_same_route_twice_and_bad_patterns_are_refused():
    router = make("GET /a/{x}")
    for pattern in ("/a/{y}", "a", "/a/{x", "/a/x{y}", "/{p:path}/a", "/{x:date}"):
        with pytest.raises(ValueError, match=r"."):
            router.add("GET", pattern, "z")


def test_cost_does_not_grow_with_the_number_of_routes():
    router = Router[int]()
    for n in range(2000):
        router.add("GET", f"/api/v{n}/things/{{id}}/parts/{{part}}", n)
    assert router.match("GET", ["api", "v1999", "things", "a", "parts", "b"]).target == 1999
    assert router.match("GET", ["api", "v1999", "other"]).target is None


async def nothing(request: object) -> object:
    return empty()


def face(name: str, *prefixes: str, paths: tuple[str, ...] = ()) -> Face:
    routes = tuple(Route("GET", path, nothing, "x") for path in paths)  # type: ignore[arg-type]
    return Face(name=name, door=Door.API, title=name, prefixes=prefixes, routes=routes)


def test_the_longest_prefix_wins_under_api_only():
    faces = Faces([face("pangea", "/api"), face("odm", "/api/v1"), face("gen3", "/api/v0", "/user"), face("root", "/")])
    for path, owner in [
        ("/api/v0/submission", "gen3"),
        ("/api/v1/x", "odm"),
        ("/api/v2/x", "pangea"),
        ("/api", "pangea"),
        ("/user/user", "gen3"),
        ("/users", "root"),
        ("/", "root"),
    ]:
        found = faces.owner(path.split("/")[1:])
        assert found is not None
        assert found.name == owner, path


@pytest.mark.parametrize(
    "clash",
    [
        [("a", "/x"), ("b", "/x")],
        [("a", "/x"), ("b", "/x/y")],
        [("a", "/x/y/z"), ("b", "/x/y")],
        [("a", "/x"), ("a", "/y")],
    ],
)
def test_clashes_refuse_to_start(clash: list[tuple[str, str]]):
    with pytest.raises(SetupError):
        Faces([face(name, prefix) for name, prefix in clash])


def test_a_route_outside_its_face_refuses_to_start():
    with pytest.raises(SetupError, match="outside"):
        Faces([face("a", "/x", paths=("/y/z",))])
    with pytest.raises(SetupError, match="twice"):
        Faces([face("a", "/x", paths=("/x/{a}", "/x/{b}"))])
