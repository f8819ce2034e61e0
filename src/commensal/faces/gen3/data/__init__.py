"""Data upload and download as fence speaks them: ``/user/data`` (contracts/gen3.md 3.4)."""
