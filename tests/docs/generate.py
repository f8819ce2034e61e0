"""Pages of docs/reference that say what the code says: written by ``make docs``, compared by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
_NOTE = "<!-- Written by `make docs` from the code. -->\n"


def rights_page() -> str:
    """Return the page of rights, roles and public levels."""
    from commensal.core.permissions import RIGHT_MEANINGS, ROLES, PublicLevel, Right

    lines = [
        "# Rights and roles",
        _NOTE,
        "A right is held on a project. A grant gives a role on a project, or on a program: then it holds for all",
        "its projects, future ones too. Grants are made to users or to groups, and may end at a date. Nobody grants",
        "a right that he does not hold. Site admins hold every right everywhere but `identify`, which they must",
        "grant to themselves, and the audit shows it.",
        "",
        "| right | lets you |",
        "|---|---|",
    ]
    lines += [f"| `{right.word}` | {RIGHT_MEANINGS[right]} |" for right in Right]
    lines += ["", "| role | " + " | ".join(right.word for right in Right) + " |", "|---|" + "---|" * len(Right)]
    lines += [
        f"| `{role}` | " + " | ".join("yes" if held & right else "" for right in Right) + " |"
        for role, held in ROLES.items()
    ]
    lines += [
        "",
        "## Public levels",
        "",
        "What everybody who is signed in may do in a project; callers without an account too where the server runs",
        "with `--anonymous on`.",
        "",
        "| level | rights |",
        "|---|---|",
    ]
    for level in PublicLevel:
        names = ", ".join(right.word for right in Right if level.rights & right)
        lines.append(f"| `{level.word}` | {names or 'none'} |")
    lines += [
        "",
        "Whoever may see counts but not rows gets counts of at least `--min-count` (5) only; smaller ones are hidden.",
        "",
    ]
    return "\n".join(lines)


def errors_page() -> str:
    """Return the page of the error family."""
    from commensal import errors

    lines = [
        "# Errors",
        _NOTE,
        "Every door answers in its own shape; behind each stands one of these. `code` is what our own API under",
        "`/commensal/v1/` and the logs call it. Anything else is a defect: status 500 with an error id that the",
        "operator finds in the log, and no detail.",
        "",
        "| error | code | status | meaning |",
        "|---|---|---|---|",
    ]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.CommensalError):
            status = "ends a command" if issubclass(kind, errors.SetupError) else str(kind.status)
            meaning = (kind.__doc__ or "").strip().split("\n")[0]
            lines.append(f"| `{name}` | `{kind.code}` | {status} | {meaning} |")
    return "\n".join([*lines, ""])


def open_dictionary_page() -> str:
    """Return the page of the dictionary that we ship."""
    from commensal.dictionaries import compile_for_site

    dictionary = compile_for_site()
    lines = [
        "# The open dictionary",
        _NOTE,
        "The record types of a server that was started without `--dictionary`. Every type that has `metadata` takes",
        "any further key: Gen3 clients see it as JSON text in `metadata`, the other doors as what it is.",
        "",
    ]
    for node in dictionary.types.values():
        if not node.ours or node.category == "internal":
            continue
        lines += [f"## {node.name}", "", " ".join(node.description.split()), ""]
        if node.links:
            lines += [
                "Links: "
                + ", ".join(
                    f"`{link.name}` to {link.target} ({link.multiplicity.replace('_', ' ')}"
                    f"{', required' if link.required else ''})"
                    for link in node.links
                )
                + ".",
                "",
            ]
        lines += ["| property | kind | required | meaning |", "|---|---|---|---|"]
        for key, prop in node.properties.items():
            if prop.system or key in ("id", "type", "project_id"):
                continue
            meaning = " ".join((prop.description or "").split()).replace("|", "\\|")
            lines.append(f"| `{key}` | {prop.kind} | {'yes' if prop.required else ''} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _command_paths(app: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    import typer

    assert isinstance(app, typer.Typer)
    found: list[tuple[str, ...]] = []
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        found.append((*path, name))
    for group in app.registered_groups:
        found += _command_paths(group.typer_instance, (*path, str(group.name)))
    return found


def commands_page() -> str:
    """Return the page of every command with its help text."""
    from typer.testing import CliRunner

    from commensal.cli import app

    lines = [
        "# Commands",
        _NOTE,
        "`--data DIR` names the data folder of `serve`, `admin` (before the subcommand) and `import`; without it",
        "`COMMENSAL_DATA`, else `./commensal-data`; root makes new ones in `/var/lib/commensal` instead.",
        "`admin` and `import` work with and without a running server, run by the account that owns the data folder.",
        "",
    ]
    for path in _command_paths(app):
        shown = CliRunner().invoke(
            app, [*path, "--help"], prog_name="commensal", env={"COLUMNS": "100", "NO_COLOR": "1"}
        )
        assert shown.exit_code == 0, shown.output
        text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        lines += [f"## {' '.join(path)}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def settings_page() -> str:
    """Return the page of the options of ``serve``."""
    from commensal.server.options import OPTIONS
    from commensal.server.settings import SETTINGS_FILE

    lines = [
        "# Settings",
        _NOTE,
        "Each option of `commensal serve` can be given on the command line, as an environment variable, or in",
        f"`{SETTINGS_FILE}` in the data folder (readable by its owner only); the first of these that names it counts.",
        "What is given on the command line or in the environment is kept in the data folder, so that `admin` and",
        "`import` need only `--data`. The dictionary is kept in the database: `admin dictionary apply` changes it.",
        "An empty value sets an option back to its default.",
        "",
        "| option | variable | meaning |",
        "|---|---|---|",
    ]
    for option in OPTIONS:
        meaning = option.help.replace("|", " or ") + ("" if option.kept else " Not kept.")
        lines.append(f"| `{option.name}` | `{option.variable}` | {meaning} |")
    lines += [
        "",
        "Besides: `COMMENSAL_DATA` (the data folder), `COMMENSAL_MASTER_KEY` (32 bytes in hex or base64, in place of",
        "`master.key`), `COMMENSAL_PG_BIN` (the folder of the PostgreSQL programs to run).",
        "",
    ]
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "rights.md": rights_page,
    "errors.md": errors_page,
    "open-dictionary.md": open_dictionary_page,
    "commands.md": commands_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
