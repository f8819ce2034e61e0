"""The pages: one module for each part of the portal, each with a ``ROUTES`` table."""
