"""Identifiers: UUIDv7 made here (PostgreSQL 15 has none), and the fixed UUIDv5 names of programs and projects."""

from __future__ import annotations

import os
import re
from uuid import UUID, uuid5

__all__ = ["PROGRAM_NAMESPACE", "PROJECT_NAMESPACE", "is_uuid", "program_uuid", "project_uuid", "uuid7", "uuid7_texts"]

#: Namespaces of contracts/gen3.md 4.3: a program or project has the same uuid on every Gen3 commons.
PROGRAM_NAMESPACE = UUID("85b08c6a-56a6-4474-9c30-b65abfd214a8")
PROJECT_NAMESPACE = UUID("249b4405-2c69-45d9-96bc-7410333d5d80")

#: The digit that carries the variant (RFC 9562, 4.1), by a random digit.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def uuid7(milliseconds: int) -> UUID:
    """Return a new UUID of version 7 (RFC 9562, 5.7) for a time in milliseconds since 1970.

    The random part comes from the operating system, so identifiers cannot be guessed from each other.
    """
    value = int.from_bytes(os.urandom(10), "big")
    random_a = value >> 68 & 0xFFF
    random_b = value & ((1 << 62) - 1)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | random_a << 64 | 0b10 << 62 | random_b)


def uuid7_texts(milliseconds: int, count: int) -> list[str]:
    """Return ``count`` new UUIDs of version 7 as text, ascending, for rows that are made together."""
    time = f"{milliseconds & ((1 << 48) - 1):012x}"
    head = f"{time[:8]}-{time[8:]}-7"
    noise = os.urandom(10 * count).hex()
    # Ascending within the batch, so that the order of ids is the order in which the rows were sent.
    return sorted(
        [
            f"{head}{noise[i : i + 3]}-{_VARIANT[noise[i + 3]]}{noise[i + 4 : i + 7]}-{noise[i + 7 : i + 19]}"
            for i in range(0, 20 * count, 20)
        ]
    )


def program_uuid(name: str) -> UUID:
    """Return the uuid that a Gen3 commons gives to the program of this name."""
    return uuid5(PROGRAM_NAMESPACE, name)


def project_uuid(code: str) -> UUID:
    """Return the uuid that a Gen3 commons gives to the project of this code."""
    return uuid5(PROJECT_NAMESPACE, code)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a uuid in its usual 36-character form (any case)."""
    return _UUID.fullmatch(text) is not None
