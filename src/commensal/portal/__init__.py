"""The portal: web pages for people, on the services, registered like a face."""

from __future__ import annotations

from dataclasses import replace

from commensal.core.principals import Door
from commensal.faces.face import Face
from commensal.portal.assets import ROUTES as ASSETS
from commensal.portal.caller import authenticate, one_event
from commensal.portal.errors import encode_error
from commensal.portal.views import (
    account,
    admin_programs,
    admin_users,
    deletions,
    dictionary,
    door_token,
    file,
    files,
    graphql,
    groups,
    home,
    members,
    plain_submission,
    profile,
    projects,
    records,
    settings,
    submission,
    upload,
)

__all__ = ["FACE"]

_PAGES = (
    *home.ROUTES,
    *account.ROUTES,
    *profile.ROUTES,
    *projects.ROUTES,
    *records.ROUTES,
    *files.ROUTES,
    *file.ROUTES,
    *upload.ROUTES,
    *submission.ROUTES,
    *plain_submission.ROUTES,
    *dictionary.ROUTES,
    *graphql.ROUTES,
    *door_token.ROUTES,
    *members.ROUTES,
    *settings.ROUTES,
    *groups.ROUTES,
    *admin_users.ROUTES,
    *admin_programs.ROUTES,
    *deletions.ROUTES,
)

FACE = Face(
    name="portal",
    door=Door.PORTAL,
    title="Portal",
    prefixes=("/", "/portal", "/static"),
    routes=(*(replace(route, handler=one_event(route.handler)) for route in _PAGES), *ASSETS),
    authenticate=authenticate,
    encode_error=encode_error,
    documented=False,
)
