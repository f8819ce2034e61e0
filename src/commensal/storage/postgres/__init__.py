"""The system of record on PostgreSQL 15 or newer, without extensions.

SQL lives here and nowhere else: one module per concern, each implementing the Protocol of the
same name in ``commensal.storage.ports``.
"""
