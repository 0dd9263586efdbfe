"""The pages in a browser: WCAG 2.2 AA (axe-core), phones, paper, dark mode, keyboard, and without scripts.

RECOMART_REPORTS=reports pytest -m slow tests/whole/test_pages_in_browser.py    # the pages of another project
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from recomart.runner import notebook_html
from recomart_lib.core import html_table

pytestmark = pytest.mark.slow

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MAX_BYTES = 1_500_000
A4 = 703  # pixels between the margins
VIOLATIONS = """rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found =>
  found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`)))"""
# What is ours on a profile. The library's part is left out: its tabs, its table of contents and its colours have faults
# of their own, which only the library can repair; all that it says about the data, 02 and 03 say as well.
OUR_PART = "{include: [['.bar'], ['.age']]}"
OPEN = "document.querySelectorAll('details').forEach(fold => { fold.open = true; })"
# what a box with a scrollbar shows may be wider; a table of seven columns may not
TOO_WIDE = """[...document.querySelectorAll('main *')].filter(part => !part.closest('svg, figure, pre, .unseen')
  && part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(part => part.outerHTML.slice(0, 150))"""


@pytest.fixture(scope="module")
def reports(request) -> Path:
    """The pages of RECOMART_REPORTS, or of the small shop, which takes minutes."""
    named = os.environ.get("RECOMART_REPORTS")
    return Path(named).resolve() if named else request.getfixturevalue("project") / "reports"


@pytest.fixture
def opened(chromium) -> Iterator[Any]:
    """Opens a page in a tab of its own: a function of the path and of the tab's options."""
    contexts = []

    def open_page(path: Path, width: int = 1200, **options: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, **options))
        tab = contexts[-1].new_page()
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()


def pages(reports: Path) -> list[Path]:
    """All pages of our own; those in profiles/ have the style of a library."""
    return sorted(reports.glob("*.html"))


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_every_page(reports, opened, scheme, width):
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    found = {}
    for path in pages(reports):
        tab = opened(path, width, color_scheme=scheme)
        tab.evaluate(OPEN)
        tab.evaluate(f"{axe}; 0")
        found[path.name] = tab.evaluate(VIOLATIONS, RULES)
    assert {name: violations for name, violations in found.items() if violations} == {}
    assert len(found) >= 11


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_leave_every_profile(reports, opened, scheme, width):
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    found = {}
    for path in sorted(reports.glob("profiles/*.html")):
        tab = opened(path, width, color_scheme=scheme)
        tab.evaluate(f"{axe}; 0")
        found[path.name] = tab.evaluate(VIOLATIONS.replace("document", OUR_PART, 1), RULES)
        assert tab.locator("header.bar a:visible, .age a:visible").count() > 9, path.name
    assert {name: violations for name, violations in found.items() if violations} == {}
    assert found


@pytest.mark.parametrize("width", [1200, 360])
def test_no_page_scrolls_sideways(reports, opened, width):
    wide = {}
    for path in pages(reports):
        tab = opened(path, width)
        tab.evaluate(OPEN)
        wide[path.name] = tab.evaluate(TOO_WIDE)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path.name
    assert {name: parts for name, parts in wide.items() if parts} == {}


def test_no_table_is_cut_on_paper(reports, opened):
    wide = {}
    for path in pages(reports):
        tab = opened(path, A4)
        tab.emulate_media(media="print")
        tab.evaluate(OPEN)
        wide[path.name] = tab.evaluate(TOO_WIDE)
    assert {name: parts for name, parts in wide.items() if parts} == {}


def test_pages_are_small_load_nothing_and_say_nothing(reports, chromium):
    for path in pages(reports):
        assert path.stat().st_size < MAX_BYTES, path.name
        assert said(chromium, path) == [], path.name


def said(chromium: Any, path: Path) -> list[str]:
    """What a page writes to the console, and all that it loads besides itself."""
    heard: list[str] = []
    tab = chromium.new_page()
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("request", lambda request: heard.append(request.url))
    tab.goto(path.as_uri())
    tab.close()
    return [text for text in heard if text != path.as_uri() and not text.startswith("data:")]


@pytest.fixture
def sample(tmp_path) -> Path:
    """A page with a long table, a wide one and a term."""
    numbers = [9.0, 10.0, 1_000.0, -2.0, 0.5, *map(float, range(20, 28))]
    long = pl.DataFrame(
        {"name": [f"n{place:02}" for place in range(13)], "rows": numbers, "kind": ["a", "b"] * 6 + ["a"]}
    )
    wide = pl.DataFrame({f"c{number}": [number] * 3 for number in range(9)})
    outputs = [new_output("display_data", {"text/html": html_table.render(part)}) for part in (long, wide)]
    cells = [new_markdown_cell("# 01 A\n\n**Why?**\n\nThe holdout."), new_code_cell("1", outputs=outputs)]
    path = tmp_path / "sample.html"
    path.write_text(notebook_html.render(new_notebook(cells=cells), "sample"))
    return path


def test_tables_are_sorted_by_number(sample, opened):
    tab = opened(sample)
    names = "[...document.querySelector('table').tBodies[0].rows].map(row => row.cells[1].textContent)"
    button = tab.get_by_role("button", name="sort by rows")
    button.click()
    assert tab.evaluate(names)[:4] == ["-2", "0.5", "9", "10"]
    assert tab.evaluate("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"
    button.click()
    assert tab.evaluate(names)[:2] == ["1,000", "27"]


def test_a_long_table_can_be_filtered(sample, opened):
    tab = opened(sample)
    tab.get_by_label("Filter").fill("N0 b")
    assert tab.locator("table").first.locator("tbody tr:visible").count() == 5
    assert tab.get_by_role("status").text_content() == "5 of 13 rows"


def test_a_term_is_explained_by_keyboard_and_escape_closes_it(sample, opened):
    tab = opened(sample)
    shown = "getComputedStyle(document.querySelector('.term'), '::after').content"
    assert tab.evaluate(shown) == "none"
    tab.locator(".term").first.focus()
    assert "users really chose" in tab.evaluate(shown)
    tab.keyboard.press("Escape")
    assert tab.evaluate(shown) == "none"


def test_without_scripts_nothing_is_missing(sample, opened):
    tab = opened(sample, java_script_enabled=False)
    hidden = tab.get_by_role("columnheader", name="c8")
    assert not hidden.is_visible()
    tab.get_by_label("Show all columns").check()
    assert hidden.is_visible()
    tab.locator(".term").first.hover()
    tab.get_by_text("Details").click()
    assert tab.get_by_role("heading", name="Code").is_visible()


def test_a_link_into_a_fold_opens_it(sample, opened):
    tab = opened(sample)
    tab.evaluate("location.hash = '#term-holdout'")
    assert tab.locator("#term-holdout").is_visible()
