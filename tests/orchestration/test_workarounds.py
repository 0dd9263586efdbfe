"""The patch of Dagster works, and is still needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

from recomart.orchestration import workarounds

pytest.importorskip("dagster", reason="NO DAGSTER: pip install --no-deps -r requirements-orchestration.lock")


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def test_the_grammar_still_cannot_be_imported():
    assert run(f"import {workarounds.GRAMMAR}").returncode != 0, "remove orchestration/workarounds.py"


def test_selections_are_parsed_with_the_workaround():
    parse = "import dagster; print(dagster.AssetSelection.from_string('+02_validate'))"
    patch = "from recomart.orchestration import workarounds; workarounds.use_simple_selection_parser()"
    process = run(f"{patch}; {parse}")
    assert process.returncode == 0, process.stderr
    assert "02_validate" in process.stdout
