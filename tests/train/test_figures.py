"""Figures of stage 06: true titles for one model, no gain and no data."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.train import figures

pytestmark = pytest.mark.usefixtures("close_figures")


def title_of(ax) -> str:
    return " ".join(ax.figure.get_suptitle().split())


def log(**values: list[float | None]) -> pl.DataFrame:
    rows = [(model, trial, value) for model, of_model in values.items() for trial, value in enumerate(of_model)]
    return pl.DataFrame(rows, schema={"model": pl.String, "trial": pl.Int64, "value": pl.Float64}, orient="row")


@pytest.mark.parametrize(
    ("table", "title"),
    [
        (
            log(ease=[0.1, 0.3], als=[0.2, 0.25]),
            "The search improves 2 of 2 models, Linear item model (EASE) most: by 0.200",
        ),
        (log(ease=[0.3, 0.1]), "No trial is better than the defaults, in 1 model"),
        (log(ease=[0.3, 0.3], als=[0.1, None]), "No trial is better than the defaults, in 1 model"),
    ],
)
def test_what_the_search_brought(table, title):
    assert title_of(figures.trials(table, "T")) == title


def test_without_trials_there_is_a_text():
    assert "no model had two trials" in figures.trials(log(ease=[0.1]), "T").texts[0].get_text()


def features(*rows: tuple[str, float, float, float]) -> pl.DataFrame:
    numbers = dict.fromkeys(("auc", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={"feature": pl.String, **numbers}, orient="row")


@pytest.mark.parametrize(
    ("table", "title"),
    [
        (features(("a", 0.7, 0.6, 0.8), ("b", 0.5, 0.4, 0.6)), "Most informative: a, 0.700; 1 of 2 are informative"),
        (features(("a", 0.3, 0.2, 0.4)), "Most informative: a, 0.300"),
        (features(("a", 0.5, 0.4, 0.6)), "No feature is clearly informative"),
    ],
)
def test_features(table, title):
    assert title_of(figures.feature_importance(table, "T")) == title
    assert "no training examples" in figures.feature_importance(table.clear(), "T").texts[0].get_text()


def evidence(*rows: tuple[str, float, bool]) -> pl.DataFrame:
    schema = {"model": pl.String, "difference": pl.Float64, "chosen": pl.Boolean}
    table = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("simplicity")
    return table.with_columns(protocol=pl.lit("all"), difference_error=pl.lit(float("inf")))


@pytest.mark.parametrize(
    ("table", "title"),
    [
        (
            evidence(("ease", 0.0, True), ("als", 0.02, False)),
            "Linear item model (EASE) leads and is chosen; Matrix factorisation (ALS) is 0.020 behind",
        ),
        (evidence(("ease", 0.0, True)), "Linear item model (EASE) is chosen: the only one"),
        (evidence(("ease", 0.0, False)), "Linear item model (EASE) leads; none is chosen"),
    ],
)
def test_the_choice(table, title):
    assert title_of(figures.choice(table, "all")) == title
    assert "no user can be evaluated" in figures.choice(table, "novel").texts[0].get_text()


def test_hyperparameters():
    table = pl.DataFrame({"model": ["ease", "als"], "parameter": ["l2", "factors"], "share": [0.6, 1.0]})
    ax = figures.hyperparameter_importance(table, "T")
    assert title_of(ax) == "Largest: Matrix factorisation (ALS): factors, 100 %"
    assert "too few trials" in figures.hyperparameter_importance(table.clear(), "T").texts[0].get_text()
