"""Judging an upload manifest (contracts/gen3.md 4.11); pure."""

from __future__ import annotations

from typing import Any, cast

import yaml

from commensal.core.ids import is_uuid

__all__ = ["manifest_errors"]


class _Loader(yaml.SafeLoader):
    """Reads plain YAML; aliases, which can make a small text huge, are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias (*name) is not taken here")
        return super().compose_node(parent, index)


def manifest_errors(text: str) -> list[str]:
    """Return what is wrong with a manifest; empty: nothing."""
    try:
        value: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return [f"Unable to parse the manifest: {' '.join(str(error).split())[:300]}"]
    files = cast("dict[Any, Any]", value).get("files") if isinstance(value, dict) else None
    if not isinstance(files, list):
        return ["The manifest must be an object with the key 'files', a list."]
    errors: list[str] = []
    for place, one in enumerate(cast("list[Any]", files)):
        if len(errors) >= 100:
            break
        if not isinstance(one, dict):
            errors.append(f"files[{place}] is no object.")
            continue
        entry = cast("dict[Any, Any]", one)
        if not isinstance(entry.get("id"), str) or not is_uuid(entry["id"]):
            errors.append(f"files[{place}]: 'id' is required and must be a UUID.")
        if "local_file_path" not in entry and "file_name" not in entry:
            errors.append(f"files[{place}]: 'local_file_path' or 'file_name' is required.")
    return errors
