"""Making pages: templates, the headers every page carries, and paging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from commensal.core.principals import Principal
from commensal.faces.kit.answers import Answer, Respond
from commensal.faces.kit.request import Request
from commensal.portal import formats
from commensal.portal.assets import asset_address
from commensal.portal.forms import Form
from commensal.portal.session import add_note, form_token, take_notes
from commensal.portal.site import site_of

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "PAGE_SIZES",
    "Paging",
    "addresses",
    "done",
    "page_of",
    "render",
    "with_templates",
]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TEMPLATES = Path(__file__).parent / "templates"
PAGE_SIZES = (25, 50, 100, 200)


@pass_context
def _local(context: Context, moment: datetime) -> str:
    return formats.local(moment, context["site"].zone)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        local=_local,
        utc=formats.utc,
        iso=formats.iso,
        number=formats.number,
        plural=formats.plural,
        size=formats.size,
        initials=formats.initials,
        as_text=formats.as_text,
        ticks=formats.ticks,
    )
    made.globals.update(asset=asset_address, form=Form())
    return made


ENVIRONMENT = _environment()


def with_templates(folder: Path) -> Environment:
    """Return the environment of these pages with the templates of another folder before them.

    For pages of other parts in the same frame: their templates extend ``base.html``; see ``render``.
    """
    return ENVIRONMENT.overlay(loader=ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(TEMPLATES)]))


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is shown; ``total`` counts all of it."""

    offset: int
    limit: int
    total: int

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return min(self.offset + self.limit, self.total)

    @property
    def previous(self) -> int:
        """The offset of the page before."""
        return max(0, self.offset - self.limit)

    @property
    def next(self) -> int:
        """The offset of the page after."""
        return self.offset + self.limit


def page_of(request: Request, *, limit: int = 25) -> tuple[int, int]:
    """Return offset and limit as the address asks for them, within bounds."""

    def whole(name: str, default: int) -> int:
        text = request.query_params.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else default

    size = whole("limit", limit)
    return whole("offset", 0), size if size in PAGE_SIZES else limit


def addresses(request: Request) -> Callable[..., str]:
    """Return a function that gives the address of this page with some parameters changed (None removes one)."""
    path = request.url.path
    now = [(name, value) for name, value in request.query_params.multi_items() if value]

    def address(**changes: Any) -> str:
        pairs = [(name, value) for name, value in now if name not in changes]
        pairs += [(name, str(value)) for name, value in changes.items() if value not in (None, "", 0)]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    return address


def known_person(request: Request) -> Principal | None:
    """Return who is signed in, as far as this route has looked."""
    principal = request.exchange.principal
    return principal if principal is not None and principal.user is not None else None


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    neutral: bool = False,
    environment: Environment = ENVIRONMENT,
    **values: Any,
) -> Respond:
    """Make a page.

    ``neutral`` pages (first page, documents) are the same for everybody: no cookie is read for them, and
    the navigation fills in who is signed in by itself.
    """
    person = None if neutral else known_person(request)
    values = {
        "site": site_of(request),
        "person": person,
        "neutral": neutral,
        "path": request.url.path,
        "notes": [] if neutral or template == "nav.html" else take_notes(request),
        "form_token": "" if neutral else form_token(request, signed_in=person is not None),
        "title": "",
        "status": status,
        **values,
    }
    body = environment.get_template(template).render(values)
    return Answer(
        body.encode("utf-8", "replace"),
        status=status,
        media_type="text/html; charset=utf-8",
        headers=page_headers(lasting=neutral and status < 400),
    )


def page_headers(*, lasting: bool) -> dict[str, str]:
    """Return the headers of a page; only ``lasting`` ones, which hold nothing of a person, may be kept and checked."""
    return {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "cache-control": "no-cache" if lasting else "no-store",
        "vary": "HX-Request",
    }


def go(request: Request, address: str) -> Respond:
    """Send the browser to another page after a form (303, so that a reload does not repeat the form)."""
    return Answer(status=303, headers={"location": address, "cache-control": "no-store"})


def done(request: Request, address: str, sentence: str = "", kind: str = "good") -> Respond:
    """Send the browser to another page that shows a sentence."""
    if sentence:
        add_note(request.exchange, sentence, kind)
    return go(request, address)
