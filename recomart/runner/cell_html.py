"""Cells of an executed notebook as HTML: their results, or their code."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from recomart.runner import markdown_html, svg_figures

TEMPLATES = Path(__file__).with_name("templates")
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
# the first available format is shown
DISPLAY_PRIORITY = [*PICTURES, "text/html", "text/markdown", "text/plain"]


def results(cells: list[NotebookNode], failing: str | None = None) -> str:
    """Text and outputs of the cells; the failing one also shows its code, and has the anchor #error."""
    return _convert(cells, failing=failing, only_code=False)


def code(cells: list[NotebookNode]) -> str:
    """The code of the cells."""
    return _convert(cells, failing=None, only_code=True)


def _convert(cells: list[NotebookNode], **report: object) -> str:
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python", "pygments_lexer": "ipython3"}})
    page, _ = exporter().from_notebook_node(notebook, resources={"report": report})
    return page


@lru_cache
def exporter() -> HTMLExporter:
    """Fills in the template of cells, which takes long to compile: a stage calls this before it waits."""
    made = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES)],
    )
    made.register_filter("markdown2html", markdown_html.convert)
    made.register_filter("chart", _chart)
    # the exporter passes its config on to the filter that chooses the format of an output
    made.config.NbConvertBase.display_data_priority = DISPLAY_PRIORITY
    _ = made.template  # compiled when it is read
    return made


def _chart(output: NotebookNode) -> str:
    """A figure as part of the page; `describe` has numbered it."""
    about = output.metadata.get("image/svg+xml", {})
    return svg_figures.inline(output.data["image/svg+xml"], about.get("alt", "figure"), about.get("prefix", "figure"))


def describe(notebook: NotebookNode) -> NotebookNode:
    """A copy with numbered figures; one without an alternative text has the takeaway that follows it."""
    described, number = copy.deepcopy(notebook), 0
    takeaway = "figure"
    for cell in reversed(described.cells):
        if cell.cell_type == "markdown":
            takeaway = "figure"  # a takeaway belongs to its section only
        for output in reversed(cell.get("outputs", [])):
            data = output.get("data", {})
            if "text/markdown" in data:
                takeaway = markdown_html.plain(markdown_html.convert(data["text/markdown"]))
            for kind in data.keys() & set(PICTURES):
                number += 1
                output.metadata.setdefault(kind, {}).update(prefix=f"figure{number}")
                output.metadata[kind].setdefault("alt", takeaway)
    return described
