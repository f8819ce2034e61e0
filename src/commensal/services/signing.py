"""Signed addresses of our own: HMAC-SHA256 (RFC 2104) over method, object, end and what the request must keep to.

An address carries one method and one object, ends, and is useless when any of it is altered. It is made only for
what the guard allowed; whoever holds it needs no credential, so it lives for minutes or hours.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from commensal.errors import Forbidden, Malformed
from commensal.services.clock import Clock, utc_now
from commensal.services.sealed import MasterKey

__all__ = ["LONGEST", "Signed", "Signer"]

#: Longest life of an address in seconds: seven days, as of S3's.
LONGEST = 604_800
_PURPOSE = "signed address 1"
_EXPIRES, _SIGNATURE = "expires", "signature"
_REFUSED = "This address is not valid: it was altered, or made for another request."


@dataclass(frozen=True, slots=True)
class Signed:
    """What a checked address allows; ``keeps`` are its constraints (``name``, ``type``, ``limit``)."""

    method: str
    thing: str
    expires: int
    keeps: Mapping[str, str]


class Signer:
    """Makes and checks queries of signed addresses, and the fields of signed forms."""

    def __init__(self, master_key: bytes, *, now: Clock = utc_now) -> None:
        self._master = MasterKey(master_key)
        self._now = now

    def _signature(self, method: str, thing: str, expires: int, keeps: Mapping[str, str]) -> str:
        message = json.dumps([method, thing, expires, sorted(keeps.items())], ensure_ascii=True)
        return self._master.derive(_PURPOSE, message)

    def fields(self, method: str, thing: str, seconds: int, **keeps: str) -> dict[str, str]:
        """Return the fields that sign one request for one object for ``seconds`` (1 to 604,800)."""
        if not 1 <= seconds <= LONGEST:
            raise Malformed(f"An address can be valid for 1 to {LONGEST:,} seconds.", field="expires_in")
        expires = int(self._now().timestamp()) + seconds
        signature = self._signature(method, thing, expires, keeps)
        return {**keeps, _EXPIRES: str(expires), _SIGNATURE: signature}

    def query(self, method: str, thing: str, seconds: int, **keeps: str) -> str:
        """Return the query of a signed address."""
        return urlencode(self.fields(method, thing, seconds, **keeps))

    def check_query(self, method: str, thing: str, query: str) -> Signed:
        """Return what a query allows; raises Forbidden for one that was altered, has ended or is for something else."""
        pairs = parse_qsl(query, keep_blank_values=True)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise Forbidden(_REFUSED)
        return self.check(method, thing, fields)

    def check(self, method: str, thing: str, fields: Mapping[str, str]) -> Signed:
        """The same for fields (of a form). Fields that were not signed make it invalid."""
        keeps = dict(fields)
        signature, end = keeps.pop(_SIGNATURE, ""), keeps.pop(_EXPIRES, "")
        if not (end.isascii() and end.isdigit() and len(end) <= 12 and signature.isascii()):
            raise Forbidden(_REFUSED)
        expires = int(end)
        if not hmac.compare_digest(self._signature(method, thing, expires, keeps), signature):
            raise Forbidden(_REFUSED)
        if _seconds(self._now()) >= expires:
            raise Forbidden("This address has ended: ask for a new one.")
        return Signed(method, thing, expires, keeps)


def _seconds(at: datetime) -> float:
    return at.timestamp()
