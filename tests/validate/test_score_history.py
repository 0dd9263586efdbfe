"""The scores of earlier runs."""

from __future__ import annotations

from functools import partial

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
