"""The graph query language of the Gen3 door: schema, introspection, translation into ``core.graph``, transport."""
