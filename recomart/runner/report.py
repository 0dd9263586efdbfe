"""A stage's report: its executed notebook, cleaned, as a notebook and as HTML."""

from __future__ import annotations

import nbformat

from recomart.reports import age, profiles
from recomart.runner import notebook_clean, notebook_html, notebook_parts, stage, stored_figures
from recomart.runner.notebook_file import title_of
from recomart_lib.core import files, paths

PROFILING = "02_validate"  # the stage that writes the profiles


def prepare() -> None:
    """Import and compile what `write` needs, while there is time."""
    notebook_html.prepare()


def write(name: str, executed: nbformat.NotebookNode, error: str | None, stopped: bool = False) -> None:
    """Write a stage's report to reports/. With an error, the stage failed, or it was stopped."""
    cleaned = notebook_clean.clean(executed)
    outcome = "was stopped" if stopped else "failed"
    data = {} if error else age.of_stage(paths.root(), name)
    html = notebook_html.render(cleaned, title_of(cleaned), error, outcome, (name, *stage.STAGES), data)
    stored = nbformat.writes(stored_figures.as_pictures(cleaned))
    files.write_text(paths.place(paths.REPORTS, f"{name}.ipynb"), stored + "\n")
    files.write_text(paths.place(paths.REPORTS, f"{name}.html"), html)
    if name == PROFILING:
        profiles.add_headers(paths.root(), stage.STAGES, data)


def verdict(executed: nbformat.NotebookNode) -> dict[str, str | None]:
    """What the notebook's summary says about the stage, for its metadata (see `sidecars.stages`)."""
    glance = notebook_parts.glance(notebook_clean.clean(executed))
    known = glance is not None and glance.verdict is not None
    return {"verdict": glance.verdict if known else None, "verdict_reason": (glance.reason or None) if known else None}
