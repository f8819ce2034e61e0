"""What another dictionary does to the records that are there: looked through as a stream, changed in batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from msgspec import structs

from commensal.core.conformity import Breach, StoredRow, breaches, suspects
from commensal.core.dictionary import SYSTEM_PREFIX, Dictionary
from commensal.core.free_metadata import take_declared
from commensal.core.plans import Plans, TypePlan
from commensal.errors import InvalidRows, Problem
from commensal.storage.ports import Unit
from commensal.storage.ports.dictionaries import DictionaryStore, Reshaped
from commensal.storage.ports.records import RecordReads

__all__ = ["ApplyReport", "DictionaryChange", "TypeReport"]

#: How many examples of each type are named.
EXAMPLES = 5


@dataclass(slots=True)
class TypeReport:
    """What happens to the records of one type.

    ``becomes`` is the stored type afterwards; ``refused`` counts records with values that go to the free metadata,
    ``cut`` those with links the dictionary does not declare, ``lacking`` those of strict projects that lack something
    required; ``examples`` are sentences about the first of them.
    """

    type: str
    becomes: str
    records: int = 0
    refused: int = 0
    cut: int = 0
    lacking: int = 0
    examples: list[str] = field(default_factory=list[str])

    @property
    def broken(self) -> bool:
        """Whether the dictionary cannot be applied without ``--move`` because of this type."""
        return bool(self.records and (self.becomes != self.type or self.refused or self.cut or self.lacking))

    def sentence(self) -> str:
        """Say it for people."""
        parts = [f"{self.records} records"]
        if self.becomes != self.type and self.becomes.startswith(SYSTEM_PREFIX):
            parts.append(f"the dictionary has no such type: they become the system type {self.becomes}")
        elif self.becomes != self.type:
            parts.append(f"the dictionary has this type again: they become records of {self.becomes}")
        if self.refused:
            parts.append(f"{self.refused} with values that are refused, which go to the free metadata")
        if self.cut:
            parts.append(f"{self.cut} with links that are not declared, which Gen3 answers no longer show")
        if self.lacking:
            parts.append(f"{self.lacking} in strict projects that lack something required")
        return f"{self.type}: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What applying a dictionary did. ``changed`` is False when it was in use already."""

    version: int
    changed: bool
    types: tuple[TypeReport, ...] = ()

    def lines(self) -> list[str]:
        """Return one line for each type whose records were touched, and the first examples."""
        lines: list[str] = []
        for report in self.types:
            if report.broken:
                lines.append(report.sentence())
                lines += [f"  {example}" for example in report.examples]
        return lines


class DictionaryChange:
    """One pass over all records, under a lock that keeps writers out."""

    def __init__(self, store: DictionaryStore, records: RecordReads, old: Dictionary, new: Plans) -> None:
        self._store = store
        self._records = records
        self._old = old
        self._new = new
        self._reports: dict[str, TypeReport] = {}

    def becomes(self, stored: str) -> str:
        """Return the stored type that records of a type have afterwards."""
        new = self._new.dictionary
        if new.find(stored) is not None:
            return stored
        if not stored.startswith(SYSTEM_PREFIX):
            return SYSTEM_PREFIX + stored
        plain = stored.removeprefix(SYSTEM_PREFIX)
        node = new.types.get(plain)
        # Ours come back when the dictionary shows them again, and so do types that an earlier dictionary lacked.
        return plain if node is not None and (node.ours or self._old.find(stored) is None) else stored

    async def run(self, unit: Unit, *, move: bool, who: int | None, door: str, at: datetime) -> list[TypeReport]:
        """Look through everything; with ``move`` change it, without it raise InvalidRows when anything breaks."""
        strict = await self._store.strict_projects(unit)
        async for chunk in self._records.stream(unit):
            changed: list[Reshaped] = []
            for type_name, rows in _by_type(chunk).items():
                changed += self._look(type_name, rows, strict)
            if changed and (move or not any(report.broken for report in self._reports.values())):
                await self._store.reshape(unit, changed, who, door, at)
        reports = sorted(self._reports.values(), key=lambda report: report.type)
        if move:
            moved = {report.type: report.becomes for report in reports if report.becomes != report.type}
            lost = {name: self.becomes(name) for name in self._old.types}
            await self._store.settle(unit, {**{old: new for old, new in lost.items() if old != new}, **moved})
        elif any(report.broken for report in reports):
            raise _refusal(reports)
        return reports

    def _look(self, type_name: str, rows: list[StoredRow], strict: set[int]) -> list[Reshaped]:
        becomes = self.becomes(type_name)
        report = self._reports.get(type_name)
        if report is None:
            report = self._reports[type_name] = TypeReport(type_name, becomes)
        report.records += len(rows)
        plan = self._new.stored(becomes)
        if plan is None:
            return [_retyped(row, becomes) for row in rows] if becomes != type_name else []
        rows, before = [_taken_back(row, plan) for row in rows], rows
        odd = suspects(rows, plan)
        changed: list[Reshaped] = []
        for position, row in enumerate(rows):
            links, back = self._links(row, plan)
            renamed = StoredRow(row.record, links)
            found = breaches(
                renamed,
                plan,
                strict=row.record.project in strict and not plan.node.system,
                suspect=position in odd,
                explain=len(report.examples) < EXAMPLES,
            )
            if found.refused or found.links or back or becomes != type_name or row is not before[position]:
                changed.append(_reshaped(row, becomes, plan, found, back))
            self._note(report, row, found)
        return changed

    def _links(self, row: StoredRow, plan: TypePlan) -> tuple[list[tuple[str, str]], list[str]]:
        """Return a record's links as they are called afterwards, and the names of hub links that are declared now."""
        links = [(name, self.becomes(target)) for name, target in row.links]
        odd = {name for name, target in links if not _is_declared(plan, name.removeprefix(SYSTEM_PREFIX), target)}
        back = [name for name, _ in links if name.startswith(SYSTEM_PREFIX) and name not in odd]
        return [(name.removeprefix(SYSTEM_PREFIX) if name in back else name, target) for name, target in links], back

    @staticmethod
    def _note(report: TypeReport, row: StoredRow, found: Breach) -> None:
        report.refused += bool(found.refused)
        report.cut += bool(found.links)
        report.lacking += bool(found.lacking or found.untaken)
        if found and len(report.examples) < EXAMPLES:
            field_name, sentence = found.sentences()[0]
            report.examples.append(f"{row.record.submitter_id} ({field_name}): {sentence}")


def _by_type(chunk: list[StoredRow]) -> dict[str, list[StoredRow]]:
    groups: dict[str, list[StoredRow]] = {}
    for row in chunk:
        groups.setdefault(row.record.type, []).append(row)
    return groups


def _is_declared(plan: TypePlan, name: str, target: str) -> bool:
    link = plan.links_by_name.get(name)
    return link is not None and link.target == target


def _taken_back(row: StoredRow, plan: TypePlan) -> StoredRow:
    """Return the row with the free metadata that the type declares as properties (rule 2 of free metadata)."""
    record = row.record
    props, extra = take_declared(plan, record.props, record.extra)
    return (
        row if props is record.props else StoredRow(structs.replace(record, props=dict(props), extra=extra), row.links)
    )


def _retyped(row: StoredRow, becomes: str) -> Reshaped:
    record = row.record
    return Reshaped(record, becomes, record.label, record.props, record.extra)


def _reshaped(row: StoredRow, becomes: str, plan: TypePlan, found: Breach, back: list[str]) -> Reshaped:
    record = row.record
    props = {key: value for key, value in record.props.items() if key not in found.refused}
    extra = record.extra
    if found.refused:
        refused = {key: record.props[key] for key in found.refused}
        kept: dict[str, Any] = cast("dict[str, Any]", extra) if isinstance(extra, dict) else {"metadata": extra}
        extra = {**refused, **kept}
    return Reshaped(record, becomes, plan.label_of(props, record.label), props, extra, found.links, back)


def _refusal(reports: list[TypeReport]) -> InvalidRows:
    broken = [report for report in reports if report.broken]
    lines = [report.sentence() for report in broken]
    problems = [
        Problem(message=example, code="dictionary", field=report.type)
        for report in broken
        for example in report.examples
    ]
    total = sum(report.records for report in broken)
    return InvalidRows(
        f"This dictionary does not fit what is stored ({total} records of {len(broken)} types), so nothing changed. "
        "Add --move to apply it and keep what it has no place for as system types and free metadata.\n"
        + "\n".join(lines),
        problems,
    )
