"""The patch of tqdm in kernels works, and is still needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

# a kernel's shell, in which tqdm prefers widgets
BAR_CLASS = """
import sys, types
import IPython
sys.modules["IPython"].get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
%s
from tqdm.auto import tqdm
bar = tqdm([1])
print(type(bar).__mro__[1].__module__ if type(bar).__module__ == "tqdm.asyncio" else type(bar).__module__)
print(hasattr(bar, "container"))
"""
PATCH = "from recomart.project import workarounds; workarounds.use_text_progress_bars()"


@pytest.mark.parametrize(("patch", "has_widget"), [("", True), (PATCH, False)], ids=["still needed", "works"])
def test_tqdm_uses_widgets_in_a_kernel_unless_patched(patch, has_widget):
    process = subprocess.run([sys.executable, "-c", BAR_CLASS % patch], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == str(has_widget)
    assert "IProgress not found" not in process.stderr
