"""Reads dictionaries from where people keep them. Only data is read: no code of a dictionary's package ever runs.

A dictionary may be named as

* a folder of YAML files (or a folder that has them in ``schemas`` or ``gdcdictionary/schemas``),
* a JSON file, also ``.json.gz``: file names with their content, or a resolved dictionary,
* an importable module that has such a folder beside it (``gdcdictionary``),
* an installed distribution (``gen3dictionary``).
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any, cast

import yaml

from commensal.errors import SetupError

__all__ = ["parse_yaml", "read_folder", "read_roles", "read_source"]

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_INNER = ("schemas", "gdcdictionary/schemas")
_MAX_JSON = 256 << 20
_MAX_VALUES = 2_000_000

#: The parser in C is about ten times as fast; both are safe loaders that make plain values only.
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_source(spec: str) -> dict[str, Any]:
    """Return the raw content of a dictionary: ``{file name: parsed YAML}``, or a resolved JSON object as it is.

    Raises SetupError with a sentence that tells what was looked for, and file and line of what cannot be read.
    """
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        folder = _yaml_folder(path)
        if folder is None:
            msg = f"The folder {spec} contains no dictionary: no *.yaml in it, nor in {' or '.join(_INNER)} below it."
            raise SetupError(msg)
        return read_folder(folder)
    if path.is_file():
        if path.name.endswith((".json", ".json.gz")):
            return _read_json(path)
        msg = f"{spec} is no dictionary: give a folder of YAML files, or one .json or .json.gz file."
        raise SetupError(msg)
    if "/" in spec or "\\" in spec or not spec:
        msg = f"There is no file or folder {spec!r}."
        raise SetupError(msg)
    folder = _of_module(spec) or _of_distribution(spec)
    if folder is None:
        msg = (
            f"No dictionary {spec!r} was found: there is no such file or folder, and no installed Python module or "
            "distribution of this name that contains a folder of YAML schemas."
        )
        raise SetupError(msg)
    return read_folder(folder)


def read_folder(folder: Path) -> dict[str, Any]:
    """Return the parsed YAML files of a folder (not of folders inside it), by file name in alphabetical order."""
    files: dict[str, Any] = {}
    problems: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            continue
        try:
            files[path.name] = parse_yaml(path.read_bytes(), path.name)
        except SetupError as error:
            problems.append(f"  {error.message}")
        except OSError as error:
            problems.append(f"  {path.name}: cannot be read: {error.strerror}.")
    if problems:
        raise SetupError(f"The dictionary in {folder} cannot be read:\n" + "\n".join(problems))
    return files


def parse_yaml(data: bytes, name: str) -> Any:
    """Return the JSON value that a YAML document stands for.

    Keys become texts and dates their ISO form, as in the JSON a dictionary is served as. Raises SetupError with the
    name and line for what is no YAML, and for values that JSON cannot carry.
    """
    try:
        return _plain(yaml.load(data, Loader=_LOADER), name, count())  # noqa: S506 (a safe loader, see _LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        msg = f"{name}{line}: no valid YAML: {error.problem or error.context}."
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{name}: no valid YAML: {' '.join(str(error).split())}."
    except RecursionError:
        msg = f"{name}: nested too deeply, or an alias contains itself."
    raise SetupError(msg)


def read_roles(path: str) -> dict[str, Any]:
    """Return the content of a site's ``roles.yaml``: ``{role: {read: [type, …], write: type}}``, checked later."""
    try:
        content = parse_yaml(Path(path).expanduser().read_bytes(), Path(path).name)
    except OSError as error:
        msg = f"The roles file {path} cannot be read: {error.strerror}."
        raise SetupError(msg) from None
    if not isinstance(content, dict):
        msg = (
            f"The roles file {path} must map roles to types, like 'sample: {{read: [sample, aliquot], write: sample}}'."
        )
        raise SetupError(msg)
    return cast("dict[str, Any]", content)


# --- where the YAML is


def _yaml_folder(folder: Path) -> Path | None:
    for candidate in (folder, *(folder / inner for inner in _INNER)):
        if candidate.is_dir() and any(p.suffix in (".yaml", ".yml") for p in candidate.iterdir()):
            return candidate
    return None


def _of_module(name: str) -> Path | None:
    """Find the schema folder of an importable module without importing it or its parents."""
    if not _MODULE.fullmatch(name):
        return None
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root, *rest)
        found = _yaml_folder(folder) if folder.is_dir() else None
        if found is not None:
            return found
    return None


def _of_distribution(name: str) -> Path | None:
    """Find the schema folder of an installed distribution by the list of its files."""
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    folders: dict[str, int] = {}
    for file in distribution.files or ():
        if file.suffix in (".yaml", ".yml"):
            weight = 1000 if file.name == "_definitions.yaml" else 1
            folders[str(file.parent)] = folders.get(str(file.parent), 0) + weight
    # The folder with the common definitions, else the one with most files: packages also carry examples.
    for folder in sorted(folders, key=lambda key: (-folders[key], key)):
        path = Path(str(distribution.locate_file(folder)))
        if path.is_dir():
            return path
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(_MAX_JSON + 1)
        if len(data) > _MAX_JSON:
            msg = f"{path} is too large for a dictionary (more than {_MAX_JSON >> 20} MiB)."
            raise SetupError(msg)
        content = json.loads(data, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        msg = f"{path} line {error.lineno}: no valid JSON: {error.msg}."
        raise SetupError(msg) from None
    except RecursionError:
        msg = f"The dictionary {path} is nested too deeply."
        raise SetupError(msg) from None
    except (OSError, EOFError, ValueError) as error:
        msg = f"The dictionary {path} cannot be read: {error}."
        raise SetupError(msg) from None
    if not isinstance(content, dict) or not any(isinstance(value, dict) for value in _values(content)):
        msg = f"{path} is no dictionary: it must be an object that maps type or file names to schemas."
        raise SetupError(msg)
    return cast("dict[str, Any]", content)


def _values(content: Mapping[Any, Any]) -> Iterable[Any]:
    return content.values()


def _no_constant(name: str) -> Any:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


def _plain(value: Any, name: str, seen: Iterator[int]) -> Any:
    """Turn what YAML can say and JSON cannot into its JSON form; aliases are written out, so that is bounded."""
    if next(seen) > _MAX_VALUES:
        msg = f"{name}: has more than {_MAX_VALUES:,} values, aliases written out; this is no schema."
        raise SetupError(msg)
    if isinstance(value, dict):
        mapping = cast("dict[Any, Any]", value)
        return {_key(key, name): _plain(item, name, seen) for key, item in mapping.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name, seen) for item in cast("list[Any]", value)]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    msg = f"{name}: the value {value!r:.60} cannot be part of a dictionary."
    raise SetupError(msg)


def _key(key: Any, name: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    if isinstance(key, int | float | date):
        return str(key)
    msg = f"{name}: {key!r:.60} cannot be a key."
    raise SetupError(msg)
