"""One module a door: its real client as writer and as reader of the same thing.

A door is ``DOOR = Door(…)``; ``DOORS`` below is all that a new one has to be added to.
"""

from __future__ import annotations

from tests.hub.doors.door import Door
from tests.hub.doors.gen3 import DOOR as GEN3
from tests.hub.doors.odm import DOOR as ODM
from tests.hub.doors.pangea import DOOR as PANGEA

__all__ = ["DOORS"]

DOORS: dict[str, Door] = {door.name: door for door in (GEN3, ODM, PANGEA)}
