"""``commensal pangea``: samples, results and files of a server through the Pangea door.

The commands are those of the published client's command line, where these work, with the same arguments.
"""

from __future__ import annotations

import typer

from commensal.cli.pangea import create, download, more, upload

__all__ = ["pangea"]

pangea = typer.Typer(
    help="Samples, results and files of a server, through the Pangea door.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

pangea.add_typer(create.create, name="create")
pangea.add_typer(upload.upload, name="upload")
pangea.add_typer(download.download, name="download")
pangea.add_typer(more.listing, name="list")
pangea.add_typer(more.add, name="add")
pangea.add_typer(more.delete, name="delete")
pangea.add_typer(more.user, name="user")
pangea.add_typer(more.tag, name="tag")
