"""Rights, roles, grants and the Scope that turns "may X?" into "list all that X may".

Source: design hub and architecture, "Rights". A right is held on a project; a grant stands on a
project, or on a program and then holds for all its projects, future ones too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

__all__ = ["ROLES", "ROLE_NAMES", "Access", "Grant", "PublicLevel", "Right", "Scope", "rights_of_role"]


class Right(enum.IntFlag):
    """What a caller may do in a project."""

    AGGREGATE = 1
    READ = 2
    DOWNLOAD = 4
    CREATE = 8
    UPDATE = 16
    DELETE = 32
    APPROVE = 64
    MANAGE = 128
    IDENTIFY = 256

    @property
    def word(self) -> str:
        """The right's name as shown to people (``read``)."""
        return (self.name or "none").lower()


#: What each right allows, for pages and documents.
RIGHT_MEANINGS: dict[Right, str] = {
    Right.AGGREGATE: "see counts",
    Right.READ: "see metadata rows",
    Right.DOWNLOAD: "fetch bytes, matrices and tables of values",
    Right.CREATE: "add records and files",
    Right.UPDATE: "change records and files",
    Right.DELETE: "delete records and files",
    Right.APPROVE: "sign reports and release projects",
    Right.MANAGE: "give grants, set members, public level and mode, make projects of a program",
    Right.IDENTIFY: "see and write patient fields",
}

_COUNTER = Right.AGGREGATE
_VIEWER = _COUNTER | Right.READ
_ANALYST = _VIEWER | Right.DOWNLOAD
_CONTRIBUTOR = _ANALYST | Right.CREATE | Right.UPDATE
_CURATOR = _CONTRIBUTOR | Right.DELETE | Right.APPROVE
_MANAGER = _CURATOR | Right.MANAGE

ROLES: dict[str, Right] = {
    "counter": _COUNTER,
    "viewer": _VIEWER,
    "analyst": _ANALYST,
    "contributor": _CONTRIBUTOR,
    "curator": _CURATOR,
    "manager": _MANAGER,
    "owner": _MANAGER | Right.IDENTIFY,
    "clinician": _CURATOR | Right.IDENTIFY,
}
ROLE_NAMES: tuple[str, ...] = tuple(ROLES)

NO_RIGHTS = Right(0)
ALL_RIGHTS = ROLES["owner"]
#: Site admins hold everything but ``identify``, which they must grant to themselves.
SITE_ADMIN_RIGHTS = _MANAGER


def rights_of_role(role: str) -> Right:
    """Return the rights of a role; an unknown role holds none."""
    return ROLES.get(role, NO_RIGHTS)


class PublicLevel(enum.IntEnum):
    """What everybody may do in a project, on every door alike."""

    NONE = 0
    AGGREGATE = 1
    READ = 2
    DOWNLOAD = 3

    @property
    def word(self) -> str:
        """The level's name as shown to people."""
        return self.name.lower()

    @property
    def rights(self) -> Right:
        """The rights that the level gives to everybody."""
        return _LEVEL_RIGHTS[self]

    @classmethod
    def parse(cls, word: str) -> PublicLevel | None:
        """Return the level of this name, or None."""
        return cls.__members__.get(word.upper())


_LEVEL_RIGHTS: dict[PublicLevel, Right] = {
    PublicLevel.NONE: NO_RIGHTS,
    PublicLevel.AGGREGATE: Right.AGGREGATE,
    PublicLevel.READ: _VIEWER,
    PublicLevel.DOWNLOAD: _ANALYST,
}
#: The lowest level that gives a right; rights that are absent are never public.
_RIGHT_LEVEL: dict[Right, PublicLevel] = {
    Right.AGGREGATE: PublicLevel.AGGREGATE,
    Right.READ: PublicLevel.READ,
    Right.DOWNLOAD: PublicLevel.DOWNLOAD,
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on a program or, when ``project`` is set, on one project (numbers are ``seq``)."""

    role: str
    program: int | None = None
    project: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a caller holds one right: the value that storage compiles into a WHERE.

    A project is inside when ``everything`` is set, or its number is in ``projects``, or its
    program's in ``programs``, or its public level is at least ``public_level``. When
    ``only_program`` is set, projects of other programs are outside whatever the rest says.
    """

    everything: bool = False
    programs: frozenset[int] = frozenset()
    projects: frozenset[int] = frozenset()
    public_level: int | None = None
    only_program: int | None = None

    @property
    def empty(self) -> bool:
        """Tell whether no project can be inside."""
        return not (self.everything or self.programs or self.projects or self.public_level is not None)

    @property
    def granted(self) -> Scope:
        """The same without public levels: where private results, and their files, are shown."""
        return replace(self, public_level=None)

    def covers(self, *, program: int, project: int, public_level: int) -> bool:
        """Tell whether one project is inside; storage's WHERE gives the same answer (tested)."""
        if self.only_program is not None and program != self.only_program:
            return False
        return (
            self.everything
            or project in self.projects
            or program in self.programs
            or (self.public_level is not None and public_level >= self.public_level)
        )


@dataclass(frozen=True, slots=True)
class Access:
    """All that one caller holds, gathered once a request.

    ``programs`` and ``projects`` map numbers to the union of the rights granted there, by grants
    to the user and to the user's groups.
    """

    site_admin: bool = False
    public: bool = False
    programs: dict[int, Right] = field(default_factory=dict[int, Right])
    projects: dict[int, Right] = field(default_factory=dict[int, Right])
    only_program: int | None = None

    def granted(self, *, program: int, project: int | None = None) -> Right:
        """Return the rights held by grants alone (the Gen3 export route asks for these)."""
        if self.only_program is not None and program != self.only_program:
            return NO_RIGHTS
        held = self.programs.get(program, NO_RIGHTS)
        if project is not None:
            held |= self.projects.get(project, NO_RIGHTS)
        if self.site_admin:
            held |= SITE_ADMIN_RIGHTS
        return held

    def rights(self, *, program: int, project: int | None, public_level: int = 0) -> Right:
        """Return all rights held on one project, or on a program when ``project`` is None."""
        if self.only_program is not None and program != self.only_program:
            return NO_RIGHTS
        held = self.granted(program=program, project=project)
        if self.public:
            held |= PublicLevel(public_level).rights
        return held

    def scope(self, right: Right, *, by_grant_only: bool = False) -> Scope:
        """Return the projects on which the caller holds a right.

        Rights imply no other right: every role lists all of its rights.
        """
        level = _RIGHT_LEVEL.get(right) if self.public and not by_grant_only else None
        return Scope(
            everything=self.site_admin and bool(SITE_ADMIN_RIGHTS & right),
            programs=frozenset(number for number, held in self.programs.items() if held & right),
            projects=frozenset(number for number, held in self.projects.items() if held & right),
            public_level=None if level is None else int(level),
            only_program=self.only_program,
        )
