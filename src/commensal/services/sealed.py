"""What the master key protects: sealed bytes in the database, and secrets that can be made again.

Sealed = AES-256-GCM (NIST SP 800-38D) under a key derived for one purpose by HKDF-SHA256 (RFC 5869), with the
purpose as associated data: a sealed value cannot be moved to another purpose.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commensal.errors import SetupError

__all__ = ["MASTER_KEY_BYTES", "MasterKey"]

MASTER_KEY_BYTES = 32
_NONCE = 12
_FORMAT = b"\x01"


class MasterKey:
    """The 32 bytes of ``DATA/master.key`` or ``COMMENSAL_MASTER_KEY``; never shown, never stored in the database."""

    def __init__(self, key: bytes) -> None:
        """Raise ``SetupError`` when the key has another length than 32 bytes."""
        if len(key) != MASTER_KEY_BYTES:
            raise SetupError(
                f"The master key has {len(key)} bytes instead of {MASTER_KEY_BYTES}: "
                "restore the file master.key of this installation from its backup."
            )
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def _cipher(self, purpose: str) -> AESGCM:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"commensal seal " + purpose.encode())
        return AESGCM(derived.derive(self._key))

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt and authenticate bytes for one purpose."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher(purpose).encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return what was sealed for this purpose.

        Raises ``SetupError`` when the bytes were altered or sealed under another master key.
        """
        nonce, box = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            if sealed[:1] != _FORMAT:
                raise InvalidTag
            return self._cipher(purpose).decrypt(nonce, box, purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SetupError(
                "The master key does not belong to this database: it cannot open what is sealed there. "
                "Use the file master.key (or COMMENSAL_MASTER_KEY) that this database was made with."
            ) from error

    def derive(self, purpose: str, message: str) -> str:
        """Return the HMAC-SHA256 (RFC 2104) of a message for one purpose, as 64 hex digits."""
        return hmac.new(self._key, f"{purpose}:{message}".encode(), hashlib.sha256).hexdigest()
