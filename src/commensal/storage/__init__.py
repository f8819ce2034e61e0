"""Engines that keep state, each behind a Protocol of ``commensal.storage.ports``.

An engine imports ``core``, ``errors`` and ``storage.ports``, never a service, a face or another engine.
"""
