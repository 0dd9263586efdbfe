"""Figures in a page: nothing in them runs or loads anything, they follow the theme, and their marks have values."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from recomart.runner import svg_figures
from recomart_lib.core import inline_figures, plots
from recomart_lib.core.colours import INK, PAPER

pytestmark = pytest.mark.usefixtures("close_figures")
EVIL = '</svg></text><script>alert(1)</script><a href="javascript:alert(1)">'


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        plots.use_style()
        yield


def page_of(ax, prefix: str = "f1") -> str:
    return svg_figures.inline(inline_figures.svg(ax.figure), "what it shows", prefix)


def marks(page: str) -> list[ElementTree.Element]:
    return [mark for mark in ElementTree.fromstring(page).iter("g") if mark.get("class") == "value"]


def test_text_from_data_stays_text():
    page = page_of(plots.bars([EVIL, "tea"], [3, 1], EVIL, EVIL))
    assert {element.tag for element in ElementTree.fromstring(page).iter()} <= {
        "figure",
        "title",
        *svg_figures.ELEMENTS,
    }
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "part",
    [
        "<script>alert(1)</script>",
        "<foreignObject><p>x</p></foreignObject>",
        "<style>* { fill: red }</style>",
        '<g onload="alert(1)"><path d="M 0 0"/></g>',
        '<path d="M 0 0" style="fill: url(http://x.org/a)"/>',
        '<path d="M 0 0" style="background: url(http://x.org/a)"/>',
        '<use href="http://x.org/a.svg#b"/>',
        '<image href="http://x.org/a.png"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<path d="M 0 0" clip-path="url(http://x.org/a#b)"/>',
        '<a href="javascript:alert(1)"><path d="M 0 0"/></a>',
    ],
)
def test_what_matplotlib_does_not_write_is_left_out(part):
    vector = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M 0 0 L 1 1"/>{part}</svg>'
    page = svg_figures.inline(vector, "a", "f")
    for word in ("script", "foreign", "<style", "onload", "x.org", "svg+xml", "alert", "<a"):
        assert word not in page


def test_ids_are_those_of_this_figure():
    ax = plots.bars(["tea"], [1], "n", "T")
    one, other = page_of(ax, "f1"), page_of(ax, "f2")
    ids = [set(re.findall(r'id="([^"]*)"', page)) for page in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for page, own in zip((one, other), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]*)\)", page)) <= own


def test_colours_of_text_and_background_follow_the_theme():
    page = page_of(plots.bars(["tea"], [1], "n", "T"))
    assert INK not in page
    assert PAPER not in page
    assert "fill:var(--ink)" in page
    assert "var(--grid)" in page


def test_marks_have_their_values_and_tab_reaches_the_first():
    found = marks(page_of(plots.bars(["tea", "salt & <pepper>"], [3, 1], "n", "T")))
    assert [mark.get("aria-label") for mark in found] == ["tea: 3", "salt & <pepper>: 1"]
    assert [mark[0].text for mark in found] == ["tea: 3", "salt & <pepper>: 1"]
    assert [mark.get("tabindex") for mark in found] == ["0", "-1"]


def test_the_points_of_a_line_have_one_value_each_and_gaps_have_none():
    _, ax = plt.subplots()
    (line,) = ax.plot([1, 2, 3], [1.0, float("nan"), 2.0], marker="o")
    plots.values(line, ["first", "last"])
    assert [mark.get("aria-label") for mark in marks(page_of(ax))] == ["first", "last"]


def test_a_line_that_lost_a_point_keeps_all_its_values():
    _, ax = plt.subplots()
    (line,) = ax.plot([1, 2], [1.0, 2.0], marker="o")
    plots.values(line, ["first", "second", "outside"])
    assert [mark.get("aria-label") for mark in marks(page_of(ax))] == ["first; second; outside"]


def test_a_figure_with_values_is_a_group_and_another_one_a_picture():
    _, ax = plt.subplots()
    ax.plot([1, 2], [1, 2])
    plain, valued = page_of(ax), page_of(plots.bars(["tea"], [1], "n", "T"))
    assert 'role="img" aria-label="what it shows"' in plain
    assert 'role="group" aria-label="what it shows"' in valued


def test_a_figure_that_says_why_it_is_empty_is_a_line_of_text():
    page = page_of(plots.empty_figure("T: no <data>."))
    assert page == '<p class="soft empty">T: no &lt;data&gt;.</p>'


def test_a_shaded_area_of_cells_is_a_picture_inside():
    _, ax = plt.subplots()
    ax.pcolormesh([[1, 2], [3, 4]], rasterized=True)
    assert 'href="data:image/png;base64,' in page_of(ax)
