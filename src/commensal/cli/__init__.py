"""The command line: one file a command; nothing heavy is imported until a command runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commensal import __version__
from commensal.cli import admin as admin_commands
from commensal.cli import import_data
from commensal.cli import serve as serve_command
from commensal.cli.output import show_problems
from commensal.cli.pangea import pangea
from commensal.errors import CommensalError, InvalidRows

__all__ = ["app", "main"]

app = typer.Typer(
    name="commensal",
    help="One data commons for omics and clinical genomics, with the doors of five systems.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        print(f"commensal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """One data commons for omics and clinical genomics, with the doors of five systems."""


app.command("serve")(serve_command.serve)
app.add_typer(admin_commands.admin, name="admin")
app.add_typer(import_data.import_data, name="import")
app.add_typer(pangea, name="pangea")


def main() -> None:
    """Run the command line; errors of our family are one sentence and status 1."""
    try:
        app()
    except InvalidRows as error:
        print(f"error: {error.message}", file=sys.stderr)
        show_problems(error)
        sys.exit(1)
    except CommensalError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
