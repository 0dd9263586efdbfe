"""Candidates: purchased items, the best new items of every source, and their columns."""

from __future__ import annotations

import weakref

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, baskets, interactions, pair

from recomart_lib import models
from recomart_lib.models.base import TrainData
from recomart_lib.models.cost import Cost
from recomart_lib.models.ease import Ease
from recomart_lib.models.top_k import top_k
from recomart_lib.train import candidates
from recomart_lib.train.candidates import SOURCES, Candidates


def candidates_of(data: TrainData) -> Candidates:
    """Candidates with one feature each of users, items and purchased pairs."""
    purchased = data.interactions.filter(pl.col("n_relevant") > 0)
    pairs = purchased.select("user_idx", "item_idx", interaction__orders=pl.col("n_orders").cast(pl.Float32))
    users = pl.DataFrame({"user__x": np.arange(data.n_users, dtype=np.float32)})
    items = pl.DataFrame({"item__x": np.arange(data.n_items, dtype=np.float32) * 10})
    return Candidates(data, pairs, users, items)


@pytest.mark.parametrize("case", CASES)
def test_candidates_are_own_items_and_the_best_new_ones(case, monkeypatch):
    monkeypatch.setattr(candidates, "N_NEW", 2)
    monkeypatch.setattr(candidates, "REFERENCE_RANK", 2)
    data = CASES[case]
    rows = candidates_of(data)(np.arange(data.n_users))
    assert rows.select("user_idx", "item_idx").rows() == sorted(set(rows.select("user_idx", "item_idx").rows()))
    purchased = data.interactions.filter(pl.col("n_relevant") > 0).select("user_idx", "item_idx")
    assert rows.filter("own").select("user_idx", "item_idx").equals(purchased)
    new = rows.filter(~pl.col("own"))
    assert new["own__rank"].null_count() == new.height
    assert rows.filter("own")["interaction__orders"].null_count() == 0
    assert new["interaction__orders"].null_count() == new.height
    for source in SOURCES:
        ranks = rows.filter(pl.col(f"{source}__rank").is_not_null())
        assert not ranks["own"].any()
        assert set(ranks[f"{source}__rank"]) <= {1.0, 2.0}
    assert (rows["user__x"] == rows["user_idx"]).all()
    assert (rows["item__x"] == rows["item_idx"] * 10).all()


def test_scores_and_ranks_are_those_of_the_source():
    data = CASES["a shop"]
    rows = candidates_of(data)(np.array([3]))
    model, hyper = SOURCES["ease"]
    scores = models.create(model, **hyper).fit(data).score(np.array([3]))[0]
    assert rows["ease__score"].to_numpy() == pytest.approx(scores[rows["item_idx"].to_numpy()])
    new = rows.filter(~pl.col("own")).sort("ease__rank")
    assert new["ease__score"].is_sorted(descending=True)
    reference = (
        np.sort(new["ease__score"].to_numpy())[::-1][candidates.REFERENCE_RANK - 1] if new.height >= 10 else None
    )
    if reference is not None:
        assert new["ease__relative"].to_numpy() == pytest.approx(new["ease__score"].to_numpy() / abs(reference))


def test_the_purchase_history_is_ranked_by_orders_and_recency():
    pairs = [pair(0, 0, n_orders=1, days=5), pair(0, 1, n_orders=3, days=5), pair(0, 2, n_orders=1, days=5), pair(1, 3)]
    rows = candidates_of(TrainData.of(interactions(pairs), 2, 4, CUT))(np.array([0]))
    assert rows.filter("own")["own__rank"].to_list() == [2.0, 1.0, 2.0]


def test_blocks_do_not_matter_and_no_users_have_no_candidates(monkeypatch):
    data = CASES["a shop"]
    whole = candidates_of(data)(np.arange(data.n_users))
    monkeypatch.setattr(candidates, "BLOCK", 7)
    assert candidates_of(data)(np.arange(data.n_users)).equals(whole)
    no_users = candidates_of(data)(np.empty(0, dtype=np.int64))
    assert (no_users.height, no_users.schema) == (0, whole.schema)


def test_released_sources_are_freed_and_fitted_again_only_if_needed():
    made = candidates_of(CASES["a shop"])
    before, fitted = made(np.arange(3)), weakref.ref(made.sources["ease"])
    made.release()
    assert fitted() is None
    assert made(np.arange(3)).equals(before)


def test_a_source_that_needs_more_than_the_budget_is_null(monkeypatch, caplog):
    monkeypatch.setattr(Ease, "cost", lambda self, data: Cost(memory=3e9, seconds=0))
    data = CASES["a shop"]
    rows = candidates_of(data)(np.arange(4))
    assert rows["ease__score"].null_count() == rows.height > 0
    assert rows.schema == candidates_of(CASES["one pair"])(np.arange(1)).schema
    assert "the source ease is left out: a fit would need about 3.0 GB of memory" in caplog.text


def test_orders_reach_the_basket_source():
    orders = baskets((0, 0, 0, 1), (0, 1, 0, 1), (1, 0, 1, 1))
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 0)]), 2, 2, CUT).with_baskets(orders)
    row = candidates_of(data)(np.array([1])).row(1, named=True)
    assert (row["item_idx"], row["own"], row["basket__rank"]) == (1, False, 1.0)
    assert row["basket__score"] > 0.01


def test_columns_are_described():
    assert candidates.describe_column("basket__rank", str) == (
        "rank among the 50 best new products of basket for the user"
    )
    assert candidates.describe_column("own__rank", str).startswith("rank in the user's purchase history")
    assert (
        candidates.describe_column("user__order_count", lambda name: f"description of {name}")
        == "description of user.order_count"
    )
    assert candidates.is_source_column("own__rank")
    assert not candidates.is_source_column("item__popularity")


def dense_candidates(made: Candidates, user: int) -> pl.DataFrame:
    """The candidates of one user from dense scores of all products: the plain way, product by product."""
    data = made.data
    own = data.relevant[[user]].toarray()[0] > 0
    columns, is_candidate = {}, own.copy()
    for name in SOURCES:
        scores = made.sources[name].score(np.array([user]))
        idx, best = top_k(scores, candidates.N_NEW, data.relevant[[user]])
        rank = np.full(data.n_items, np.nan)
        rank[idx[0][idx[0] >= 0]] = np.arange(1, (idx[0] >= 0).sum() + 1)
        reference = np.abs(best[0, candidates.REFERENCE_RANK - 1])
        reference = reference if np.isfinite(reference) and reference > 1e-6 else np.nan
        single = scores[0].astype(np.float32)
        columns |= {f"{name}__score": single, f"{name}__rank": rank, f"{name}__relative": single / reference}
        is_candidate |= ~np.isnan(rank)
    levels = made.own[[user]].toarray()[0]
    better = np.array([(levels > level).sum() + 1 if level else np.nan for level in levels])
    items = np.flatnonzero(is_candidate)
    table = pl.DataFrame({name: values[items].astype(np.float32) for name, values in columns.items()})
    table = table.with_columns(own__rank=better[items].astype(np.float32)).fill_nan(None)
    index = pl.DataFrame({"user_idx": np.full(len(items), user), "item_idx": items, "own": own[items]})
    return pl.concat([index.cast({"user_idx": pl.Int32, "item_idx": pl.Int32}), table], how="horizontal")


@pytest.mark.parametrize("dense", [1, 10_000])
@pytest.mark.parametrize("n_new", [1, 3, 50])
def test_candidates_equal_those_of_dense_tables(n_new, dense, monkeypatch):
    monkeypatch.setattr("recomart_lib.models.top_k.DENSE", dense)  # sparse scores stay sparse, or become dense
    monkeypatch.setattr(candidates, "N_NEW", n_new)
    monkeypatch.setattr(candidates, "REFERENCE_RANK", min(n_new, 10))
    for data in CASES.values():
        made = candidates_of(data)
        rows = made(np.arange(data.n_users))
        plain = pl.concat([dense_candidates(made, user) for user in range(data.n_users)])
        assert rows.select(plain.columns).equals(plain)
        features = rows.select("user_idx", "item_idx", "interaction__orders")
        joined = features.drop("interaction__orders").join(
            made.pairs, on=["user_idx", "item_idx"], how="left", maintain_order="left"
        )
        assert features.equals(joined)


def test_no_source_that_is_sparse_makes_a_dense_table(monkeypatch):
    monkeypatch.setattr("recomart_lib.models.sparse_scores.SparseScores.toarray", None)
    monkeypatch.setattr("recomart_lib.models.top_k.DENSE", 1)
    sparse_sources = {name: source for name, source in SOURCES.items() if name not in ("als", "ease")}
    monkeypatch.setattr(candidates, "SOURCES", sparse_sources)
    assert candidates_of(CASES["a shop"])(np.arange(40)).height > 0
