"""Patches of third-party packages that the feature store needs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_importing = threading.Lock()


@contextlib.contextmanager
def unchecked_types() -> Iterator[None]:
    """Import Feast inside this context: typeguard leaves its classes as they are.

    Feast decorates its classes with `typeguard.typechecked`, which rewrites them when they are imported: three of the
    four seconds of the import, in every stage. Feast has no setting for it, and we know of no upstream issue.

    `tests/features/test_workarounds.py` fails when Feast no longer imports typeguard: then delete this function, and
    import Feast directly in `feast_store`.
    """
    import typeguard

    with _importing:  # `feast_store.import_early` may be doing so
        original, typeguard.typechecked = typeguard.typechecked, lambda target=None, **_: target or (lambda same: same)
        try:
            yield
        finally:
            typeguard.typechecked = original
