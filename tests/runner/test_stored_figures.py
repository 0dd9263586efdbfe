"""Figures of stored notebooks."""

from __future__ import annotations

import base64

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from recomart.runner import stored_figures


def test_an_svg_becomes_a_picture_with_its_alternative_text_and_the_rest_stays():
    vector = new_output("display_data", {"image/svg+xml": "<svg/>", "text/plain": "<Figure>"})
    vector.metadata = {"image/svg+xml": {"alt": 'Most: "<b>"'}}
    bitmap = new_output("display_data", {"image/png": "aa"}, metadata={"image/png": {"alt": "x"}})
    cells = [new_markdown_cell("# 01 A"), new_code_cell("1", outputs=[vector, bitmap])]
    notebook = new_notebook(cells=cells)
    stored = stored_figures.as_pictures(notebook).cells[1].outputs
    encoded = base64.b64encode(b"<svg/>").decode()
    assert stored[0].data == {
        "text/plain": "<Figure>",
        "text/html": f'<img alt="Most: &quot;&lt;b&gt;&quot;" src="data:image/svg+xml;base64,{encoded}">',
    }
    assert stored[0].metadata == {}
    assert stored[1] == bitmap
    assert "image/svg+xml" in notebook.cells[1].outputs[0].data, "the page is made of the notebook itself"
