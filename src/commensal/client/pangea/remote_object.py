"""What all objects of a server have in common: their life between this program and the server.

Source: the document's ``RemoteObject``; contract pangea.md a3.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

from commensal.client.pangea.errors import HTTPError, RemoteObjectError, RemoteObjectOverwriteError

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex

__all__ = ["RemoteObject", "RemoteObjectError", "RemoteObjectOverwriteError"]

_OWN = frozenset({"_already_fetched", "_modified", "_deleted", "_loaded"})


class RemoteObject(ABC):
    """An object that may exist on the server.

    Setting one of ``remote_fields`` marks it as modified, and so does a change inside of a dict or list of one; only
    ``create``, ``save``, ``idem`` and ``delete`` change the server.
    """

    remote_fields: ClassVar[list[str]] = []
    optional_remote_fields: ClassVar[list[str]] = []
    parent_field: ClassVar[str | None] = None

    knex: Knex
    name: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._already_fetched = False
        self._modified = False
        self._deleted = False
        self._loaded: dict[str, str] = {}
        self.blob: Any = None
        self.uuid: str | None = None
        self.url_options: dict[str, Any] = {}

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self.remote_fields or (key == self.parent_field and key is not None):
            if self.__dict__.get("_deleted"):
                raise RemoteObjectError(f"{self} was deleted: its {key} cannot be set.")
            if key not in self.__dict__ or self.__dict__[key] is not value:
                object.__setattr__(self, "_modified", True)
        object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        return str(self)

    # --- what kinds of objects say of themselves

    @abstractmethod
    def pre_hash(self) -> str:
        """Return what tells this object from all others of its server."""

    @abstractmethod
    def nested_url(self) -> str:
        """Return the address of this object by the names on the way to it."""

    @abstractmethod
    def _get(self) -> None:
        """Fetch it, and what it hangs on."""

    @abstractmethod
    def _create(self) -> None:
        """Create it, and what it hangs on."""

    @abstractmethod
    def _save(self) -> None:
        """Send what was changed."""

    # --- the cache

    def get_cached_blob(self) -> Any:
        """Return what is remembered of this object; None where that is nothing."""
        return self.knex.cache.get_cached_blob(self)

    def cache_blob(self, blob: Any) -> None:
        """Remember what the server said of this object."""
        self.knex.cache.cache_blob(self, blob)

    def clear_blob(self) -> None:
        """Forget what is remembered of this object."""
        self.knex.cache.clear_blob(self)

    @property
    def inherited_url_options(self) -> dict[str, Any]:
        """Query parameters of this object and of those above it; this object's own win."""
        parent = getattr(self, self.parent_field) if self.parent_field else None
        above = parent.inherited_url_options if isinstance(parent, RemoteObject) else {}
        return {**above, **self.url_options}

    def _take(self, url: str, url_options: Mapping[str, Any] | None = None) -> None:
        """Load what is remembered of this object, or else what the server has at an address."""
        blob = self.get_cached_blob()
        if blob:
            self.load_blob(blob)
            return
        blob = self.knex.get(url, url_options=url_options)
        self.load_blob(blob)
        self.cache_blob(blob)

    # --- between here and there

    def load_blob(self, blob: Mapping[str, Any], *, allow_overwrite: bool = False) -> None:
        """Take the fields from what the server says.

        Raises KeyError where a field is missing, and RemoteObjectOverwriteError where a value that was set here
        differs, unless ``allow_overwrite``; a dict that has all that was set here, and more, is no difference.
        """
        values: dict[str, Any] = {}
        for name in self.remote_fields:
            value = blob.get(name) if name in self.optional_remote_fields else blob[name]
            mine = getattr(self, name, None)
            if mine and mine != value and not allow_overwrite and not _extends(value, mine):
                raise RemoteObjectOverwriteError(
                    f"{self} has {name} = {mine!r} here and {value!r} on the server: save() what is here, or take a "
                    "new object to see what is there."
                )
            values[name] = value
        for name, value in values.items():
            setattr(self, name, deepcopy(value))
        self.blob = blob
        self._loaded = {name: _text(value) for name, value in values.items()}

    def _refresh(self, blob: Any) -> None:
        """Take over what the server answered to a change."""
        if isinstance(blob, Mapping) and all(
            name in blob for name in self.remote_fields if name not in self.optional_remote_fields
        ):
            self.load_blob(blob, allow_overwrite=True)

    def _changed(self) -> bool:
        """Whether anything differs from what the server said last, also inside of dicts and lists."""
        return self._modified or any(
            isinstance(getattr(self, name, None), dict | list) and _text(getattr(self, name)) != text
            for name, text in self._loaded.items()
        )

    def _alive(self) -> None:
        if self._deleted:
            raise RemoteObjectError(f"{self} was deleted.")

    def _fetched(self) -> None:
        self._already_fetched = True
        self._modified = False

    def get(self) -> Self:
        """Fetch the object from the server, once; raises PangeaNotFoundError where it does not exist."""
        self._alive()
        if not self._already_fetched:
            self._get()
            self._fetched()
        return self

    def create(self) -> Self:
        """Create this object on the server, and what it hangs on where that is missing."""
        self._alive()
        if not self._already_fetched:
            self.clear_blob()
            self._create()
            self._fetched()
        return self

    def save(self) -> None:
        """Make the object on the server, which must have been fetched or created, match the state of this one."""
        self._alive()
        if not self._already_fetched:
            raise RemoteObjectError(f"{self} is not known to exist: get() or create() it before save().")
        if self._changed():
            self.clear_blob()
            self._save()
            self._modified = False

    def idem(self) -> Self:
        """Make this object and the server's the same: create it where it is missing, save what was changed."""
        self._alive()
        if self._already_fetched:
            self.save()
            return self
        try:
            return self.get()
        except RemoteObjectOverwriteError:
            raise
        except HTTPError:
            return self.create()

    def exists(self) -> bool:
        """Tell whether the server has this object."""
        try:
            self.get()
        except HTTPError:
            return False
        return True

    def delete(self) -> None:
        """Delete the object on the server; this one cannot be used afterwards."""
        self._alive()
        self.knex.delete(self.nested_url(), url_options=self.inherited_url_options)
        self.clear_blob()
        self._already_fetched = False
        self._deleted = True

    def _state(self, *also: str) -> dict[str, Any]:
        """Return the fields as they are sent."""
        return {name: getattr(self, name) for name in (*self.remote_fields, *also) if hasattr(self, name)}


def _extends(there: Any, here: Any) -> bool:
    return (
        isinstance(there, dict)
        and isinstance(here, dict)
        and all(name in there and there[name] == value for name, value in here.items())
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
