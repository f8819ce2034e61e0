"""What a request says: path, query, page and body, read strictly and refused in this door's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.lineage import Address
from commensal.errors import Malformed, NotFound
from commensal.faces.kit.bodies import decode_json, read_bytes, read_form
from commensal.faces.kit.credentials import header
from commensal.faces.kit.request import Request
from commensal.faces.pangea.errors import AbsentPage, FieldErrors

__all__ = [
    "ABSENT",
    "Given",
    "Page",
    "address_of",
    "envelope",
    "filter_uuid",
    "no_object",
    "page_of",
    "path_uuid",
    "read_body",
]

PAGE = 100
_FORM_LIMIT = 8 * 1024 * 1024
_JSON_FIELDS = frozenset({"metadata", "stored_data", "names", "sample_uuids", "parts", "dependencies"})
#: Digits of a page number that is looked at: what is beyond cannot be there.
_MOST_DIGITS = 9


def path_uuid(request: Request, name: str = "uuid") -> UUID:
    """Return a uuid of the path (``.json`` at its end is dropped); raises NotFound for what is none."""
    text = request.params[name].removesuffix(".json")
    if not is_uuid(text):
        raise NotFound("There is no such thing.")
    return UUID(text)


def address_of(request: Request) -> Address:
    """Return the address in a nested path."""
    params = request.params
    replicate = request.query_params.get("replicate") if request.scope["query_string"] else None
    return Address(
        params["org"], params.get("group"), params.get("sample"), params.get("module"), replicate, params.get("field")
    )


def filter_uuid(request: Request, name: str) -> UUID | None:
    """Return a uuid of the query, None where it is absent or empty; raises FieldErrors for what is none."""
    text = request.query_params.get(name)
    if not text:
        return None
    if not is_uuid(text):
        sentence = "Enter a valid UUID." if name == "uuid" else f"“{text[:80]}” is not a valid UUID."
        raise FieldErrors({name: [sentence]})
    return UUID(text)


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for, from 1."""

    number: int

    @property
    def window(self) -> dict[str, int]:
        """The same as services take it."""
        return {"offset": (self.number - 1) * PAGE, "limit": PAGE}


def page_of(request: Request) -> Page:
    """Return the page that is asked for; raises AbsentPage for what is no number from 1 on."""
    text = request.query_params.get("page", "1") if request.scope["query_string"] else "1"
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits or len(digits) > _MOST_DIGITS:
        raise AbsentPage("Invalid page.")
    return Page(int(digits))


def envelope(request: Request, page: Page, results: Sequence[Any], total: int) -> dict[str, Any]:
    """Return one page with links to its neighbours, on the address that the caller used (contracts/pangea.md a2, b1).

    Raises AbsentPage for one behind the last.
    """
    if page.number > 1 and not results:
        raise AbsentPage("Invalid page.")
    following = page.number * PAGE < total
    return {
        "count": total,
        "next": _link(request, page.number + 1) if following else None,
        "previous": _link(request, page.number - 1) if page.number > 1 else None,
        "results": results,
    }


def _link(request: Request, number: int) -> str:
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    pairs = [pair for pair in pairs if pair[0] != "page"]
    if number > 1:
        pairs.append(("page", str(number)))
    path = request.exchange.lead + request.scope["raw_path"].decode("latin-1")
    return request.link(path) + (f"?{urlencode(pairs)}" if pairs else "")


async def read_body(request: Request) -> dict[str, Any]:
    """Return the body as an object: JSON, a form or a multipart form; nothing is an empty object.

    Raises Malformed, and FieldErrors for JSON that is no object.
    """
    kind = (header(request.scope["headers"], b"content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _of_form(await read_form(request, limit=_FORM_LIMIT))
    data = await read_bytes(request, _FORM_LIMIT if kind == "multipart/form-data" else None)
    if not data.strip():
        return {}
    if kind == "multipart/form-data":
        return _of_form(_multipart(data, header(request.scope["headers"], b"content-type") or ""))
    try:
        value = decode_json(data)
    except Malformed as error:
        raise Malformed(f"JSON parse error - {error.message}") from error
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise FieldErrors({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]})
    return value


def _of_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a form; those that hold JSON are decoded."""
    found: dict[str, Any] = dict(form)
    for name in _JSON_FIELDS & found.keys():
        try:
            found[name] = decode_json(found[name].encode())
        except Malformed:
            raise FieldErrors({name: ["Value must be valid JSON."]}) from None
    return found


def _multipart(data: bytes, content_type: str) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + data
    )
    if not message.is_multipart():
        raise Malformed("Multipart form parse error - Invalid boundary in multipart.")
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        body = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(body, bytes):
            found[name] = body.decode("utf-8", "replace")
    return found


ABSENT: Any = object()


class Given:
    """The fields of a body; what is wrong with them is gathered, and raised at once by ``check``."""

    def __init__(self, body: dict[str, Any], *, partial: bool = False) -> None:
        self.body = body
        self.partial = partial
        self.errors: dict[str, list[str]] = {}

    def wrong(self, name: str, sentence: str) -> None:
        """Note what is wrong with a field."""
        self.errors.setdefault(name, []).append(sentence)

    def check(self) -> None:
        """Raise FieldErrors when something was wrong."""
        if self.errors:
            raise FieldErrors(self.errors)

    def has(self, name: str) -> bool:
        """Tell whether a field was given."""
        return name in self.body

    def text(self, name: str, *, required: bool = False, blank: bool = True, longest: int = 100_000) -> str | None:
        """Return a text, None where it is absent; null counts as absent where it is not required."""
        if name not in self.body:
            if required and not self.partial:
                self.wrong(name, "This field is required.")
            return None
        value = self.body[name]
        if value is None:
            if required:
                self.wrong(name, "This field may not be null.")
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.wrong(name, "Not a valid string.")
            return None
        text = str(value)
        if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
            self.wrong(name, "Null characters are not allowed.")
        if not blank and not text.strip():
            self.wrong(name, "This field may not be blank.")
        if len(text) > longest:
            self.wrong(name, f"Ensure this field has no more than {longest} characters.")
        return text

    def flag(self, name: str) -> bool | None:
        """Return a truth value, None where it is absent."""
        value = self.body.get(name)
        if value is None:
            return None
        words = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
        word = value.lower() if isinstance(value, str) else value
        try:
            return words[word]
        except (KeyError, TypeError):
            self.wrong(name, "Must be a valid boolean.")
            return None

    def uuid(self, name: str, *, required: bool = False) -> UUID | None:
        """Return the uuid of another thing, None where it is absent."""
        if self.body.get(name) is None:
            if required and not self.partial:
                self.wrong(name, "This field is required." if name not in self.body else "This field may not be null.")
            return None
        text = str(self.body[name])
        if not is_uuid(text):
            self.wrong(name, f"“{text[:80]}” is not a valid UUID.")
            return None
        return UUID(text)

    def uuids(self, name: str) -> list[UUID]:
        """Return a list of uuids; empty where it is absent."""
        value = self.body.get(name) or []
        if not isinstance(value, list):
            value = [value]
        found = [UUID(str(one)) for one in value if is_uuid(str(one))]
        for one in value:
            if not is_uuid(str(one)):
                self.wrong(name, f"“{str(one)[:80]}” is not a valid UUID.")
                break
        return found

    def json(self, name: str, *, required: bool = False, null: bool = False) -> Any:
        """Return any JSON value, ``ABSENT`` where it is absent; text of a form is read as JSON."""
        if name not in self.body:
            if required and not self.partial:
                self.wrong(name, "This field is required.")
            return ABSENT
        value = self.body[name]
        if value is None and not null:
            self.wrong(name, "This field may not be null.")
        return value


def no_object(name: str, uuid: object) -> FieldErrors:
    """Return the error for a uuid that leads to nothing which may be named here."""
    return FieldErrors({name: [f'Invalid pk "{uuid}" - object does not exist.']})
