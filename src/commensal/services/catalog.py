"""The catalog: programs, projects, collections and catalog objects, as one service.

Each part stands in a module of its own; a caller sees only ``Catalog``.
"""

from __future__ import annotations

from commensal.services.catalog_objects import CatalogObjects
from commensal.services.catalog_parts import PublicCheck, StrictViolations
from commensal.services.collections import Collections
from commensal.services.projects import Projects

__all__ = ["Catalog", "PublicCheck", "StrictViolations"]


class Catalog(Projects, Collections, CatalogObjects):
    """Built with keyword arguments (see ``catalog_parts.CatalogParts``).

    Methods whose name ends in ``_in``, and ``find_…``, work inside a caller's transaction and are for
    other services: those that say so leave the guard and the audit to their caller.
    """
