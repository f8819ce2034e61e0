"""Accounts, invitations and freshly made keys, as values; what an e-mail address and a name may be."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.core.principals import Credential, Door
from commensal.errors import Invalid

__all__ = [
    "EMAIL_LENGTH",
    "NAME_LENGTH",
    "GivenRole",
    "Invitation",
    "LiveCredential",
    "NewKey",
    "User",
    "clean_line",
    "fold_email",
    "normal_email",
]

#: RFC 5321, 4.5.3.1.3: a path of 256 octets with its two angle brackets.
EMAIL_LENGTH = 254
NAME_LENGTH = 200

_EMAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+")


@dataclass(frozen=True, slots=True)
class User:
    """One account. ``seq`` is its number on every door, ``login_counter`` ages its login token."""

    seq: int
    uuid: UUID
    email: str
    name: str
    site_admin: bool
    active: bool
    login_counter: int
    created: datetime
    last_signed_in: datetime | None = None

    @property
    def label(self) -> str:
        """The name for people: the given one, else the address."""
        return self.name or self.email


@dataclass(frozen=True, slots=True)
class LiveCredential:
    """A stored credential with its account, as both are now; not yet checked for expiry or revocation."""

    credential: Credential
    user: User


@dataclass(frozen=True, slots=True)
class GivenRole:
    """A role that an invitation brings: on a program, or on one project of it (numbers are ``seq``)."""

    role: str
    program: int
    project: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored with the invitation."""
        return {"role": self.role, "program": self.program, "project": self.project}


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation; ``link`` is set only in the answer that made it and is never stored."""

    id: int
    email: str
    name: str
    grants: tuple[GivenRole, ...]
    made_by: int | None
    made: datetime
    expires: datetime
    used: datetime | None = None
    link: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment its secret can be seen.

    ``shown`` is exactly what the door's users are given to save: Gen3 ``{api_key, key_id}``, Polly
    and Pangea ``{token}``, ODM ``{api_token, access_token}``, Opal ``{login, password}``.
    """

    id: int
    door: Door
    shown: dict[str, str] = field(repr=False)
    expires: datetime | None = None
    label: str = ""
    program: int | None = None


def _printable(text: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


def normal_email(text: str) -> str:
    """Return an address as it is stored: trimmed, its domain in lower case.

    Raises ``Invalid`` for anything that is not one name, one ``@`` and one domain of at most 254
    characters altogether. Whether mail arrives there is not known.
    """
    text = text.strip()
    if len(text) > EMAIL_LENGTH or not _EMAIL.fullmatch(text) or not _printable(text):
        raise Invalid("Enter a valid e-mail address, such as name@example.org.", field="email")
    name, _, domain = text.partition("@")
    if domain.startswith(".") or domain.endswith(".") or ".." in domain:
        raise Invalid("Enter a valid e-mail address, such as name@example.org.", field="email")
    return f"{name}@{domain.lower()}"


def fold_email(text: str) -> str:
    """Return the form in which two spellings of one address are equal."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()


def clean_line(text: str, *, field: str, length: int = NAME_LENGTH) -> str:
    """Return one line of text that people will read, trimmed.

    Raises ``Invalid`` when it is longer than ``length`` characters or holds control characters.
    """
    text = unicodedata.normalize("NFC", text.strip()) if _printable(text) else "\0"
    if "\0" in text:
        raise Invalid(f"The {field} holds control characters or line breaks; remove them.", field=field)
    if len(text) > length:
        raise Invalid(f"The {field} is longer than {length} characters.", field=field)
    return text
