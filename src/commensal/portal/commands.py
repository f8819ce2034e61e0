"""Commands to copy that fetch one file: safe in a shell and in Python whatever the file is called."""

from __future__ import annotations

import shlex
import unicodedata
from urllib.parse import quote

from commensal.core.files import File
from commensal.core.projects import Project
from commensal.portal.doors import Snippet
from commensal.portal.site import Site

__all__ = ["accession", "commands_for", "with_address"]


def accession(file: File) -> str:
    """Return the name of a file at the ODM door."""
    return f"GSF{file.seq}"


def _local_name(file: File) -> str:
    """Return a name to save a file under: without what is invisible or misleads on a terminal."""
    kept = "".join("_" if unicodedata.category(letter)[0] in "CZ" else letter for letter in file.name)
    return shlex.quote(f"./{kept}")


def with_address(file: File, address: str) -> Snippet:
    """Return the command for an address that needs no credential."""
    return Snippet("Shell, without an account", f"curl --fail --output {_local_name(file)} {shlex.quote(address)}")


def commands_for(site: Site, project: Project, file: File, guid: str) -> list[Snippet]:
    """Return how to fetch a file with a key of one's own, and how to check it; ``guid`` is its name in the index."""
    at = f"{site.base}/commensal/v1/projects/{quote(project.project_id, safe='')}/files/{quote(file.path, safe='/')}"
    made = [
        Snippet(
            "Shell, with an ODM token as API_TOKEN",
            f'curl --fail --header "Genestack-API-Token: $API_TOKEN" --output {_local_name(file)} \\\n'
            f"  {shlex.quote(at)}",
        ),
        Snippet(
            "Python, with the odm_api client",
            f"""import os
import odm_api

configuration = odm_api.Configuration(host={site.base!r})
configuration.api_key["Genestack-API-Token"] = os.environ["API_TOKEN"]
with odm_api.ApiClient(configuration) as client:
    content = odm_api.FilesAsUserApi(client).get_file_as_user({accession(file)!r})""",
        ),
    ]
    made.append(
        Snippet(
            "Python, with the gen3 SDK and your credentials.json",
            f"""from gen3.auth import Gen3Auth
from gen3.file import Gen3File

files = Gen3File(Gen3Auth(refresh_file="credentials.json"))
files.download_single({guid!r}, ".")""",
        )
    )
    if file.sha256:
        made.append(
            Snippet("Check what came", f"printf '%s  %s\\n' {file.sha256} {_local_name(file)} | sha256sum --check")
        )
    return made
