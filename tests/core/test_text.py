"""Text of takeaways: numbers, shares, plurals, and escaped text from data."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from recomart_lib.core.text import at_a_glance, bullets, not_applicable, number, percent, plural, quality, safe


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "![a](http://x/y.png)",
        "**bold** _it_ `code`",
        "# head",
        "a | b",
        "$x^2$",
        "~~gone~~",
        "http://x.y/z",
        'Kid\'s "big" & small',
        "a\\*b",
        "a#b;",
        "&lt;b&gt;",
    ],
)
def test_text_from_data_is_never_markup(text):
    page = Page(markdown2html_mistune(f"Sold: {safe(text)}."))
    assert page.tags == ["p"]
    assert page.text.strip() == f"Sold: {text}."


def test_line_breaks_in_data_do_not_start_a_block():
    assert Page(markdown2html_mistune(safe("a\n\n- b\r\n\n    c"))).tags == ["p"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (12345, "12,345"), (12345.6, "12,346"), (0.12345, "0.123"), (2.0, "2"), (float("nan"), "nan")],
)
def test_numbers_are_short(value, words):
    assert number(value) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (0.1234, "12 %"),
        (0.0996, "10 %"),
        (0.0167, "1.7 %"),
        (0.07, "7 %"),
        (0.57, "57 %"),
        (1, "100 %"),
        (2.5, "250 %"),
        (-0.5, "-50 %"),
        (0.00012, "0.012 %"),
        (0.000001, "less than 0.001 %"),
        (0.989, "99 %"),
        (0.9949, "99.5 %"),
        (0.9987, "99.9 %"),
        (0.9999, "99.99 %"),
        (0.99999, "more than 99.99 %"),
        (float("nan"), "nan %"),
    ],
)
def test_shares_are_percent_and_never_0_or_100_by_rounding(share, words):
    assert percent(share) == words


@pytest.mark.parametrize(
    ("score", "words"),
    [(100, "100 %"), (95, "95 %"), (94.999, "94.9 %"), (99.99, "99.9 %"), (0, "0 %"), (67.8, "67.8 %")],
)
def test_quality_scores_are_rounded_down(score, words):
    assert quality(score) == words


def test_plurals():
    assert [plural(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert plural(2, "category", "categories") == "2 categories"


def test_bullets_skip_empty_sentences():
    assert bullets("a", "", "b") == "- a\n- b"


def test_a_glance_leaves_out_what_is_empty_or_not_applicable():
    sentences = ["**One.**", "", not_applicable("nothing was streamed.")]
    assert at_a_glance(*sentences) == "**Passed.**\n\n- **One.**"
    assert at_a_glance(*sentences, warning="Two days.") == "**Warning:** Two days.\n\n- **One.**"
    assert at_a_glance(no_data="Nothing was streamed.", warning="w") == "**No data:** Nothing was streamed."
