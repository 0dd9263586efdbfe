"""Which mapped names a file has is decided over all of its blocks."""

from __future__ import annotations

import pytest
from delivered import COLUMNS, RECORD, deliver, shop

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import json_reader

PATHS = shop(events={"kind": "jsonl", "columns": COLUMNS | {"user_id": "user.id"}})


def records(*users: object) -> list[dict]:
    return [RECORD | {"user": user} for user in users]


@pytest.mark.parametrize("users", [(None, None), (None, {"id": "a"}), ({"id": "a"}, {}), ({}, {"id": "a"})])
def test_a_path_may_come_in_any_block_or_be_null_in_all(tmp_path, monkeypatch, users):
    monkeypatch.setattr(json_reader, "BLOCK", 1)
    expected = [(user or {}).get("id") for user in users]
    assert deliver(tmp_path, records(*users), PATHS).rows["user_id"].to_list() == expected


@pytest.mark.parametrize("users", [({}, {}), (None, {"tier": "x"}), ({"tier": "x"}, None)])
def test_a_path_that_some_object_lacks_and_none_has_is_a_mistake(tmp_path, monkeypatch, users):
    monkeypatch.setattr(json_reader, "BLOCK", 1)
    with pytest.raises(UserError, match=r"lacks 1 column\(s\) .* 'user\.id'"):
        deliver(tmp_path, records(*users), PATHS)
