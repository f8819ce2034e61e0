"""The five doors as the pages explain them: what each is, which client opens it, and code to copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commensal.core.principals import KEY_DOORS, Door
from commensal.portal.site import Site, served_doors

__all__ = ["DOORS", "DoorPage", "Snippet", "door_page", "door_pages"]


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code to copy, with what it is written in."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    client: str
    about: str
    key: str
    create: str
    expiry: str
    file: str


#: ``key`` names what is made, ``create`` is the button's word, ``file`` the name under which it is saved.
_TEXTS: Mapping[Door, _Text] = {
    Door.GEN3: _Text(
        "Gen3",
        "gen3 SDK",
        "Submit, query by GraphQL and export records with the gen3 SDK. Programs and projects keep their Gen3 names.",
        "API key",
        "Create API key",
        "Valid for 30 days; the SDK exchanges it for access tokens of 30 minutes.",
        "credentials.json",
    ),
    Door.POLLY: _Text(
        "Polly",
        "polly-python",
        "Every project is an OmixAtlas: browse it, read its schema, query its tables and fetch data files.",
        "key",
        "Create Polly key",
        "Valid for 30 days.",
        "polly-token.json",
    ),
    Door.PANGEA: _Text(
        "Pangea",
        "pangea_api",
        "Programs are organizations, projects are libraries; samples carry metadata and analysis results.",
        "login token",
        "Show login token",
        "Valid until you sign out through Pangea, change your password or revoke it.",
        "pangea-token.json",
    ),
    Door.ODM: _Text(
        "ODM",
        "odm_api",
        "Projects are studies. Files have accessions, metadata and contents, and are read in full or by range.",
        "token pair",
        "Create ODM tokens",
        "Valid until revoked. The API token and the access token open the same data.",
        "odm-tokens.json",
    ),
    Door.OPAL: _Text(
        "Opal",
        "curl and REST scripts",
        "Genomes and clinical reports over plain REST with HTTP Basic. A key belongs to one program, its workspace.",
        "login and password",
        "Create Opal key",
        "Valid until revoked, for one program only.",
        "opal-key.json",
    ),
}


@dataclass(frozen=True, slots=True)
class DoorPage:
    """One door for a template. ``served`` tells whether this server answers at it already."""

    door: Door
    title: str
    client: str
    about: str
    key: str
    create: str
    expiry: str
    file: str
    served: bool
    snippets: tuple[Snippet, ...]


def _gen3(site: Site, secret: Mapping[str, str]) -> tuple[Snippet, ...]:
    return (
        Snippet("Shell", "pip install gen3"),
        Snippet(
            "Python, beside your credentials.json",
            f"""from gen3.auth import Gen3Auth
from gen3.submission import Gen3Submission

# The key in credentials.json knows this address: {site.base}
auth = Gen3Auth(refresh_file="credentials.json")
sub = Gen3Submission(auth_provider=auth)
print(sub.query("{{ project(first: 0) {{ project_id id }} }}"))""",
        ),
    )


def _polly(site: Site, secret: Mapping[str, str]) -> tuple[Snippet, ...]:
    token = secret.get("token", "YOUR-TOKEN")
    shell = Snippet("Shell", "pip install polly-python")
    if not site.https:
        return (
            shell,
            Snippet(
                "Python, polly-python 0.0.3 to 0.0.6 (newer releases speak https only)",
                f"""from polly.omixatlas import OmixAtlas

atlas = OmixAtlas("{token}")
atlas.base_url = "{site.base}/v1/omixatlases"
print(atlas.get_all_omixatlas())""",
            ),
        )
    return (
        shell,
        Snippet(
            "Shell, before Python starts: where the client finds this server",
            f"""export POLLY_TYPE=https://u@{site.host}/polly.elucidata.io
export AWS_ENDPOINT_URL_S3={site.base}/s3""",
        ),
        Snippet(
            "Python",
            f"""from polly.omixatlas import OmixAtlas

atlas = OmixAtlas("{token}")
print(atlas.get_all_omixatlas())""",
        ),
    )


def _pangea(site: Site, secret: Mapping[str, str]) -> tuple[Snippet, ...]:
    token = secret.get("token", "YOUR-TOKEN")
    return (
        Snippet("Shell", "pip install pangea_api\nexport USE_PANGEA_CACHE=false"),
        Snippet(
            "Python",
            f"""from pangea_api import Knex, Organization

knex = Knex("{site.base}")
knex.add_auth_token("{token}")
org = Organization(knex, "GEO").get()
for group in org.get_sample_groups():
    print(group.name)""",
        ),
    )


def _odm(site: Site, secret: Mapping[str, str]) -> tuple[Snippet, ...]:
    token = secret.get("api_token", "YOUR-API-TOKEN")
    return (
        Snippet("Shell", "pip install odm_api"),
        Snippet(
            "Python",
            f"""import odm_api

configuration = odm_api.Configuration(host="{site.base}")
configuration.api_key["Genestack-API-Token"] = "{token}"
with odm_api.ApiClient(configuration) as client:
    files = odm_api.FilesAsUserApi(client)
    print(files.get_files_metadata_as_user(page_limit=20))""",
        ),
    )


def _opal(site: Site, secret: Mapping[str, str]) -> tuple[Snippet, ...]:
    login = secret.get("login", "LOGIN")
    password = secret.get("password", "PASSWORD")
    return (Snippet("Shell", f"curl --user '{login}:{password}' {site.base}/reports"),)


_SNIPPETS = {Door.GEN3: _gen3, Door.POLLY: _polly, Door.PANGEA: _pangea, Door.ODM: _odm, Door.OPAL: _opal}
DOORS: tuple[Door, ...] = KEY_DOORS


def door_page(door: Door, site: Site, secret: Mapping[str, str] | None = None) -> DoorPage:
    """Return one door with snippets for this server; with a fresh ``secret``, ready to run."""
    text = _TEXTS[door]
    return DoorPage(
        door=door,
        title=text.title,
        client=text.client,
        about=text.about,
        key=text.key,
        create=text.create,
        expiry=text.expiry,
        file=text.file,
        served=door in served_doors(),
        snippets=_SNIPPETS[door](site, secret or {}),
    )


def door_pages(site: Site) -> list[DoorPage]:
    """Return all doors in their order."""
    return [door_page(door, site) for door in DOORS]
