"""Accounts as other people see them: a profile that its owner writes, and the programs they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from commensal.core.users import User, clean_line
from commensal.errors import Invalid

__all__ = ["PROFILE_KEYS", "PROFILE_LENGTH", "Person", "clean_profile"]

#: What a profile may say, all of it text.
PROFILE_KEYS = ("avatar", "biography", "url", "twitter_username", "github_username", "company", "location")
PROFILE_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class Person:
    """An account; ``programs``: uuid and title of those it belongs to and that the caller may know of."""

    user: User
    profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    home: UUID | None = None
    programs: tuple[tuple[UUID, str], ...] = ()


def clean_profile(changes: Mapping[str, Any]) -> dict[str, str]:
    """Return the changes that a profile takes; raises Invalid for what is no short text."""
    kept: dict[str, str] = {}
    for key, value in changes.items():
        if key not in PROFILE_KEYS:
            continue
        if value is not None and not isinstance(value, str):
            raise Invalid("Not a valid string.", field=key)
        text = value or ""
        kept[key] = text if key == "biography" else clean_line(text, field=key, length=PROFILE_LENGTH)
        if len(text) > PROFILE_LENGTH:
            raise Invalid(f"Ensure this field has no more than {PROFILE_LENGTH} characters.", field=key)
        if "\0" in text:
            raise Invalid("Null characters are not allowed.", field=key)
    return kept
