"""``import geo``: a GEO series from its SOFT family file.

The whole file is read and checked before anything is written; datasets, subjects and samples then go in
one submission, and the file itself is kept. Reading the same file again finds everything unchanged.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from commensal.core.names import check_program_code, check_project_code
from commensal.errors import Invalid

from .geo_series import Series, dataset_id, series_rows
from .progress import CancelFlag, Progress, SilentProgress
from .rows import Target, batches, say_what_is_written
from .sink import EXTRA, ImportReport, ProjectKind, Sink
from .soft import SoftEntity, read_soft, soft_error

__all__ = ["MAX_SUBMISSION", "import_geo", "read_series"]

MAX_SUBMISSION = 50_000
"""Most documents in one transaction; all but a handful of GEO's series stay far below."""

MAX_TEXT = 256 << 20
"""Most characters of attributes that are held while a file is read; far above any series of GEO."""

_ACCESSION = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z", re.ASCII)
_PERSONS = ("contact_", "contributor")


async def import_geo(
    path: Path,
    sink: Sink,
    *,
    program: str = "GEO",
    project: str | None = None,
    atlas: str | None = None,
    public: str | None = None,
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> ImportReport:
    """Import a SOFT family file (``GSE…_family.soft.gz``, gzipped or plain).

    Without ``project`` and ``atlas`` the project is a study named by the series' accession; ``project``
    names it otherwise, ``atlas`` names a project of kind atlas that several series may share. ``public`` is
    the public level of a project that is made. Raises Invalid with the line for a file that is no
    complete family file, and whatever the sink raises; then a note of ``progress`` says what was written.
    """
    progress, cancel = progress or SilentProgress(), cancel or CancelFlag()
    check_program_code(program)
    if project is not None and atlas is not None:
        raise Invalid("Give --project or --atlas, not both.", field="project")
    series = await read_series(path, progress=progress, cancel=cancel)
    code = atlas or project or (series.accession if series else "")
    report = ImportReport(program, code)
    if series is None:
        report.interrupted = True
        progress.note("Cancelled while reading: nothing was written.")
        return report
    check_project_code(code)
    target = Target(sink, report, progress, cancel)
    with say_what_is_written(report, progress):
        rows = series_rows(series, code)
        await sink.ensure_program(program)
        kind: ProjectKind = "atlas" if atlas else "study"
        facts = {} if atlas else {key: text for key, text in series.facts().items() if key != "title"}
        title = atlas or series.title
        properties = {EXTRA: facts} if facts else {}
        await sink.ensure_project(program, code, kind=kind, title=title, properties=properties, public=public)
        progress.start(len(rows), "records", f"Writing {series.accession}")
        for batch in batches(rows, MAX_SUBMISSION):
            if target.stopped():
                return report
            await target.submit(batch, path.name)
        progress.done()
        if target.stopped():
            return report
        await _keep_file(path, series, target)
    return report


async def read_series(path: Path, *, progress: Progress, cancel: CancelFlag) -> Series | None:
    """The series of a family file, checked to be complete; None when ``cancel`` was requested."""
    reading = _Reading(path)
    size = path.stat().st_size if path.is_file() else None
    progress.start(size, "bytes", f"Reading {path.name}")
    try:
        for entity in read_soft(path, on_bytes=progress.advance, stop=lambda: cancel.requested):
            reading.add(entity)
            await asyncio.sleep(0)  # lets a cancelled task end here, and a display draw
    finally:
        progress.done()
    return None if cancel.requested else reading.finish()


class _Reading:
    """Collects entities and refuses, with the line, what cannot be one whole series."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.series: Series | None = None
        self.early: dict[str, SoftEntity] = {}
        self.samples: dict[str, SoftEntity] = {}
        self.seen: dict[tuple[str, str], int] = {}
        self.text = 0

    def error(self, line: int, text: str) -> Invalid:
        return soft_error(self.path, line, text)

    def add(self, entity: SoftEntity) -> None:
        if entity.kind in ("DATASET", "SUBSET"):
            raise self._curated(entity)
        if entity.kind not in ("SERIES", "PLATFORM", "SAMPLE"):
            return  # ^DATABASE and what GEO may add: nothing of the series
        if not _ACCESSION.match(entity.accession):
            raise self.error(
                entity.line,
                f"{entity.accession[:80]!r} is no accession; expected are 1 to 64 letters, digits, '_', '.' or '-'.",
            )
        # Record names are unique without case, so two spellings are the same accession.
        key = (entity.kind, entity.accession.casefold())
        if key in self.seen:
            raise self.error(
                entity.line,
                f"{entity.kind.lower()} {entity.accession} stands in this file twice, first in line "
                f"{self.seen[key]}; remove one of them, or download the file again.",
            )
        self.seen[key] = entity.line
        for name in [name for name in entity.attributes if name.startswith(_PERSONS)]:
            del entity.attributes[name]
        self.text += sum(len(value) for values in entity.attributes.values() for value in values)
        if self.text > MAX_TEXT:
            raise self.error(entity.line, f"the file has more than {MAX_TEXT:,} characters outside its value tables.")
        if entity.kind == "SERIES":
            self._series(entity)
        elif entity.kind == "PLATFORM":
            self.early[entity.accession] = entity
        else:
            self.samples[entity.accession] = entity

    def _series(self, entity: SoftEntity) -> None:
        if self.series is not None:
            raise self.error(
                entity.line,
                f"a second series, {entity.accession}, after {self.series.accession}: this is the family file of a "
                "platform. Import the family file of each series (GSE…_family.soft.gz) by itself.",
            )
        self.series = Series(entity)

    def finish(self) -> Series:
        """The whole series; raises Invalid when a part is missing."""
        series = self.series
        if series is None:
            raise self._no_series()
        series.platforms, series.samples = self.early, self.samples
        if not self.samples:
            raise self.error(
                series.series.line,
                f"the file describes {series.accession} but holds none of its samples; expected is the family file "
                f"{series.accession}_family.soft.gz.",
            )
        missing = [name for name in series.series.values("sample_id") if name not in self.samples]
        if missing:
            shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            raise self.error(
                series.series.line_of("sample_id"),
                f"the series lists {len(series.series.values('sample_id'))} samples, but {len(missing)} of them are "
                f"not in the file ({shown}); it is cut off or was edited: download it again.",
            )
        known = {*self.early, *series.series.values("platform_id")}
        for sample in self.samples.values():
            platform = sample.first("platform_id")
            if platform is None:
                raise self.error(sample.line, f"sample {sample.accession} has no Sample_platform_id line.")
            if platform not in known:
                raise self.error(
                    sample.line_of("platform_id"),
                    f"sample {sample.accession} names the platform {platform[:80]!r}, which the file does not describe "
                    f"(it has {', '.join(sorted(known)[:10]) or 'none'}); download the complete family file.",
                )
        return series

    def _curated(self, entity: SoftEntity) -> Invalid:
        name = entity.first("dataset_id") if entity.kind == "SUBSET" else entity.accession
        series = entity.first("reference_series")
        expected = f"{series}_family.soft.gz" if series else "GSE…_family.soft.gz"
        return self.error(
            entity.line,
            f"this is the curated DataSet {name or entity.accession}, which GEO made from a series and which lacks the "
            f"description of its samples; expected is the SOFT family file of the series: {expected}.",
        )

    def _no_series(self) -> Invalid:
        sample = next(iter(self.samples.values()), None)
        named = sample.first("series_id") if sample else None
        return Invalid(
            f"{self.path.name} holds no ^SERIES; expected is the SOFT family file of a series"
            f"{f' ({named}_family.soft.gz)' if named else ' (GSE…_family.soft.gz)'}.",
            field="file",
        )


async def _keep_file(path: Path, series: Series, target: Target) -> None:
    report = target.report
    # Two series of one atlas may come as files of the same name.
    kept = path.name if series.accession.casefold() in path.name.casefold() else f"{series.accession}/{path.name}"
    platforms = series.platform_ids()
    record = ("dataset", dataset_id(series.accession, platforms[0])) if len(platforms) == 1 else None
    media_type = "application/gzip" if path.suffix.lower() == ".gz" else "text/plain"
    target.progress.start(path.stat().st_size, "bytes", f"Keeping {path.name}")
    await target.sink.put_file(report.program, report.project, kept, path, media_type=media_type, record=record)
    report.files.append(kept)
    target.progress.advance(path.stat().st_size)
