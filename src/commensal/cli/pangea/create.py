"""``commensal pangea create``."""

from __future__ import annotations

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
from commensal.errors import Invalid

__all__ = ["create"]

PAIRED_END = "raw::paired_short_reads"
READ_MODULES = (PAIRED_END, "raw::single_short_reads", "raw::basecalled_nanopore_reads")

create = typer.Typer(help="Create organizations, groups, samples, results and fields.", no_args_is_help=True)


@create.command("org")
def create_org(
    org_name: str, endpoint: Endpoint = None, email: Email = None, password: Password = None, token: Token = None
) -> None:
    """Create an organization."""
    from commensal.client.pangea import Organization

    with connect(endpoint, email, password, token) as knex:
        say(f"Created: {Organization(knex, org_name).create()}")


@create.command("sample-group")
def create_sample_group(
    org_name: str,
    group_name: str,
    private: Annotated[bool, typer.Option("--private/--public", help="Who may read it.")] = True,
    library: Annotated[bool, typer.Option("--library/--not-library", help="Whether it owns samples.")] = True,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Create a sample group of an organization."""
    from commensal.client.pangea import Organization

    with connect(endpoint, email, password, token) as knex:
        organization = Organization(knex, org_name).get()
        group = organization.sample_group(group_name, is_library=library, is_public=not private)
        say(f"Created: {group.create()}")


@create.command("samples")
def create_samples(
    org_name: str,
    library_name: str,
    sample_names: Annotated[Optional[list[str]], typer.Argument()] = None,  # noqa: UP045
    sample_name_list: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-s", "--sample-name-list", help="A file with a sample name a line."),
    ] = None,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """Create samples in a library; those that exist are left as they are."""
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        library = group_at(knex, org_name, library_name)
        for name in names_in(sample_name_list, sample_names):
            print(library.sample(name).idem(), file=file)


@create.command("sample-with-data")
def create_sample_with_data(
    org_name: str,
    library_name: str,
    sample_name: str,
    data_files: list[Path],
    module_name: Annotated[str, typer.Option("-m", "--module-name", help=", ".join(READ_MODULES))] = PAIRED_END,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Create a sample and send its reads: one file, or two for paired ends."""
    if module_name not in READ_MODULES:
        raise Invalid(f"--module-name is one of {', '.join(READ_MODULES)}.", field="module_name")
    fields = ["read_1", "read_2"] if module_name == PAIRED_END else ["reads"]
    if len(data_files) != len(fields):
        raise Invalid(f"{module_name} takes {len(fields)} file(s), {len(data_files)} were given.", field="data_files")
    with connect(endpoint, email, password, token) as knex:
        sample = group_at(knex, org_name, library_name).sample(sample_name).idem()
        result = sample.analysis_result(module_name).create()
        for name, path in zip(fields, data_files, strict=True):
            result.field(name).create().upload_file(str(path))
        say(f"Created: {sample}")


@create.command("sample-ar")
def create_sample_result(
    names: list[str],
    replicate: Annotated[Optional[str], typer.Option("-r", "--replicate")] = None,  # noqa: UP045
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Create a result: ORG LIBRARY SAMPLE MODULE, or SAMPLE_UUID MODULE."""
    from commensal.client.pangea.blob_constructors import sample_from_uuid

    if len(names) not in (2, 4):
        raise Invalid("Give ORG LIBRARY SAMPLE MODULE, or SAMPLE_UUID MODULE.", field="names")
    with connect(endpoint, email, password, token) as knex:
        if len(names) == 2:
            sample = sample_from_uuid(knex, names[0])
        else:
            sample = group_at(knex, names[0], names[1]).sample(names[2]).get()
        say(f"Created: {sample.analysis_result(names[-1], replicate=replicate).create()}")


@create.command("field")
def create_field(
    names: list[str],
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Create a field and send its file: ORG LIBRARY SAMPLE MODULE FIELD FILE, or RESULT_UUID FIELD FILE."""
    from commensal.client.pangea.blob_constructors import sample_ar_from_uuid

    if len(names) not in (3, 6):
        raise Invalid("Give ORG LIBRARY SAMPLE MODULE FIELD FILE, or RESULT_UUID FIELD FILE.", field="names")
    with connect(endpoint, email, password, token) as knex:
        if len(names) == 3:
            result = sample_ar_from_uuid(knex, names[0])
        else:
            result = group_at(knex, names[0], names[1]).sample(names[2]).get().analysis_result(names[3]).get()
        field = result.field(names[-2]).create()
        say(f"Created: {field}")
        field.upload_file(names[-1])
        say(f"Sent: {names[-1]}")
