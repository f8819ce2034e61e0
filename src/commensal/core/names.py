"""Names: which ones programs, projects and records may have, how they compare, and the ones we make ourselves.

Source: design, "Names and numbers"; reserved words of paths: contracts/gen3.md 11. Every refusal is an
:class:`~commensal.errors.Invalid` whose sentence says what is wrong and what would be right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container
from typing import NamedTuple
from uuid import UUID

from commensal.errors import Invalid

__all__ = [
    "CODE_LENGTH",
    "RESERVED_PROGRAMS",
    "RESERVED_PROJECTS",
    "SUBMITTER_ID_LENGTH",
    "TITLE_LENGTH",
    "FieldName",
    "ResultName",
    "accession",
    "check_program_code",
    "check_project_code",
    "check_submitter_id",
    "check_title",
    "code_from_title",
    "default_submitter_id",
    "field_submitter_id",
    "fold",
    "home_code",
    "parse_accession",
    "parse_field_submitter_id",
    "parse_result_submitter_id",
    "polly_form",
    "program_code_problem",
    "project_code_problem",
    "project_id",
    "result_submitter_id",
    "split_project_id",
    "title_problem",
    "unused",
]

CODE_LENGTH = 64
SUBMITTER_ID_LENGTH = 256
TITLE_LENGTH = 1000

#: Names that are routes where a program's name stands (without case).
RESERVED_PROGRAMS = frozenset({"graphql", "getschema", "_dictionary", "template", "validation", "admin"})

#: Names that are routes where a project's code stands, in Gen3 paths and in Polly paths and queries (without case).
RESERVED_PROJECTS = frozenset(
    {
        "_dictionary",
        "_dry_run",
        "bulk",
        "entities",
        "export",
        "files",
        "manifest",
        "open",
        "release",
        "review",
        "submit",
        "template",
        "transactions",
        "upload_manifest",
        "xml",
        "queries",
        "_query",
        "_search",
        "workspace_jobs",
        "data_matrices",
        "information_schema",
    },
)

_PROGRAM = re.compile(r"[A-Za-z0-9_.]{1,64}")
_PROJECT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UUID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}",
    re.IGNORECASE,
)
_ACCESSION = re.compile(r"GSF([1-9][0-9]{0,18})", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?!25|2E)")


def fold(text: str) -> str:
    """Return the form in which names are compared and stored folded: Unicode case folding, nothing else.

    Full case folding (not lower case), so that it does not depend on a language: ``ß`` equals ``SS``. No
    normalisation: two spellings of ``é`` stay two names, as in the files they come from.
    """
    return text.casefold()


def polly_form(code: str) -> str:
    """Return the form of a project code that is unique on the site: lower case, other characters ``_``."""
    return re.sub(r"[^a-z0-9]", "_", code.lower())


def project_id(program: str, project: str) -> str:
    """Return ``<program code>-<project code>``."""
    return f"{program}-{project}"


def split_project_id(text: str) -> tuple[str, str] | None:
    """Split a project id at its first ``-`` (a program code has none); None if there is no such place."""
    program, dash, project = text.partition("-")
    return (program, project) if program and dash and project else None


# --- codes and titles


def _common_code_problem(code: str) -> str | None:
    if _UUID.fullmatch(code):
        return "must not look like a uuid"
    if code.isdigit():
        return "must not be made of digits only"
    if not code.strip("."):
        return "must not be made of dots only"
    return None


def program_code_problem(code: str) -> str | None:
    """Say what is wrong with a program code (the end of a sentence that begins with it), or None."""
    if not _PROGRAM.fullmatch(code):
        return f"must have 1 to {CODE_LENGTH} characters out of A-Z, a-z, 0-9, '_' and '.' (no '-')"
    if fold(code) in RESERVED_PROGRAMS:
        return "is a reserved word"
    return _common_code_problem(code)


def project_code_problem(code: str) -> str | None:
    """Say what is wrong with a project code (the end of a sentence that begins with it), or None."""
    if not _PROJECT.fullmatch(code):
        return f"must have 1 to {CODE_LENGTH} characters out of A-Z, a-z, 0-9, '_', '.' and '-'"
    if fold(code) in RESERVED_PROJECTS or polly_form(code) in RESERVED_PROJECTS:
        return "is a reserved word"
    return _common_code_problem(code)


def title_problem(title: str) -> str | None:
    """Say what is wrong with a title (the end of a sentence that begins with it), or None."""
    if not title.strip():
        return "must not be empty"
    if len(title) > TITLE_LENGTH:
        return f"must have at most {TITLE_LENGTH} characters"
    if _control(title) is not None:
        return "must not contain control characters"
    if _UUID.fullmatch(title.strip()):
        return "must not look like a uuid"
    return None


def check_program_code(code: str) -> str:
    """Return the code if a new program may have it (uniqueness apart), else raise Invalid."""
    return _checked("program code", code, program_code_problem(code), "code")


def check_project_code(code: str) -> str:
    """Return the code if a new project may have it (uniqueness apart), else raise Invalid."""
    return _checked("project code", code, project_code_problem(code), "code")


def check_title(title: str) -> str:
    """Return the title if a new program or project may have it (uniqueness apart), else raise Invalid."""
    return _checked("title", title, title_problem(title), "title")


def code_from_title(title: str, taken: Container[str] = (), *, program: bool = False) -> str:
    """Make a code from a title, for doors that give only a title.

    Accents are dropped, every run of other characters becomes one ``_``; what would be refused gets a ``_`` at its
    end; what is taken gets ``_2``, ``_3``, … ``taken`` holds codes in the form they are compared in:
    :func:`fold` of program codes, :func:`polly_form` of project codes.
    """
    problem, key = (program_code_problem, fold) if program else (project_code_problem, polly_form)
    plain = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    keep = r"[^A-Za-z0-9_.]+" if program else r"[^A-Za-z0-9_.-]+"
    # A dash between blanks is punctuation; "a - b" reads better as "a_b" than as "a_-_b".
    code = re.sub(r"_?(?<=_)-+_|_-+$|^-+_", "_", re.sub(keep, "_", plain)).strip("_.-")
    code = code[:CODE_LENGTH].rstrip("_.-") or ("program" if program else "project")
    while problem(code) is not None:
        code = f"{code[: CODE_LENGTH - 1]}_"
    return unused(code, lambda name: key(name) in taken, CODE_LENGTH)


def unused(name: str, taken: Callable[[str], bool], limit: int = SUBMITTER_ID_LENGTH) -> str:
    """Return the name, or with ``_2``, ``_3``, … when taken, cut so that it stays within ``limit`` characters."""
    if not taken(name):
        return name
    number = 2
    while True:
        suffix = f"_{number}"
        candidate = name[: limit - len(suffix)] + suffix
        if not taken(candidate):
            return candidate
        number += 1


def home_code(seq: int) -> str:
    """Return code and title of the home program, and of its project, of the user with this number."""
    return f"u{seq}"


# --- records


def check_submitter_id(text: str) -> str:
    """Return the submitter_id if a record may have it (uniqueness apart), else raise Invalid."""
    problem = None
    if not text:
        problem = "must not be empty"
    elif len(text) > SUBMITTER_ID_LENGTH:
        problem = f"must have at most {SUBMITTER_ID_LENGTH} characters, not {len(text)}"
    elif (found := _control(text)) is not None:
        problem = f"must not contain control characters (U+{ord(found):04X} was found)"
    return _checked("submitter_id", text, problem, "submitter_id")


def default_submitter_id(type_name: str, seq: int) -> str:
    """Return the submitter_id of a record that was made without one. ``type_name`` is shown without our prefix."""
    return f"{type_name.removeprefix('commensal.')}-{seq}"


class ResultName(NamedTuple):
    """The parts of an analysis result's submitter_id."""

    owner: UUID
    module: str
    replicate: str


class FieldName(NamedTuple):
    """The parts of a result field's submitter_id."""

    owner: UUID
    module: str
    replicate: str
    field: str


def result_submitter_id(owner: UUID, module: str, replicate: str) -> str:
    """Return ``<owner uuid>.<module>.<replicate>``, in each part ``%`` and ``.`` percent-encoded."""
    return check_submitter_id(_join(owner, _named("module", module), replicate))


def field_submitter_id(owner: UUID, module: str, replicate: str, field: str) -> str:
    """Return ``<owner uuid>.<module>.<replicate>.<field>``, in each part ``%`` and ``.`` percent-encoded."""
    return check_submitter_id(_join(owner, _named("module", module), replicate, _named("field", field)))


def parse_result_submitter_id(text: str) -> ResultName | None:
    """Return the parts of a submitter_id made by :func:`result_submitter_id`, or None if it was not."""
    parts = _split(text, 3)
    return None if parts is None else ResultName(UUID(parts[0]), parts[1], parts[2])


def parse_field_submitter_id(text: str) -> FieldName | None:
    """Return the parts of a submitter_id made by :func:`field_submitter_id`, or None if it was not."""
    parts = _split(text, 4)
    return None if parts is None else FieldName(UUID(parts[0]), parts[1], parts[2], parts[3])


def accession(seq: int) -> str:
    """Return the Genestack accession of the thing with this number: ``GSF`` and the number, unpadded."""
    return f"GSF{seq}"


def parse_accession(text: str) -> int | None:
    """Return the number in an accession (any case, leading zeros refused), or None if it is none."""
    found = _ACCESSION.fullmatch(text)
    number = int(found[1]) if found else 0
    return number if 0 < number < 1 << 63 else None


# --- helpers


def _checked(what: str, text: str, problem: str | None, field: str) -> str:
    if problem is None:
        return text
    shown = text if len(text) <= 80 else text[:77] + "..."
    msg = f"The {what} {shown!r} {problem}."
    raise Invalid(msg, field=field)


def _control(text: str) -> str | None:
    """Return the first control character or lone surrogate in a text."""
    if text.isprintable():
        return None
    return next((c for c in text if unicodedata.category(c) in ("Cc", "Cs")), None)


def _named(what: str, text: str) -> str:
    if text:
        return text
    msg = f"The {what} of a result must have a name."
    raise Invalid(msg, field=what)


def _join(owner: UUID, *parts: str) -> str:
    return ".".join([str(owner), *(part.replace("%", "%25").replace(".", "%2E") for part in parts)])


def _split(text: str, count: int) -> list[str] | None:
    parts = text.split(".")
    if len(parts) != count or _BAD_ESCAPE.search(text) or not parts[1] or (count == 4 and not parts[3]):
        return None
    if len(parts[0]) != 36 or parts[0] != parts[0].lower() or not _UUID.fullmatch(parts[0]):
        return None
    return [part.replace("%2E", ".").replace("%25", "%") for part in parts]
