"""Render executed notebooks as self-contained HTML.

A page loads nothing: its content security policy forbids it, whatever a cell's output contains. The policy allows only
the page's own script, so a script in the data cannot run.
"""

from __future__ import annotations

import re
from typing import Any

from nbformat import NotebookNode

from recomart.reports import finish, header, rendering
from recomart.runner import cell_html, empty_sections, markdown_html, notebook_parts
from recomart.runner.notebook_clean import clean
from recomart.runner.notebook_parts import Glance, Parts
from recomart_lib.core import redaction

CHIPS = {"passed": "ok", "warning": "warn"}


def prepare() -> None:
    """Compile the templates, while there is time."""
    cell_html.exporter()
    rendering.templates().get_template("stage.html.j2")


def render(
    notebook: NotebookNode,
    title: str,
    error: str | None = None,
    outcome: str = "failed",
    stages: tuple[str, ...] = (),
    age: dict[str, Any] | None = None,
) -> str:
    """An executed notebook as one self-contained HTML page.

    Parameters
    ----------
    notebook
        The executed notebook, cleaned or not; it is not modified.
    title
        Plain text for the browser tab.
    error
        Why the stage failed, shown at the top; plain text, possibly several lines.
    outcome
        What an error means: the stage `failed`, or it `was stopped`.
    stages
        This stage, then all stages in their order, for the header: names of notebooks. Empty: a page without stages.
    age
        The line about the age of the data (`age.of_stage`); None: a page without it.
    """
    described = cell_html.describe(clean(notebook))
    failing = _failing_cell(described)
    parts = notebook_parts.split(described, failing)
    this, *all_stages = stages or [""]
    content = {
        "title": title,
        "error": redaction.redact(error) if error else error,
        "outcome": outcome,
        "failing": failing,
        **_html(parts, failing),
        **header.without_states(all_stages),
        **(age or {}),
        "here": f"{this}.html",
        "steps": header.steps(this, all_stages),
    }
    return finish.finish(rendering.templates().get_template("stage.html.j2").render(content))


def _html(parts: Parts, failing: str | None) -> dict[str, Any]:
    """The parts as HTML, for the template. A stage without data does not say so in each of its sections."""
    sections = [
        (part.heading, empty_sections.one_line(cell_html.results(part.cells, failing))) for part in parts.sections
    ]
    if _no_data(parts.glance):
        sections = [(heading, html) for heading, html in sections if not empty_sections.says_nothing(html)]
    return {
        "top": cell_html.results(parts.title),
        "glance": _glance(parts.glance),
        "key_figure": "" if _no_data(parts.glance) else cell_html.results(parts.key_figure),
        "introduction": cell_html.results(parts.introduction, failing),
        "sections": "\n".join(html for _, html in sections),
        "headings": [(finish.anchor(heading), heading) for heading, _ in sections if heading],
        "details": _demoted("\n".join(cell_html.results(part.cells) for part in parts.details)),
        "code": [(part.heading, cell_html.code(part.code)) for part in parts.code],
    }


def _glance(glance: Glance | None) -> dict[str, str] | None:
    if glance is None:
        return None
    return {
        "verdict": (glance.verdict or "").capitalize(),
        "chip": CHIPS.get(glance.verdict or "", ""),
        "reason": glance.reason,
        "text": markdown_html.convert(glance.text),
    }


def _no_data(glance: Glance | None) -> bool:
    """Whether the stage had none, so that its figure is empty."""
    return glance is not None and glance.verdict == "no data"


def _demoted(html: str) -> str:
    """The HTML with headings of a level below: they are inside a section of the page."""
    return re.sub(r"(</?h)([23])\b", lambda tag: f"{tag[1]}{int(tag[2]) + 1}", html)


def _failing_cell(notebook: NotebookNode) -> str | None:
    """The id of the last cell with an error; None if there is none."""
    failing = [
        cell.id for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]
    return failing[-1] if failing else None
