"""Published figures, reproduced from the raw files.

The quick models are tested one by one; the slow tests run the whole command (minutes, for Surprise's nine algorithms).
"""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest

from recomart.reference import published, reproduce
from recomart.reference.published import PublishedResult
from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.metrics import intervals, ratings
from recomart_lib.models.base import TrainData

QUICK = [known for known in published.RESULTS if known.section != "B"]
WRONG = PublishedResult("A", "popularity", {"ndcg@10": 0.2524, "precision@10": 0.2289})


@pytest.fixture(scope="module")
def datasets(real_data):
    """The data of sections A and C."""
    return {section: reproduce.read(real_data, section) for section in ("A", "C")}


@pytest.mark.real_data
@pytest.mark.parametrize("known", QUICK, ids=lambda known: f"{known.section}-{known.model}")
def test_published_figures(datasets, known):
    table = reproduce.compare_figures(known, reproduce.reproduce(known, datasets[known.section]))
    assert table.height == len(known.figures)
    assert table["ok"].all(), table


@pytest.mark.real_data
def test_a_rating_model_is_not_a_ranker(datasets):
    """SVD predicts ratings as well as published, and ranks below popularity."""
    svd = next(known for known in QUICK if known.model == "svd")
    ours = reproduce.reproduce(svd, datasets["A"])
    for metric, popular in published.figures_of("A", "popularity").items():
        assert ours[metric] < popular / 2


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("section", published.SECTIONS)
def test_the_command_reproduces_a_section(real_data, call, section):
    status, output, error = call("known-answers", "--data", str(real_data), "--section", section)
    assert (status, "Error" in error) == (0, False)
    n = sum(len(known.figures) for known in published.RESULTS if known.section == section)
    assert f"All {n} published figures are reproduced." in output
    lines = output.splitlines()
    assert sum(line.startswith(f"{section} ") for line in lines) == sum(line.endswith(" yes") for line in lines) == n


@pytest.mark.real_data
def test_a_wrong_figure_is_one_message_and_status_1(real_data, call, monkeypatch):
    monkeypatch.setattr(published, "RESULTS", (WRONG,))
    status, output, error = call("known-answers", "--data", str(real_data), "--section", "a")
    assert (status, *[sum(line.endswith(word) for line in output.splitlines()) for word in (" yes", " NO")]) == (
        1,
        1,
        1,
    )
    assert "reproduced." not in output
    assert "1 of 2 published figures are not reproduced; the first: precision@10 of popularity in section A" in error
    assert "is 0.22874, not 0.2289." in error
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("section", "model", "metric"), [("A", "svd", "rmse"), ("B", "BaselineOnly", "mae"), ("C", "als", "novel ndcg@10")]
)
def test_the_command_rejects_a_figure_slightly_beyond_the_tolerance(
    real_data, call, monkeypatch, section, model, metric
):
    true = next(known for known in published.RESULTS if (known.section, known.model) == (section, model))
    far = 2.1 * (0.0005 if metric in ("rmse", "mae") else true.ranking_tolerance)
    monkeypatch.setattr(
        published, "RESULTS", (true._replace(figures={**true.figures, metric: true.figures[metric] + far}),)
    )
    status, output, error = call("known-answers", "--data", str(real_data), "--section", section)
    assert (status, sum(line.endswith(" NO") for line in output.splitlines())) == (1, 1)
    assert f"the first: {metric} of {model} in section {section}" in error


@pytest.mark.slow
@pytest.mark.real_data
def test_our_svdpp_rates_as_surprise_publishes(real_data):
    """On the first of the folds that Surprise's table averages over: KFold(random_state=0), seed 0, defaults."""
    columns = ["user_id", "item_id", "rating", "seconds"]
    rows = pl.read_csv(real_data / reproduce.RATINGS, separator="\t", has_header=False, new_columns=columns)
    rows = rows.with_columns(pl.col("rating").cast(pl.Float64), weight=1.0, n_relevant=1).select(
        pl.all(),
        *(
            pl.col(f"{entity}_id").rank("dense").cast(pl.Int32).alias(f"{entity}_idx") - 1
            for entity in ("user", "item")
        ),
    )
    order = np.arange(rows.height)
    np.random.RandomState(0).shuffle(order)
    train, test = rows[np.sort(order[rows.height // 5 :])], rows[order[: rows.height // 5]]
    svdpp = models.create("svdpp", seed=0).fit(TrainData(train, 943, 1_682, reproduce.ALL_RATED))
    estimate = pl.Series(svdpp.estimate(test["user_idx"].to_numpy(), test["item_idx"].to_numpy()))
    errors = ratings.rating_errors(test.with_columns(estimate=estimate, model=pl.lit("svdpp")))["svdpp"]
    assert (errors["rmse"], errors["mae"]) == pytest.approx((0.919, 0.721), abs=0.01)


@pytest.mark.real_data
def test_the_blend_beats_the_best_published(datasets):
    """Parameters were chosen inside train, on inner splits like the outer one; see docs/models.md."""
    blend = models.create("blend", rating_slope=0.1, ease_reg=866).fit(datasets["A"].data)
    ease = models.create("ease", reg=500).fit(datasets["A"].data)
    ours, theirs = (reproduce.per_user(model, datasets["A"], "").sort("user_id") for model in (blend, ease))
    test = intervals.paired_test(ours["ndcg@10"].to_numpy(), theirs["ndcg@10"].to_numpy())
    assert ours["ndcg@10"].mean() >= 0.5 > 0.4751  # BiVAE, the best published
    assert test.low > 0.01
    assert test.p_value < 1e-6


def test_a_figure_is_reproduced_within_its_tolerance_and_nan_is_not():
    known = PublishedResult("A", "x", {"ndcg@10": 0.5, "recall@10": 0.5, "rmse": 0.943, "mae": 0.5})
    ours = {"ndcg@10": 0.50005, "recall@10": 0.50006, "rmse": 0.9425, "mae": float("nan"), "map@10": 1.0}
    table = reproduce.compare_figures(known, ours)
    assert table["metric"].to_list() == ["ndcg@10", "recall@10", "rmse", "mae"]
    assert table["ok"].to_list() == [True, False, True, False]
    with pytest.raises(UserError, match=r"2 of 4 .* recall@10 of x in section A is 0.50006, not 0.5\."):
        reproduce.require(table)
    reproduce.require(table.filter("ok"))


def test_missing_data_is_reported_before_anything_is_computed(tmp_path, call):
    status, output, error = call("known-answers", "--data", str(tmp_path))
    assert (status, output) == (1, "")
    assert f"{tmp_path} has no ml-100k/u.data" in error
    assert "RECOMART_DATA" in error


@pytest.mark.real_data
def test_one_section_needs_its_own_files_only(real_data, tmp_path, call, monkeypatch):
    monkeypatch.setattr(published, "RESULTS", (QUICK[0],))
    (tmp_path / "ml-100k").mkdir()
    shutil.copy(real_data / "ml-100k" / "u.data", tmp_path / "ml-100k")
    assert call("known-answers", "--data", str(tmp_path), "--section", "A")[0] == 0
    monkeypatch.setenv("RECOMART_DATA", str(tmp_path))
    status, _, error = call("known-answers", "--section", "A", "--section", "C")
    assert (status, f"{tmp_path} has no online_retail/*.csv" in error) == (1, True)


def test_the_default_folder_is_beside_the_project(tmp_path, call, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path / "project"))
    monkeypatch.delenv("RECOMART_DATA", raising=False)
    status, _, error = call("known-answers")
    assert (status, str(tmp_path / "shared" / "data") in error) == (1, True)


def test_an_unknown_section_is_a_mistake(tmp_path, call):
    status, _, error = call("known-answers", "--data", str(tmp_path), "--section", "D")
    assert (status, "There is no section 'D' of the published results; choose from A, B, C." in error) == (1, True)
