"""The composition root: settings, the supervisor, the worker processes and the path of a request."""
