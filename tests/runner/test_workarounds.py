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


def test_papermill_still_imports_pyarrow():
    assert run("import recomart.runner, papermill, sys; print('pyarrow' in sys.modules)") == "True\n", (
        "remove `without_hadoop` of runner/workarounds.py"
    )


def test_the_runner_skips_pyarrow_and_others_import_it_afterwards():
    code = """
import sys
from recomart.runner import workarounds
with workarounds.without_hadoop():
    import papermill
print("pyarrow" in sys.modules)
import pyarrow.fs
with workarounds.without_hadoop():
    pass
print(sys.modules["pyarrow.fs"] is pyarrow.fs)
"""
    assert run(code) == "False\nTrue\n"
