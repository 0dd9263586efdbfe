"""The runner's patches of other packages work, and are still needed."""

from __future__ import annotations

import subprocess
import sys

from conftest import ROOT

IS_LOADED = "; import sys; print(bool(sys.modules.get('rfc3987_syntax')))"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_jsonschema_still_imports_the_grammar():
    assert run(f"import nbformat, jsonschema{IS_LOADED}") == "True\n", "remove runner/workarounds.py"


def test_the_runner_skips_the_grammar():
    assert run(f"import recomart.cli.stage, jsonschema{IS_LOADED}") == "False\n"
