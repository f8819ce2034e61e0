"""What the admin commands do, as plain values: the actor is the operator, through the services."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from commensal.core.principals import KEY_DOORS, Credential, Door
from commensal.core.projects import Mode
from commensal.core.users import User
from commensal.errors import Invalid, NotFound
from commensal.services import Services
from commensal.services.identity import operator

__all__ = [
    "add_group_member",
    "add_program",
    "add_user",
    "apply_dictionary",
    "audit_patient",
    "audit_tail",
    "audit_verify",
    "grant",
    "invite",
    "list_deletions",
    "list_keys",
    "list_users",
    "new_key",
    "remove_group_member",
    "revoke",
    "revoke_key",
    "rotate_key",
    "set_active",
    "set_mode",
    "set_password",
    "undelete",
]

Row = dict[str, Any]


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


def _door(name: str) -> Door:
    for door in KEY_DOORS:
        if door.value == name.lower():
            return door
    raise Invalid(f"{name!r} is no door with keys: {', '.join(door.value for door in KEY_DOORS)}.", field="door")


async def _user(services: Services, email: str, route: str) -> User:
    try:
        return await services.identity.user(operator(route), email)
    except NotFound:
        raise NotFound(f"There is no account with the e-mail {email!r}.") from None


# --- people


async def add_user(
    services: Services, email: str, *, name: str, password: str | None, site_admin: bool
) -> tuple[Row, str | None]:
    """Add an account; returns it, and the password when one was made here."""
    made = secrets.token_urlsafe(12) if password is None else None
    user = await services.identity.add_user(
        operator("user add"), email, name=name, password=made if password is None else password, site_admin=site_admin
    )
    return {"email": user.email, "number": user.seq, "site_admin": user.site_admin}, made


async def list_users(services: Services, search: str) -> list[Row]:
    """Return all accounts whose e-mail or name holds ``search``."""
    rows: list[Row] = []
    while True:
        users, total = await services.identity.list_users(operator("user list"), search, offset=len(rows), limit=200)
        rows += [
            {
                "number": user.seq,
                "email": user.email,
                "name": user.name,
                "what": ", ".join(
                    [*(["site admin"] if user.site_admin else []), *([] if user.active else ["deactivated"])]
                ),
                "last signed in": _time(user.last_signed_in),
            }
            for user in users
        ]
        if not users or len(rows) >= total:
            return rows


async def invite(services: Services, email: str, *, name: str) -> str:
    """Invite somebody; returns the link."""
    return (await services.identity.invite(operator("user invite"), email, name=name)).link


async def set_password(services: Services, email: str, password: str | None) -> str | None:
    """Set a password; returns the one that was made when none was given."""
    user = await _user(services, email, "user passwd")
    new = secrets.token_urlsafe(12) if password is None else password
    await services.identity.set_password(operator("user passwd"), user.seq, new)
    return new if password is None else None


async def set_active(services: Services, email: str, *, active: bool) -> None:
    """Switch an account off or on."""
    user = await _user(services, email, "user activate" if active else "user deactivate")
    if active:
        await services.identity.activate(operator("user activate"), user.seq)
    else:
        await services.identity.deactivate(operator("user deactivate"), user.seq)


async def add_group_member(services: Services, email: str, group: str) -> bool:
    """Put somebody into a group, which is made when it is absent; returns whether anything changed."""
    who = operator("group add")
    await _user(services, email, "group add")
    try:
        await services.groups.group(who, group)
    except NotFound:
        await services.groups.add(who, group)
    return await services.groups.add_members(who, group, [email]) > 0


async def remove_group_member(services: Services, email: str, group: str) -> bool:
    """Take somebody out of a group; returns whether he was in it."""
    return await services.groups.remove_members(operator("group remove"), group, [email]) > 0


# --- programs and rights


async def add_program(services: Services, code: str, title: str | None) -> Row:
    """Make a program."""
    program = await services.catalog.add_program(operator("program add"), code, title=title)
    return {"code": program.code, "title": program.title, "number": program.seq}


async def grant(services: Services, holder: str, role: str, target: str) -> None:
    """Give a role on a program, or on PROGRAM-PROJECT."""
    await services.grants.grant(operator("grant"), holder, role.lower(), target)


async def revoke(services: Services, holder: str, role: str, target: str) -> int:
    """Take a role away; returns how many grants went."""
    return await services.grants.revoke(operator("revoke"), holder, target, role=role.lower())


async def set_mode(services: Services, project: str, *, strict: bool) -> str:
    """Set a project strict or open; returns its id. InvalidRows names what stands in the way of strict."""
    changed = await services.catalog.set_mode(
        operator("project strict" if strict else "project open"), project, Mode.STRICT if strict else Mode.OPEN
    )
    return changed.project_id


# --- keys


async def new_key(
    services: Services, email: str, door: str, *, days: int | None, program: str | None, label: str
) -> Row:
    """Make a key; returns exactly what its user saves, with the number except where the wire's form is closed."""
    who = operator("key new")
    user = await _user(services, email, "key new")
    number = None
    if program is not None:
        number = (await services.catalog.program(who, program)).seq
    key = await services.keys.make(who, _door(door), user=user.seq, days=days, program=number, label=label)
    return dict(key.shown) if key.door is Door.GEN3 else {**key.shown, "id": key.id}


def _key_row(key: Credential) -> Row:
    state = "revoked" if key.revoked else "valid"
    return {
        "id": key.id,
        "door": key.door.value,
        "kind": key.kind.value,
        "name": key.public_id or key.label,
        "made": _time(key.made),
        "expires": _time(key.expires),
        "last used": _time(key.last_used),
        "state": state,
    }


async def list_keys(services: Services, email: str) -> list[Row]:
    """Return the keys of an account."""
    user = await _user(services, email, "key list")
    return [_key_row(key) for key in await services.keys.list(operator("key list"), user.seq)]


async def revoke_key(services: Services, ref: str) -> None:
    """End a key, by its number or public name."""
    await services.keys.revoke(operator("key revoke"), int(ref) if ref.isdigit() else ref)


async def rotate_key(services: Services) -> str:
    """Make a new signing key; returns its name. Tokens signed by the old one live until they expire."""
    return await services.keys.rotate_signing_key(operator("key rotate"))


# --- dictionary, deletions, audit


async def apply_dictionary(services: Services, source: str, *, move: bool) -> tuple[str, list[str]]:
    """Put another dictionary in use; returns a sentence and one line for each type whose records were touched."""
    from commensal.server.first_steps import read_dictionary

    raw, roles = read_dictionary(source)
    report = await services.dictionaries.apply(operator("dictionary apply"), raw, source, move=move, roles=roles)
    if not report.changed:
        return f"This dictionary is in use already (version {report.version}).", []
    return f"The dictionary {source} is in use now (version {report.version}).", report.lines()


async def list_deletions(services: Services) -> list[Row]:
    """Return what was deleted and can be brought back."""
    deletions = await services.deletion.list(operator("undelete list"))
    return [
        {
            "id": deletion.id,
            "what": deletion.title,
            "kind": deletion.kind,
            "counts": ", ".join(f"{n} {name}" for name, n in sorted(deletion.counts.items())),
            "who": deletion.who_label,
            "when": _time(deletion.at),
        }
        for deletion in deletions
    ]


async def undelete(services: Services, number: int) -> str:
    """Bring a deletion back whole; returns what came back."""
    deletion = await services.deletion.undelete(operator("undelete"), number)
    return deletion.title


async def audit_verify(services: Services, anchor: str | None) -> tuple[bool, list[str]]:
    """Check the whole audit; returns whether it is good, and lines about it."""
    noted = None
    if anchor is not None:
        number, colon, digest = anchor.partition(":")
        if not colon or not number.isdigit() or not digest:
            raise Invalid("--anchor is N:DIGEST, the head that an earlier run showed.", field="anchor")
        noted = (int(number), digest)
    report = await services.sealer.check(operator("audit verify"), anchor=noted)
    lines = [f"{report.seals} seals, {report.events} sealed events, {report.waiting} waiting", f"head {report.head}"]
    lines += report.problems
    if report.more_problems:
        lines.append(f"… and {report.more_problems} more problems")
    return report.ok, lines


def _event_rows(events: Sequence[Any]) -> list[Row]:
    return [
        {
            "at": event.at.strftime("%Y-%m-%d %H:%M:%S"),
            "who": event.who_label,
            "door": event.door,
            "action": event.action,
            "target": event.target,
            "n": event.n,
            "result": event.result,
            "address": event.address,
        }
        for event in events
    ]


async def audit_tail(services: Services, n: int) -> list[Row]:
    """Return the newest events, oldest of them first."""
    return _event_rows(list(reversed(await services.audit.tail(operator("audit tail"), n))))


async def audit_patient(services: Services, number: int) -> list[Row]:
    """Return who touched the patient fields of a record, oldest first."""
    return _event_rows(list(reversed(await services.audit.patient(operator("audit patient"), number))))


async def scrub(services: Services, *, remove_orphans: bool) -> tuple[bool, list[str]]:
    """Read all stored bytes back; returns whether they are good, and lines about them."""
    report = await services.scrub.run(operator("files scrub"), remove_orphans=remove_orphans)
    lines = [f"{report.blobs} stored objects read and hashed, {report.bytes} bytes"]
    for damage in report.damaged:
        where = ", ".join(damage.files) or "no file"
        lines.append(f"{damage.kind}: {damage.key} ({damage.size} bytes), used by {where}; it is not served any more")
    if report.healed:
        lines.append(f"{report.healed} objects that were damaged before are good again")
    if report.orphans:
        size = sum(size for _, size in report.orphans)
        what = f"{report.removed} removed" if remove_orphans else "remove them with --remove-orphans"
        lines.append(f"{len(report.orphans)} objects ({size} bytes) that no file knows: {what}")
    return not report.damaged, lines
