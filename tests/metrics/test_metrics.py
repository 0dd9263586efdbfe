from __future__ import annotations

import importlib
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from recomart_lib.metrics import beyond_accuracy, intervals, ranking, ratings


def lists(**shown: str) -> pl.DataFrame:
    """lists(u="abc"): user u is shown a, b, c, in this order."""
    rows = [(user, item, rank) for user, items in shown.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row")


def pairs(**items: str) -> pl.DataFrame:
    rows = [(user, item) for user, those in items.items() for item in those]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def one(table: pl.DataFrame, user: str) -> dict[str, float]:
    return table.filter(pl.col("user_id") == user).row(0, named=True)


def test_by_hand():
    """Hits at ranks 2 and 4 of 4, three relevant items."""
    row = one(ranking.per_user(lists(u="xayb"), pairs(u="abc"), [4]), "u")
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert row["n_relevant"] == 3
    assert row["precision@4"] == 2 / 4
    assert row["recall@4"] == 2 / 3
    assert row["hit_rate@4"] == 1
    assert row["mrr@4"] == 1 / 2
    assert row["map@4"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert row["ndcg@4"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)


def test_precision_divides_by_k_even_if_the_list_is_shorter():
    row = one(ranking.per_user(lists(u="a"), pairs(u="ab"), [10]), "u")
    assert (row["precision@10"], row["recall@10"], row["map@10"]) == (0.1, 0.5, 0.5)


def test_a_user_without_a_list_gets_zeros_and_a_list_without_relevant_items_does_not_count():
    table = ranking.per_user(lists(stranger="abc"), pairs(u="a"), [3])
    assert table["user_id"].to_list() == ["u"]
    assert all(one(table, "u")[f"{name}@3"] == 0 for name in ranking.NAMES)


def test_nobody_to_judge_is_an_empty_table_with_all_columns():
    table = ranking.per_user(lists(u="abc"), pairs(), [1, 3])
    assert table.height == 0
    assert table.columns == ["user_id", "n_relevant", *(f"{name}@{k}" for k in (1, 3) for name in ranking.NAMES)]


@pytest.mark.parametrize(
    ("shown", "relevant", "word"),
    [
        (pl.concat([lists(u="ab"), lists(u="ba")]), pairs(u="a"), "item_id"),
        (pl.concat([lists(u="a"), lists(u="b")]), pairs(u="a"), "rank"),
        (lists(u="ab").with_columns(pl.col("rank") - 1), pairs(u="a"), "rank"),
        (lists(u="ab"), pairs(u="aa"), "relevant"),
    ],
)
def test_wrong_tables_are_refused(shown, relevant, word):
    with pytest.raises(ValueError, match=word):
        ranking.per_user(shown, relevant, [2])


def test_rows_whose_hashes_are_equal_are_compared_themselves(monkeypatch):
    monkeypatch.setattr(pl.DataFrame, "hash_rows", lambda rows: pl.zeros(rows.height, pl.UInt64, eager=True))
    assert one(ranking.per_user(lists(u="ab"), pairs(u="bc"), [2]), "u")["precision@2"] == 1 / 2
    with pytest.raises(ValueError, match="1 rows of relevant repeat"):
        ranking.per_user(lists(u="ab"), pairs(u="bb"), [2])


def slow(shown: list[str], relevant: set[str], k: int) -> dict[str, float]:
    """The definitions, word by word: the frozen oracle."""
    hits = [item in relevant for item in shown[:k]]
    dcg = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    precisions = [sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit]
    return {
        "precision": sum(hits) / k,
        "recall": sum(hits) / len(relevant),
        "ndcg": dcg / ideal,
        "hit_rate": float(any(hits)),
        "mrr": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
        "map": sum(precisions) / min(k, len(relevant)),
    }


items = st.lists(st.sampled_from("abcdefghij"), unique=True).map("".join)
worlds = st.dictionaries(st.sampled_from(["u", "v", "w", "x"]), st.tuples(items, items), min_size=1)


@settings(max_examples=60, deadline=None)
@given(world=worlds, ks=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
def test_equals_the_slow_oracle(world, ks):
    shown, relevant = (
        lists(**{user: both[0] for user, both in world.items()}),
        pairs(**{user: both[1] for user, both in world.items()}),
    )
    table = ranking.per_user(shown, relevant, ks)
    assert table["user_id"].to_list() == sorted(user for user, (_, relevant) in world.items() if relevant)
    for row in table.iter_rows(named=True):
        shown, relevant = world[row["user_id"]]
        for k in ks:
            expected = slow(list(shown), set(relevant), k)
            assert {name: row[f"{name}@{k}"] for name in ranking.NAMES} == pytest.approx(expected)


@pytest.fixture(scope="module")
def ranx(tmp_path_factory):
    """ranx as plain Python: compiling its loops would take most of a minute, and these worlds are small."""
    import numba

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        patch.setenv("IR_DATASETS_HOME", str(tmp_path_factory.mktemp("ir")))  # else it makes a folder at home
        return importlib.import_module("ranx")


def scored(items: str, scores: np.ndarray) -> np.ndarray:
    """ranx's own form of a list or of relevant items, (12, 2): id and score, best first; filled with unknown items."""
    ids = np.append([ord(item) for item in items], -1.0 - np.arange(12 - len(items)))
    return np.column_stack([ids, scores])


@settings(max_examples=60, deadline=None)
@given(world=worlds, ks=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
def test_equals_ranx(ranx, world, ks):
    """Per user, in every metric. Three conventions differ.

    - map: ranx divides by all n relevant items, not by min(k, n): ours * min(k, n) / n is equal.
    - ndcg: its ideal is the same where relevance is 0 or 1, as here.
    - ties, and users without a list: ranx sorts by score, equal ones in no certain order, and refuses a user without a
      list. Our ranks are distinct, and nobody's list is zeros: here scores are -rank, and lists are filled up with
      items that nobody likes.
    """
    world = {user: both for user, both in sorted(world.items()) if both[1]}
    assume(world)
    table = ranking.per_user(
        lists(**{user: both[0] for user, both in world.items()}),
        pairs(**{user: both[1] for user, both in world.items()}),
        ks,
    )
    qrels = np.stack([scored(liked, np.arange(12) < len(liked)) for _, liked in world.values()])
    run = np.stack([scored(shown, -np.arange(12)) for shown, _ in world.values()])
    names = [f"{name}@{k}" for k in ks for name in ranking.NAMES]
    theirs = ranx.evaluate(qrels, run, names, return_mean=False)
    n = table["n_relevant"].to_numpy()
    for k in ks:
        ours = table.with_columns(pl.col(f"map@{k}") * np.minimum(n, k) / n)
        for name in ranking.NAMES:
            assert ours[f"{name}@{k}"].to_numpy() == pytest.approx(theirs[f"{name}@{k}"]), (name, k)


def microsoft(shown: dict[str, str], liked: dict[str, str], k: int) -> dict[str, float]:
    """Means as in recommenders-team/recommenders 1.2.1, recommenders/evaluation/python_evaluation.py.

    `precision_at_k`, `recall_at_k`, `map` and `map_at_k` average over users with both a list and a relevant item,
    `ndcg_at_k` over all with a relevant item; if nobody has a hit, all are 0.
    """
    both = shown.keys() & liked.keys()
    ranks = {user: [rank for rank, item in enumerate(shown[user][:k], 1) if item in liked[user]] for user in both}
    if not any(ranks.values()):
        return dict.fromkeys(("precision", "recall", "ndcg", "map", "map_at_k"), 0.0)
    found = {"precision": 0.0, "recall": 0.0, "ndcg": 0.0, "map": 0.0, "map_at_k": 0.0}
    for user, hits in ranks.items():
        n, reciprocal = len(liked[user]), sum(nth / rank for nth, rank in enumerate(hits, 1))
        ideal = sum(1 / math.log(1 + rank) for rank in range(1, min(k, n) + 1))
        found["precision"] += len(hits) / k / len(both)
        found["recall"] += len(hits) / n / len(both)
        found["map"] += reciprocal / n / len(both)
        found["map_at_k"] += reciprocal / min(n, k) / len(both)
        found["ndcg"] += sum(1 / math.log(1 + rank) for rank in hits) / ideal / len(liked)
    return found


@settings(max_examples=60, deadline=None)
@given(world=worlds, k=st.integers(1, 12))
def test_equals_the_recommenders_of_microsoft(world, k):
    """Means over users. Theirs leave users without a list out (but not of ndcg), ours count them with zeros.

    Theirs has two maps: `map_at_k` divides as ours by min(k, n), `map` (also map@k in its older tables) by n. Its
    natural logarithm in ndcg cancels out against the ideal.
    """
    shown, liked = ({user: both[place] for user, both in world.items() if both[place]} for place in (0, 1))
    assume(shown.keys() & liked.keys())
    theirs = microsoft(shown, liked, k)
    table = ranking.per_user(lists(**shown), pairs(**liked), [k])
    n = pl.col("n_relevant")
    table = table.with_columns(old_map=pl.col(f"map@{k}") * pl.min_horizontal(n, k) / n)
    assert table[f"ndcg@{k}"].mean() == pytest.approx(theirs["ndcg"])
    listed = table.filter(pl.col("user_id").is_in(list(shown)))
    names = {"precision": f"precision@{k}", "recall": f"recall@{k}", "map_at_k": f"map@{k}", "map": "old_map"}
    assert {name: listed[ours].mean() for name, ours in names.items()} == pytest.approx(
        {name: theirs[name] for name in names}
    )


@settings(max_examples=40, deadline=None)
@given(shown=items, relevant=items.filter(bool), k=st.integers(1, 11))
def test_bounds_monotony_and_the_perfect_list(shown, relevant, k):
    row = one(ranking.per_user(lists(u=shown), pairs(u=relevant), [k, k + 1]), "u")
    assert all(0 <= row[f"{name}@{k}"] <= 1 for name in ranking.NAMES)
    assert all(row[f"{name}@{k}"] <= row[f"{name}@{k + 1}"] for name in ("recall", "hit_rate", "mrr"))
    perfect = one(ranking.per_user(lists(u=relevant), pairs(u=relevant), [k]), "u")
    ceilings = ranking.ceilings(pairs(u=relevant), k)
    assert {name: perfect[name] for name in ceilings} == pytest.approx(ceilings)
    assert all(row[name] <= ceiling + 1e-12 for name, ceiling in ceilings.items())


def test_ceilings_are_means_over_users():
    found = ranking.ceilings(pairs(u="ab", v="abcdefgh"), 4)
    assert found["precision@4"] == (2 / 4 + 1) / 2
    assert found["recall@4"] == (1 + 4 / 8) / 2
    assert all(math.isnan(value) for value in ranking.ceilings(pairs(), 4).values())


def test_rows_in_any_order_give_the_same_bytes():
    shown, relevant = lists(u="abcd", v="dcba", w="bd"), pairs(u="bd", v="bd", w="a")
    first = ranking.per_user(shown, relevant, [3])
    again = ranking.per_user(shown.sample(fraction=1, shuffle=True, seed=1), relevant.reverse(), [3])
    assert first.equals(again)


def test_bootstrap_interval():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = intervals.bootstrap_ci(values, 2000, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert intervals.bootstrap_ci(values, 2000, seed=1) == (low, high)
    assert intervals.bootstrap_ci(values, 2000, seed=2) != (low, high)
    narrow = intervals.bootstrap_ci(values, 2000, seed=1, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_a_group_without_a_hit_is_not_surely_at_zero():
    assert intervals.group_ci(np.zeros(60), 50, seed=1) == (0.0, 0.05)
    assert intervals.group_ci(np.zeros(2), 50, seed=1) == (0.0, 1.0)
    low, high = intervals.group_ci(np.column_stack([np.zeros(30), np.tile([0.0, 1.0], 15)]), 50, seed=1)
    assert (low[0], high[0]) == (0.0, 0.1)
    assert (low[1], high[1]) == intervals.bootstrap_ci(np.tile([0.0, 1.0], 15), 50, seed=1)


def test_bootstrap_judges_columns_by_the_same_draws_in_any_block_size(monkeypatch):
    values = np.random.default_rng(0).random((50, 2))
    low, high = intervals.bootstrap_ci(values, 300, seed=3)
    assert (low[1], high[1]) == pytest.approx(intervals.bootstrap_ci(values[:, 1], 300, seed=3))
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 120)
    assert intervals.bootstrap_ci(values, 300, seed=3)[0] == pytest.approx(low)


def test_bootstrap_of_one_user_and_of_nobody():
    assert intervals.bootstrap_ci(np.array([0.3]), 10, seed=0) == pytest.approx((0.3, 0.3))
    assert all(math.isnan(value) for value in intervals.bootstrap_ci(np.array([]), 10, seed=0))
    assert np.isnan(intervals.bootstrap_ci(np.empty((0, 3)), 10, seed=0)).shape == (2, 3)


def test_coverage_counts_distinct_items():
    assert beyond_accuracy.coverage(lists(u="ab", v="bc"), 6) == 0.5
    assert beyond_accuracy.coverage(lists(), 6) == 0


def test_novelty_is_the_mean_surprise_in_bits():
    had = pairs(u="abc", v="ab", w="a", x="a")  # a: all four users, b: half, c: a quarter
    assert beyond_accuracy.novelty(lists(u="ab", v="c"), had) == pytest.approx((0 + 1 + 2) / 3)
    assert beyond_accuracy.novelty(lists(u="z"), had) == 2  # nobody has it: as if one user had
    assert math.isnan(beyond_accuracy.novelty(lists(), had))


def slow_diversity(shown: np.ndarray, had: np.ndarray) -> float:
    """All pairs of all lists, one by one."""
    means = []
    for row in shown:
        chosen = np.flatnonzero(row)
        norms = np.linalg.norm(had, axis=0)
        cosines = [
            had[:, i] @ had[:, j] / (norms[i] * norms[j]) if norms[i] and norms[j] else 0.0
            for i in chosen
            for j in chosen
            if i < j
        ]
        if cosines:
            means.append(np.mean(cosines))
    return 1 - np.mean(means)


def test_diversity_equals_the_slow_oracle_in_any_block_size():
    rng = np.random.default_rng(0)
    had, shown = (rng.random((30, 12)) < 0.3).astype(float), (rng.random((9, 12)) < 0.4).astype(float)
    had[:, 0] = 0  # an item that nobody has
    shown[0] = 0  # an empty list
    shown[:, 0] = 1
    expected = slow_diversity(shown, had)
    for block in (1, 4, 1024):
        assert beyond_accuracy.diversity(sparse.csr_matrix(shown), sparse.csr_matrix(had), block) == pytest.approx(
            expected
        )


def test_diversity_by_hand():
    had = sparse.csr_matrix(np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))
    assert beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 1, 0]]), had) == pytest.approx(0)  # the same users
    assert beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 0, 1]]), had) == pytest.approx(1)  # no user in common
    assert math.isnan(beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 0, 0]]), had))


def test_rating_errors_per_model():
    table = pl.DataFrame(
        {
            "user_id": ["u", "v"] * 2,
            "item_id": ["a"] * 4,
            "rating": [1.0, 5.0] * 2,
            "estimate": [2.0, 3.0, 1.0, 5.0],
            "model": ["svd", "svd", "oracle", "oracle"],
        }
    )
    assert ratings.rating_errors(table) == {
        "oracle": {"rmse": 0, "mae": 0},
        "svd": {"rmse": pytest.approx(math.sqrt(2.5)), "mae": 1.5},
    }
    assert ratings.rating_errors(table.clear()) == {}
    with pytest.raises(ValueError, match="1 predictions"):
        ratings.rating_errors(table.with_columns(estimate=pl.Series([None, 3.0, 1.0, 5.0])))


def test_holm_by_hand():
    assert intervals.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.holm([0.9, 0.8]).tolist() == [1, 1]
    assert intervals.holm([]).size == 0
    with pytest.raises(ValueError, match="p-values"):
        intervals.holm([float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    adjusted = intervals.holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_paired_test():
    a = np.array([0.5, 0.2, 0.9, 0.4])
    b = np.array([0.3, 0.2, 0.5, 0.3])
    found = intervals.paired_test(a, b)
    assert (found.difference, found.n) == (pytest.approx(0.175), 4)
    root = 0.175 / (np.std(a - b, ddof=1) / 2) / math.sqrt(3)  # t / sqrt(3); with 3 degrees of freedom:
    p_value = 1 - 2 / math.pi * (root / (1 + root**2) + math.atan(root))
    assert found.p_value == pytest.approx(p_value)
    assert found.low < 0 < 0.175 < found.high
    back = intervals.paired_test(b, a)
    assert (back.difference, back.p_value) == pytest.approx((-found.difference, found.p_value))


def test_paired_test_without_variance():
    a = np.array([0.5, 0.5, 0.2])
    assert intervals.paired_test(a, a).p_value == 1
    assert intervals.paired_test(np.array([2.0, 3.0]), np.array([1.0, 2.0])).p_value == 0
    assert intervals.paired_test(a[:1], a[1:2]).p_value == 1
    assert intervals.paired_test(a[:0], a[:0]) == (0.0, -np.inf, np.inf, 1.0, 0)


def test_gini_by_hand():
    assert beyond_accuracy.gini(np.array([1, 1, 1]), 3) == 0
    assert beyond_accuracy.gini(np.array([7]), 5) == 4 / 5  # one of five: (n - 1) / n
    assert beyond_accuracy.gini(np.array([3, 1]), 2) == beyond_accuracy.gini(np.array([1, 3]), 2) == 0.25
    assert math.isnan(beyond_accuracy.gini(np.array([]), 4))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any), st.integers(1, 5))
def test_gini_counts_what_is_not_used_and_no_scale(times, factor):
    times = np.array(times)
    assert beyond_accuracy.gini(times[times > 0], len(times)) == pytest.approx(beyond_accuracy.gini(times, len(times)))
    assert beyond_accuracy.gini(times * factor, len(times)) == pytest.approx(beyond_accuracy.gini(times, len(times)))
    means = np.abs(times[:, None] - times[None, :]).mean() / (2 * times.mean())  # the other definition
    assert beyond_accuracy.gini(times, len(times)) == pytest.approx(means)


def test_wilson_by_hand():
    low, high = intervals.wilson(np.array([0.0, 5.0, 10.0]), np.array([10, 10, 10]))
    z2 = 1.959964**2
    assert (low[0], high[2]) == (0, pytest.approx(1))
    assert high[0] == pytest.approx(z2 / (10 + z2))
    assert (low[1], high[1]) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert low[2] == pytest.approx(1 - high[0])


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share_and_narrows(hits, n):
    hits = min(hits, n)
    low, high = intervals.wilson(np.array([hits, hits * 9]), np.array([n, n * 9]))
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= hits / n + 1e-12).all()
    assert (high >= hits / n - 1e-12).all()
    assert high[1] - low[1] < high[0] - low[0]
