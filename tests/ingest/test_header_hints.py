"""What the message about missing columns says about the file."""

from __future__ import annotations

import pytest

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import header_hints, headers

NAMES = "id,who,price"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("id;who;price\n1;2;3\n", " The separator looks like ';': set the table's `separator`."),
        ('"id"\t"who"\t"price"\n', ' The separator looks like "\\t": set the table\'s `separator`.'),
        (f"Sales 2024\n\n{NAMES}\n", " Line 3 looks like the header: set the table's `skip_lines: 2`."),
        (
            "Sales 2024\nid|who|price\n",
            " Line 2 looks like the header: set the table's `skip_lines: 1`. The separator looks like '|': set the "
            "table's `separator`.",
        ),
        (
            "e1,2024-01-01,3.5\n",
            " The first line looks like data: if the file has no header, list the names of its columns in `header`.",
        ),
        ('[{"id": 1}]', " The file looks like JSON: set the table's `kind` to json (an array), or jsonl"),
        ('{"id": 1}', " The file looks like JSON"),
        ("id,who,prize\n", ""),
        ("a,b,c\n", ""),
        ("", ""),
    ],
)
def test_a_file_without_the_wanted_names_says_where_they_may_be(tmp_path, text, hint):
    (tmp_path / "f.csv").write_text(text)
    found = header_hints.hint(tmp_path / "f.csv", Table(kind="csv", path="*"), NAMES.split(","))
    assert found.startswith(hint)
    assert bool(found) == bool(hint)


@pytest.mark.parametrize(
    ("text", "skip_lines", "hint"),
    [
        (f"Sales\n\nx\n{NAMES}\n", 2, " Line 4 looks like the header: set the table's `skip_lines: 3`."),
        (f"Sales\n{NAMES}\ne1,u1,2\n", 2, " Line 2 looks like the header: set the table's `skip_lines: 1`."),
        (f"{NAMES}\ne1,u1,2\n", 1, " Line 1 looks like the header: leave out the table's `skip_lines`."),
        ("Sales\nid,who,prize\n", 1, ""),
        ("\nid,who,prize\n", 0, ""),
        ("sep=,\nid,who,prize\n", 0, ""),
    ],
)
def test_a_wrong_number_of_skipped_lines_is_corrected(tmp_path, text, skip_lines, hint):
    (tmp_path / "f.csv").write_text(text)
    spec = Table(kind="csv", path="*", skip_lines=skip_lines)
    assert header_hints.hint(tmp_path / "f.csv", spec, NAMES.split(",")) == hint


def test_a_declared_header_is_not_looked_for(tmp_path):
    (tmp_path / "f.csv").write_text("id;who;price\n")
    spec = Table(kind="csv", path="*", header=["a"])
    assert header_hints.hint(tmp_path / "f.csv", spec, NAMES.split(",")) == ""


@pytest.mark.parametrize("cell", ["1" * 10**6 + "x", " " * 10**6 + "x", "x" + " " * 10**6 + "x"])
def test_headers_of_any_length_are_compared_in_linear_time(cell):
    assert not header_hints._no_header(cell, ",")  # hours, if each digit or blank were tried as the last one
    assert headers.plain(cell) == cell.strip()
