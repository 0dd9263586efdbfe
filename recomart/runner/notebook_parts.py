"""The parts of a stage's page: its summary comes first, code and technical sections come last.

The notebook's own order stays as it is, which is that of its work.
"""

from __future__ import annotations

import copy
import re
from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from recomart.runner import markdown_html
from recomart.runner.cell_html import PICTURES

SUMMARY, TECHNICAL = "Summary", ("Inputs", "Checks", "Outputs")
KEY_FIGURE, DETAILS = "key-figure", "details"  # tags of a cell, of a section's heading
PARAMETERS = {"injected-parameters": "Parameters of this run", "parameters": "Parameters and their defaults"}
VERDICT = re.compile(r"\*\*(Passed|Warning|No data)[.:]\*\*[ ]*(.*)")  # the first line of `text.at_a_glance`


class Section(NamedTuple):
    """The cells from a second-level heading to the next one; those before the first heading have none."""

    heading: str
    cells: list[NotebookNode]

    @property
    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "code" and cell.source.strip()]


class Glance(NamedTuple):
    """What a stage says about itself.

    `verdict`: passed, warning or no data, None if the summary has none; `reason`: plain text, empty if it passed;
    `text`: Markdown without the verdict.
    """

    verdict: str | None
    reason: str
    text: str


class Parts(NamedTuple):
    """The page's parts in their order; `code` has the code of all cells, by section."""

    title: list[NotebookNode]
    glance: Glance | None
    key_figure: list[NotebookNode]
    introduction: list[NotebookNode]
    sections: list[Section]
    details: list[Section]
    code: list[Section]


def split(notebook: NotebookNode, failing: str | None) -> Parts:
    """The parts of a notebook; the section of the failing cell is shown, whatever it is."""
    first, *sections = _sections(notebook)
    titles, rest = _opening(first)
    technical = [part for part in sections if _is_technical(part) and not _has(part, failing)]
    shown = [_without_summary(part) for part in sections if part not in technical]
    parameters = [Section(text, _tagged(first, tag)) for tag, text in PARAMETERS.items()]
    others = Section("Imports", [cell for cell in first.code if not set(_tags(cell)) & PARAMETERS.keys()])
    return Parts(
        title=titles,
        glance=glance(notebook),
        key_figure=_key_figure(notebook),
        introduction=[*rest, *first.code],
        sections=[part for part in shown if part.cells],
        details=[part for part in technical if _has_content(part)],
        code=[part for part in (*parameters, others, *sections) if part.code],
    )


def glance(notebook: NotebookNode) -> Glance | None:
    """The summary of an executed notebook; None if it has none, such as after a failure."""
    outputs = [
        output.data["text/markdown"]
        for part in _sections(notebook)
        if part.heading == SUMMARY
        for cell in part.code
        for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]
    if not outputs:
        return None
    text = "\n\n".join(outputs).strip()
    if found := VERDICT.match(text):
        reason = markdown_html.plain(markdown_html.convert(found[2]))
        return Glance(found[1].lower(), reason, text[found.end() :].strip())
    return Glance(None, "", text)


def _sections(notebook: NotebookNode) -> list[Section]:
    sections = [Section("", [])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (heading := re.match(r"## +(.+)", cell.source.lstrip())):
            sections.append(Section(markdown_html.plain(markdown_html.convert(heading[1])), []))
        sections[-1].cells.append(cell)
    return sections


def _opening(first: Section) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """Title and question; then the other text above the first section."""
    text = [cell.source for cell in first.cells if cell.cell_type == "markdown"]
    paragraphs = re.split(r"\n\s*\n", "\n\n".join(text).strip())
    is_question = len(paragraphs) > 1 and paragraphs[1].startswith("**")
    title, rest = paragraphs[: 1 + is_question], paragraphs[1 + is_question :]
    return [[new_markdown_cell("\n\n".join(part))] if part else [] for part in (title, rest)]


def _is_technical(part: Section) -> bool:
    return part.heading in TECHNICAL or DETAILS in _tags(part.cells[0])


def _has(part: Section, failing: str | None) -> bool:
    return any(cell.id == failing for cell in part.cells)


def _has_content(part: Section) -> bool:
    """Whether there is more than the heading, and code."""
    return "\n" in part.cells[0].source.strip() or any(
        cell.get("outputs") or cell.cell_type == "markdown" for cell in part.cells[1:]
    )


def _without_summary(part: Section) -> Section:
    """The page begins with the summary; what follows it in the notebook, such as the limits, keeps its place."""
    if part.heading != SUMMARY or not any(cell.outputs for cell in part.code):
        return part
    return Section("", [cell for cell in part.cells[1:] if cell.cell_type == "markdown"])


def _key_figure(notebook: NotebookNode) -> list[NotebookNode]:
    """A cell with the first figure of the tagged one; none if there is no such cell, or it has no figure."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []) if KEY_FIGURE in _tags(cell) else []:
            if kinds := output.get("data", {}).keys() & set(PICTURES):
                figure = copy.deepcopy(output)
                for kind in kinds:
                    figure.metadata.setdefault(kind, {})["prefix"] = "key"
                return [new_code_cell(outputs=[figure])]
    return []


def _tagged(part: Section, tag: str) -> list[NotebookNode]:
    return [cell for cell in part.cells if tag in _tags(cell)]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])
