"""``commensal pangea list|add|delete|user|tag``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from commensal.cli.output import show_json
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

__all__ = ["add", "delete", "listing", "tag", "user"]

listing = typer.Typer(help="List samples.", no_args_is_help=True)
add = typer.Typer(help="Add samples to groups.", no_args_is_help=True)
delete = typer.Typer(help="Delete by uuid.", no_args_is_help=True)
user = typer.Typer(help="Your account.", no_args_is_help=True)
tag = typer.Typer(help="Tags.", no_args_is_help=True)


@listing.command("samples")
def list_samples(
    org_name: str,
    group_name: str,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """List the samples of a group."""
    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        for sample in group_at(knex, org_name, group_name).get_samples(cache=False):
            print(sample, file=file)


@listing.command("groups")
def list_groups(
    org_name: str,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
    outfile: Outfile = None,
) -> None:
    """List the groups and libraries of an organization."""
    from commensal.client.pangea import Organization

    with connect(endpoint, email, password, token) as knex, output(outfile) as file:
        for group in Organization(knex, org_name).get_sample_groups():
            print(group, file=file)


@add.command("samples-to-group")
def add_samples_to_group(
    source_org_name: str,
    source_group_name: str,
    destination_org_name: str,
    destination_group_name: str,
    sample_names: Annotated[Optional[list[str]], typer.Argument()] = None,  # noqa: UP045
    sample_manifest: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--sample-manifest", help="A file with the name of a sample a line."),
    ] = None,
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Add samples of one group to another."""
    names = names_in(sample_manifest, sample_names)
    if not names:
        raise Invalid("Name the samples to add, or give --sample-manifest.", field="sample_names")
    with connect(endpoint, email, password, token) as knex:
        source = group_at(knex, source_org_name, source_group_name)
        group = group_at(knex, destination_org_name, destination_group_name)
        for name in names:
            group.add_sample(source.sample(name).get())
        group.save()
        say(f"Added {len(names)} to {destination_group_name}")


_DELETES = (
    ("sample", "samples", "a sample"),
    ("group", "sample_groups", "a sample group"),
    ("sample-result", "sample_ars", "a result of a sample"),
    ("group-result", "sample_group_ars", "a result of a group"),
)


def _add_delete(command: str, place: str, what: str) -> None:
    @delete.command(command, help=f"Delete {what} by its uuid, with all that belongs to it.")
    def delete_one(
        uuid: str, endpoint: Endpoint = None, email: Email = None, password: Password = None, token: Token = None
    ) -> None:
        with connect(endpoint, email, password, token) as knex:
            knex.delete(f"{place}/{uuid}", json_response=False)
            say(f"Deleted {what}: {uuid}")


for _one in _DELETES:
    _add_delete(*_one)


@user.command("info")
def user_info(endpoint: Endpoint = None, email: Email = None, password: Password = None, token: Token = None) -> None:
    """Show your account."""
    with connect(endpoint, email, password, token) as knex:
        show_json(knex.get("users/me"))


@user.command("change-password")
def change_password(
    new_password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
) -> None:
    """Change your password."""
    old = password or typer.prompt("Current password", hide_input=True, err=True)
    with connect(endpoint, email, old, None) as knex:
        sent = {"new_password": new_password, "current_password": old}
        knex.post("auth/users/set_password/", json=sent, json_response=False)
        say(f"Changed the password of {email}")


@tag.command("create")
def create_tags(
    tag_names: list[str],
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Create tags; those that exist are left as they are."""
    from commensal.client.pangea import Tag

    with connect(endpoint, email, password, token) as knex:
        for name in tag_names:
            say(Tag(knex, name).idem())


@tag.command("samples-in-group")
def tag_samples(
    org_name: str,
    group_name: str,
    tag_names: list[str],
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Put tags on all samples of a group."""
    from commensal.client.pangea import Tag

    with connect(endpoint, email, password, token) as knex:
        tags = [Tag(knex, name).get() for name in tag_names]
        for sample in group_at(knex, org_name, group_name).get_samples(cache=False):
            for one in tags:
                one(sample)
            say(sample)


@tag.command("group")
def tag_group(
    org_name: str,
    group_name: str,
    tag_names: list[str],
    endpoint: Endpoint = None,
    email: Email = None,
    password: Password = None,
    token: Token = None,
) -> None:
    """Put tags on a group."""
    from commensal.client.pangea import Tag

    with connect(endpoint, email, password, token) as knex:
        group = group_at(knex, org_name, group_name)
        for name in tag_names:
            Tag(knex, name).get()(group)
