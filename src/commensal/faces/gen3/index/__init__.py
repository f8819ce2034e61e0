"""The Gen3 index service: ``/index`` (contracts/gen3.md 7)."""
