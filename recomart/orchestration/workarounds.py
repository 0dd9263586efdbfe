"""Patches of Dagster."""

from __future__ import annotations

import importlib
import sys
import types

GRAMMAR = "dagster._core.definitions.antlr_asset_selection.antlr_asset_selection"


def use_simple_selection_parser() -> None:
    """Let `dagster asset materialize --select` parse asset names, `*` and `+` without ANTLR.

    Dagster's ANTLR grammar needs a newer antlr4-python3-runtime than omegaconf, a dependency of DVC, allows (4.9), so
    that importing it fails. Dagster falls back to a simple parser if the ANTLR parser fails, not if its import does.

    Upstream: https://github.com/omry/omegaconf/issues/1000 (antlr4 is pinned to 4.9).
    Remove this when omegaconf allows the version that Dagster's grammar was generated with:
    `tests/orchestration/test_workarounds.py::test_the_grammar_still_cannot_be_imported` then fails.
    """
    try:
        importlib.import_module(GRAMMAR)
    except (ImportError, TypeError, AttributeError):
        placeholder = types.ModuleType(GRAMMAR)
        placeholder.AntlrAssetSelectionParser = None  # calling it fails, and Dagster falls back to the simple parser
        sys.modules[GRAMMAR] = placeholder
