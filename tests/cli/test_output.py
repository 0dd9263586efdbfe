"""One table format for all commands: aligned, folded only on a terminal, with control characters escaped."""

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
    ("value", "formatted"),
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
def test_format_value(value, formatted):
    assert output.format_value(value) == formatted


def test_a_piped_table_is_aligned_with_one_row_per_line():
    table = pl.DataFrame({"name": ["a", "b" * 300], "count": [5, 1234], "share": [None, 0.5], "fine": [True, False]})
    head, *rows = output.render_table(table).split("\n")
    assert [line.split() for line in rows] == [["a", "5", "-", "yes"], ["b" * 300, "1,234", "0.5", "no"]]
    for name, right in [("count", True), ("share", True), ("fine", False), ("name", False)]:
        edge = head.index(name) + (len(name) - 1 if right else 0)
        assert all(
            row[edge] != " " and row[edge + 1 if right else edge - 1 : edge + 2 if right else edge].strip() == ""
            for row in rows
        )
    assert not any(line.endswith(" ") for line in [head, *rows])


def test_formatted_numbers_are_right_aligned():
    table = pl.DataFrame({"x": ["1,000", "5"], "y": ["a", "b"]})
    assert output.render_table(table, numbers=["x"]).split("\n") == ["    x  y", "1,000  a", "    5  b"]


def test_lists_are_joined_with_commas():
    assert output.render_table(pl.DataFrame({"x": [["a", "b"], None]})).split("\n") == ["x", "a, b", "-"]


def test_wide_characters_take_two_columns():
    table = pl.DataFrame({"name": ["北京", "abcd"], "x": ["1", "2"]})
    assert output.render_table(table).split("\n") == ["name  x", "北京  1", "abcd  2"]


WORDS = " ".join(f"word{n}" for n in range(30))
LONG = pl.DataFrame({"rank": [1], "name": [WORDS], "reason": ["x" * 70], "seen": [datetime(2025, 3, 1, 12)]})


@pytest.mark.parametrize("width", [60, 80, 200, 1000])
def test_a_table_fits_the_terminal_without_losing_text(width):
    text = re.sub(r"\x1b\[\d*m", "", output.render_table(LONG, width))
    assert max(map(len, text.split("\n"))) <= width
    assert all(f"word{n}" in text for n in range(30)), "folded between words"
    assert (text.count("x"), "2025-03-01 12:00:00" in text) == (70, True)
    assert (len(text.split("\n")) == 2) == (width == 1000), "folded only if necessary"


def test_a_narrow_terminal_keeps_numbers_and_short_words_unfolded():
    text = output.render_table(LONG.with_columns(rank=1234567, seen=pl.lit("short words")), 10)
    assert all(word in text for word in ("1,234,567", "short words"))
    assert text.count("x") == 70


def test_control_characters_in_data_are_escaped():
    table = pl.DataFrame({NASTY: [NASTY], "other": ["[red]x[/red]"]})
    for text in (output.render_table(table), output.printable(NASTY)):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
        assert "[bold]loud[/bold] :smile:" in text
    assert "[red]x[/red]" in output.render_table(table)
    assert len(output.render_table(table).split("\n")) == 2
    assert set(re.findall(r"\x1b\[\d*m", output.render_table(table, 200))) <= {"\x1b[1m", "\x1b[0m"}, (
        "bold column names only"
    )


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_text_is_printable_and_reversible(text):
    escaped = output.printable(text)
    assert all(letter.isprintable() or letter == "\xa0" for letter in escaped)
    if not {"\\", '"'} & set(text):
        assert json.loads(f'"{escaped}"') == text, "the original can be restored"
    assert output.printable(escaped) == escaped


def test_line_breaks_are_kept():
    assert output.printable_lines("a\n\x1bb\n") == "a\n\\u001bb\n"


def test_show_table_reports_the_number_of_omitted_rows(capsys):
    output.show_table("numbers", pl.DataFrame({"n": range(1200)}), 1)
    assert capsys.readouterr().out == "n\n0\n... and 1,199 more; use --rows to show more\n"
    output.show_table("numbers", pl.DataFrame({"n": [7]}), 1)
    assert capsys.readouterr().out == "n\n7\n"
    output.show_table("numbers", pl.DataFrame({"n": []}), 5)
    assert capsys.readouterr().out == "No rows.\n"


def test_a_pipe_gets_no_colours_and_ignores_the_terminal_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    output.show_table("numbers", pl.DataFrame({"name": ["x" * 50], "other": ["y" * 50]}))
    assert capsys.readouterr().out == f"name{' ' * 48}other\n{'x' * 50}  {'y' * 50}\n"


def test_show_fields_aligns_values(capsys):
    output.show_fields("one", {"a": 1, "longer": None, "c": "\x1b[2J"})
    assert capsys.readouterr().out == "a:       1\nlonger:  -\nc:       \\u001b[2J\n"
