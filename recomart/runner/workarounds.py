"""Patches of other packages that the runner needs."""

from __future__ import annotations

import sys


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
