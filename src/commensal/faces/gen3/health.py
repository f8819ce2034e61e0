"""Health and version of the services that stand behind the prefixes of a Gen3 commons."""

from __future__ import annotations

from commensal import __version__
from commensal.core.tabular.documents import text_of
from commensal.faces.gen3.manifests import manifest_errors
from commensal.faces.kit.answers import Respond, json_answer, text_answer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.request import Request

__all__ = ["status", "validate_manifest", "version"]


async def status(request: Request) -> Respond:
    """Say that the service answers."""
    return text_answer("Healthy")


async def version(request: Request) -> Respond:
    """Show the version."""
    return json_answer({"version": __version__, "commit": "", "dictionary": {"version": "", "commit": ""}})


async def validate_manifest(request: Request) -> Respond:
    """Judge an upload manifest; nothing is stored."""
    errors = manifest_errors(text_of(await read_bytes(request, 4_000_000), "document"))
    return json_answer({"valid": False, "errors": errors} if errors else {"valid": True})
