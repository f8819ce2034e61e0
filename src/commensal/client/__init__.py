"""Our own Python client, one module a door: ``from commensal.client.gen3 import Gen3``.

Nothing is imported here, so each door's module costs only itself. pandas and polars are extras, imported by the
methods that return their frames.
"""
