"""The metadata service of a Gen3 commons: ``/mds`` and ``/mds-admin`` (contracts/gen3.md 8)."""
