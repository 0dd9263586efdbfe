"""The data of the final model: examples of test for rankers, and candidate sources fitted beside them."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
import split_data
from conftest import rows, utc

from recomart_lib.features import feature_store
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.recommend import live_data
from recomart_lib.train import train_data, training_examples
from recomart_lib.train.candidates import Candidates

SPLIT_METADATA = {**split_data.SPLIT_METADATA, "n_training_cuts": 1}
TUNING = {"feature_service": "recommender_v2", "n_training_users": 9, "seed": 1}
CUTS = splits.cuts(SPLIT_METADATA)
HISTORY = [
    ("u", "a", utc(2023, 12, 1)),
    ("u", "b", utc(2023, 12, 2)),
    ("v", "a", utc(2024, 1, 31)),
    ("u", "b", utc(2024, 2, 1)),
    ("v", "b", utc(2024, 3, 20)),  # in the test window
    ("v", "a", utc(2024, 4, 10)),
]


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": "purchase", "timestamp": moment}
        for n, (user, item, moment) in enumerate(HISTORY)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


@pytest.fixture(autouse=True)
def store(monkeypatch):
    def training_frame(spine: pl.DataFrame, service: str) -> pl.DataFrame:
        prefix = "interaction" if "item_idx" in spine.columns else spine.columns[0].removesuffix("_id")
        return spine.with_columns(pl.col("as_of").dt.month().cast(pl.Float64).alias(f"{prefix}__month"))

    monkeypatch.setattr(feature_store, "training_frame", training_frame)


def build(chosen: str, events: pl.DataFrame):
    live = splits.split(events, splits.Window("live", CUTS["live"], None), ["purchase"])
    past = training_examples.build_training_examples(["validation"], events, SPLIT_METADATA, "recommender_v2", 9, 1)
    return live_data.build(chosen, live, events, SPLIT_METADATA, TUNING, past, []), live, past


def test_a_ranker_learns_from_the_test_window_too(events):
    data, live, past = build("two_stage", events)
    assert data.examples.get_column("as_of").unique().sort().to_list() == [CUTS["validation"], CUTS["test"]]
    newest = training_examples.build_training_examples(["test"], events, SPLIT_METADATA, "recommender_v2", 9, 1)
    examples = training_examples.concat(past, newest)
    expected = train_data.build_train_data(live, "live", events, SPLIT_METADATA, "recommender_v2", examples)
    assert data.examples.equals(expected.examples)
    users = live["users"].get_column("user_idx").sort().to_numpy()
    assert data.candidates(users).equals(expected.candidates(users))
    assert data.cut == CUTS["live"]
    assert newest.get_column("as_of").max() + timedelta(days=SPLIT_METADATA["horizon_days"]) <= data.cut


@pytest.mark.parametrize(
    ("chosen", "expected"), [("two_stage", ["test", "live"]), ("repurchase", ["test"]), ("ease", [])]
)
def test_only_what_the_model_reads_is_fitted(events, monkeypatch, chosen, expected):
    past = training_examples.build_training_examples(["validation"], events, SPLIT_METADATA, "recommender_v2", 9, 1)
    live = splits.split(events, splits.Window("live", CUTS["live"], None), ["purchase"])
    fitted = []
    fit = Candidates._fit_sources
    monkeypatch.setattr(Candidates, "_fit_sources", lambda self: fitted.append(self.data.cut) or fit(self))
    live_data.build(chosen, live, events, SPLIT_METADATA, TUNING, past, [])
    assert sorted(fitted) == sorted(CUTS[name] for name in expected)
