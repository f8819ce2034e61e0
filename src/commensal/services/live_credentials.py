"""Look-ups of credentials that are remembered for at most one second, and the times of their last use.

A revocation, a deactivation or a changed name shows in this process at once and in all others within
that second, which is the only thing processes do not agree on (architecture, "One machine to many").
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from commensal.core.principals import Door
from commensal.core.users import LiveCredential
from commensal.errors import CredentialExpired, Unauthenticated, Unavailable
from commensal.services.clock import Clock
from commensal.storage.ports import Database
from commensal.storage.ports.credentials import Credentials

__all__ = ["SESSION_LONGEST", "SESSION_SLIDE", "LiveCredentials"]

#: How long a look-up may be remembered (seconds).
REMEMBER = 1.0
_REMEMBERED = 20_000
#: The last use of a credential is written at most this often.
USE_EVERY = timedelta(seconds=60)
#: A session ends this long after its last use (seconds), and after the longest time in any case.
SESSION_SLIDE = 7 * 86_400.0
SESSION_LONGEST = 30 * 86_400.0

_log = logging.getLogger(__name__)
_Key = bytes | tuple[Door, str]


class LiveCredentials:
    """The credentials as one process knows them."""

    def __init__(
        self,
        *,
        database: Database,
        credentials: Credentials,
        now: Clock,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._store = credentials
        self._now = now
        self._ticks = ticks
        self._known: dict[_Key, tuple[float, LiveCredential]] = {}
        self._used: dict[int, datetime] = {}
        self._epoch = 0

    async def by_secret(self, sha256: bytes) -> LiveCredential | None:
        """Return the credential of a secret as it was at most one second ago."""
        return await self._find(sha256)

    async def by_public_id(self, door: Door, public_id: str) -> LiveCredential | None:
        """Return the credential of a public name as it was at most one second ago."""
        return await self._find((door, public_id))

    def known(self, sha256: bytes) -> LiveCredential | None:
        """Return the credential of a secret if it was looked up within the last second."""
        remembered = self._known.get(sha256)
        return remembered[1] if remembered and self._ticks() - remembered[0] < REMEMBER else None

    def remember(self, sha256: bytes, found: LiveCredential, *, since: float, epoch: int) -> None:
        """Keep what was looked up at a moment of ``moment()``, unless something was forgotten since."""
        if epoch != self._epoch:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[sha256] = (since, found)

    def moment(self) -> tuple[float, int]:
        """Return the present moment for ``remember``; take it before looking up."""
        return self._ticks(), self._epoch

    async def _find(self, key: _Key) -> LiveCredential | None:
        remembered = self._known.get(key)
        # The age counts from before the statement was sent: what it saw cannot be older.
        since = self._ticks()
        if remembered is not None and since - remembered[0] < REMEMBER:
            return remembered[1]
        epoch = self._epoch
        async with self._database.read() as unit:
            if isinstance(key, bytes):
                found = await self._store.by_secret(unit, key)
            else:
                found = await self._store.by_public_id(unit, *key)
        if found is None:
            # Unknown secrets are not remembered: one that another process makes now must work at once.
            self._known.pop(key, None)
        elif epoch == self._epoch:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = (since, found)
        return found

    def forget(self, user: int | None = None) -> None:
        """Look the credentials of a user (or all) up again: call it after a change has been committed."""
        self._epoch += 1
        if user is None:
            self._known.clear()
        else:
            for key in [key for key, (_, found) in self._known.items() if found.user.seq == user]:
                del self._known[key]

    def check(self, found: LiveCredential | None, *, again: str) -> LiveCredential:
        """Return a credential that works now.

        Raises ``CredentialExpired`` (``again`` tells how to get a new one) or ``Unauthenticated``.
        """
        if found is None:
            raise Unauthenticated("This credential is not known here.")
        if not found.user.active:
            raise Unauthenticated("This account is switched off; ask an administrator of this site.")
        if found.credential.revoked is not None:
            raise Unauthenticated(f"This credential was revoked; {again}")
        if found.credential.expires is not None and found.credential.expires <= self._now():
            raise CredentialExpired(f"This credential has expired; {again}")
        return found

    def used(self, found: LiveCredential) -> None:
        """Note that a credential was used; written later, at most once a minute for each."""
        at = self._now()
        last = found.credential.last_used
        if last is None or at - last >= USE_EVERY:
            self._used[found.credential.id] = at

    async def flush(self) -> None:
        """Write the times of last use, in one statement."""
        used, self._used = self._used, {}
        if not used:
            return
        # In order of number, so that two processes never wait for each other crosswise.
        numbers = sorted(used)
        try:
            async with self._database.begin() as unit:
                await self._store.used(
                    unit, numbers, [used[number] for number in numbers], slide=SESSION_SLIDE, limit=SESSION_LONGEST
                )
        except Unavailable:
            self._used = used | self._used
            raise

    async def run(self) -> None:
        """Write the times of last use every minute until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(USE_EVERY.total_seconds())
                try:
                    await self.flush()
                except Unavailable:
                    _log.warning("The times of last use could not be written; they are tried again in a minute.")
        finally:
            try:
                await asyncio.wait_for(asyncio.shield(self.flush()), 2)
            except (Unavailable, TimeoutError):
                _log.warning("The times of last use of the last minute were not written.")
