"""What several models at a cut need: each value is built once, whoever asks first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

Value = TypeVar("Value")


class Shared:
    """Values by key. While one thread builds a value, others that ask for the same wait; other keys do not.

    Matrices (`once`) are kept as long as this object. Models (`while_used`) are kept only as long as somebody else uses
    them: the trials of a search are dropped one by one, and the sources of candidates stay for the final fit.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}
        self._used: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def once(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """The value of the key, built at the first call; not None."""
        return self._get(self._kept, key, build)

    def while_used(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """As `once`; built again where nobody holds the value any more."""
        return self._get(self._used, key, build)

    def _get(self, values: MutableMapping[Hashable, Any], key: Hashable, build: Callable[[], Value]) -> Value:
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            value = values.get(key)
            if value is None:
                value = values[key] = build()
            return value
