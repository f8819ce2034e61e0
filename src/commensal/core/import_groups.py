"""Import groups: what one import of samples, libraries or preparations created, as a record that these hang on.

An ODM sample group is a record of the system type ``import_group`` in the project of its samples. Each sample has the
hub link ``owner`` to it. Its ``extra`` says what it groups: ``{"kind": "samples", "source": "samples.tsv"}``, and
``template`` where the import named one. Imported without a study (by link), group and samples are in the home project
of who imported them, until the group is linked to a study: then they move there together. Libraries and preparations
alike.
"""

from __future__ import annotations

__all__ = ["GROUP_LINK", "GROUP_TYPE", "SAMPLE_KEY", "STORED_GROUP_LINK", "STORED_GROUP_TYPE"]

#: The type as callers of services name it, and as it is stored.
GROUP_TYPE = "import_group"
STORED_GROUP_TYPE = "commensal.import_group"
#: The hub link from a record to its group, as services name it, and as it is stored.
GROUP_LINK = "owner"
STORED_GROUP_LINK = "commensal.owner"
#: The metadata key that holds a sample's name in its project (``submitter_id``).
SAMPLE_KEY = "Sample Source ID"
