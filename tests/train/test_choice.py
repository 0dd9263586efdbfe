"""The choice of the model: worked by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from conftest import utc
from hypothesis import given
from hypothesis import strategies as st

from recomart_lib.metrics.intervals import paired_test
from recomart_lib.models import MODELS
from recomart_lib.train import choice, figures, shown, takeaways

VALIDATION, EARLIER = utc(2024, 3, 1), utc(2024, 2, 1)
SCHEMA = ["cut", "protocol", "model", "user_id", "ndcg@10"]


def scores(*parts: tuple, protocol: str = "all") -> pl.DataFrame:
    """Parts of (cut, model, scores of the users u0, u1, ...)."""
    rows = [(cut, protocol, name, f"u{n}", value) for cut, name, values in parts for n, value in enumerate(values)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def table(*parts: tuple) -> dict[str, dict]:
    return {row["model"]: row for row in choice.table(scores(*parts)).iter_rows(named=True)}


def test_the_order_of_simplicity_names_every_model_once():
    assert sorted([*choice.SIMPLEST_FIRST, choice.FLOOR]) == sorted(MODELS)


def test_of_the_models_within_one_standard_error_the_simplest_is_chosen():
    two_stage = [0.5, 0.4, 0.1, 0.2]
    close = [0.4, 0.5, 0.1, 0.1]  # differences .1, -.1, 0, .1: mean .025, standard error .0479
    far = [0.4, 0.3, 0.0, 0.0]  # .1, .1, .1, .2: mean .125, standard error .025
    rows = table(
        (VALIDATION, "two_stage", two_stage),
        (VALIDATION, "ease", close),
        (VALIDATION, "own_history", far),
        (VALIDATION, "popularity", [0.0, 0.0, 0.0, 0.0]),
        (VALIDATION, "random", [0.9, 0.9, 0.9, 0.9]),
    )
    assert set(rows) == {"two_stage", "ease", "own_history", "popularity"}
    assert rows["ease"]["difference"] == pytest.approx(0.025)
    assert rows["ease"]["difference_error"] == pytest.approx(np.std([0.1, -0.1, 0, 0.1], ddof=1) / 2)
    assert rows["own_history"]["difference"] == pytest.approx(0.125)
    assert {name for name, row in rows.items() if row["within"]} == {"two_stage", "ease"}
    assert [name for name, row in rows.items() if row["best"]] == ["two_stage"]
    assert [name for name, row in rows.items() if row["chosen"]] == ["ease"]


def test_a_model_that_loses_to_popularity_is_never_chosen():
    rows = table(
        (VALIDATION, "own_history", [0.0, 0.4]),
        (VALIDATION, "popularity", [0.5, 0.1]),
        (VALIDATION, "recent_popularity", [0.0, 0.5]),  # simpler than the best, and close; but below popularity
        (VALIDATION, "two_stage", [0.3, 0.4]),
    )
    assert rows["two_stage"]["best"]
    assert rows["recent_popularity"]["difference"] < rows["recent_popularity"]["difference_error"]
    assert not rows["recent_popularity"]["within"]
    assert rows["popularity"]["chosen"]


def test_windows_count_alike_and_users_of_both_are_one_cluster():
    values = scores(
        (EARLIER, "ease", [0.4]),
        (VALIDATION, "ease", [0.3, 0.1, 0.2]),
        (EARLIER, "popularity", [0.0]),
        (VALIDATION, "popularity", [0.0, 0.0, 0.0]),
    )
    mean, error, n_windows = choice.Scores(values, "all").mean("ease")
    assert (mean, n_windows) == (pytest.approx((0.4 + 0.2) / 2), 2)
    # u0 deviates by 0 in the first window and by .1 / 3 users / 2 windows in the second; u1 by -.1 / 6; u2 by 0
    assert error == pytest.approx(np.sqrt(3 / 2 * 2 * (0.1 / 6) ** 2))


def test_the_same_users_in_two_windows_give_no_certainty():
    once = table((VALIDATION, "ease", [0.3, 0.1]), (VALIDATION, "popularity", [0.0, 0.0]))
    twice = table(
        *[(cut, name, v) for cut in (EARLIER, VALIDATION) for name, v in (("ease", [0.3, 0.1]), ("popularity", [0, 0]))]
    )
    assert twice["ease"]["standard_error"] == pytest.approx(once["ease"]["standard_error"])
    assert (once["ease"]["leads"], twice["ease"]["leads"], twice["popularity"]["leads"]) == (1, 2, 0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_in_one_window_the_error_is_that_of_the_paired_test(pairs):
    a, b = (np.array(values) for values in zip(*pairs, strict=True))
    difference, error = choice.Scores(scores((VALIDATION, "ease", a), (VALIDATION, "als", b)), "all").difference(
        "ease", "als"
    )
    assert difference == pytest.approx(paired_test(a, b).difference, abs=1e-12)
    assert error == pytest.approx((a - b).std(ddof=1) / np.sqrt(len(a)), abs=1e-12)


def test_models_are_compared_on_the_windows_that_they_share():
    rows = table(
        (EARLIER, "ease", [0.1, 0.1]),
        (EARLIER, "popularity", [0.0, 0.0]),
        (VALIDATION, "ease", [0.5, 0.4]),
        (VALIDATION, "popularity", [0.0, 0.0]),
        (VALIDATION, "two_stage", [0.4, 0.4]),  # its mean is higher, because it was not evaluated in the harder window
    )
    assert rows["two_stage"]["mean"] > rows["ease"]["mean"]
    assert rows["ease"]["best"]
    assert rows["two_stage"]["difference"] == pytest.approx(0.05)
    assert (rows["two_stage"]["windows"], rows["ease"]["windows"]) == (1, 2)


def test_equal_models_and_a_single_user_give_the_simplest():
    same = [0.2, 0.1, 0.4]
    rows = table(*[(VALIDATION, name, same) for name in ("two_stage", "own_history_decayed", "random", "ease")])
    assert rows["own_history_decayed"]["chosen"]
    assert table((VALIDATION, "ease", [1.0]), (VALIDATION, "popularity", [0.0]))["popularity"]["chosen"]


def test_without_users_popularity_is_chosen():
    evidence = choice.table(scores((VALIDATION, "ease", [0.5, 0.4]), (VALIDATION, "popularity", [0.0, 0.0])))
    assert choice.choose(evidence) == {"all": "ease", "novel": "popularity"}
    assert choice.report(evidence)["novel"] == {}
    assert "no user can be evaluated" in takeaways.choice(evidence, "novel")
    assert choice.candidate_models(scores()) == set()


def test_only_models_far_behind_in_both_protocols_are_out():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 50)
    everywhere = {"ease": 0.5 + noise, "als": 0.495 - noise, "svd": 0.2 + noise * 2, "popularity": 0.1 + noise}
    parts = [(VALIDATION, name, values) for name, values in everywhere.items()]
    assert choice.candidate_models(scores(*parts)) == {"ease", "als"}
    assert choice.candidate_models(scores(*parts), ("popularity", "own_history")) == {"ease", "als", "popularity"}
    novel = scores((VALIDATION, "svd", [0.5, 0.4]), (VALIDATION, "ease", [0.4, 0.3]), protocol="novel")
    assert choice.candidate_models(pl.concat([scores(*parts), novel])) == {"ease", "als", "svd"}


def data(**parts: object) -> SimpleNamespace:
    """The optional parts of `TrainData`."""
    return SimpleNamespace(**{"examples": None, "candidates": None, "features": None, "baskets": None, **parts})


def examples(*rows: tuple[int, bool]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["label", "own"], orient="row").with_columns(as_of=pl.lit(EARLIER))


def test_a_model_without_what_it_learns_from_is_not_itself():
    assert choice.is_itself("ease", data())
    assert not choice.is_itself("basket", data())  # no orders
    assert not choice.is_itself("two_stage", data())
    found = examples((1, False), (0, True))
    assert choice.is_itself("two_stage", data(examples=found, candidates=print))
    assert not choice.is_itself("two_stage", data(examples=found.clear(), candidates=print))
    assert not choice.is_itself("repurchase", data(examples=found, features=found))  # own examples have one label only
    own = examples((1, True), (0, True))
    assert choice.is_itself("repurchase", data(examples=own, features=own))


def test_the_sentences_say_how_sure_the_choice_is():
    two = [
        (cut, name, values)
        for cut in (EARLIER, VALIDATION)
        for name, values in (
            ("two_stage", [0.5, 0.4, 0.1, 0.2]),
            ("ease", [0.4, 0.5, 0.1, 0.1]),
            ("popularity", [0] * 4),
        )
    ]
    table_of = scores(*two, (VALIDATION, "svd", [0.1] * 4))
    evidence = choice.table(table_of)
    sentence = takeaways.choice(evidence, "all")
    assert "*Two-step ranker* leads in 2 of 2 windows before the test window (mean ndcg@10 0.300, standard" in sentence
    assert (
        "(`ease`) is chosen**: of the 2 models within one standard error of *Two-step ranker*, the simplest (behind "
        "by 0.025" in sentence
    )
    assert "Evaluated in fewer than 2 windows: *Rating model (SVD)*." in takeaways.fewer_windows(evidence)
    [unsure] = takeaways.few_users(evidence, table_of, 30)
    assert "only 4 users to evaluate" in unsure
    assert "`horizon_days` in the shop file above 30" in unsure
    one = choice.table(scores((VALIDATION, "ease", [0.5, 0.4]), (VALIDATION, "popularity", [0.0, 0.0])))
    alone = takeaways.choice(one, "all")
    assert "(`ease`) is chosen.** It leads in 1 of 1 window" in alone
    assert "The strongest simple list, *Bestsellers*, is behind the best by 0.450. Only one window decides" in alone
    table = shown.choice(evidence, table_of, "all")
    assert table["verdict"].to_list() == ["chosen", "as good, less simple", "behind", "behind"]
    assert table["model"][0] == "ease"
    assert takeaways.fewer_windows(one) == takeaways.fewer_windows(one.clear()) == ""
    columns = choice.shown(evidence, table_of, "all")
    assert columns.columns[:3] == ["model", "chosen", "within"]
    windows = columns.filter(pl.col("model") == "svd").select("from 2024-02-01", "from 2024-03-01")
    assert windows.row(0) == (None, pytest.approx(0.1))
    assert (
        figures.choice(evidence, "all").get_title("left")
        == "Lists as delivered (all): behind the best, mean of the windows"
    )
    assert figures.choice(evidence, "novel").get_title() == ""


def test_large_shops_get_no_warning():
    many = scores((VALIDATION, "ease", [0.5, 0.4] * 150), (VALIDATION, "popularity", [0.0] * 300))
    assert takeaways.few_users(choice.table(many), many, 30) == []
