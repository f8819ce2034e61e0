"""Links of one request: which targets are meant, what stands afterwards, and which rules of the dictionary break.

Source: contracts/gen3.md 4.5 (links are merged on update), 6 (multiplicities, subgroups).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from commensal.core.dictionary import Link, LinkGroup
from commensal.core.entities import Entity, Reading
from commensal.core.records import ProjectRow, StoredLink, Target

__all__ = ["Found", "check_groups", "check_sources", "merge_links", "resolve_hub", "resolve_links"]


_NONE: frozenset[tuple[str, int]] = frozenset()
_NOTHING_REMOVED: list[tuple[str, int]] = []


class Found:
    """What the look-up of a request found: records by type and folded name, and by uuid."""

    __slots__ = ("by_id", "by_name", "links", "sources")

    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, Target]] = {}
        self.by_id: dict[str, Target] = {}
        #: Links that stored entities of the request have now, by the entity's number.
        self.links: dict[int, list[StoredLink]] = {}
        #: For targets that may be pointed at only once: (target number, link name, source type) → sources now.
        self.sources: dict[tuple[int, str, str], set[int]] = {}


def resolve_links(
    entity: Entity, reading: Reading, found: Found, project: ProjectRow, codes: Callable[[str], bool]
) -> None:
    """Find the targets that an entity names and note them in ``entity.added`` as (link name, target).

    A target that is in the same document wins over a stored one of that name (it is the same record). ``codes`` tells
    whether a folded project code exists on the site.
    """
    added: list[tuple[str, Target]] = []
    entity.added = added
    own = entity.project
    for link, uuid, folded, ref in entity.refs:
        name = link.name
        target: Target | None = None
        if link.target == "project" or link.target == "program":
            target = _administrative(entity, link, uuid, folded, ref, project, codes)
            if target is None:
                continue
        elif uuid is None:
            if folded is not None:
                names = reading.by_name.get(link.target)
                target = names.get(folded) if names is not None else None
                if target is None:
                    names = found.by_name.get(link.target)
                    target = names.get(folded) if names is not None else None
        else:
            target = reading.by_id.get(uuid) or found.by_id.get(uuid)
            if target is not None and (target.type != link.target or (folded is not None and folded != target.folded)):
                target = None
        if target is None:
            _no_target(entity, name, _named(ref, project))
        elif target.project != own:
            entity.error(
                [name],
                f"The target of {name} belongs to another project; links do not leave their project.",
                "INVALID_LINK",
            )
        else:
            added.append((name, target))


def resolve_hub(entity: Entity, reading: Reading, found: Found, between: Callable[[str, str], Link | None]) -> None:
    """Find the targets of links given by hub name (design, "Hub links").

    ``between`` returns the one link that the dictionary declares between two types: that one is written then.
    """
    for hub, uuid, type_name, folded in entity.hub:
        target: Target | None = None
        if uuid is not None:
            target = reading.by_id.get(uuid) or found.by_id.get(uuid)
        elif type_name is not None and folded is not None:
            target = reading.by_name.get(type_name, {}).get(folded) or found.by_name.get(type_name, {}).get(folded)
        if target is None:
            _no_target(entity, hub, {"id": uuid} if uuid else {"type": type_name, "submitter_id": folded})
            continue
        if target.project != entity.project:
            entity.error(
                [hub], f"The target of {hub} belongs to another project; links do not leave their project.",
                "INVALID_LINK",
            )  # fmt: skip
            continue
        link = between(entity.type, target.type)
        name = link.name if link is not None else f"commensal.{hub}"
        entity.added.append((name, target))
        if entity.relink:
            if entity.cleared is None:
                entity.cleared = []
            if name not in entity.cleared:
                entity.cleared.append(name)


def _administrative(
    entity: Entity,
    link: Link,
    uuid: str | None,
    folded: str | None,
    ref: dict[str, Any],
    project: ProjectRow,
    codes: Callable[[str], bool],
) -> Target | None:
    """Return this project (or program), the only row of its type that a record here may point at."""
    is_project = link.target == "project"
    code = project.code if is_project else project.program_code
    own_uuid = project.uuid if is_project else project.program_uuid
    if (uuid is not None or folded is not None) and uuid in (None, own_uuid) and folded in (None, code.casefold()):
        seq = project.seq if is_project else project.program
        return Target(seq, own_uuid, link.target, project.seq, code)
    if is_project and ((folded is not None and codes(folded)) or (uuid is not None and codes(uuid))):
        entity.error(
            [link.name],
            f"The link {link.name} leads to another project; this submission is for {project.project_id}.",
            "INVALID_PERMISSIONS",
        )
    else:
        shown = {key: value for key, value in ref.items() if key in ("id", "code", "name", "submitter_id")}
        _no_target(entity, link.name, shown)
    return None


def _named(ref: Mapping[str, Any], project: ProjectRow) -> dict[str, Any]:
    shown = {key: ref[key] for key in ("id", "node_id") if key in ref}
    if "submitter_id" in ref:
        shown = {**shown, "project_id": project.project_id, "submitter_id": ref["submitter_id"]}
    return shown or {str(key): value for key, value in ref.items()}


def _no_target(entity: Entity, name: str, keys: Mapping[str, Any]) -> None:
    shown = f"{[dict(keys)]!r}"
    if len(shown) > 400:
        shown = shown[:397] + "..."
    shown = shown.encode("utf-8", "replace").decode()
    entity.error([name], f"No link destination found for {name}, unique_keys='{shown}'", "INVALID_LINK")


def merge_links(entity: Entity, stored: Sequence[StoredLink] = ()) -> None:
    """Work out all links of an entity afterwards, and what that changes; checks how many targets each may have.

    Links are merged: stored ones stay unless ``"<link>": null`` removed all of that name.
    """
    added = entity.added
    if not stored and len(added) < 2:
        # By far the most: a new record with one link.
        entity.removed = _NOTHING_REMOVED
        entity.links = {added[0][0]: [added[0][1]]} if added else {}
        return
    links: dict[str, list[Target]] = {}
    removed: list[tuple[str, int]] = []
    cleared = entity.cleared
    present: set[tuple[str, int]] = set()
    wanted = {(name, target.seq) for name, target in entity.added} if cleared is not None else _NONE
    for row in stored:
        if cleared is not None and row.name in cleared and (row.name, row.dst) not in wanted:
            removed.append((row.name, row.dst))
        else:
            target = Target(row.dst, row.dst_uuid, row.dst_type, row.dst_project, row.dst_submitter_id)
            links.setdefault(row.name, []).append(target)
            present.add((row.name, row.dst))
    new: list[tuple[str, Target]] = []
    for name, target in added:
        targets = links.get(name)
        if targets is None:
            links[name] = [target]
        elif target in targets or (target.seq and (name, target.seq) in present):
            continue
        else:
            targets.append(target)
        new.append((name, target))
    entity.added = new
    entity.removed = removed
    entity.links = links
    for name, targets in links.items():
        if len(targets) > 1:
            link = entity.plan.links_by_name.get(name)
            if link is not None and not link.many_targets:
                entity.error([name], f"'{name}' link has to be {link.multiplicity}", "INVALID_LINK")


def check_groups(entity: Entity, *, bound: bool, lacked: Callable[[str], bool] | None = None) -> None:
    """Check required links and groups of links.

    ``bound``: required links bind. ``lacked`` tells of a stored record whether it had no link of that name already,
    which is then a warning only.
    """
    plan = entity.plan
    links = entity.links
    # What has an error of its own already (not found, absent) is not also called missing.
    named = {key for error in (*entity.errors, *(entity.missing or ())) for key in error.keys}
    for link in plan.required_links:
        if link.name not in links and link.name not in named and bound:
            message = f"Entity is missing required link to {link.name}"
            if lacked is not None and lacked(link.name):
                entity.warn([link.name], message, "INVALID_LINK")
            else:
                entity.error([link.name], message, "INVALID_LINK")
    for group in plan.groups:
        free = named.isdisjoint(link.name for link in group.links()) if named else True
        _check_group(entity, group, links, bound=bound and free, lacked=lacked)


def _check_group(
    entity: Entity,
    group: LinkGroup,
    links: Mapping[str, Any],
    *,
    bound: bool,
    lacked: Callable[[str], bool] | None,
) -> None:
    names = [link.name for link in group.links()]
    members = [
        [member.name] if isinstance(member, Link) else [link.name for link in member.links()]
        for member in group.members
    ]
    used = [[name for name in member if name in links] for member in members]
    given = [name for member in used for name in member]
    if group.required and not given and bound:
        message = f"Entity is missing a required link to {' or '.join(names)}"
        if lacked is not None and all(lacked(name) for name in names):
            entity.warn(names, message, "INVALID_LINK")
        else:
            entity.error(names, message, "INVALID_LINK")
    if group.exclusive and sum(1 for member in used if member) > 1:
        message = f"Links to {' and '.join(names)} are exclusive; more than one was given: {', '.join(given)}"
        entity.error(names, message, "INVALID_LINK")
    for member in group.members:
        if isinstance(member, LinkGroup):
            # Whether the inner group is needed is the outer one's matter; that it is exclusive is its own.
            _check_group(entity, member, links, bound=False, lacked=lacked)


def check_sources(entities: Iterable[Entity], found: Found) -> None:
    """Check links whose targets may be pointed at once (one_to_one, one_to_many), stored and new ones together."""
    seen: dict[tuple[int, str, str], Entity] = {}
    for entity in entities:
        plan = entity.plan
        if not plan.target_once:
            continue
        for name, target in entity.added:
            if name not in plan.target_once:
                continue
            key = (id(target) if not target.seq else target.seq, name, plan.name)
            others: set[int] = found.sources.get((target.seq, name, plan.name), set()) if target.seq else set()
            other = seen.setdefault(key, entity)
            if other is not entity or others - {entity.seq}:
                multiplicity = plan.links_by_name[name].multiplicity
                entity.error([name], f"'{name}' link has to be {multiplicity}", "INVALID_LINK")
