"""The pure domain: values and functions without I/O, SQL, HTTP or a clock."""
