"""The patch of tqdm in kernels works, and is still needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

# tqdm.auto detects a kernel by this module
BAR_CLASS = """
import sys, types, IPython
sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
%s
from tqdm.auto import tqdm
print(any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__))
"""
PATCH = "from recomart.project import workarounds; workarounds.use_text_progress_bars()"


@pytest.mark.parametrize(("patch", "has_widget"), [("", True), (PATCH, False)], ids=["still needed", "works"])
def test_tqdm_uses_widgets_in_a_kernel_unless_patched(patch, has_widget):
    process = subprocess.run([sys.executable, "-c", BAR_CLASS % patch], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"{has_widget}\n"
    assert "IProgress not found" not in process.stderr
