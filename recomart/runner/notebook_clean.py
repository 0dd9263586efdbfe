"""Clean executed notebooks, so that equal data gives equal files, and no file has a secret of the environment."""

from __future__ import annotations

import copy
from typing import Any

from nbformat import NotebookNode

from recomart_lib.core import redaction

FAILURE_TAG = "papermill-error-cell-tag"  # tag of the two raw HTML cells that Papermill adds to a failed notebook
WIDGET = "application/vnd.jupyter.widget-view+json"  # tqdm's progress bar in a notebook


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
