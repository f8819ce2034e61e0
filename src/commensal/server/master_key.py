"""The master key: 32 random bytes that seal the signing keys and derive secrets."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from commensal.errors import SetupError

__all__ = ["MASTER_KEY_BYTES", "master_key"]

MASTER_KEY_BYTES = 32
_VARIABLE = "COMMENSAL_MASTER_KEY"


def _read_text(text: str, source: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * MASTER_KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise SetupError(f"{source} is no key of {MASTER_KEY_BYTES} bytes; give it as 64 hex digits or as base64.")
    return key


def master_key(path: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Return the key of the environment, else of the file, which is made (0600) when there is none."""
    text = (os.environ if environment is None else environment).get(_VARIABLE)
    if text:
        return _read_text(text, _VARIABLE)
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    return key if len(key) == MASTER_KEY_BYTES else _read_text(key.decode("latin-1"), str(path))


def _make(path: Path) -> bytes:
    key = secrets.token_bytes(MASTER_KEY_BYTES)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return key
