"""Searches, and the decisions that follow from their trials."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from conftest import rows, utc
from projects import ROOT

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.models import MODELS
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import choice, model_lists, optuna_search, search_space, selection, train_data
from recomart_lib.train.settings import Train

CUT = datetime(2025, 1, 31, tzinfo=UTC)
SEARCHED = {
    "popularity": {},
    "ease": {"reg": {"low": 1, "high": 500, "log": True}, "signal": ["relevant", "seen"]},
    "als": {"n_factors": 4, "n_epochs": [1, 2]},
    "svd": {"n_epochs": 2},
}
DELIVERED = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["models"]


def ids(entity: str, n: int) -> pl.DataFrame:
    """An encoder of n ids, like u07."""
    names = [f"{entity[0]}{number:02}" for number in range(n)]
    return pl.DataFrame({f"{entity}_idx": pl.Series(range(n), dtype=pl.Int32), f"{entity}_id": names})


def window(with_holdout: bool = True) -> dict[str, pl.DataFrame]:
    """Sixty users with two tastes, and twenty items; in the window every user buys one more item of the same taste."""
    rng = np.random.default_rng(0)
    pairs = [
        (u, i) for u in range(60) for i in range(20) if (i % 2 == u % 2 and rng.random() < 0.4) or (u + i) % 20 == 0
    ]
    last = CUT - timedelta(days=3)
    rows = [
        {
            "user_idx": u,
            "item_idx": i,
            "weight": 1.0,
            "n_events": 1,
            "n_relevant": int(i % 3 > 0),
            "n_orders": 1,
            "last_timestamp": last,
            "last_relevant_timestamp": last,
            "rating": None,
        }
        for u, i in pairs
    ]
    holdout = [(f"u{u:02}", f"i{(u * 2 + u % 2 + 6) % 20:02}") for u in range(60 if with_holdout else 0)]
    columns = {"user_id": pl.String, "item_id": pl.String}
    return {
        "users": ids("user", 60),
        "items": ids("item", 20),
        "interactions": pl.DataFrame([{name: row[name] for name in INTERACTIONS} for row in rows], schema=INTERACTIONS),
        "holdout": pl.DataFrame(holdout, schema=columns, orient="row").with_columns(
            warm=pl.lit(True), in_catalogue=pl.lit(True), repeat=pl.lit(False)
        ),
    }


def data_of(shop: dict[str, pl.DataFrame]) -> TrainData:
    return train_data.from_window(shop, CUT)


def tune(file: Path, with_holdout: bool = True, **train: object) -> tuple[pl.DataFrame, list[optuna_search.Search]]:
    settings = Train(**{"models": SEARCHED, "n_trials": 6, **train})
    shop = window(with_holdout)
    searches = selection.searches(settings, data_of(shop), shop, seed=42)
    return selection.tune(selection.Evaluator(data_of(shop), shop), searches, settings.n_trials, file), searches


def test_every_model_with_a_seed_gets_it():
    spaces = search_space.search_spaces(Train(models=DELIVERED), seed=7)
    with_seed = {name for name in spaces if "seed" in MODELS[name].hyperparameter_names()}
    assert {name for name, space in spaces.items() if space.fixed.get("seed") == 7} == with_seed


def test_svd_and_random_are_always_fitted():
    spaces = search_space.search_spaces(Train(models={"als": {}, "ease": {"reg": [1, 2]}}), seed=7)
    assert spaces["als"].fixed == spaces["random"].fixed == {"seed": 7}
    assert spaces["ease"].free == {"reg": [1, 2]}
    assert spaces["svd"].fixed == {"seed": 7}  # not in train.models: the defaults of the model


def test_the_choice_is_never_worse_than_the_defaults_and_fixed_models_are_fitted_once(tmp_path):
    log, searches = tune(tmp_path / "study", tune_protocol="all")
    table = {row["model"]: row for row in selection.search_results(log).iter_rows(named=True)}
    assert {name: row["trials"] for name, row in table.items()} == {
        "popularity": 1,
        "random": 1,
        "svd": 1,
        "als": 2,
        "ease": 6,
    }
    assert all(row["best"] >= row["defaults"] for row in table.values())
    assert table["ease"]["best"] == max(log.filter(pl.col("model") == "ease")["value"])
    chosen = selection.choose(log, NO_EVIDENCE)
    assert chosen["parameters"]["ease"] == json.loads(table["ease"]["parameters"])
    assert chosen["validation"]["all"]["ease"] == table["ease"]["best"]
    assert selection.search_summary(log, searches)["ease"] == {
        "n_trials": 6,
        "best": table["ease"]["best"],
        "space": {"reg": {"low": 1.0, "high": 500.0, "log": True}, "signal": ["relevant", "seen"]},
    }
    assert selection.search_summary(log, searches)["svd"]["space"] == {}


def test_an_interrupted_search_resumes_with_the_same_result(tmp_path):
    whole, searches = tune(tmp_path / "whole")
    shop = window()
    for search in searches[:3]:  # killed in the third model
        objective = partial(selection._scores, selection.Evaluator(data_of(shop), shop), search)
        list(islice(optuna_search.trials(search, 6, tmp_path / "parts" / f"{search.model}.json", objective), 2))
    resumed, _ = tune(tmp_path / "parts")
    assert resumed.equals(whole)
    assert selection.choose(resumed, NO_EVIDENCE) == selection.choose(whole, NO_EVIDENCE)


def test_finished_trials_are_not_fitted_again(tmp_path, monkeypatch):
    log, _ = tune(tmp_path / "study")
    for name in ("ease", "als", "svd", "random", "popularity"):
        monkeypatch.setattr(MODELS[name], "fit", None)
    again, _ = tune(tmp_path / "study")
    assert again.equals(log)


def test_the_goal_decides_which_trial_is_the_best(tmp_path):
    for goal in ("all", "novel", "mean"):
        log, _ = tune(tmp_path / goal, tune_protocol=goal)
        scores = log.filter(pl.col("model") == "ease").pivot(on="protocol", index=["trial", "value"], values="ndcg@10")
        wanted = pl.mean_horizontal("all", "novel") if goal == "mean" else pl.col(goal)
        assert scores.select((pl.col("value") - wanted).abs().max()).item() < 1e-12


@pytest.mark.parametrize("corrected", ["ease", "leaf_masks", "boosted_trees", "blocks"])
def test_other_data_and_other_code_are_other_searches(corrected, tmp_path, monkeypatch):
    shop = window()
    names = [search.name for search in selection.searches(Train(models=DELIVERED), data_of(shop), shop, 42)]
    fewer = {**shop, "holdout": shop["holdout"].head(59)}
    assert not set(names) & {
        search.name for search in selection.searches(Train(models=DELIVERED), data_of(fewer), fewer, 42)
    }
    assert names == [search.name for search in selection.searches(Train(models=DELIVERED), data_of(shop), window(), 42)]
    copy = Path(shutil.copytree(Path(models.__file__).parent, tmp_path / "models"))
    monkeypatch.setattr(models, "__file__", str(copy / "__init__.py"))
    assert names == [search.name for search in selection.searches(Train(models=DELIVERED), data_of(shop), shop, 42)]
    with (copy / f"{corrected}.py").open("a") as module:
        module.write("# corrected\n")
    assert not set(names) & {
        search.name for search in selection.searches(Train(models=DELIVERED), data_of(shop), shop, 42)
    }


def test_without_evaluated_users_scores_are_null_and_the_defaults_stay(tmp_path):
    log, searches = tune(tmp_path / "study", with_holdout=False, n_trials=2)
    assert log["ndcg@10"].null_count() == log["value"].null_count() == log.height
    assert selection.best_parameters(log)["ease"] == {"reg": 200.0, "signal": "relevant"}
    assert selection.search_summary(log, searches)["ease"]["best"] is None
    assert selection.hyperparameter_importance(log, searches).height == 0


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ({"popularity": {}, "eas": {}}, "did you mean ease"),
        ({"popularity": {}, "ease": {"regg": 1}}, "Did you mean 'reg'"),
        ({"popularity": {}, "ease": {"reg": -1}}, "at least"),
        ({"popularity": {}, "ease": {"reg": []}}, "empty list"),
        ({"popularity": {}, "random": {}}, "train.models.random: this baseline is always fitted"),
        ({"popularity": {}, "svd": {"n_factor": 5}}, "Did you mean 'n_factors'"),
        ({"popularity": {}, "ease": {"reg": {"low": 9, "high": 5}}}, "low = 9 is above high = 5"),
        ({"ease": {}}, "lacks popularity"),
    ],
)
def test_wrong_models_are_reported_without_data(models, complaint):
    with pytest.raises(UserError, match=complaint):
        search_space.check(Train(models=models))


def log(*rows: tuple[str, int, str, str, float | None]) -> pl.DataFrame:
    """CandidateGenerator of `training.tune` in which the value is the score in protocol all."""
    table = pl.DataFrame(rows, schema=["model", "trial", "parameters", "protocol", "ndcg@10"], orient="row")
    value = pl.col("ndcg@10").filter(pl.col("protocol") == "all").first().over("model", "trial")
    return table.with_columns(value=value).cast(selection.LOG)


EVIDENCE = choice.table(
    pl.DataFrame(
        [
            (datetime(2025, 1, 1, tzinfo=UTC), protocol, model, "u", score)
            for protocol, model, score in (("all", "ease", 0.3), ("novel", "popularity", 0.4))
        ],
        schema=["cut", "protocol", "model", "user_id", "ndcg@10"],
        orient="row",
    )
)
NO_EVIDENCE = EVIDENCE.clear()


def test_parameters_by_value_and_one_model_per_protocol():
    decisions = selection.choose(
        log(
            ("random", 0, "{}", "all", 0.9),
            ("random", 0, "{}", "novel", 0.9),
            ("ease", 0, '{"reg": 1}', "all", 0.2),
            ("ease", 0, '{"reg": 1}', "novel", 0.5),
            ("ease", 1, '{"reg": 2}', "all", 0.3),
            ("ease", 1, '{"reg": 2}', "novel", 0.4),
            ("popularity", 0, "{}", "all", 0.1),
            ("popularity", 0, "{}", "novel", 0.45),
        ),
        EVIDENCE,
    )
    assert decisions["parameters"]["ease"] == {"reg": 2}
    assert decisions["chosen"] == {"all": "ease", "novel": "popularity"}
    assert decisions["choice"]["novel"]["popularity"]["within"]
    assert decisions["choice"]["novel"]["popularity"]["standard_error"] is None  # JSON has no infinity
    assert decisions["validation"]["novel"] == {"ease": 0.4, "popularity": 0.45}


def test_of_equally_good_trials_the_first_is_chosen():
    chosen = selection.best_parameters(
        log(
            ("ease", 0, '{"reg": 1}', "all", 0.2),
            ("ease", 0, '{"reg": 1}', "novel", 0.1),
            ("ease", 1, '{"reg": 2}', "all", 0.2),
            ("ease", 1, '{"reg": 2}', "novel", 0.3),
        )
    )
    assert chosen == {"ease": {"reg": 1}}


CUTOFF = utc(2024, 2, 1)


def rated(*stars: tuple[str, str, float | None, int]) -> pl.DataFrame:
    """Events (user, item, rating or None, days after January 1) of a shop with purchases and ratings."""
    records = [
        {
            "event_id": f"e{n}",
            "user_id": user,
            "item_id": item,
            "rating": value,
            "event_type": "purchase" if value is None else "rating",
            "timestamp": utc(2024, 1, 1) + timedelta(days=day),
        }
        for n, (user, item, value, day) in enumerate(stars)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


def window_of(events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return splits.split(events, splits.Window("test", CUTOFF, CUTOFF + timedelta(days=30)), ["purchase", "rating"])


def test_svdpp_is_tried_only_where_there_are_ratings(caplog):
    def models_of(events: pl.DataFrame) -> set[str]:
        shop = window_of(events)
        return {
            search.model
            for search in selection.searches(Train(models=DELIVERED), train_data.from_window(shop, CUTOFF), shop, 1)
        }

    with_stars = models_of(rated(("u", "a", 4.0, 0), ("v", "b", None, 1)))
    assert "svdpp" in with_stars
    assert not caplog.text
    assert with_stars - models_of(rated(("u", "a", None, 0), ("u", "a", 5.0, 40))) == {"svdpp"}
    assert "svdpp: left out; it learns from ratings, and there are none before 2024-02-01" in caplog.text


def test_every_rating_model_estimates_the_test_window():
    events = rated(
        ("u", "a", 4.0, 0),
        ("u", "b", 2.0, 1),
        ("v", "a", 3.0, 2),
        ("v", "b", 5.0, 40),
        ("v", "z", 1.0, 41),
        ("w", "a", 1.0, 42),
    )
    tables = window_of(events)
    chosen = {"popularity": {}, "svd": {}, "svdpp": {}}
    fitted = model_lists.fit(train_data.from_window(tables, CUTOFF), chosen)
    predictions = model_lists.predictions(fitted, tables, events, CUTOFF, CUTOFF + timedelta(days=30))
    assert predictions.select("user_id", "item_id", "rating", "model").rows() == [
        ("v", "b", 5.0, name) for name in ("svd", "svdpp", "global_mean")
    ]  # z and w are not known before the cut
    assert predictions["estimate"][2] == 3.0
    assert model_lists.predictions(
        fitted, tables, rated(("u", "a", None, 40)), CUTOFF, CUTOFF + timedelta(days=30)
    ).is_empty()
