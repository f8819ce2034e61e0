"""Passwords: what may be one, and argon2id in threads (RFC 9106).

The rule is the same on all doors: at least 8 characters, not all digits, not in the list of common
ones. Each check of a password costs the same time, whether there is an account or not.
"""

from __future__ import annotations

import asyncio
import string
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from commensal.errors import InvalidRows, Problem, TooManyRequests

__all__ = ["LONGEST", "SHORTEST", "Passwords", "check_password", "common_passwords", "password_problems"]

SHORTEST = 8
LONGEST = 1_024
#: One check takes 64 MiB: this many at a time in a process, the others wait.
AT_ONCE = 2
WAITING = 100

#: ``code`` of each problem, for doors that have texts of their own.
TOO_SHORT = "password_too_short"
TOO_LONG = "password_too_long"
TOO_COMMON = "password_too_common"
ALL_DIGITS = "password_entirely_numeric"
UNREADABLE = "password_unreadable"

_DISGUISES = [
    str.maketrans(pair) for pair in ({"o": "0"}, {"a": "@", "o": "0"}, {"a": "4", "e": "3", "i": "1", "o": "0"})
]


@cache
def common_passwords() -> frozenset[str]:
    """Return some 30,000 passwords that guessing tries first, in lower case."""
    sections: dict[str, list[str]] = {}
    section = ""
    for line in (files("commensal.services") / "common_passwords.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif not line.startswith("# "):
            sections.setdefault(section, []).extend(line.split())
    words = sections["words"]
    words += [word.translate(disguise) for word in words for disguise in _DISGUISES]
    found = {word + ending for word in words for ending in ("", *sections["endings"])}
    found |= {beginning + word for word in words for beginning in sections["beginnings"]}
    found |= {word + word for word in words}
    for letter in string.ascii_lowercase:
        found |= {letter * times for times in range(SHORTEST, 17)}
        found |= {letter + "12345678"[:digits] for digits in (7, 8)}
        found |= {letter * 4 + "1234", "12345678" + letter}
    return frozenset(word for word in found if len(word) >= SHORTEST)


def _problem(code: str, message: str) -> Problem:
    return Problem(message, code=code, field="password")


def password_problems(password: str, *, email: str = "") -> list[Problem]:
    """Return everything that forbids a password, in the order in which people read it."""
    problems: list[Problem] = []
    if len(password) < SHORTEST:
        text = f"This password is too short. It must contain at least {SHORTEST} characters."
        problems.append(_problem(TOO_SHORT, text))
    if len(password) > LONGEST:
        problems.append(_problem(TOO_LONG, f"This password is too long. It must contain at most {LONGEST} characters."))
        return problems
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        problems.append(_problem(UNREADABLE, "This password holds control characters."))
    lowered = password.lower()
    if lowered in common_passwords() or (email and lowered in (email.lower(), email.lower().partition("@")[0])):
        problems.append(_problem(TOO_COMMON, "This password is too common."))
    if password.isdigit():
        problems.append(_problem(ALL_DIGITS, "This password is entirely numeric."))
    return problems


def check_password(password: str, *, email: str = "") -> None:
    """Raise ``InvalidRows`` with one Problem for each rule that a new password breaks."""
    problems = password_problems(password, email=email)
    if problems:
        raise InvalidRows(" ".join(problem.message for problem in problems), problems)


def _bytes(password: str) -> bytes:
    # The same password typed on two systems may be composed differently (RFC 8265, 4.2).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


class Passwords:
    """Hashes and checks passwords in threads, a few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """``hasher`` sets the cost; the default is RFC 9106's second recommendation (64 MiB, 3 passes)."""
        self._hasher = hasher or PasswordHasher()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody: str | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for one's turn; take it around ``verify`` and what must be read just before.

        Raises ``TooManyRequests`` at once when a hundred are waiting already: they take some seconds.
        """
        if self._waiting >= WAITING:
            raise TooManyRequests("Many people are signing in at this moment; try again soon.", retry_after=5)
        self._waiting += 1
        try:
            await self._gate.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._gate.release()

    async def hash(self, password: str) -> str:
        """Return the text to store."""
        async with self.turn():
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one; with ``stored`` None, take the same time and say no.

        The caller has its ``turn``.
        """
        return await asyncio.to_thread(self._verify, stored, password)

    def _verify(self, stored: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash(b"nobody has this password")
        if len(password) > LONGEST:
            password, stored = "", None
        try:
            return self._hasher.verify(stored or self._nobody, _bytes(password)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Tell whether a stored hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(stored)
