"""What is tried, and what tuning decides."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import models, prepare, splits, training
from recomart_lib.errors import UserError
from recomart_lib.params import Prepare, Train


def test_lists_are_combined_and_seeds_given_to_those_who_draw():
    tried = training.candidates(
        Train(models={"ease": {"reg": [1, 2], "signal": ["relevant", "seen"]}, "als": {}}), seed=7
    )
    assert [choice["reg"] for choice in tried["ease"]] == [1, 1, 2, 2]
    assert tried["als"] == [{"seed": 7}]
    assert tried["random"] == [{"seed": 7}]
    assert tried["svd"][0]["n_factors"] == Train().svd_n_factors
    assert {name for name, choices in training.candidates(Train(), seed=7).items() if choices[0].get("seed") == 7} == {
        name for name in training.candidates(Train(), 7) if "seed" in models.MODELS[name].hyper_names()
    }


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ({"popularity": {}, "eas": {}}, "did you mean ease"),
        ({"popularity": {}, "ease": {"regg": 1}}, "did you mean reg"),
        ({"popularity": {}, "ease": {"reg": -1}}, "at least"),
        ({"popularity": {}, "ease": {"reg": []}}, "empty list"),
        ({"popularity": {}, "svd": {}}, "train.svd_"),
        ({"ease": {}}, "lacks popularity"),
    ],
)
def test_wrong_models_are_told_without_data(models, complaint):
    with pytest.raises(UserError, match=complaint):
        training.check(Train(models=models))


def log(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["model", "parameters", "protocol", "ndcg@10"], orient="row")


def test_parameters_by_protocol_all_and_one_model_per_protocol():
    decided = training.choose(
        log(
            ("random", "{}", "all", 0.9), ("random", "{}", "novel", 0.9),
            ("ease", '{"reg": 1}', "all", 0.2), ("ease", '{"reg": 1}', "novel", 0.5),
            ("ease", '{"reg": 2}', "all", 0.3), ("ease", '{"reg": 2}', "novel", 0.4),
            ("popularity", "{}", "all", 0.1), ("popularity", "{}", "novel", 0.45),
        )
    )  # fmt: skip
    assert decided["parameters"]["ease"] == {"reg": 2}
    assert decided["chosen"] == {"all": "ease", "novel": "popularity"}
    assert decided["valid"]["novel"] == {"ease": 0.4, "popularity": 0.45}


def test_where_nobody_can_be_judged_the_first_candidate_is_taken():
    decided = training.choose(
        log(
            ("ease", '{"reg": 1}', "all", None),
            ("ease", '{"reg": 2}', "all", None),
            ("ease", '{"reg": 1}', "novel", None),
        )
    )
    assert decided["parameters"]["ease"] == {"reg": 1}


CUT = utc(2024, 2, 1)


def rated(*stars: tuple[str, str, float | None, int]) -> pl.DataFrame:
    """Events (user, item, stars or None, day of January or later) of a shop in which ratings may follow purchases."""
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "rating": value,
         "event_type": "purchase" if value is None else "rating", "timestamp": utc(2024, 1, 1) + timedelta(days=day)}
        for n, (user, item, value, day) in enumerate(stars)
    ]  # fmt: skip
    return prepare.clean_events(rows("events", *records), Prepare())


def window(events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return splits.split(events, splits.Window("test", CUT, CUT + timedelta(days=30)), ["purchase", "rating"])


def test_svdpp_is_tried_only_where_there_are_ratings(caplog):
    tried = training.candidates(Train(), seed=1)
    with_stars = training.data_of(window(rated(("u", "a", 4.0, 0), ("v", "b", None, 1))), CUT)
    assert training.possible(tried, with_stars) == tried
    assert not caplog.text
    late = training.data_of(window(rated(("u", "a", None, 0), ("u", "a", 5.0, 40))), CUT)
    assert set(tried) - set(training.possible(tried, late)) == {"svdpp"}
    assert "svdpp: left out; it learns from ratings, and there are none before 2024-02-01" in caplog.text


def test_every_rating_model_estimates_the_test_window():
    events = rated(("u", "a", 4.0, 0), ("u", "b", 2.0, 1), ("v", "a", 3.0, 2), ("v", "b", 5.0, 40), ("v", "z", 1.0, 41),
                   ("w", "a", 1.0, 42))  # fmt: skip
    tables = window(events)
    chosen = {"popularity": {}, "svd": {}, "svdpp": {}}
    fitted = training.fit(training.data_of(tables, CUT), chosen)
    found = training.predictions(fitted, tables, events, CUT, CUT + timedelta(days=30))
    assert found.select("user_id", "item_id", "rating", "model").rows() == [
        ("v", "b", 5.0, name) for name in ("svd", "svdpp", "global_mean")
    ]  # z and w are not known before the cut
    assert found["estimate"][2] == 3.0
    assert training.predictions(fitted, tables, rated(("u", "a", None, 40)), CUT, CUT + timedelta(days=30)).is_empty()
