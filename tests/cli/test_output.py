"""One table for all commands: aligned, whole in a pipe, folded on a terminal, and harmless whatever the data holds."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart.cli import output

NASTY = "\x1b[31mred\x1b[0m \x07\x9b2J\u202eevil\r\nnext [bold]loud[/bold] :smile: \ttab"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1234567, "1,234,567"),
        (-1234, "-1,234"),
        (12.99, "12.99"),
        (4.0, "4"),
        (0.148148, "0.1481"),
        (0.00012345, "0.000123"),
        (1234567.5, "1,234,567.5"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (date(2025, 3, 1), "2025-03-01"),
        (datetime(2025, 3, 1, 12, 0, 5, 999), "2025-03-01 12:00:05"),
        (datetime(2025, 3, 1, 1, tzinfo=UTC), "2025-03-01 01:00:00"),
        (datetime(2025, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-02-28 23:00:00"),
        (["a", "b"], "a, b"),
        ("Café 北京 \xa0x", "Café 北京 \xa0x"),
    ],
)
def test_a_value_is_written_in_one_way(value, written):
    assert output.word(value) == written


def test_a_table_in_a_pipe_is_aligned_and_a_row_is_a_line():
    table = pl.DataFrame({"name": ["a", "b" * 300], "count": [5, 1234], "share": [None, 0.5], "fine": [True, False]})
    head, *rows = output.drawn(table).split("\n")
    assert [line.split() for line in rows] == [["a", "5", "-", "yes"], ["b" * 300, "1,234", "0.5", "no"]]
    for name, right in [("count", True), ("share", True), ("fine", False), ("name", False)]:
        edge = head.index(name) + (len(name) - 1 if right else 0)
        assert all(
            row[edge] != " " and row[edge + 1 if right else edge - 1 : edge + 2 if right else edge].strip() == ""
            for row in rows
        )
    assert not any(line.endswith(" ") for line in [head, *rows])


def test_columns_of_written_numbers_are_aligned_as_numbers():
    table = pl.DataFrame({"x": ["1,000", "5"], "y": ["a", "b"]})
    assert output.drawn(table, numbers=["x"]).split("\n") == ["    x  y", "1,000  a", "    5  b"]


def test_lists_are_shown_as_their_parts():
    assert output.drawn(pl.DataFrame({"x": [["a", "b"], None]})).split("\n") == ["x", "a, b", "-"]


def test_wide_letters_take_two_places():
    table = pl.DataFrame({"name": ["北京", "abcd"], "x": ["1", "2"]})
    assert output.drawn(table).split("\n") == ["name  x", "北京  1", "abcd  2"]


WORDS = " ".join(f"word{n}" for n in range(30))
LONG = pl.DataFrame({"rank": [1], "name": [WORDS], "reason": ["x" * 70], "seen": [datetime(2025, 3, 1, 12)]})


@pytest.mark.parametrize("width", [60, 80, 200, 1000])
def test_on_a_terminal_nothing_is_wider_than_it_and_nothing_is_cut_off(width):
    text = re.sub(r"\x1b\[\d*m", "", output.drawn(LONG, width))
    assert max(map(len, text.split("\n"))) <= width
    assert all(f"word{n}" in text for n in range(30)), "broken between words"
    assert (text.count("x"), "2025-03-01 12:00:00" in text) == (70, True)
    assert (len(text.split("\n")) == 2) == (width == 1000), "folded only where there is need"


def test_a_terminal_that_is_too_narrow_still_gets_whole_numbers_and_short_words():
    text = output.drawn(LONG.with_columns(rank=1234567, seen=pl.lit("short words")), 10)
    assert all(word in text for word in ("1,234,567", "short words"))
    assert text.count("x") == 70


def test_nothing_from_data_is_obeyed():
    table = pl.DataFrame({NASTY: [NASTY], "other": ["[red]x[/red]"]})
    for text in (output.drawn(table), output.plain(NASTY)):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
        assert "[bold]loud[/bold] :smile:" in text
    assert "[red]x[/red]" in output.drawn(table)
    assert len(output.drawn(table).split("\n")) == 2
    assert set(re.findall(r"\x1b\[\d*m", output.drawn(table, 200))) <= {"\x1b[1m", "\x1b[0m"}, "bold names, no more"


@given(st.text(st.characters(exclude_categories=[])))
def test_plain_text_is_printable_and_keeps_what_was_so(text):
    found = output.plain(text)
    assert all(letter.isprintable() or letter == "\xa0" for letter in found)
    if not {"\\", '"'} & set(text):
        assert json.loads(f'"{found}"') == text, "what was there can be told from what is shown"
    assert output.plain(found) == found


def test_lines_stay_lines():
    assert output.plain_lines("a\n\x1bb\n") == "a\n\\u001bb\n"


def test_show_says_how_many_more_there_are(capsys):
    output.show(pl.DataFrame({"n": range(1200)}), 1)
    assert capsys.readouterr().out == "n\n0\n... and 1,199 more; --rows shows more\n"
    output.show(pl.DataFrame({"n": [7]}), 1)
    assert capsys.readouterr().out == "n\n7\n"
    output.show(pl.DataFrame({"n": []}), 5)
    assert capsys.readouterr().out == "No rows.\n"


def test_a_pipe_gets_no_colours_and_ignores_the_width_of_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    output.show(pl.DataFrame({"name": ["x" * 50], "other": ["y" * 50]}))
    assert capsys.readouterr().out == f"name{' ' * 48}other\n{'x' * 50}  {'y' * 50}\n"


def test_facts_stand_below_each_other(capsys):
    output.facts({"a": 1, "longer": None, "c": "\x1b[2J"})
    assert capsys.readouterr().out == "a:       1\nlonger:  -\nc:       \\u001b[2J\n"
