"""The Genestack ODM door: files, studies and samples by accession, as its client asks for them (contracts/odm.md)."""

from __future__ import annotations

from commensal.core.principals import Door
from commensal.faces.face import Face
from commensal.faces.odm.caller import authenticate
from commensal.faces.odm.errors import encode_error
from commensal.faces.odm.routes import ROUTES

__all__ = ["FACE"]

FACE = Face(
    name="odm",
    door=Door.ODM,
    title="Genestack ODM",
    prefixes=("/api/v1",),
    routes=ROUTES,
    encode_error=encode_error,
    authenticate=authenticate,
    security={
        "Genestack-API-Token": {
            "type": "apiKey",
            "in": "header",
            "name": "Genestack-API-Token",
            "description": "API token of your profile page",
        },
        "Access-token": {"type": "http", "scheme": "bearer", "description": "Access token of your profile page"},
    },
    description=(
        "What the `odm_api` Python client speaks. Every file of every project that you may read has an accession "
        "(`GSF…`); find files by metadata, words and inner structure, and download them, whole or by range. Projects "
        "are studies: find, edit and link them with their samples. "
        'Errors are `{"error": {"message": …}}`.'
    ),
)
