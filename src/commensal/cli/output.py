"""Tables and sentences on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from commensal.errors import InvalidRows

__all__ = ["show_json", "show_problems", "show_rows"]


def show_rows(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    """Print rows as a table with aligned columns, or a sentence when there is none."""
    if not rows:
        print(nothing)
        return
    names = list(rows[0])
    cells = [[_text(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[at]) for line in cells)) for at, name in enumerate(names)]
    for line in [[name.upper() for name in names], *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "�" for c in text)


def show_json(value: Any) -> None:
    """Print a value as JSON, for a file or another program."""
    print(json.dumps(value, indent=2))


def show_problems(error: InvalidRows, most: int = 50) -> None:
    """Print what is wrong, one line each, unless the error's own sentence is all there is to say."""
    problems = error.problems
    if len(problems) == 1 and problems[0].message == error.message and problems[0].row is None:
        return
    for problem in problems[:most]:
        print(f"  {problem}", file=sys.stderr)
    if len(problems) > most:
        print(f"  … and {len(problems) - most} more", file=sys.stderr)
