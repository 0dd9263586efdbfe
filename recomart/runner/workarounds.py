"""Patches of other packages that the runner needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

MISSING = object()


def skip_rfc3987_grammar() -> None:
    """Keep jsonschema, which nbformat imports, from importing the package rfc3987_syntax.

    jsonschema imports every optional format checker that is installed, and rfc3987_syntax (here through jupyter-events)
    compiles a grammar for internationalised addresses when it is imported: more than a second for each stage. Notebooks
    have no such addresses. jsonschema treats the package as not installed.

    Upstream: https://github.com/python-jsonschema/jsonschema/issues/1428 (lazy import; closed without it).
    Remove this when jsonschema imports it lazily, or another package:
    `tests/runner/test_workarounds.py::test_jsonschema_still_imports_the_grammar` then fails.
    """
    sys.modules.setdefault("rfc3987_syntax", None)


@contextmanager
def without_hadoop() -> Iterator[None]:
    """Import Papermill within it: it does without PyArrow then, which it needs for notebooks on a Hadoop file system.

    PyArrow takes 0.2 s to import, for each stage. Papermill treats it as not installed; others import it afterwards.

    Upstream: papermill/iorw.py imports what it needs for every optional file system when it is imported itself.
    Remove this when Papermill imports them lazily:
    `tests/runner/test_workarounds.py::test_papermill_still_imports_pyarrow` then fails.
    """
    former = sys.modules.get("pyarrow.fs", MISSING)
    sys.modules["pyarrow.fs"] = None
    try:
        yield
    finally:
        del sys.modules["pyarrow.fs"]
        if former is not MISSING:
            sys.modules["pyarrow.fs"] = former
