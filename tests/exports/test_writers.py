"""Files for other systems: nothing is lost or changed, and a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart.exports import writers
from recomart_lib.core.errors import UserError

MOMENT = datetime(2025, 7, 1, 10, tzinfo=UTC)
FORMULA = {*"=+-@\t\r\n＝＋－＠"}  # noqa: RUF001
ROWS = pl.DataFrame(
    {
        "id": ["007", '=1+"1"', "-5"],
        "name": ['Ä; "x"\nzwei', None, "é,"],
        "score": [-1.5, None, 1e300],
        "at": [MOMENT] * 3,
    }
).with_columns(pl.col("at").dt.convert_time_zone("Europe/Berlin"))


def written(pieces: list[pl.DataFrame], file_format: str, raw: bool = False) -> tuple[str, tuple[int, int]]:
    stream = io.BytesIO()
    counts = writers.write_stream(pieces, file_format, stream, raw)
    return stream.getvalue().decode(), counts


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_csv_for_a_spreadsheet():
    text, counts = written([ROWS[:1], ROWS[1:]], "csv")
    assert text.startswith('\ufeff"id","name","score","at"\n') and counts == (3, 2)
    found = records(text)
    assert [row["id"] for row in found] == ["007", '\'=1+"1"', "'-5"]
    assert [row["name"] for row in found] == ['Ä; "x"\nzwei', "", "é,"]
    assert [row["score"] for row in found] == ["-1.5", "", "1e+300"], "numbers are no formulas"
    assert found[0]["at"] == "2025-07-01T12:00:00+02:00"


def test_csv_for_programs_changes_nothing():
    text, counts = written([ROWS], "csv", raw=True)
    assert text.startswith('"id",') and counts == (3, 0)
    assert [row["id"] for row in records(text)] == ROWS["id"].to_list()


def test_json_lines():
    text, counts = written([ROWS[:2], ROWS[2:]], "jsonl")
    found = [json.loads(line) for line in text.splitlines()]
    assert counts == (3, 0) and [row["id"] for row in found] == ROWS["id"].to_list()
    assert found[1] == {"id": '=1+"1"', "name": None, "score": None, "at": "2025-07-01T12:00:00+02:00"}


def test_parquet_keeps_types(tmp_path):
    path = tmp_path / "x.parquet"
    assert writers.write_file([ROWS[:1], ROWS[1:]], "parquet", path) == (3, 0)
    assert pl.read_parquet(path, glob=False).equals(ROWS)


@pytest.mark.parametrize("file_format", writers.FORMATS)
def test_an_empty_table_and_an_error(tmp_path, file_format):
    path = tmp_path / "x"
    assert writers.write_file([ROWS.clear()], file_format, path) == (0, 0)
    before = path.read_bytes()
    assert bool(before) == (file_format != "jsonl")

    def broken():
        yield ROWS
        raise UserError("a run replaced the table")

    with pytest.raises(UserError):
        writers.write_file(broken(), file_format, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_no_text_begins_like_a_formula(texts):
    table = pl.DataFrame({"text": texts})
    found = [row["text"] for row in records(written([table], "csv")[0])]
    assert found == [f"'{text}" if text[:1] in FORMULA else text for text in texts]
    assert [row["text"] for row in records(written([table], "csv", raw=True)[0])] == texts


def test_a_semicolon_begins_no_new_cell():
    text, _ = written([pl.DataFrame({"id": ["a;=1+1"], "n": [1]})], "csv", raw=True)
    assert text.splitlines()[1] == '"a;=1+1",1'
