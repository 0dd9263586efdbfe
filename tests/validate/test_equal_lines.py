"""Events without an id that equal each other: different sales, or repeats?"""

from __future__ import annotations

from collections import Counter

import pytest
from check_data import EVENT, check, good_tables
from conftest import full_shop, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core import schemas
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest import lake
from recomart_lib.validate import row_checks

COLUMNS = {column: column for column in schemas.EVENTS if column != "event_id"}


def shop(equal_lines: str | None = None):
    """A shop whose events have no id."""
    return full_shop(events=Table(kind="csv", path="*", columns=COLUMNS, equal_lines=equal_lines))


def exports(**quantities: list[int]) -> dict:
    """Tables with events in several files: name -> the quantity of each line; lines of one quantity are equal."""
    files = {
        name: rows("events", *({**EVENT, "event_id": f"{name}:{n}", "quantity": q} for n, q in enumerate(values)))
        for name, values in quantities.items()
    }
    return good_tables() | {"events": files}


def test_equal_lines_of_one_file_are_different_sales():
    result = check(exports(a=[1, 1, 1, 2]), shop())
    assert result.places("events") == {"good": 4}
    assert result.report["tables"]["events"]["equal_lines"] == {
        "sales": 2,
        "repeats_of_same_file": 0,
        "repeats_of_other_files": 0,
        "example": None,
    }
    assert result.validated["events"]["event_id"].is_unique().all()


def test_a_line_counts_as_often_as_in_the_file_that_has_it_most_often():
    result = check(exports(a=[1, 1], b=[1, 1, 1], c=[1, 7]), shop("sales"))
    assert result.places("events") == {"good": 4, "duplicates": 3}
    assert set(result.validated["events"]["event_id"]) == {"a:0", "a:1", "b:2", "c:1"}
    counts = result.report["tables"]["events"]["equal_lines"]
    assert (counts["sales"], counts["repeats_of_same_file"], counts["repeats_of_other_files"]) == (2, 0, 3)
    assert counts["example"] == {"source_file": "b", "repeat_of": "a", "n": 2}


def test_the_shop_file_can_call_them_repeats():
    result = check(exports(a=[1, 1], b=[1, 1, 1]), shop("repeats"))
    assert result.places("events") == {"good": 1, "duplicates": 4}
    counts = result.report["tables"]["events"]["equal_lines"]
    assert (counts["sales"], counts["repeats_of_same_file"], counts["repeats_of_other_files"]) == (0, 1, 3)


def test_a_streamed_event_that_came_twice_is_a_repeat():
    """Streamed events have ids, even if the shop's files have none."""
    stream = {"stream/events-2024-02-01.parquet": rows("events", EVENT, EVENT, EVENT | {"event_id": "e2"})}
    result = check(
        good_tables() | {"events": stream | {"a.csv": rows("events", EVENT | {"event_id": "a.csv:2"})}}, shop()
    )
    assert result.places("events") == {"good": 2, "duplicates": 2}
    assert set(result.validated["events"]["event_id"]) == {"a.csv:2", "e2"}


def test_ids_that_the_shop_delivers_decide():
    tables = good_tables() | {"events": {name: rows("events", EVENT, EVENT) for name in "ab"}}
    result = check(tables)
    assert result.places("events") == {"good": 1, "duplicates": 3}
    assert "equal_lines" not in result.report["tables"]["events"]


@pytest.mark.parametrize("lines", [[1, 2, 3], []])
def test_without_equal_lines_nothing_is_reported(lines):
    assert "equal_lines" not in check(exports(a=lines), shop()).report["tables"]["events"]


@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from([1, 2]), max_size=5), min_size=1), st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_the_number_of_sales_is_that_of_the_multiset_union(files, small_batches):
    with pytest.MonkeyPatch.context() as patch:
        if small_batches:
            patch.setattr(row_checks, "BATCH_ROWS", 2)
            patch.setattr(lake.LakeTable.batches, "__defaults__", (None, 2))
        result = check(exports(**files), shop())
    union: Counter[int] = Counter()
    for lines in files.values():
        union |= Counter(lines)
    assert Counter(result.validated["events"]["quantity"].to_list()) == union
    assert sum(result.places("events").values()) == sum(map(len, files.values()))
