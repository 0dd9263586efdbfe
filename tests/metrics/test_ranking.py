"""Ranking metrics: by hand, and equal to a reference implementation, ranx and Microsoft recommenders."""

from __future__ import annotations

import importlib
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metrics_data import lists, pairs

from recomart_lib.metrics import ranking


def row_of(table: pl.DataFrame, user: str) -> dict[str, float]:
    return table.filter(pl.col("user_id") == user).row(0, named=True)


def test_by_hand():
    """Hits at ranks 2 and 4 of 4, three relevant items."""
    row = row_of(ranking.per_user(lists(u="xayb"), pairs(u="abc"), [4]), "u")
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert row["n_relevant"] == 3
    assert row["precision@4"] == 2 / 4
    assert row["recall@4"] == 2 / 3
    assert row["hit_rate@4"] == 1
    assert row["mrr@4"] == 1 / 2
    assert row["map@4"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert row["ndcg@4"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)


def test_precision_divides_by_k_even_if_the_list_is_shorter():
    row = row_of(ranking.per_user(lists(u="a"), pairs(u="ab"), [10]), "u")
    assert (row["precision@10"], row["recall@10"], row["map@10"]) == (0.1, 0.5, 0.5)


def test_a_user_without_a_list_gets_zeros_and_a_list_without_relevant_items_does_not_count():
    table = ranking.per_user(lists(other="abc"), pairs(u="a"), [3])
    assert table["user_id"].to_list() == ["u"]
    assert all(row_of(table, "u")[f"{name}@3"] == 0 for name in ranking.NAMES)


def test_without_users_the_table_is_empty_with_all_columns():
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
    assert row_of(ranking.per_user(lists(u="ab"), pairs(u="bc"), [2]), "u")["precision@2"] == 1 / 2
    with pytest.raises(ValueError, match="1 rows of relevant repeat"):
        ranking.per_user(lists(u="ab"), pairs(u="bb"), [2])


def reference(shown: list[str], relevant: set[str], k: int) -> dict[str, float]:
    """The definitions, literally: the reference implementation."""
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
cases = st.dictionaries(st.sampled_from(["u", "v", "w", "x"]), st.tuples(items, items), min_size=1)


@settings(max_examples=60, deadline=None)
@given(case=cases, ks=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
def test_equals_the_reference_implementation(case, ks):
    shown, relevant = (
        lists(**{user: both[0] for user, both in case.items()}),
        pairs(**{user: both[1] for user, both in case.items()}),
    )
    table = ranking.per_user(shown, relevant, ks)
    assert table["user_id"].to_list() == sorted(user for user, (_, relevant) in case.items() if relevant)
    for row in table.iter_rows(named=True):
        shown, relevant = case[row["user_id"]]
        for k in ks:
            expected = reference(list(shown), set(relevant), k)
            assert {name: row[f"{name}@{k}"] for name in ranking.NAMES} == pytest.approx(expected)


@pytest.fixture(scope="module")
def ranx(tmp_path_factory):
    """ranx as plain Python: compiling its loops would take most of a minute, and these cases are small."""
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
@given(case=cases, ks=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
def test_equals_ranx(ranx, case, ks):
    """Per user, in every metric. Three conventions differ.

    - map: ranx divides by all n relevant items, not by min(k, n): ours * min(k, n) / n is equal.
    - ndcg: its ideal is the same where relevance is 0 or 1, as here.
    - ties, and users without a list: ranx sorts by score, equal ones in no certain order, and refuses a user without a
      list. Our ranks are distinct, and a missing list counts as zeros: here scores are -rank, and lists are filled up
      with items that are not relevant.
    """
    case = {user: both for user, both in sorted(case.items()) if both[1]}
    assume(case)
    table = ranking.per_user(
        lists(**{user: both[0] for user, both in case.items()}),
        pairs(**{user: both[1] for user, both in case.items()}),
        ks,
    )
    qrels = np.stack([scored(liked, np.arange(12) < len(liked)) for _, liked in case.values()])
    run = np.stack([scored(shown, -np.arange(12)) for shown, _ in case.values()])
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
@given(case=cases, k=st.integers(1, 12))
def test_equals_the_recommenders_of_microsoft(case, k):
    """Means over users. Theirs leave users without a list out (but not of ndcg), ours count them with zeros.

    Theirs has two maps: `map_at_k` divides as ours by min(k, n), `map` (also map@k in its older tables) by n. Its
    natural logarithm in ndcg cancels out against the ideal.
    """
    shown, liked = ({user: both[place] for user, both in case.items() if both[place]} for place in (0, 1))
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
    row = row_of(ranking.per_user(lists(u=shown), pairs(u=relevant), [k, k + 1]), "u")
    assert all(0 <= row[f"{name}@{k}"] <= 1 for name in ranking.NAMES)
    assert all(row[f"{name}@{k}"] <= row[f"{name}@{k + 1}"] for name in ("recall", "hit_rate", "mrr"))
    perfect = row_of(ranking.per_user(lists(u=relevant), pairs(u=relevant), [k]), "u")
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
