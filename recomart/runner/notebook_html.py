"""Render executed notebooks as self-contained HTML, and clean them so that equal data gives equal files.

A page loads nothing: its content security policy forbids it, whatever a cell's output contains. The policy allows only
the page's own script, so a script in the data cannot run.
"""

from __future__ import annotations

import copy
import html
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from mistune.util import safe_entity
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from recomart.reports import rendering
from recomart_lib.core import page_policy, redaction

TEMPLATES = Path(__file__).with_name("templates")
FAILURE_TAG = "papermill-error-cell-tag"  # tag of the two raw HTML cells that Papermill adds to a failed notebook
WIDGET = "application/vnd.jupyter.widget-view+json"  # tqdm's progress bar in a notebook
DISPLAY_PRIORITY = [
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "text/html",
    "text/markdown",
    "text/plain",
]  # the first available format is shown

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
POLICY = page_policy.policy(FOLD_SCRIPT)


def render(notebook: NotebookNode, title: str, error: str | None = None, outcome: str = "failed") -> str:
    """An executed notebook as one self-contained HTML page.

    Parameters
    ----------
    notebook
        The executed notebook, cleaned or not; it is not modified.
    title
        Plain text for the page's header and the browser tab.
    error
        Why the stage failed, shown at the top; plain text, possibly several lines.
    outcome
        What an error means: the stage `failed`, or it `was stopped`.
    """
    described = _describe_figures(clean(notebook))
    report = {
        "title": title,
        "error": redaction.redact(error) if error else error,
        "outcome": outcome,
        "failing": _failing_cell(described),
        "sections": _sections(described),
        "policy": POLICY,
        "script": FOLD_SCRIPT,
        "pygments": HtmlFormatter(style="friendly").get_style_defs(".highlight"),
    }
    page, _ = exporter().from_notebook_node(described, resources={"report": report})
    return page


@lru_cache
def exporter() -> HTMLExporter:
    """Fills in the page's templates, which take a tenth of a second to compile: a stage calls this before it waits."""
    made = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES), str(rendering.TEMPLATES)],
    )
    made.register_filter("markdown2html", _markdown)
    made.register_filter("align", _align)
    # the exporter passes its config on to the filter that chooses the format of an output
    made.config.NbConvertBase.display_data_priority = DISPLAY_PRIORITY
    _ = made.template  # compiled when it is read
    return made


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy with code, parameters and results only, so that two runs on equal data give equal bytes.

    Removes times, machine data, widgets, progress bars, stderr and secrets (see `redaction`), and sets fixed cell ids;
    keeps execution counts and tags.
    """
    cleaned = copy.deepcopy(notebook)
    kernel = {"kernelspec": notebook.metadata.kernelspec} if "kernelspec" in notebook.metadata else {}
    cleaned.metadata = NotebookNode(kernel | {"language_info": NotebookNode(name="python", pygments_lexer="ipython3")})
    cleaned.cells = [cell for cell in cleaned.cells if FAILURE_TAG not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(cleaned.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        cell.id = "injected-parameters" if "injected-parameters" in tags else f"cell-{number:02d}"
        if cell.cell_type == "code":
            cell.outputs = _without_secrets(_clean_outputs(cell.outputs))
    return cleaned


def _without_secrets(value: Any) -> Any:
    """Outputs in which no text, wherever it is, contains a secret."""
    if isinstance(value, str):
        return redaction.redact(value)
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    if isinstance(value, dict):
        return NotebookNode(
            {
                name: part if name in ("image/png", "image/jpeg") else _without_secrets(part)
                for name, part in value.items()
            }
        )
    return value


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without progress bars and stderr; consecutive printed text is merged into one output."""
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
    """The last error in the outputs, as `NameError: message`; None if there is none."""
    errors = [output for _, output in _outputs(notebook) if output.output_type == "error"]
    return f"{errors[-1].ename}: {errors[-1].evalue}" if errors else None


def _failing_cell(notebook: NotebookNode) -> str | None:
    """The id of the last cell with an error; None if there is none."""
    failing = [cell.id for cell, output in _outputs(notebook) if output.output_type == "error"]
    return failing[-1] if failing else None


def _outputs(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    return [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]


def _describe_figures(notebook: NotebookNode) -> NotebookNode:
    """A copy in which the alternative text of each figure is the takeaway that follows it."""
    described = copy.deepcopy(notebook)
    takeaway = "figure"
    for cell in reversed(described.cells):
        if cell.cell_type == "markdown":
            takeaway = "figure"  # a takeaway belongs to its section only
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
    headings = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', "\n".join(pages), flags=re.DOTALL)
    return [(html.unescape(anchor), html.escape(_text(heading))) for anchor, heading in headings]


def _text(markup: str) -> str:
    """The text of HTML, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _align(table: str) -> str:
    """Mark the text columns of a data frame, for left alignment; other HTML is unchanged."""
    if 'class="dataframe"' not in table:
        return table
    soup = BeautifulSoup(table, "html.parser")
    # columns are counted from the right, since an index does not always have a header cell
    rows = [row.find_all(["th", "td"])[::-1] for row in soup.find_all("tr")]
    body = [row.find_all("td")[::-1] for part in soup.find_all("tbody") for row in part.find_all("tr")]
    text_columns = {
        column for row in body for column, cell in enumerate(row) if not NUMERIC.fullmatch(cell.get_text().strip())
    }
    for row in rows:
        for column in text_columns & set(range(len(row))):
            row[column]["class"] = "text"
    return str(soup)


class _SafeRenderer(IPythonRenderer):
    """Markdown to safe HTML: raw HTML is shown as text, and no image is loaded."""

    def __init__(self) -> None:
        super().__init__(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)

    def text(self, text: str) -> str:
        return safe_entity(text)  # show `&lt;` as "<", as JupyterLab does; escape=True alone would show the entity

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
