"""commensal: one self-hosted data commons that five existing public clients can use unchanged."""

__version__ = "0.1.0"
