"""The path of a request, as one list.

Each step is a function that takes the next step and the edge, and returns an ASGI app. The first
step in the list sees a request first and its answer last.
"""

from __future__ import annotations

from starlette.types import ASGIApp

from commensal.server.dispatch import dispatch
from commensal.server.edge import Edge
from commensal.server.steps import Step
from commensal.server.steps.errors import encode_errors
from commensal.server.steps.observe import observe
from commensal.server.steps.origin import demo_rule, forwarded, links, one_host, plain_http
from commensal.server.steps.place import choose_face, cross_site, polly_prefix

__all__ = ["STEPS", "build_chain"]

STEPS: tuple[Step, ...] = (
    observe,  # request id, security headers, metrics, access log with redacted query
    forwarded,  # the caller's address and scheme: X-Forwarded-* from trusted proxies only
    links,  # the address that links are made with: Host only where it is ours
    polly_prefix,  # one leading segment *.elucidata.io is stripped and selects the Polly face
    choose_face,  # by the first segments of the path; from here on errors have that face's shape
    encode_errors,  # our errors in the face's own body; a defect is 500 with an id and no detail
    one_host,  # two Host headers are refused
    demo_rule,  # a demo answers this machine only, never through a proxy
    plain_http,  # redirect or refuse what came over plain HTTP
    cross_site,  # unsafe methods with a cookie or Basic from a foreign origin are refused
)


def build_chain(edge: Edge) -> ASGIApp:
    """Return the app of one worker: the steps in their order, and the dispatch to a route at the end."""
    app = dispatch(edge)
    for step in reversed(STEPS):
        app = step(app, edge)
    return app
