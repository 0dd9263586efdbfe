"""Each patch of another package is still needed, and leaves that package as it was."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import typeguard

from recomart_lib.features import workarounds


def test_feast_still_decorates_its_classes_with_typeguard():
    package = Path(importlib.util.find_spec("feast").origin).parent
    assert any("@typechecked" in path.read_text(encoding="utf-8") for path in package.glob("*.py"))


def test_types_are_unchecked_inside_the_context_only():
    original = typeguard.typechecked
    with workarounds.unchecked_types():

        @typeguard.typechecked
        def length(text: str) -> int:
            return len(text)

        assert length([1, 2]) == 2
    assert typeguard.typechecked is original


def test_two_threads_that_import_leave_typeguard_as_it_was():
    original, started = typeguard.typechecked, threading.Event()

    def second():
        started.set()
        with workarounds.unchecked_types():
            pass

    with workarounds.unchecked_types():
        thread = threading.Thread(target=second)
        thread.start()
        started.wait()
    thread.join()
    assert typeguard.typechecked is original
