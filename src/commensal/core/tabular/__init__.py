"""Records as tables and lists: columns of a type, texts of values, streams of TSV, CSV and JSON; no I/O."""
