"""Options that all commands share, and what they lead to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TextIO

import typer

from commensal.errors import Invalid

if TYPE_CHECKING:
    from commensal.client.pangea import Knex, SampleGroup

__all__ = ["Email", "Endpoint", "Outfile", "Password", "Token", "connect", "group_at", "names_in", "output", "say"]

Text = Optional[str]  # noqa: UP045 - read at run time by the command line on Python 3.11 to 3.14

Endpoint = Annotated[
    Text, typer.Option("--endpoint", metavar="URL", envvar="COMMENSAL_URL", help="Address of the server.")
]
Email = Annotated[Text, typer.Option("-e", "--email", envvar="PANGEA_USER", help="E-mail address of your account.")]
Password = Annotated[
    Text, typer.Option("-p", "--password", envvar="PANGEA_PASS", help="Password; asked for when absent.")
]
Token = Annotated[
    Text, typer.Option("--token", envvar="PANGEA_TOKEN", help="A token of the Pangea door, in place of both.")
]
Outfile = Annotated[Text, typer.Option("-o", "--outfile", metavar="FILE", help="Where to write; - is here.")]


def say(text: Any) -> None:
    """Tell how it goes, beside the output."""
    print(text, file=sys.stderr)


@contextmanager
def connect(endpoint: str | None, email: str | None, password: str | None, token: str | None) -> Iterator[Knex]:
    """Open a connection with what was given; without any of it, what is public can be read."""
    from commensal.client.pangea import Knex

    with Knex(endpoint) as knex:
        if token:
            knex.add_auth_token(token)
        elif email:
            knex.login(email, password or typer.prompt("Password", hide_input=True, err=True))
        yield knex


@contextmanager
def output(outfile: str | None) -> Iterator[TextIO]:
    """Give the file to write to."""
    if outfile in (None, "-"):
        yield sys.stdout
        return
    with Path(str(outfile)).open("w", encoding="utf-8", newline="") as file:
        yield file


def group_at(knex: Knex, org_name: str, group_name: str) -> SampleGroup:
    """Return a group that exists, library or not."""
    from commensal.client.pangea import Organization
    from commensal.client.pangea.blob_constructors import sample_group_from_blob

    organization = Organization(knex, org_name).get()
    return sample_group_from_blob(knex, knex.get(f"{organization.nested_url()}/sample_groups/{group_name}"))


def names_in(manifest: Path | None, names: list[str] | None) -> list[str]:
    """Return the names given, and those of a file with one a line; commas separate as well. Each comes once."""
    lines = [*(names or [])]
    if manifest is not None:
        try:
            lines += manifest.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{manifest} cannot be read: {error}.", field="sample_manifest") from None
    found = [one.strip() for line in lines for one in line.split(",")]
    return list(dict.fromkeys(one for one in found if one))
