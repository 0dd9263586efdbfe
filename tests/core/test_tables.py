"""Tables of notebooks: how many rows and columns they have."""

from __future__ import annotations

import polars as pl

from recomart_lib.core import tables


def test_tables_are_counted_whether_they_are_in_memory_or_in_a_file(tmp_path):
    events = pl.DataFrame({"user_id": ["u"] * 4_000, "item_id": ["i"] * 4_000})
    events.write_parquet(tmp_path / "events.parquet")
    shown = tables.counts({"events": events}).data
    assert "<td>events</td>" in shown
    assert "<td>4,000</td>" in shown
    assert "<td>2</td>" in shown
    assert tables.counts({"events": pl.scan_parquet(tmp_path / "events.parquet")}).data == shown
