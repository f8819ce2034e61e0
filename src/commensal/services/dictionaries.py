"""The site's dictionary: which version is in use, compiled once a process; applying another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from commensal.core.dictionary import Dictionary, compile_dictionary, resolve
from commensal.core.plans import Plans
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.validation import Validators, compile_validators
from commensal.dictionaries import base_dictionary, open_dictionary
from commensal.errors import InvalidRows, SetupError
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionary_change import ApplyReport, DictionaryChange
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.dictionaries import DictionaryStore, StoredDictionary
from commensal.storage.ports.records import RecordReads

__all__ = ["Dictionaries", "InUse"]

SYSTEM = Principal(kind=PrincipalKind.SYSTEM, door=Door.SYSTEM)

#: How long a process may believe that the version in use is still the one it knows (seconds); writes always ask.
REMEMBER = 1.0


@dataclass(frozen=True, slots=True)
class InUse:
    """A dictionary, compiled. ``version`` 0 is the shipped open one of a site that has stored none yet."""

    version: int
    source: str
    shipped: bool
    dictionary: Dictionary
    validators: Validators
    plans: Plans


class Dictionaries:
    """One for each process."""

    def __init__(
        self,
        *,
        database: Database,
        store: DictionaryStore,
        records: RecordReads,
        guard: Guard,
        audit: Audit,
        shipped: Mapping[str, Any] | None = None,
        base: Mapping[str, Any] | None = None,
        now: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``shipped`` is our open dictionary and ``base`` all types of ours, both resolved; by default what we ship."""
        self._database = database
        self._store = store
        self._records = records
        self._guard = guard
        self._audit = audit
        self._shipped = shipped if shipped is not None else open_dictionary()
        self._base = base if base is not None else base_dictionary()
        self._now = now
        self._monotonic = monotonic
        self._known: InUse | None = None
        self._checked = float("-inf")

    # --- reading ----------------------------------------------------------------------------------

    async def current(self, unit: Unit | None = None) -> InUse:
        """Return the dictionary in use; asks for its version at most once a second."""
        known = self._known
        if known is not None and self._monotonic() - self._checked < REMEMBER:
            return known
        if unit is None:
            async with self._database.read() as own:
                return await self.at(own, await self._store.version(own))
        return await self.at(unit, await self._store.version(unit))

    async def at(self, unit: Unit, version: int) -> InUse:
        """Return the dictionary of a version that was just read in this unit."""
        known = self._known
        if known is None or known.version != version:
            stored = await self._store.load(unit, version) if version else None
            if stored is None:
                known = self.compile(self._shipped, None, version=0, source="open", shipped=True)
            else:
                known = self.compile(
                    stored.body, stored.roles, version=version, source=stored.source, shipped=stored.shipped
                )
            self._known = known
        self._checked = self._monotonic()
        return known

    def compile(
        self,
        raw: Mapping[str, Any],
        roles: Mapping[str, Any] | None,
        *,
        version: int = 0,
        source: str = "",
        shipped: bool = False,
    ) -> InUse:
        """Compile a dictionary as read from files, or in its resolved form. Raises SetupError naming every fault."""
        dictionary = compile_dictionary(resolve(raw), self._base, roles)
        validators = compile_validators(dictionary)
        return InUse(version, source, shipped, dictionary, validators, Plans(dictionary, validators))

    # --- starting and applying --------------------------------------------------------------------

    async def start(
        self, raw: Mapping[str, Any] | None, source: str = "open", roles: Mapping[str, Any] | None = None
    ) -> InUse:
        """Take up the dictionary that ``serve`` was given (None: what is in use, else the shipped open one).

        The first one is stored; a different one later raises SetupError that names the command to apply it. A newer
        shipped open dictionary is applied by itself as long as no record breaks.
        """
        offered = self.compile(self._shipped if raw is None else raw, roles, source=source, shipped=raw is None)
        async with self._database.begin() as unit:
            await self._store.lock(unit)
            version = await self._store.version(unit)
            stored = await self._store.load(unit, version) if version else None
            if stored is None:
                return await self._take(unit, 1, offered, roles, "serve")
            same = stored.hash == offered.dictionary.version_hash and (raw is None or stored.roles == roles)
            if same or (raw is None and not stored.shipped):
                return await self.at(unit, version)
            used = await self.at(unit, version)
        if raw is not None:
            raise SetupError(
                f"This site uses another dictionary (version {version}, from {stored.source}, applied "
                f"{stored.applied:%Y-%m-%d}) than {source}. To change to it, run "
                f"'commensal admin dictionary apply {source}' (with --move to keep records that it has no place for); "
                "to go on with the one in use, leave --dictionary out."
            )
        try:
            await self._apply(SYSTEM, offered, None, move=False)
        except InvalidRows:
            # A record that breaks keeps the version it was written under; the operator may apply the new one.
            return used
        return await self.current()

    async def apply(
        self,
        principal: Principal,
        raw: Mapping[str, Any],
        source: str,
        *,
        move: bool = False,
        roles: Mapping[str, Any] | None = None,
    ) -> ApplyReport:
        """Put another dictionary in use, in one transaction, for site admins.

        Without ``move`` it raises InvalidRows while any record breaks, with counts and first examples by type. With
        it, records of a type that it lacks become system types and values that it refuses go to free metadata.
        """
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal, "dictionary.apply")
        shipped = raw is self._shipped
        return await self._apply(principal, self.compile(raw, roles, source=source, shipped=shipped), roles, move=move)

    async def _apply(
        self, principal: Principal, offered: InUse, roles: Mapping[str, Any] | None, *, move: bool
    ) -> ApplyReport:
        async with self._database.begin() as unit:
            await self._store.lock(unit)
            version = await self._store.version(unit)
            used = await self.at(unit, version)
            stored = await self._store.load(unit, version) if version else None
            if stored is not None and stored.hash == offered.dictionary.version_hash and stored.roles == roles:
                return ApplyReport(version, changed=False)
            change = DictionaryChange(self._store, self._records, used.dictionary, offered.plans)
            reports = await change.run(unit, move=move, who=principal.user, door=str(principal.door), at=self._now())
            await self._take(unit, version + 1, offered, roles, principal.label)
            await self._audit.write(
                unit,
                principal,
                "dictionary.apply",
                target=offered.source,
                n=sum(report.records for report in reports if report.broken),
                details={"version": version + 1, "move": move},
            )
        return ApplyReport(version + 1, changed=True, types=tuple(reports))

    async def _take(self, unit: Unit, version: int, new: InUse, roles: Mapping[str, Any] | None, by: str) -> InUse:
        """Store a version. It is kept in the process only once it is read back, for the transaction may still fail."""
        new = replace(new, version=version)
        await self._store.add(unit, self._stored(new, roles, by))
        self._checked = float("-inf")
        return new

    def _stored(self, new: InUse, roles: Mapping[str, Any] | None, by: str) -> StoredDictionary:
        return StoredDictionary(
            version=new.version,
            hash=new.dictionary.version_hash,
            source=new.source,
            shipped=new.shipped,
            body=new.dictionary.resolved,
            roles=roles,
            applied_by=by,
            applied=self._now(),
        )
