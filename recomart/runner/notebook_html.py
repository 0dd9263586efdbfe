"""Executed notebooks as HTML that a reviewer reads without Python, and as notebooks that are equal when the data is.

A page stands alone: it loads nothing, and its content security policy forbids the browser to, whatever a cell put out.
The policy also names the one script that may run, so a script that came with the data stays dead.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from mistune.util import safe_entity
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from recomart.reports import rendering

TEMPLATES = Path(__file__).with_name("templates")
FAILURE_TAG = "papermill-error-cell-tag"  # of the two cells with raw HTML that Papermill adds to a failed notebook
WIDGET = "application/vnd.jupyter.widget-view+json"  # tqdm's progress bar in a notebook
SHOWN = ["image/png", "image/jpeg", "image/svg+xml", "text/html", "text/markdown", "text/plain"]  # the first one wins

NUMERIC = re.compile(r"[-+\d.,:%/ eE]*|NaN|NaT|None|null|inf|-inf")

FOLD_SCRIPT = """
const fold = document.getElementById("fold");
fold.hidden = false;
fold.addEventListener("click", () => {
  const open = fold.textContent.startsWith("show");
  document.querySelectorAll("details.code").forEach(cell => { cell.open = open; });
  fold.textContent = (open ? "hide" : "show") + " all code";
});
"""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(FOLD_SCRIPT.encode()).digest()).decode()}'"
)


def render(notebook: NotebookNode, title: str, error: str | None = None) -> str:
    """An executed notebook as one complete HTML page that loads nothing from anywhere.

    Parameters
    ----------
    notebook
        As executed, cleaned or not; it is not changed.
    title
        Shown in the bar and the browser's tab; plain text.
    error
        What stopped the stage, shown on top; plain text, may have several lines.
    """
    described = _describe_figures(clean(notebook))
    facts = {
        "title": title,
        "error": error,
        "failing": _failing(described),
        "sections": _sections(described),
        "policy": POLICY,
        "script": FOLD_SCRIPT,
        "pygments": HtmlFormatter(style="friendly").get_style_defs(".highlight"),
    }
    exporter = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES), str(rendering.TEMPLATES)],
    )
    exporter.register_filter("markdown2html", _markdown)
    exporter.register_filter("align", _align)
    # the exporter hands its settings down to its parts (here: the filter that chooses an output's format) in its config
    exporter.config.NbConvertBase.display_data_priority = SHOWN
    page, _ = exporter.from_notebook_node(described, resources={"report": facts})
    return page


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy in which only code, parameters and results are left: two runs on equal data give equal bytes.

    Times, machine, widgets, progress bars and stderr go; cell ids become fixed; execution counts and tags stay.
    """
    cleaned = copy.deepcopy(notebook)
    known = {key: notebook.metadata[key] for key in ("kernelspec",) if key in notebook.metadata}
    cleaned.metadata = NotebookNode(known | {"language_info": NotebookNode(name="python", pygments_lexer="ipython3")})
    cleaned.cells = [cell for cell in cleaned.cells if FAILURE_TAG not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(cleaned.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        cell.id = "injected-parameters" if "injected-parameters" in tags else f"cell-{number:02d}"
        if cell.cell_type == "code":
            cell.outputs = _clean_outputs(cell.outputs)
    return cleaned


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Without progress; what was printed in one go is one output, however the kernel happened to cut it."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.get("name") == "stderr" or WIDGET in output.get("data", {}):
            continue
        if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def error_of(notebook: NotebookNode) -> str | None:
    """The last error that a cell put out, as `NameError: what it said`; None if there is none."""
    errors = [output for _, output in _outputs(notebook) if output.output_type == "error"]
    return f"{errors[-1].ename}: {errors[-1].evalue}" if errors else None


def _failing(notebook: NotebookNode) -> str | None:
    """The id of the cell whose error `error_of` tells."""
    failing = [cell.id for cell, output in _outputs(notebook) if output.output_type == "error"]
    return failing[-1] if failing else None


def _outputs(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    return [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]


def _describe_figures(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each figure carries the takeaway that follows it as its alternative text."""
    described = copy.deepcopy(notebook)
    takeaway = "figure"
    for cell in reversed(described.cells):
        if cell.cell_type == "markdown":
            takeaway = "figure"  # a takeaway belongs to its own section
        for output in reversed(cell.get("outputs", [])):
            data = output.get("data", {})
            if "text/markdown" in data:
                takeaway = _text(_markdown(data["text/markdown"]))
            for kind in data.keys() & {"image/png", "image/jpeg"}:
                output.metadata.setdefault(kind, {})["alt"] = takeaway
    return described


def _sections(notebook: NotebookNode) -> list[tuple[str, str]]:
    """(anchor, heading as HTML text) of every second-level heading."""
    pages = [_markdown(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    found = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', "\n".join(pages), flags=re.DOTALL)
    return [(html.unescape(anchor), html.escape(_text(heading))) for anchor, heading in found]


def _text(markup: str) -> str:
    """HTML without its tags, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _align(table: str) -> str:
    """Marks the text columns of a data frame (they read better from the left); any other HTML stays as it is."""
    if 'class="dataframe"' not in table:
        return table
    soup = BeautifulSoup(table, "html.parser")
    # counted from the right, since an index has cells in each row, but not always a heading
    rows = [row.find_all(["th", "td"])[::-1] for row in soup.find_all("tr")]
    body = [row.find_all("td")[::-1] for row in soup.select("tbody tr")]
    words = {place for row in body for place, cell in enumerate(row) if not NUMERIC.fullmatch(cell.get_text().strip())}
    for row in rows:
        for place in words & set(range(len(row))):
            row[place]["class"] = "text"
    return str(soup)


class _SafeRenderer(IPythonRenderer):
    """Markdown to HTML in which nothing from the data can act: raw HTML is shown as text, no image is fetched."""

    def __init__(self) -> None:
        super().__init__(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)

    def text(self, text: str) -> str:
        return safe_entity(text)  # `&lt;` is a "<" to show, as in JupyterLab; escape=True alone would show four letters

    def heading(self, text: str, level: int, **_: Any) -> str:
        anchor = re.sub(r"\W+", "-", _text(text).lower()).strip("-")
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def table(self, text: str) -> str:
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, url, title) if url.startswith("data:") else html.escape(text or url)

    def block_mermaidjs(self, code: str) -> str:
        return f"<pre>{html.escape(code)}</pre>\n"


def _markdown(source: str) -> str:
    return MarkdownWithMath(renderer=_SafeRenderer()).render(source)
