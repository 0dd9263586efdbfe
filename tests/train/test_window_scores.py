"""The models in the windows before test: what is fitted, on which data, and what is left out."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from conftest import rows
from split_data import SPLIT_METADATA

from recomart_lib.features import feature_store
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import selection, train_data, window_scores

CUTS = splits.cuts(SPLIT_METADATA)
HORIZON = timedelta(days=SPLIT_METADATA["horizon_days"])
VALIDATION = splits.Window("validation", CUTS["validation"], CUTS["test"])
TEST = splits.Window("test", CUTS["test"], CUTS["live"])
EARLY = splits.Window("2 horizons before test", CUTS["validation"] - HORIZON, CUTS["validation"])
LONG_AGO = CUTS["validation"] - 3 * HORIZON


def events() -> pl.DataFrame:
    """Everybody buys a and b long ago; at both cuts u buys a again, and v and w c, which only x had before."""
    bought = [(user, item, LONG_AGO + timedelta(days=n)) for n, user in enumerate("uvw") for item in "ab"]
    bought.append(("x", "c", LONG_AGO))
    for window in (EARLY, VALIDATION, TEST):
        bought += [
            (user, item, window.start + timedelta(days=3)) for user, item in (("u", "a"), ("v", "c"), ("w", "c"))
        ]
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": "purchase", "timestamp": moment}
        for n, (user, item, moment) in enumerate(bought)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A store with one feature of users, items and pairs; it notes what it was asked for."""
    asked = []

    def training_frame(spine: pl.DataFrame, service: str) -> pl.DataFrame:
        entity = {"user_id", "item_id"} & set(spine.columns)
        name = "interaction" if len(entity) == 2 else entity.pop().removesuffix("_id")
        asked.append((name, spine.get_column("as_of").unique().to_list()))
        return spine.with_columns(pl.lit(1.0).alias(f"{name}__x"))

    monkeypatch.setattr(feature_store, "training_frame", training_frame)
    return asked


def examples(*cuts: str) -> pl.DataFrame:
    """One bought and one other candidate of the purchase history of u, per cut."""
    parts = [
        {"user_id": "u", "item_id": i, "as_of": CUTS[c], "label": int(i == "a"), "own": True}
        for c in cuts
        for i in "ab"
    ]
    return pl.DataFrame(parts, schema_overrides={"label": pl.Int32})


def past(table: pl.DataFrame | None = None) -> window_scores.Past:
    return window_scores.Past(events(), SPLIT_METADATA, "recommender_v2", table, None, None, seed=1)


def validation() -> selection.Evaluator:
    tables = splits.split(events(), VALIDATION, ["purchase"])
    baskets = splits.baskets(splits.before(events(), VALIDATION.start), tables["users"], tables["items"], ["purchase"])
    return selection.Evaluator(train_data.from_window(tables, VALIDATION.start).with_baskets(baskets), tables)


def scores(names: list[str], always: tuple[str, ...] = ("popularity",), **parts: object) -> pl.DataFrame:
    parameters = {name: {} for name in names}
    return window_scores.window_scores(validation(), parameters, [EARLY, VALIDATION, TEST], past(**parts), always)


def test_windows_before_test_are_evaluated_and_test_is_not():
    table = scores(["popularity", "own_history"])
    assert table.columns[:4] == ["cut", "protocol", "model", "user_id"]
    assert table["cut"].unique().sort().to_list() == [EARLY.start, VALIDATION.start]
    early = table.filter(pl.col("cut") == EARLY.start, pl.col("protocol") == "novel", pl.col("model") == "popularity")
    assert early.select("user_id", "mrr@10").rows() == [("v", 1), ("w", 1)]  # c is the only one that is new to them
    later = table.filter(pl.col("cut") == VALIDATION.start, pl.col("protocol") == "novel")
    assert later.height == 0  # by then v and w have c


def test_an_earlier_window_is_fitted_on_what_was_known_then():
    evaluator = past().evaluator(EARLY, with_features=False)
    assert evaluator.data.cut == EARLY.start
    assert evaluator.data.interactions["last_timestamp"].max() < EARLY.start
    assert evaluator.data.baskets["timestamp"].max() < EARLY.start
    assert evaluator.data.features is None


def test_examples_whose_window_had_not_ended_are_not_used(store):
    known, unknown = "training_4", "training_3"
    assert CUTS[known] + HORIZON == EARLY.start < CUTS[unknown] + HORIZON
    evaluator = past(examples(known, unknown, "validation")).evaluator(EARLY, with_features=True)
    assert evaluator.data.examples["as_of"].unique().to_list() == [CUTS[known]]
    assert {moment for _, moments in store for moment in moments} == {EARLY.start}


def test_models_that_have_nothing_to_learn_from_are_left_out(store):
    table = scores(["popularity", "repurchase", "two_stage", "basket"], ("popularity", "basket"))
    assert set(table["model"]) == {"popularity", "basket"}  # no examples in validation either
    assert store == []  # no model that is left reads features


def test_models_far_behind_are_not_fitted_again_and_others_only_once(monkeypatch):
    def candidate_models(first: pl.DataFrame, always: tuple[str, ...]) -> set[str]:
        return {"own_history", *always}

    monkeypatch.setattr(window_scores.choice, "candidate_models", candidate_models)
    table = scores(["popularity", "own_history", "item_knn"])
    at = {cut: set(part["model"]) for (cut,), part in table.group_by("cut")}
    assert at[EARLY.start] == {"popularity", "own_history"}
    assert at[VALIDATION.start] == {"popularity", "own_history", "item_knn"}


def test_a_cut_whose_features_are_not_stored_has_simple_models_only(store):
    between = splits.Window("x", EARLY.start + timedelta(days=1), EARLY.end)
    assert past(examples("training_4")).evaluator(between, with_features=True).data.candidates is None
    assert store == []
