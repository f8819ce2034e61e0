"""The dictionaries we ship, as package data: ``open`` (what the Gen3 door shows without a site's own dictionary) and
``system`` (types that other doors need and no site's dictionary has).

Reading package data is part of loading the program, so this package may be used wherever ``core`` may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from commensal.core.dictionary import Dictionary, compile_dictionary, resolve

__all__ = ["base_dictionary", "compile_for_site", "open_dictionary", "open_files"]

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _files(name: str) -> dict[str, Any]:
    folder = resources.files(__package__ or "commensal.dictionaries").joinpath(name)
    entries = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name
    )
    return {
        entry.name: yaml.load(entry.read_bytes(), Loader=_LOADER)  # noqa: S506 (a safe loader)
        for entry in entries
    }


@cache
def open_files() -> Mapping[str, Any]:
    """Return our open dictionary as ``{file name: parsed YAML}``; do not change it."""
    return _files("open")


@cache
def open_dictionary() -> Mapping[str, Any]:
    """Return the resolved form of our open dictionary; do not change it."""
    return resolve(open_files())


@cache
def base_dictionary() -> Mapping[str, Any]:
    """Return the resolved form of all types of ours, those of ``open`` and ``system``; do not change it."""
    system = _files("system")
    terms = {**open_files()["_terms.yaml"], **system["_terms.yaml"]}
    return resolve({**open_files(), **system, "_terms.yaml": terms})


def compile_for_site(resolved: Mapping[str, Any] | None = None, roles: Mapping[str, Any] | None = None) -> Dictionary:
    """Return the compiled dictionary of a site: its own resolved form, or without one our open dictionary.

    ``roles`` is the content of the site's ``roles.yaml``. Raises SetupError as :func:`compile_dictionary` does.
    """
    return compile_dictionary(open_dictionary() if resolved is None else resolved, base_dictionary(), roles)
