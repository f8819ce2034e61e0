"""``commensal import``: real data in, through the services of a data folder or through a server's API."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from commensal.cli.output import show_problems
from commensal.cli.progress import Bars
from commensal.errors import CommensalError, EngineMissing, Invalid, InvalidRows

if TYPE_CHECKING:
    from commensal.importers.progress import CancelFlag
    from commensal.importers.sink import ImportReport, Sink

__all__ = ["import_data"]

Text = Optional[str]  # noqa: UP045 - read at run time by the command line on Python 3.11 to 3.14

import_data = typer.Typer(
    help="Import data: GEO series, Gen3 folders, tables.", no_args_is_help=True, rich_markup_mode=None
)

Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", show_default=False)]
Data = Annotated[Text, typer.Option("--data", metavar="DIR", help="Data folder [./commensal-data].")]
Owner = Annotated[Text, typer.Option("--owner", metavar="EMAIL", help="Who owns what is made.")]
Public = Annotated[
    Text, typer.Option("--public", metavar="LEVEL", help="Of a new project: none, aggregate, read or download.")
]
Url = Annotated[Text, typer.Option("--url", metavar="URL", help="Import through this server's API, not --data.")]
Key = Annotated[
    Text,
    typer.Option("--key", metavar="FILE", help="With --url: credentials.json [COMMENSAL_KEY].", show_default=False),
]
Program = Annotated[Text, typer.Option("--program", metavar="NAME", help="Program, made when it is absent.")]
Project = Annotated[Text, typer.Option("--project", metavar="CODE", help="Project, made when it is absent.")]

Import = Callable[["Sink", Path, Bars, "CancelFlag"], Awaitable["ImportReport"]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to: a data folder, or a server and a key."""

    data: str | None
    owner: str | None
    url: str | None
    key: str | None


@asynccontextmanager
async def _sink(place: _Place) -> AsyncIterator[Sink]:
    if place.url is None and place.key is not None:
        raise Invalid("--key is for an import through a server: give its address with --url too.")
    if place.url is not None:
        if place.data is not None:
            raise Invalid("Give --data or --url, not both: a data folder of this machine, or a server.")
        if place.owner is not None:
            raise Invalid("--owner is for imports into a data folder; over --url the key's account is the owner.")
        from commensal.cli.http_sink import open_http_sink

        async with open_http_sink(place.url, place.key) as sink:
            yield sink
        return
    from commensal.server.local import local_sink

    async with local_sink(place.data, place.owner) as sink:
        yield sink


def _run(place: _Place, paths: list[Path], work: Import) -> None:
    raise typer.Exit(asyncio.run(_import_all(place, paths, work)))


async def _import_all(place: _Place, paths: list[Path], work: Import) -> int:
    """Import one file after the other; Ctrl-C stops at the next safe point, a second one at once."""
    from commensal.importers.progress import CancelFlag

    for path in paths:
        if not path.exists():
            raise Invalid(f"There is no file or folder {path}.")
    cancel = CancelFlag()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if cancel.requested and task is not None:
            task.cancel()
        else:
            print("Stopping at the next safe point; Ctrl-C again stops at once.", file=sys.stderr)
            cancel.request()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        async with _sink(place) as sink:
            return await _import_each(sink, paths, work, cancel)
    except asyncio.CancelledError:
        print("Interrupted; what was written so far stays, the batch at hand was not written.", file=sys.stderr)
        return 130
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _import_each(sink: Sink, paths: list[Path], work: Import, cancel: CancelFlag) -> int:
    failed = 0
    for path in paths:
        with Bars() as bars:
            try:
                report = await work(sink, path, bars, cancel)
            except CommensalError as error:
                failed += 1
                bars.close()
                print(f"error: {path}: {error.message}", file=sys.stderr)
                if isinstance(error, InvalidRows):
                    show_problems(error)
                continue
        for note in report.notes:
            print(note)
        print(report.written())
        if report.interrupted:
            print("The import was stopped; run it again to import the rest.", file=sys.stderr)
            return 130
    return 1 if failed else 0


@import_data.command("geo")
def geo(
    paths: Paths,
    program: Program = None,
    project: Project = None,
    atlas: Annotated[
        Text, typer.Option("--atlas", metavar="NAME", help="Put the series into this atlas, which several may share.")
    ] = None,
    data: Data = None,
    owner: Owner = None,
    public: Public = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Import GEO series (family SOFT files, .gz too): datasets, subjects, samples, and the file itself.

    Program GEO and a project named by the series' accession, unless told otherwise. A second import changes
    nothing.
    """
    if project is not None and atlas is not None:
        raise typer.BadParameter("give --project or --atlas, not both")

    async def work(sink: Sink, path: Path, bars: Bars, cancel: CancelFlag) -> ImportReport:
        from commensal.importers.geo import import_geo

        return await import_geo(
            path,
            sink,
            program=program or "GEO",
            project=project,
            atlas=atlas,
            public=public,
            progress=bars,
            cancel=cancel,
        )

    _run(_Place(data, owner, url, key), paths, work)


@import_data.command("gen3")
def gen3(
    paths: Paths,
    program: Program = None,
    project: Project = None,
    data: Data = None,
    owner: Owner = None,
    public: Public = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Import Gen3 folders: records by type in the order of DataImportOrder.txt."""

    async def work(sink: Sink, path: Path, bars: Bars, cancel: CancelFlag) -> ImportReport:
        from commensal.importers.gen3 import import_gen3

        return await import_gen3(
            path, sink, program=program, project=project, public=public, progress=bars, cancel=cancel
        )

    _run(_Place(data, owner, url, key), paths, work)


@import_data.command("tsv")
def tsv(
    paths: Paths,
    program: Program = None,
    project: Project = None,
    record_type: Annotated[
        Text, typer.Option("--type", metavar="TYPE", help="Record type of a table without a type column.")
    ] = None,
    data: Data = None,
    owner: Owner = None,
    public: Public = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Import tables (.tsv, .csv), one record a row."""
    if program is None or project is None:
        raise typer.BadParameter("give --program and --project")

    async def work(sink: Sink, path: Path, bars: Bars, cancel: CancelFlag) -> ImportReport:
        from commensal.importers.tsv import import_tsv

        return await import_tsv(
            path,
            sink,
            program=program,
            project=project,
            type=record_type,
            public=public,
            progress=bars,
            cancel=cancel,
        )

    _run(_Place(data, owner, url, key), paths, work)


def _later(name: str, what: str) -> None:
    @import_data.command(
        name,
        help=f"{what} (not built yet).",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def later() -> None:
        raise EngineMissing(f"'import {name}' is not built yet; this version imports geo, gen3 and tsv.")


for _name, _what in (
    ("vcf", "Import variant files"),
    ("h5ad", "Import AnnData matrices"),
    ("genes", "Import gene lists"),
    ("annotation", "Import annotation files"),
):
    _later(_name, _what)
