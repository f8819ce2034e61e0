"""``commensal pangea download``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Optional

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

__all__ = ["download"]

download = typer.Typer(help="Fetch metadata, results and files.", no_args_is_help=True)

Names = Annotated[Optional[list[str]], typer.Argument(help="Only these samples.")]  # noqa: UP045
Manifest = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--sample-manifest", help="A file with the name of a sample a line."),
]


@download.command("metadata")
def download_metadata(
    org_name: str,
    group_name: str,
    sample_names: Names = None,
    sample_manifest: Manifest = None,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Write the metadata of samples as CSV."""
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        wanted = set(names_in(sample_manifest, sample_names))
        rows = {
            sample.name: sample.metadata if isinstance(sample.metadata, dict) else {"metadata": sample.metadata}
            for sample in group_at(knex, org_name, group_name).get_samples(cache=False)
            if not wanted or sample.name in wanted
        }
        keys = list(dict.fromkeys(key for row in rows.values() for key in row))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *keys])
        for name, row in rows.items():
            cells = [row.get(key) for key in keys]
            writer.writerow([name, *(json.dumps(c) if isinstance(c, dict | list) else c for c in cells)])


@download.command("sample-results")
def download_sample_results(
    org_name: str,
    group_name: str,
    sample_names: Names = None,
    module_name: Annotated[Optional[str], typer.Option("--module-name", help="Only this module.")] = None,  # noqa: UP045
    field_name: Annotated[Optional[str], typer.Option("--field-name", help="Only this field.")] = None,  # noqa: UP045
    target_dir: Annotated[Path, typer.Option("--target-dir", help="Where the files go.")] = Path(),
    sample_manifest: Manifest = None,
    fetch: Annotated[bool, typer.Option("--download/--urls-only", help="Files, or only their addresses.")] = True,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Fetch results of samples: each field's data, and the file that it points to."""
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        wanted = set(names_in(sample_manifest, sample_names))
        for sample in group_at(knex, org_name, group_name).get_samples(cache=False):
            if wanted and sample.name not in wanted:
                continue
            for result in sample.get_analysis_results(cache=False):
                if module_name and result.module_name != module_name:
                    continue
                for field in result.get_fields(cache=False):
                    if field_name and field.name != field_name:
                        continue
                    try:
                        address, name = field.get_download_url(), field.get_referenced_filename()
                    except TypeError:  # data, and no file
                        address = name = ""
                    if not fetch:
                        if address:
                            print(address, name, file=file)
                        continue
                    target = _inside(target_dir, field.get_blob_filename())
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(json.dumps(field.stored_data), encoding="utf-8")
                    say(f"Fetched: {target}")
                    if address:
                        say(f"Fetched: {field.download_file(str(_inside(target_dir, name)))}")


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a name that a server made, which never leads out of the folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return folder.joinpath(*parts)
