"""Graph queries as data, and the rules that need no storage: forms of properties, ways over links."""

from __future__ import annotations
