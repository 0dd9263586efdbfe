"""A stage's report: its executed notebook, cleaned, as a notebook and as HTML."""

from __future__ import annotations

import nbformat

from recomart.runner import notebook_html
from recomart.runner.notebook_file import title_of
from recomart_lib.core import files, paths


def prepare() -> None:
    """Import and compile what `write` needs, while there is time."""
    notebook_html.exporter()


def write(name: str, executed: nbformat.NotebookNode, error: str | None, stopped: bool = False) -> None:
    """Write a stage's report to reports/. With an error, the stage failed, or it was stopped."""
    cleaned = notebook_html.clean(executed)
    html = notebook_html.render(cleaned, title_of(cleaned), error, "was stopped" if stopped else "failed")
    files.write_text(paths.place(paths.REPORTS, f"{name}.ipynb"), nbformat.writes(cleaned) + "\n")
    files.write_text(paths.place(paths.REPORTS, f"{name}.html"), html)
