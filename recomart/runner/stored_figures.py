"""Figures of a stored notebook as pictures: JupyterLab shows the SVG of an output only to users who trust the notebook.

Nothing inside a picture can run, so every editor shows it, on its own background in a dark theme, too.
"""

from __future__ import annotations

import base64
import copy
import html

from nbformat import NotebookNode

SVG, HTML = "image/svg+xml", "text/html"


def as_pictures(notebook: NotebookNode) -> NotebookNode:
    """A copy of an executed notebook whose SVGs are pictures (`img`) in HTML, with their alternative text."""
    stored = copy.deepcopy(notebook)
    outputs = [output for cell in stored.cells for output in cell.get("outputs", [])]
    for output in outputs:
        if SVG in output.get("data", {}):
            about = output.metadata.pop(SVG, {})
            output.data[HTML] = _picture(output.data.pop(SVG), about.get("alt", "figure"))
    return stored


def _picture(vector: str, alt: str) -> str:
    encoded = base64.b64encode(vector.encode()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:{SVG};base64,{encoded}">'
