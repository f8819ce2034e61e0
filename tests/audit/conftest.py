"""The audit's tests stand on the same small site as those of rights."""

from __future__ import annotations

from tests.rights.conftest import audit, audit_database, clock, guard

__all__ = ["audit", "audit_database", "clock", "guard"]
