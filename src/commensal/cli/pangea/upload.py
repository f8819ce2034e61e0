"""``commensal pangea upload``."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from commensal.cli.pangea.connection import (
    Email,
    Endpoint,
    Outfile,
    Password,
    Token,
    connect,
    group_at,
    names_in,
    output,
    say,
)
from commensal.cli.pangea.create import PAIRED_END
from commensal.errors import Invalid, NotFound

if TYPE_CHECKING:
    from commensal.client.pangea import Knex, Sample, Tag
    from commensal.client.pangea.analysis_result import AnalysisResult

__all__ = ["upload"]

upload = typer.Typer(help="Send reads, metadata and files.", no_args_is_help=True)

Overwrite = Annotated[
    bool, typer.Option("--overwrite/--no-overwrite", help="Send also what the server has, in a new replicate.")
]
Private = Annotated[bool, typer.Option("--private/--public", help="Who may read the results.")]
DryRun = Annotated[bool, typer.Option("--dryrun/--wetrun", help="Only show what would be created.")]
Tags = Annotated[Optional[list[str]], typer.Option("-t", "--tag", help="Tags for the samples.")]  # noqa: UP045
FileList = Annotated[Path, typer.Argument(help="A file with the path of a reads file a line.")]


def _tags(knex: Knex, names: list[str] | None) -> list[Tag]:
    from commensal.client.pangea import Tag

    return [Tag(knex, name).get() for name in names or []]


def _has_file(result: AnalysisResult, name: str) -> bool:
    from commensal.client.pangea import PangeaNotFoundError

    try:
        return bool(result.field(name).get().stored_data)
    except PangeaNotFoundError:
        return False


def _send(sample: Sample, module: str, reads: dict[str, str], *, private: bool, overwrite: bool) -> Any:
    """Send the reads of a sample; what the server has already is left, an upload that was cut goes on."""
    result = sample.analysis_result(module, is_private=private)
    if result.exists():
        if overwrite:
            result = sample.analysis_result(module, is_private=private, replicate=secrets.token_hex(6)).create()
    else:
        result = sample.analysis_result(module, is_private=private).create()
    for name, path in reads.items():
        if not overwrite and _has_file(result, name):
            continue
        result.field(name).idem().upload_file(path)
        say(f"Sent: {path}")
    return result


def _pairs(file_list: Path, ends: tuple[str, str], delimiter: str | None) -> dict[str, dict[str, str]]:
    samples: dict[str, dict[str, str]] = {}
    for path in names_in(file_list, None):
        name = Path(path).name
        for key, end in (("read_1", ends[0]), ("read_2", ends[1])):
            if end in name:
                stem = name.split(end)[0]
                if delimiter:
                    stem = stem.split(delimiter)[0]
                samples.setdefault(stem, {})[key] = path
                break
    odd = [name for name, reads in samples.items() if len(reads) != 2]
    if odd or not samples:
        shown = f"have no pair of reads: {', '.join(odd[:20])}" if odd else f"none ends with {ends[0]} or {ends[1]}"
        raise Invalid(f"Of the files in {file_list}, these samples {shown}.", field="file_list")
    return samples


@upload.command("reads")
def upload_reads(
    org_name: str,
    library_name: str,
    file_list: FileList,
    overwrite: Overwrite = False,
    private: Private = True,
    dryrun: DryRun = False,
    tag: Tags = None,
    module_name: Annotated[str, typer.Option("-m", "--module-name")] = PAIRED_END,
    delim: Annotated[Optional[str], typer.Option("-d", "--delim", help="Ends the sample's name.")] = None,  # noqa: UP045
    ext_1: Annotated[str, typer.Option("-1", "--ext-1", help="End of the first file of a pair.")] = ".R1.fastq.gz",
    ext_2: Annotated[str, typer.Option("-2", "--ext-2", help="End of the second file.")] = ".R2.fastq.gz",
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Send paired-end reads; the names of the samples are those of the files without their ends."""
    samples = _pairs(file_list, (ext_1, ext_2), delim)
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        library, tags = group_at(knex, org_name, library_name), _tags(knex, tag)
        for name, reads in samples.items():
            if dryrun:
                print(f"Sample: {name} {reads['read_1']} {reads['read_2']}", file=file)
                continue
            sample = library.sample(name).idem()
            for one in tags:
                one(sample)
            result = _send(sample, module_name, reads, private=private, overwrite=overwrite)
            print(sample, result, file=file)


@upload.command("single-ended-reads")
def upload_single_ended_reads(
    org_name: str,
    library_name: str,
    file_list: FileList,
    overwrite: Overwrite = False,
    private: Private = True,
    dryrun: DryRun = False,
    tag: Tags = None,
    module_name: Annotated[str, typer.Option("-m", "--module-name")] = "raw::single_short_reads",
    field_name: Annotated[str, typer.Option("-f", "--field-name")] = "reads",
    delim: Annotated[Optional[str], typer.Option("-d", "--delim", help="Ends the sample's name.")] = None,  # noqa: UP045
    ext: Annotated[str, typer.Option("--ext", help="End of the files.")] = ".fastq.gz",
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Send single-ended reads, also of nanopores."""
    paths = names_in(file_list, None)
    wrong = [path for path in paths if ext not in Path(path).name]
    if wrong:
        raise Invalid(f"These files do not end with {ext}: {', '.join(wrong[:20])}.", field="file_list")
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        library, tags = group_at(knex, org_name, library_name), _tags(knex, tag)
        for path in paths:
            name = Path(path).name.split(ext)[0]
            name = name.split(delim)[0] if delim else name
            if dryrun:
                print(f"Sample: {name} {path}", file=file)
                continue
            sample = library.sample(name).idem()
            for one in tags:
                one(sample)
            print(
                sample, _send(sample, module_name, {field_name: path}, private=private, overwrite=overwrite), file=file
            )


def _table(table: Path, index: int, encoding: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with table.open(newline="", encoding=encoding) as file:
            first = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter="\t" if first.count("\t") > first.count(",") else ",")
            header = next(rows, [])
            for row in rows:
                if any(row):
                    pairs = [(header[at], cell) for at, cell in enumerate(row) if at != index and at < len(header)]
                    yield row[index].strip(), {key: _value(cell) for key, cell in pairs if cell.strip()}
    except IndexError:
        raise Invalid(f"A row of {table} has no column {index}.", field="index_col") from None
    except (OSError, UnicodeDecodeError, LookupError) as error:  # LookupError: no such encoding
        raise Invalid(f"{table} cannot be read: {error}.", field="table") from None


def _value(cell: str) -> Any:
    """A number where the text is the usual writing of one (so that 007 stays as it is)."""
    text = cell.strip()
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text:
            return number
    return text


@upload.command("metadata")
def upload_metadata(
    org_name: str,
    library_name: str,
    table: Annotated[Path, typer.Argument(help="CSV or TSV with a header.")],
    overwrite: Annotated[bool, typer.Option("--overwrite/--no-overwrite", help="Replace what is there.")] = False,
    create: Annotated[bool, typer.Option("--create/--no-create", help="Create samples that are missing.")] = False,
    update: Annotated[bool, typer.Option("--update/--no-update", help="Add to what is there.")] = False,
    index_col: Annotated[int, typer.Option("--index-col", help="Column of the sample's name, from 0.")] = 0,
    encoding: Annotated[str, typer.Option("--encoding")] = "utf-8-sig",
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Give samples the values of a table; a sample that has metadata is left, unless you say otherwise."""
    from commensal.client.pangea import PangeaNotFoundError

    missing: list[str] = []
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        library = group_at(knex, org_name, library_name)
        for name, values in _table(table, index_col, encoding):
            sample = library.sample(name)
            try:
                sample = sample.idem() if create else sample.get()
            except PangeaNotFoundError:
                missing.append(name)
                continue
            if overwrite or not sample.metadata:
                sample.metadata = values
            elif update and isinstance(sample.metadata, dict):
                sample.metadata = {**sample.metadata, **values}
            sample.save()
            print(sample, file=file)
    if missing:
        raise NotFound(f"{len(missing)} samples are not in {library_name}: {', '.join(missing[:20])} (see --create).")


@upload.command("group-field")
def upload_group_field(
    org_name: str,
    group_name: str,
    module_name: str,
    field_name: str,
    file_path: Path,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Send a file as a field of a result of a group."""
    with connect(endpoint, email, password, token) as knex:
        result = group_at(knex, org_name, group_name).analysis_result(module_name).idem()
        field = result.field(field_name).idem()
        say(f"Created: {field}")
        field.upload_file(str(file_path))
        say(f"Sent: {file_path}")
