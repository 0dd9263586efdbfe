"""Tables of pages: scopes, names, plain names of models, columns in view. What data holds stays text."""

from __future__ import annotations

import polars as pl
import pytest
from bs4 import BeautifulSoup

from recomart.reports import finish
from recomart_lib.core import html_table

EVIL = "</td><script>alert(1)</script>"


def improved(*parts: str) -> BeautifulSoup:
    page = f"<body>{finish.OPEN}{''.join(parts)}{finish.CLOSE}</body>"
    once = finish.finish(page)
    assert once == finish.finish(page)  # the same bytes
    return BeautifulSoup(once, "html.parser")


def table(**columns: list) -> str:
    return html_table.render(pl.DataFrame(columns))


def test_headers_have_scopes_and_a_row_has_a_name():
    soup = improved("<h2>How many?</h2>", table(name=["tea", "salt"], rows=[1200, 3]))
    assert [(cell.get_text(), cell["scope"]) for cell in soup.find_all("th")] == [
        ("name", "col"),
        ("rows", "col"),
        ("tea", "row"),
        ("salt", "row"),
    ]
    assert (soup.caption.get_text(), soup.caption["class"]) == ("How many?", ["unseen"])
    assert [(cell.get_text(), cell["data-label"], cell["class"]) for cell in soup.find_all("td")] == [
        ("1,200", "rows", ["n"]),
        ("3", "rows", ["n"]),
    ]


def test_a_caption_of_its_own_stays_in_view():
    soup = improved("<h2>x</h2>", html_table.render(pl.DataFrame({"n": [1]}), "Sales <b>"))
    assert [(caption.get_text(), caption.get("class")) for caption in soup.find_all("caption")] == [("Sales <b>", None)]


def test_tables_below_the_same_heading_have_different_captions():
    soup = improved("<h2>How <i>many</i>?</h2>", table(a=[1]), table(b=[1]), "<h3>Who?</h3>", table(a=[1]))
    captions = [caption.get_text() for caption in soup.find_all("caption")]
    assert captions == ["How many? (1 of 2)", "How many? (2 of 2)", "Who?"]


def test_the_heading_of_a_fold_names_only_its_tables():
    fold = "<details><summary>Code</summary><h3>Inputs</h3>" + table(a=[1]) + "</details>"
    soup = improved("<h2>How many?</h2>", fold, table(b=[1]), "<details><summary>More</summary>", table(c=[1]))
    assert [caption.get_text() for caption in soup.find_all("caption")] == ["Inputs", "How many?", "More"]


def test_no_term_is_marked_where_nobody_sees_it():
    soup = improved("<h2>The holdout</h2>", table(a=[1]), "<p>The holdout is new.</p>")
    assert [mark.find_parent("p") is not None for mark in soup.find_all("dfn")] == [True]


def test_an_empty_header_is_none():
    soup = improved(
        "<table><thead><tr><th></th><th>n</th></tr></thead><tbody><tr><td></td><td>1</td></tr></tbody></table>"
    )
    assert [cell.get_text() for cell in soup.find_all("th")] == ["n"]


def test_columns_beyond_the_seventh_are_behind_a_checkbox():
    soup = improved(table(**{f"c{number}": ["a", "b"] for number in range(9)}))
    assert [cell.get_text() for cell in soup.select("thead .extra")] == ["c7", "c8"]
    assert len(soup.select("tbody .extra")) == 4
    label = soup.find("label")
    assert label.input["type"] == "checkbox"
    assert label.get_text().strip() == "Show all columns: also c7, c8"
    assert label.find_parent(class_="wide") == soup.table.parent
    assert improved(table(**{f"c{number}": ["a"] for number in range(7)})).find("label") is None


@pytest.mark.parametrize(
    ("rows", "columns", "is_sortable", "is_filterable"),
    [(2, 3, False, False), (3, 3, True, False), (11, 3, True, True), (3, 2, False, False)],
)
def test_long_tables_are_sortable_and_longer_ones_have_a_filter(rows, columns, is_sortable, is_filterable):
    soup = improved(table(**{f"c{number}": ["a"] * rows for number in range(columns)}))
    assert soup.table.has_attr("data-sortable") == is_sortable
    assert soup.table.has_attr("data-filterable") == is_filterable
    assert ("cards" in soup.table.get("class", [])) == (columns >= 3)


def test_a_column_of_models_has_plain_names():
    soup = improved(table(model=["ease", "my_model"], cause=["content", "basket is full"]))
    assert str(soup.find("th", {"data-label": "model"})) == (
        '<th data-label="model" scope="row">Linear item model (EASE)<small class="tech">ease</small></th>'
    )
    assert "my_model" in soup.get_text()
    assert "Similar products" not in soup.get_text()  # a cause that happens to be a model's name


def test_a_column_is_one_of_models_if_it_has_nothing_else():
    assert "Bestsellers" in improved(table(of=["popularity", "ease"])).get_text()
    assert "Bestsellers" not in improved(table(of=["popularity", "price"])).get_text()
    assert "Bestsellers" in improved(table(k=[1], popularity=[0.1], ease=[0.2])).thead.get_text()


def test_data_stays_text():
    soup = improved(table(**{EVIL: [EVIL, EVIL], "model": ["ease", EVIL]}))
    assert soup.find("script") is None
    assert EVIL in soup.get_text()


@pytest.mark.parametrize("html", ["", "<p>No table</p>", "<table></table>", "<table><tbody><tr></tr></tbody></table>"])
def test_small_pages(html):
    improved(html)


def test_cells_that_span_columns_stay_as_they_are():
    soup = improved(
        '<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td colspan="2">none</td></tr></tbody></table>'
    )
    assert soup.td.attrs == {"colspan": "2"}


def test_only_the_main_part_changes():
    page = f"<style>a::after {{ content: '</table>' }}</style>{finish.OPEN}x{finish.CLOSE}<script>1 < 2 && 3</script>"
    assert finish.finish(page) == page
    assert finish.finish("no page") == "no page"


def test_long_names_break_behind_underscores_and_stay_one_word():
    soup = improved(table(rule=["timestamp_not_in_future", "x_y", "<b>_is_escaped_here"], n=[1, 2, 3]))
    assert "timestamp_<wbr/>not_<wbr/>in_<wbr/>future" in str(soup)
    assert "x_y" in str(soup)
    assert "&lt;b&gt;_is_<wbr/>escaped_<wbr/>here" in str(soup)
    assert "timestamp_not_in_future" in soup.get_text()
    assert not soup.select(".long")
    path = improved(table(file=["/usr/share/zone_info/tz_data.zi", "b"]))
    assert path.get_text().split() == ["file", "…/tz_data.zi", "b"]
    assert improved(table(file=["a" * 30, "b"])).select(".long")
