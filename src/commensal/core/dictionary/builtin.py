"""What every Gen3 dictionary contains besides its own files: the types ``root`` and ``data_release``, the metaschema.

Wire data of contracts/gen3.md 6 (the loader adds them); ``data_release`` takes its common shapes from the
dictionary's own ``_definitions.yaml`` and, where that lacks them, from :data:`DEFINITIONS`.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["DATA_RELEASE", "DEFINITIONS", "METASCHEMA", "ROOT"]

_DRAFT = "http://json-schema.org/draft-04/schema#"
_UUID_PATTERN = "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$"
_MULTIPLICITIES = ["one_to_one", "one_to_many", "many_to_one", "many_to_many"]

#: Used where a dictionary has no ``_definitions.yaml`` entry of that name.
DEFINITIONS: Final[dict[str, Any]] = {
    "UUID": {"type": "string", "pattern": _UUID_PATTERN},
    "datetime": {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
    "foreign_key": {
        "type": "object",
        "additionalProperties": True,
        "properties": {"id": {"type": "string", "pattern": _UUID_PATTERN}, "submitter_id": {"type": "string"}},
    },
    "to_one": {
        "anyOf": [
            {"type": "array", "items": {"minItems": 1, "maxItems": 1, "$ref": "#/foreign_key"}},
            {"$ref": "#/foreign_key"},
        ],
    },
}

ROOT: Final[dict[str, Any]] = {
    "$schema": _DRAFT,
    "id": "root",
    "title": "Root",
    "type": "object",
    "program": "*",
    "project": "*",
    "root": "*",
    "category": "internal",
    "additionalProperties": False,
    "submittable": False,
    "validators": None,
    "systemProperties": ["id"],
    "required": ["type"],
    "uniqueKeys": [["id"]],
    "links": [],
    "constraints": None,
    "properties": {"type": {"type": "string"}, "id": {"enum": ["root"]}, "schema_version": {"type": "string"}},
}

DATA_RELEASE: Final[dict[str, Any]] = {
    "$schema": _DRAFT,
    "id": "data_release",
    "title": "Data Release",
    "type": "object",
    "namespace": "http://gdc.nci.nih.gov",
    "category": "internal",
    "program": "*",
    "project": "*",
    "description": "Internal node to store different data releases.\n",
    "additionalProperties": False,
    "submittable": False,
    "validators": None,
    "systemProperties": ["id", "created_datetime", "updated_datetime"],
    "links": [
        {
            "name": "roots",
            "backref": "data_releases",
            "label": "describes",
            "target_type": "root",
            "multiplicity": "many_to_one",
            "required": True,
        },
    ],
    "required": ["name", "major_version", "minor_version", "type"],
    "uniqueKeys": [["id"]],
    "properties": {
        "type": {"enum": ["data_release"]},
        "id": {"systemAlias": "node_id", "$ref": "_definitions.yaml#/UUID"},
        "name": {"type": "string", "description": "String representing release name.\n"},
        "major_version": {"type": "integer", "description": "The number identifying the major version.\n"},
        "minor_version": {"type": "integer", "description": "The number identifying the minor version.\n"},
        "release_date": {"$ref": "_definitions.yaml#/datetime"},
        "released": {
            "type": "boolean",
            "description": "Indicates if it is the current release.\n",
            "default": False,
        },
        "created_datetime": {"$ref": "_definitions.yaml#/datetime"},
        "updated_datetime": {"$ref": "_definitions.yaml#/datetime"},
        "roots": {"$ref": "_definitions.yaml#/to_one"},
    },
}

METASCHEMA: Final[dict[str, Any]] = {
    "$schema": _DRAFT,
    "id": "metaschema",
    "title": "GDC JSON schema extension",
    "allOf": [{"$ref": _DRAFT}],
    "definitions": {
        "validator_def": {
            "type": "object",
            "title": "Define a validator to be used on a property",
            "properties": {
                "link_to_type": {"type": "string"},
                "multiplicity": {"type": "string", "enum": _MULTIPLICITIES},
            },
            "required": ["property", "function"],
        },
        "link": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "target_type", "backref", "label", "multiplicity", "required"],
            "properties": {
                "name": {"$ref": "#/field"},
                "target_type": {"$ref": "#/field"},
                "backref": {"$ref": "#/field"},
                "label": {"$ref": "#/field"},
                "multiplicity": {"type": "string", "enum": _MULTIPLICITIES},
                "required": {"type": "boolean"},
            },
        },
        "link_subgroup": {
            "required": ["exclusive", "required", "subgroup"],
            "properties": {
                "exclusive": {"type": "boolean"},
                "required": {"type": "boolean"},
                "subgroup": {
                    "type": "array",
                    "items": {"oneOf": [{"$ref": "#/definitions/link"}, {"$ref": "#/definitions/link_subgroup"}]},
                },
            },
        },
    },
    "field": {"type": "string", "pattern": "^[_a-zA-Z0-9]*$"},
    "required": ["category", "program", "project", "uniqueKeys", "links", "validators", "systemProperties", "id"],
    "properties": {
        "category": {
            "$ref": "#/field",
            "enum": [
                "administrative",
                "analysis",
                "biospecimen",
                "clinical",
                "data",
                "data_bundle",
                "data_file",
                "index_file",
                "metadata_file",
                "notation",
                "qc_bundle",
                "TBD",
            ],
        },
        "system_properties": {"type": "array"},
        "submittable": {"type": "boolean"},
        "unique_keys": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "links": {
            "title": "Define a link to other GDC entities",
            "type": "array",
            "items": {"oneOf": [{"$ref": "#/definitions/link"}, {"$ref": "#/definitions/link_subgroup"}]},
        },
        "validators": {"type": ["array", "null"], "items": {"$ref": "#/definitions/validator_def"}},
        "properties": {
            "type": "object",
            "patternProperties": {"^[_a-zA-Z0-9]*$": {"type": "object"}},
            "additionalProperties": False,
        },
    },
}
