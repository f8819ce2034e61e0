"""Data files and their index records: which record a submitted data file means, and what is wrong with that.

Source: contracts/gen3.md 4.8. ``object_id`` names the record; without it, one of the same md5 and size is meant, else
a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from commensal.core import index as rules
from commensal.core.entities import Entity
from commensal.core.index import IndexRecord
from commensal.core.permissions import PublicLevel
from commensal.core.projects import Program, Project
from commensal.errors import Invalid, TooLarge

__all__ = ["Wish", "acl_of", "authz_of", "check_hash_and_size", "wishes_of"]

_CONSENT = 200


class Wish:
    """One data file that has to do with an index record.

    ``did`` is the object_id that it has or is given (None: none), ``uuid`` what it ends with; ``md5`` and ``size`` are
    those of the file. ``urls``: addresses to be stored, None: as they are. ``named``: the type has ``object_id``; where
    it has not, the id of the data file itself is its object's, and records of other files are never meant.
    """

    __slots__ = ("did", "entity", "md5", "named", "prefix", "size", "urls", "uuid")

    def __init__(self, entity: Entity, did: str | None, md5: str | None, size: int | None) -> None:
        self.entity = entity
        self.named = "object_id" in entity.plan.stored
        self.did = did
        self.md5 = md5
        self.size = size
        self.urls: tuple[str, ...] | None = None
        self.prefix = ""
        self.uuid: UUID | None = None

    def wrong(self, key: str, message: str, kind: str = "INVALID_VALUE") -> None:
        """Add an error to the entity."""
        self.entity.error([key], message, kind)


def wishes_of(entities: Iterable[Entity], *, gen3: bool) -> list[Wish]:
    """Return what data files ask for; those whose record is not touched are left out.

    Doors other than Gen3 need not say size and md5; then nothing is asked for, and an object_id is kept as it is.
    Faults become errors of the entity.
    """
    found: list[Wish] = []
    for entity in entities:
        if entity.errors or not entity.plan.is_data_file:
            continue
        wish = _wish(entity)
        if wish is not None and (gen3 or (wish.md5 is not None and wish.size is not None)):
            found.append(wish)
    return found


def _wish(entity: Entity) -> Wish | None:
    props, before = entity.props, entity.before.props if entity.before is not None else None
    did = props.get("object_id") if "object_id" in entity.plan.stored else entity.given_id or (entity.uuid or None)
    if before is not None and did is not None and entity.urls is None:
        same = all(props.get(key) == before.get(key) for key in ("object_id", "md5sum", "file_size"))
        if same and entity.doc.get("object_id") is None:
            return None
    md5, size = props.get("md5sum"), props.get("file_size")
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    wish = Wish(
        entity,
        did if isinstance(did, str) else None,
        md5.lower() if isinstance(md5, str) else None,
        size if isinstance(size, int) and not isinstance(size, bool) else None,
    )
    if wish.did is not None:
        parsed = rules.parse_did(wish.did)
        if parsed is None:
            wish.wrong(
                "object_id",
                f"{wish.did[:120]!r} is no GUID: a UUID in lower case, after an optional prefix like 'dg.1234/'.",
            )
            return None
        wish.prefix, wish.uuid = parsed
    try:
        rules.check_hashes({} if wish.md5 is None else {"md5": wish.md5})
    except Invalid as error:
        wish.wrong("md5sum", error.message)
        return None
    try:
        rules.check_size(wish.size)
    except Invalid as error:
        wish.wrong("file_size", error.message)
        return None
    return wish if _read_urls(wish, entity.urls) else None


def _read_urls(wish: Wish, given: Any) -> bool:
    """Take ``urls``: a list, or texts between commas; false when they are wrong."""
    if given is None:
        return True
    texts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else str(given).split(",")
    if not all(isinstance(text, str) for text in texts):
        wish.wrong("urls", "urls must be addresses, between commas or as a list of texts.")
        return False
    urls = tuple(dict.fromkeys(text.strip() for text in cast("list[str]", texts) if text.strip()))
    try:
        rules.check_urls(urls, {})
        rules.check_room(urls)
    except (Invalid, TooLarge) as error:
        wish.wrong("urls", error.message)
        return False
    wish.urls = urls
    return True


def check_hash_and_size(wish: Wish, record: IndexRecord) -> bool:
    """Compare a data file with the record that it names; differences become errors. True: they agree."""
    if record.size is None or not record.hashes:
        wish.wrong(
            "object_id",
            f"The object {record.did} is not ready for metadata submission: its size and hashes are not known yet. "
            "Upload its bytes first, and wait until they are there.",
        )
        return False
    good = True
    if wish.md5 is not None and wish.md5 not in record.hashes.values():
        wish.wrong("md5sum", f"The md5sum {wish.md5} is not among the hashes of the object {record.did}.")
        good = False
    if wish.size is not None and wish.size != record.size:
        wish.wrong("file_size", f"The file_size {wish.size} is not that of the object {record.did}, {record.size}.")
        good = False
    return good


def authz_of(project: Project, wish: Wish) -> list[str] | None:
    """Return the authz paths of a data file's record: the project, and below it its consent codes; None: bad codes."""
    path = rules.project_path(project)
    given: Any = wish.entity.props.get("consent_codes")
    codes = cast("list[Any]", given) if isinstance(given, list) else []
    paths = [path, *(f"{path}/consents/{code}" for code in codes if isinstance(code, str))]
    if any(isinstance(code, str) and (len(code) > _CONSENT or "/" in code or not code.strip()) for code in codes):
        wish.wrong("consent_codes", f"A consent code has 1 to {_CONSENT} characters and no slash.")
        return None
    try:
        rules.check_authz(paths)
    except Invalid as error:
        wish.wrong("consent_codes", error.message)
        return None
    return paths


def acl_of(program: Program | None, project: Project) -> Sequence[str]:
    """Return the older access list of a project's records: both dbgap numbers, or ``*`` where everybody may read."""
    if project.public_level >= PublicLevel.READ:
        return ("*",)
    key = "dbgap_accession_number"
    named = (
        (None if program is None else program.properties.get(key), project.program_code),
        (project.properties.get(key), project.code),
    )
    return tuple(number if isinstance(number, str) and number.strip() else code for number, code in named)
