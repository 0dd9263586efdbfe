"""The scores of earlier runs."""

from __future__ import annotations

import re
from functools import partial

import pytest
from check_data import good_tables, report
from conftest import full_shop, utc

from recomart_lib.validate import score_history
from recomart_lib.validate.settings import Validate


def test_a_score_is_recorded_once_for_each_state_of_the_lake_and_the_rules(tmp_path):
    quality = report(good_tables())
    record = partial(score_history.record, tmp_path / "h" / "quality.jsonl", full_shop(), report=quality)
    assert record(settings=Validate(), lake="a", as_of=utc(2024, 1, 1)).height == 1
    before = (tmp_path / "h" / "quality.jsonl").read_bytes()
    assert record(settings=Validate(drift_ks=0.9), lake="a", as_of=utc(2024, 1, 2)).height == 1
    assert (tmp_path / "h" / "quality.jsonl").read_bytes() == before
    assert record(settings=Validate(max_age=99), lake="a", as_of=utc(2024, 1, 1)).height == 2
    history = record(settings=Validate(), lake="b", as_of=utc(2024, 1, 3))
    assert history["as_of"].to_list() == [f"2024-01-0{day}T00:00:00+00:00" for day in (1, 1, 3)]
    other = full_shop().model_copy(update={"name": "other"})
    path = tmp_path / "h" / "quality.jsonl"
    other_history = score_history.record(path, other, Validate(), "a", utc(2024, 1, 1), quality)
    assert other_history.select("shop", "score", "events").rows() == [("other", 100.0, 100.0)]


@pytest.mark.parametrize("torn", [b'{"shop":"x","as_of":"20', b"\xff\x00", b"[1]", b'{"shop":"x"}', b'{"shop":7}'])
def test_a_torn_tail_is_skipped_and_counted(tmp_path, torn):
    path = tmp_path / "quality.jsonl"
    record = partial(score_history.record, path, full_shop(), Validate(), report=report(good_tables()))
    record(lake="a", as_of=utc(2024, 1, 1))
    complete = path.read_bytes()
    path.write_bytes(complete + torn)
    assert score_history.damaged_lines(path) == 1
    assert record(lake="a", as_of=utc(2024, 1, 1)).height == 1
    assert (path.read_bytes(), score_history.damaged_lines(path)) == (complete, 0)


@pytest.mark.parametrize(
    "value", ["[" * 100_000, "3.5", "1e400", "NaN", "true", "1" + 30 * "0", '"3"'], ids=lambda value: value[:5]
)
def test_a_line_with_a_number_that_is_none_is_skipped(tmp_path, value):
    path = tmp_path / "quality.jsonl"
    record = partial(score_history.record, path, full_shop(), Validate(), as_of=utc(2024, 1, 1))
    record(lake="a", report=report(good_tables()))
    complete = path.read_text()
    path.write_text(re.sub(r'"delivered":\d+', f'"delivered":{value}', complete) + complete)
    assert score_history.damaged_lines(path) == 1
    assert record(lake="a", report=report(good_tables())).height == 1
    assert path.read_text() == complete


def test_a_history_that_an_editor_saved_is_read(tmp_path):
    path = tmp_path / "quality.jsonl"
    record = partial(score_history.record, path, full_shop(), Validate(), as_of=utc(2024, 1, 1))
    record(lake="a", report=report(good_tables()))
    complete = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + complete.replace(b"\n", b"\r\n"))
    assert score_history.damaged_lines(path) == 0
    assert record(lake="a", report=report(good_tables())).height == 1
    assert path.read_bytes() == complete


def test_a_history_without_any_complete_line_starts_again(tmp_path):
    path = tmp_path / "quality.jsonl"
    path.write_bytes(b"{")
    assert score_history.record(path, full_shop(), Validate(), "a", utc(2024, 1, 1), report(good_tables())).height == 1
    assert score_history.damaged_lines(tmp_path / "none") == 0
