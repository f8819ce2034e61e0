"""Schema changes, one module each, applied in order on start under a lock."""
