"""Figures of notebooks: SVG if small and readable, otherwise PNG; equal figures are equal bytes."""

from __future__ import annotations

import re
import subprocess
import sys

import matplotlib.pyplot as plt
import polars as pl
import pytest
from conftest import ROOT

from recomart_lib.core import inline_figures, plots

pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        plots.use_style()
        yield


def test_a_small_figure_is_svg_with_text_as_text_and_says_what_it_shows():
    data, metadata = inline_figures.bundle(plots.bars(["tea", "salt"], [3, 1], "cups", "Drinks").figure)
    [(kind, vector)] = data.items()
    assert kind == "image/svg+xml"
    assert ">tea</text>" in vector
    assert metadata[kind]["alt"] == "Most: tea, 3; then salt, 1. Drinks. cups."


def test_equal_figures_are_equal_bytes():
    drawings = [inline_figures.svg(plots.bars(["tea"], [3], "cups", "Drinks").figure) for _ in range(2)]
    assert drawings[0] == drawings[1]
    assert not re.search(r"20\d\d-\d\d-\d\d", drawings[0])  # a date


def test_a_dense_figure_is_a_png_of_twice_the_size():
    _, ax = plt.subplots(figsize=(4, 3))
    ax.plot(range(5_000), [n % 7 for n in range(5_000)], "o")
    data, metadata = inline_figures.bundle(ax.figure)
    assert set(data) == {"image/png"}
    assert 300 < metadata["image/png"]["width"] < 450


def test_text_that_xml_cannot_hold_is_a_png():
    ax = plots.bars(["tea"], [3], "cups", "Drinks")
    ax.set_xlabel("bell \x07")
    assert set(inline_figures.bundle(ax.figure)[0]) == {"image/png"}


def test_names_with_control_characters_are_shown_escaped():
    data, _ = inline_figures.bundle(plots.bars(["tea \x07"], [3], "cups", "Drinks \x00").figure)
    assert set(data) == {"image/svg+xml"}


IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import matplotlib.pyplot as plt
from recomart_lib.core import plots
plt.switch_backend("module://matplotlib_inline.backend_inline")
plots.use_style()
data, _ = shell.display_formatter.format(plots.bars(["tea"], [3], "cups", "Drinks").figure)
print(*sorted(data))
plt.close("all")
"""


def test_a_cell_shows_a_figure_once():
    """The notebook's own formats are replaced, although they are set when its backend is loaded.

    In a process of its own: a shell of IPython changes how SQLite reads times, for all that follows.
    """
    done = subprocess.run([sys.executable, "-c", IN_A_NOTEBOOK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["image/svg+xml", "text/plain"]


def test_values_of_an_empty_column():
    assert "no data" in plots.histogram(pl.Series([], dtype=pl.Float64), "x", "users", "T").texts[0].get_text()
