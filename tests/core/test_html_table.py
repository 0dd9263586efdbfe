"""Tables as HTML: what pandas writes, whatever is in the data."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import polars as pl
import pytest

from recomart_lib.core import html_table, tables

COLUMNS = {
    "integers": [0, 1, -12, 1_234_567],
    "floats": [0.0, 1e-9, -1.5, 123_456.789],
    "whole floats": [1.0, 2.0, 3.0, 999.96],
    "infinite": [float("inf"), -float("inf"), 1.0, 1_000.0],
    "with gaps": [None, 0.25, None, 1_000.4],
    "NaN": [float("nan"), 0.5, 0.1, 2.0],
    "text": ["a & b", '<b>"bold"</b>', " spaces ", "x" * 300],
    "lines": ["two\nlines", "a\ttab", "", "x" * 50],
    "markup <in> a & name": ["ä", "€", "\x1b[31m", "'"],
    "booleans": [True, False, True, True],
    "days": [date(2025, 1, 1), date(1970, 1, 1), date(9999, 12, 31), date(1000, 1, 1)],
    "moments": [datetime(2025, 1, n, 12, 30, 5, tzinfo=UTC) for n in (1, 2, 3, 4)],
    "midnights": [datetime(2025, 1, n) for n in (1, 2, 3, 4)],
}


def of_pandas(table: pl.DataFrame) -> str:
    """What `tables.show` called before; pandas takes half a second to import."""
    frame = table.with_columns(pl.col(pl.String).fill_null("")).to_pandas()
    integers = {name: "{:,}".format for name, dtype in table.schema.items() if dtype.is_integer()}
    short = html_table._short
    return frame.to_html(index=False, border=0, na_rep="", formatters=integers, float_format=short, max_rows=None)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_shown_as_by_pandas(name):
    table = pl.DataFrame({name: COLUMNS[name]})
    assert html_table.render(table) == of_pandas(table)


def test_a_table_is_shown_as_by_pandas():
    table = pl.DataFrame(COLUMNS)
    assert html_table.render(table) == of_pandas(table)
    one = table.head(1)
    assert html_table.render(one) == of_pandas(one)


def test_a_null_of_any_type_is_an_empty_cell():
    """Where pandas writes None, NaT, or integers with a decimal."""
    table = pl.DataFrame(
        {"n": [1_000, None], "day": [None, date(2025, 1, 1)], "flag": [None, True], "text": [None, "a"]}
    )
    text = html_table.render(table).replace("\n", "").replace(" ", "")
    assert "<td>1,000</td><td></td><td></td>" in text
    assert "<td></td><td>2025-01-01</td><td>True</td>" in text


def test_rows_that_are_left_out_are_counted():
    shown = tables.show(pl.DataFrame({"n": range(25)}), 20).data
    assert shown.count("<td>") == 20
    assert shown.endswith("</table><p>... and 5 more rows</p>")
    assert tables.show(pl.DataFrame({"n": [1]})).data.endswith("</table>")
    assert tables.show(pl.DataFrame({"n": []})).data == "<p>No rows.</p>"


def test_a_table_is_shown_without_pandas():
    code = "import sys, polars as pl; from recomart_lib.core import tables; tables.show(pl.DataFrame({'n': [1]}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('pandas' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


def test_zero_has_no_sign():
    assert "<td>0</td>" in html_table.render(pl.DataFrame({"price": [-0.0, 1.5]}))
