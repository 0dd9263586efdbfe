"""Patches of other packages that the notebooks' kernels need."""

from __future__ import annotations

import sys
import warnings


def use_text_progress_bars() -> None:
    """Let tqdm draw its bars as text on stderr, in a kernel that no browser is connected to.

    `tqdm.auto` uses ipywidgets in every IPython kernel if it can import them; a headless run displays no widgets.
    Without ipywidgets tqdm falls back to text and warns "IProgress not found", which is expected here.

    Upstream: https://github.com/tqdm/tqdm/issues/1225 (no setting for text bars in a kernel).
    Remove this when tqdm has such a setting; `tests/project/test_workarounds.py` fails when tqdm no longer needs it.
    """
    sys.modules["ipywidgets"] = None
    warnings.filterwarnings("ignore", "IProgress not found")
