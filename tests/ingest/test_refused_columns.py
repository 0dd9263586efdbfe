"""A column most of whose cells are refused is one message; single cells are rejected rows."""

from __future__ import annotations

import pytest
from delivered import COLUMNS, RECORD, deliver, shop

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import json_reader

JSONL = shop(events={"kind": "jsonl", "columns": COLUMNS | {"order_id": "order"}})


def records(n_objects: int, n_plain: int, n_blank: int = 0) -> list[dict]:
    orders = [{"id": 1}] * n_objects + ["o"] * n_plain + [None] * n_blank
    return [RECORD | {"order": order} for order in orders]


@pytest.mark.parametrize("counts", [(1, 1), (3, 4), (1, 0, 30)])
def test_at_most_half_of_the_cells_or_few_records_are_rejected_one_by_one(tmp_path, counts):
    assert deliver(tmp_path, records(*counts), JSONL).rejects.height == counts[0]


@pytest.mark.parametrize("counts", [(2, 1), (4, 0, 30)])
def test_most_of_the_cells_are_one_message(tmp_path, counts):
    with pytest.raises(UserError, match=rf"holds objects .*\({counts[0]} of {sum(counts[:2])} cells"):
        deliver(tmp_path, records(*counts), JSONL)


def test_the_cells_of_all_blocks_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(json_reader, "BLOCK", 1)
    content = records(0, 3) + records(3, 0)
    assert deliver(tmp_path, content, JSONL).rejects.height == 3
    with pytest.raises(UserError, match="4 of 7 cells"):
        deliver(tmp_path, content + records(1, 0), JSONL)
