"""``commensal admin``: accounts, rights, keys, backup; with and without a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from commensal.cli.output import show_json, show_rows
from commensal.errors import EngineMissing

if TYPE_CHECKING:
    from commensal.services import Services

__all__ = ["admin"]

T = TypeVar("T")
Text = Optional[str]  # noqa: UP045 - read at run time by the command line on Python 3.11 to 3.14
Number = Optional[int]  # noqa: UP045

_OPTIONS: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": None}

admin = typer.Typer(help="Administer a commons from the console of its machine.", **_OPTIONS)
user = typer.Typer(help="Accounts.", **_OPTIONS)
program = typer.Typer(help="Programs.", **_OPTIONS)
group = typer.Typer(help="Groups of users.", **_OPTIONS)
key = typer.Typer(help="Keys of users, and the signing key of the site.", **_OPTIONS)
project = typer.Typer(help="Projects.", **_OPTIONS)
dictionary = typer.Typer(help="The site's dictionary.", **_OPTIONS)
audit = typer.Typer(help="The audit.", **_OPTIONS)
files = typer.Typer(help="Stored bytes.", **_OPTIONS)
lake = typer.Typer(help="The lake (later).", **_OPTIONS)
for _name, _commands in (
    ("user", user),
    ("program", program),
    ("group", group),
    ("key", key),
    ("project", project),
    ("dictionary", dictionary),
    ("audit", audit),
    ("files", files),
    ("lake", lake),
):
    admin.add_typer(_commands, name=_name)

_data: dict[str, str | None] = {"folder": None}


@admin.callback()
def _root(
    data: Annotated[Text, typer.Option("--data", metavar="DIR", help="Data folder [./commensal-data].")] = None,
) -> None:
    """Administer a commons from the console of its machine, whether its server runs or not."""
    _data["folder"] = data


def _with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    from commensal.server.local import local_services

    async def go() -> T:
        async with local_services(_data["folder"]) as (services, _):
            return await work(services)

    return asyncio.run(go())


Email = Annotated[str, typer.Argument(metavar="EMAIL")]
Password = Annotated[Text, typer.Option("--password", metavar="P", help="Without it, one is made and shown.")]

# --- accounts


@user.command("add")
def user_add(
    email: Email,
    name: Annotated[str, typer.Option("--name", metavar="N", help="The person's name.")] = "",
    password: Password = None,
    site_admin: Annotated[bool, typer.Option("--site-admin", help="May administer the whole site.")] = False,
) -> None:
    """Add an account."""
    from commensal.server import admin as do

    made, new = _with_services(lambda s: do.add_user(s, email, name=name, password=password, site_admin=site_admin))
    print(f"Added {made['email']} (number {made['number']}{', site admin' if made['site_admin'] else ''}).")
    if new is not None:
        print(f"Password: {new}")


@user.command("invite")
def user_invite(email: Email, name: Annotated[str, typer.Option("--name", metavar="N")] = "") -> None:
    """Invite somebody: shows a link that makes the account, once, within 14 days."""
    from commensal.server import admin as do

    print(_with_services(lambda s: do.invite(s, email, name=name)))


@user.command("passwd")
def user_passwd(email: Email, password: Password = None) -> None:
    """Set somebody's password; ends sessions and log-ins."""
    from commensal.server import admin as do

    made = _with_services(lambda s: do.set_password(s, email, password))
    print(f"The password of {email} is set.")
    if made is not None:
        print(f"Password: {made}")


@user.command("deactivate")
def user_deactivate(email: Email) -> None:
    """Switch an account off: all its credentials end within a second."""
    from commensal.server import admin as do

    _with_services(lambda s: do.set_active(s, email, active=False))
    print(f"{email} is deactivated.")


@user.command("activate")
def user_activate(email: Email) -> None:
    """Switch an account on again."""
    from commensal.server import admin as do

    _with_services(lambda s: do.set_active(s, email, active=True))
    print(f"{email} is active.")


@user.command("list")
def user_list(search: Annotated[str, typer.Argument(metavar="[SEARCH]", show_default=False)] = "") -> None:
    """List accounts."""
    from commensal.server import admin as do

    show_rows(_with_services(lambda s: do.list_users(s, search)), "There are no accounts.")


# --- programs, rights, groups


@program.command("add")
def program_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its code: letters, digits, _ and .")],
    title: Annotated[Text, typer.Option("--title", metavar="TEXT", help="Its title [the code].")] = None,
) -> None:
    """Make a program."""
    from commensal.server import admin as do

    made = _with_services(lambda s: do.add_program(s, name, title))
    print(f"Made program {made['code']}.")


Target = Annotated[str, typer.Argument(metavar="PROGRAM[-PROJECT]")]
Role = Annotated[
    str,
    typer.Argument(metavar="ROLE", help="counter, viewer, analyst, contributor, curator, manager, owner or clinician."),
]
Holder = Annotated[str, typer.Argument(metavar="EMAIL", help="An account, or group:NAME.")]


@admin.command("grant")
def grant(holder: Holder, role: Role, target: Target) -> None:
    """Give somebody a role on a program or project."""
    from commensal.server import admin as do

    _with_services(lambda s: do.grant(s, holder, role, target))
    print(f"{holder} is {role} of {target}.")


@admin.command("revoke")
def revoke(holder: Holder, role: Role, target: Target) -> None:
    """Take a role away."""
    from commensal.server import admin as do

    _with_services(lambda s: do.revoke(s, holder, role, target))
    print(f"{holder} is no longer {role} of {target}.")


GroupName = Annotated[str, typer.Argument(metavar="GROUP")]


@group.command("add")
def group_add(email: Email, name: GroupName) -> None:
    """Put somebody into a group; the group is made when it is absent."""
    from commensal.server import admin as do

    changed = _with_services(lambda s: do.add_group_member(s, email, name))
    print(f"{email} {'is now' if changed else 'was already'} in {name}.")


@group.command("remove")
def group_remove(email: Email, name: GroupName) -> None:
    """Take somebody out of a group."""
    from commensal.server import admin as do

    changed = _with_services(lambda s: do.remove_group_member(s, email, name))
    print(f"{email} {'is no longer' if changed else 'was not'} in {name}.")


ProjectId = Annotated[str, typer.Argument(metavar="PROGRAM-PROJECT")]


@project.command("strict")
def project_strict(name: ProjectId) -> None:
    """Bind every door to the dictionary; shows what stands in the way and changes nothing then."""
    from commensal.server import admin as do

    print(f"{_with_services(lambda s: do.set_mode(s, name, strict=True))} is strict.")


@project.command("open")
def project_open(name: ProjectId) -> None:
    """Relax the doors other than Gen3."""
    from commensal.server import admin as do

    print(f"{_with_services(lambda s: do.set_mode(s, name, strict=False))} is open.")


# --- keys


@key.command("new")
def key_new(
    email: Email,
    door: Annotated[str, typer.Option("--door", metavar="DOOR", help="gen3, polly, pangea, odm or opal.")],
    days: Annotated[Number, typer.Option("--days", min=1, metavar="N", help="How long it is valid.")] = None,
    program_name: Annotated[Text, typer.Option("--program", metavar="NAME", help="Program of an Opal key.")] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for it in lists.")] = "",
) -> None:
    """Make a key for somebody and show it, once, as JSON."""
    from commensal.server import admin as do

    show_json(_with_services(lambda s: do.new_key(s, email, door, days=days, program=program_name, label=label)))


@key.command("list")
def key_list(email: Email) -> None:
    """List somebody's keys, without their secrets."""
    from commensal.server import admin as do

    show_rows(_with_services(lambda s: do.list_keys(s, email)), f"{email} has no keys.")


@key.command("revoke")
def key_revoke(
    ref: Annotated[str, typer.Argument(metavar="ID", help="Number, or Gen3 key_id, or Opal login.")],
) -> None:
    """End a key on all doors, within a second."""
    from commensal.server import admin as do

    _with_services(lambda s: do.revoke_key(s, ref))
    print(f"Key {ref} is revoked.")


@key.command("rotate")
def key_rotate() -> None:
    """Sign new tokens with a new key; tokens signed before stay valid until they expire."""
    from commensal.server import admin as do

    print(f"New signing key: {_with_services(do.rotate_key)}")


# --- deletions, dictionary, audit


@admin.command("undelete")
def undelete_command(
    what: Annotated[str, typer.Argument(metavar="list|ID", help="list, or the number that it shows.")],
) -> None:
    """List what was deleted within 30 days, or bring one deletion back whole."""
    from commensal.server import admin as do

    if what == "list":
        show_rows(_with_services(do.list_deletions), "Nothing can be brought back.")
        return
    if not what.isdecimal() or len(what) > 18:
        raise typer.BadParameter("give list, or the number of a deletion")
    print(f"Brought back: {_with_services(lambda s: do.undelete(s, int(what)))}")


@dictionary.command("apply")
def dictionary_apply(
    source: Annotated[str, typer.Argument(metavar="D", help="Folder, JSON file (.gz too) or installed package.")],
    move: Annotated[
        bool, typer.Option("--move", help="Keep records that it has no place for as system types and free metadata.")
    ] = False,
) -> None:
    """Put another dictionary in use, in one transaction; refused while any record breaks, unless --move."""
    from commensal.server import admin as do

    sentence, lines = _with_services(lambda s: do.apply_dictionary(s, source, move=move))
    print(sentence, *lines, sep="\n")


@audit.command("verify")
def audit_verify(
    anchor: Annotated[
        Text, typer.Option("--anchor", metavar="N:DIGEST", help="The head that an earlier run showed.")
    ] = None,
) -> None:
    """Check that no event was altered, deleted or slipped in."""
    from commensal.server import admin as do

    good, lines = _with_services(lambda s: do.audit_verify(s, anchor))
    print(*lines, sep="\n")
    print("The audit is whole." if good else "The audit is DAMAGED.")
    if not good:
        raise typer.Exit(1)


@audit.command("tail")
def audit_tail(n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 30) -> None:
    """Show the newest events."""
    from commensal.server import admin as do

    show_rows(_with_services(lambda s: do.audit_tail(s, n)), "There are no events.")


@audit.command("patient")
def audit_patient(
    number: Annotated[int, typer.Argument(metavar="ID", min=0, max=2**63 - 1, help="Number of the record.")],
) -> None:
    """Show who touched the patient fields of a record."""
    from commensal.server import admin as do

    show_rows(_with_services(lambda s: do.audit_patient(s, number)), "Nobody did.")


# --- backup


@admin.command("backup")
def backup(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="An empty folder, or one of earlier backups.")],
) -> None:
    """Write database, bytes and master key to a folder; the server may go on running."""
    from commensal.server.backup import backup as run

    for line in asyncio.run(run(_data["folder"], folder)):
        print(line)


@admin.command("restore")
def restore(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder that `backup` wrote.")],
    master_key: Annotated[
        Text, typer.Option("--master-key", metavar="FILE", help="The key, where it was moved elsewhere.")
    ] = None,
) -> None:
    """Bring a backup back into an empty data folder (and, with --database in its settings, an empty database)."""
    from commensal.server.backup import restore as run

    for line in asyncio.run(run(_data["folder"], folder, master_key)):
        print(line)


@files.command("scrub")
def files_scrub(
    remove_orphans: Annotated[
        bool, typer.Option("--remove-orphans", help="Also remove objects that no file knows.")
    ] = False,
) -> None:
    """Read all stored bytes back and compare their hashes; what is damaged is not served any more."""
    from commensal.server import admin as do

    good, lines = _with_services(lambda s: do.scrub(s, remove_orphans=remove_orphans))
    print(*lines, sep="\n")
    if not good:
        print("Some stored bytes are DAMAGED: bring them back from a backup, or upload them again.")
        raise typer.Exit(1)
    print("All stored bytes are as they were written.")


# --- later


@lake.command("rebuild")
def lake_rebuild() -> None:
    """Build the lake anew (not built yet)."""
    raise EngineMissing("'lake rebuild' is not built yet: this version has no lake.")
