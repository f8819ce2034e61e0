"""Forms: read once, checked for their token, and shown again with what was typed when something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from commensal.errors import CommensalError, Forbidden, InvalidRows, Malformed
from commensal.faces.kit.request import Request
from commensal.portal.session import check_form_token

__all__ = ["Form", "read_form", "require_token"]

_TYPE = "application/x-www-form-urlencoded"
_FIELDS = 2_000
#: Never put back into a page.
_SECRET_FIELDS = ("form_token", "password", "new_password", "old_password", "again", "token")


@dataclass(slots=True)
class Form:
    """What was typed, and what is wrong with it: ``problems`` by field, ``message`` for the whole."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    lists: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    message: str = ""

    def text(self, name: str) -> str:
        """Return a field without space around it; empty when it was not sent."""
        return self.values.get(name, "").strip()

    def secret(self, name: str) -> str:
        """Return a field as it was typed."""
        return self.values.get(name, "")

    def ticked(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return self.values.get(name, "") in ("1", "on", "true", "yes")

    def whole(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number in a range, or None when nothing was typed; raises Malformed otherwise."""
        text = self.text(name)
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise Malformed(f"Give a whole number from {low} to {high}.", field=name)
        return int(text)

    def require(self, **labels: str) -> bool:
        """Note a problem for each of these fields that is empty; tell whether all are filled."""
        for name, sentence in labels.items():
            if not self.values.get(name, "").strip():
                self.problems[name] = sentence
        return not self.problems

    def refuse(self, error: CommensalError, **fields: str) -> Form:
        """Note an error at its fields, or for the whole form; ``fields`` gives a service's field its name here."""
        if isinstance(error, InvalidRows) and error.problems:
            rest: list[str] = []
            for problem in error.problems:
                name = fields.get(problem.field or "", problem.field or "")
                if name in self.values:
                    self.problems[name] = " ".join(filter(None, (self.problems.get(name), problem.message)))
                else:
                    rest.append(str(problem))
            self.message = " ".join(rest)
            return self
        name = fields.get(error.field or "", error.field or "")
        if name in self.values:
            self.problems[name] = error.message
        else:
            self.message = error.message
        return self

    def shown(self) -> Form:
        """Return the form as the page may show it again: without secrets."""
        kept = {name: value for name, value in self.values.items() if name not in _SECRET_FIELDS}
        return Form(kept, {}, self.problems, self.message)


async def read_form(request: Request) -> Form:
    """Read a posted form.

    Raises Malformed when the body is no form, Forbidden when its token is missing or not this browser's.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _TYPE:
        raise Malformed("The pages of the portal send their forms URL-encoded; this was something else.")
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Malformed("The form could not be read.") from None
    form = Form()
    for name, value in pairs:
        if "\x00" in value:
            raise Malformed("The form holds a zero character.")
        form.values.setdefault(name, value)
        form.lists.setdefault(name, []).append(value)
    require_token(request, form.values.get("form_token", ""))
    return form


def require_token(request: Request, given: str) -> None:
    """Raise Forbidden unless a form's token is one that this browser got from us."""
    if not check_form_token(request, given):
        raise Forbidden(
            "This form is no longer valid, perhaps because you signed in or out meanwhile. "
            "Load the page again and repeat."
        )
