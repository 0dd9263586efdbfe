"""What holds for all models: shapes, files, seeds, blocks, explanations, similar items."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, SMALL, fitted, interactions, pair, shop, without_hash

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models.base import ARRAYS_FILE, CARD_FILE, EXPLANATIONS, TrainData
from recomart_lib.models.similar_items import SIMILAR, similar_items
from recomart_lib.models.top_k import recommend, top_k

SAME_FOR_ALL = ("random", "popularity", "recent_popularity")  # any user may ask


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", models.MODELS)
def test_contract(name, case, tmp_path):
    data = CASES[case]
    users = np.arange(data.n_users)
    model = fitted(name, data)
    scores = model.score(users)
    assert scores.shape == (data.n_users, data.n_items)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert model.score(users[:0]).shape == (0, data.n_items)
    assert model.score(users[::-1])[::-1] == pytest.approx(scores)

    k = data.n_items + 3  # more than there is
    lists = recommend(model, users, k, block=2)
    assert lists.height == data.n_users * data.n_items
    assert lists.select("user_idx", "item_idx").is_unique().all()
    assert lists.select("user_idx", "rank").is_unique().all()
    kept = recommend(model, users, k, mask=data.relevant)
    assert kept.height == lists.height - data.relevant.nnz
    had = data.interactions.filter(pl.col("n_relevant") > 0)
    assert kept.join(had, on=["user_idx", "item_idx"], how="semi").is_empty()

    model.save(tmp_path / "first")
    fitted(name, data).save(tmp_path / "second")
    for file in (CARD_FILE, ARRAYS_FILE):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    loaded = models.load(tmp_path / "first")
    assert (type(loaded), loaded.hyperparameters) == (type(model), model.hyperparameters)
    assert np.array_equal(loaded.score(users), scores)


@pytest.mark.parametrize("name", models.MODELS)
def test_users_out_of_range_are_refused(name):
    data = CASES["a shop"]
    model = fitted(name, data)
    with pytest.raises(IndexError, match="negative: -1"):
        recommend(model, np.array([0, -1]), 3)
    if name not in SAME_FOR_ALL:
        with pytest.raises(IndexError):
            model.score(np.array([0, data.n_users]))


@pytest.mark.parametrize("name", ["random", "als", "bpr", "svd", "svdpp"])
def test_the_seed_matters(name):
    data = CASES["a shop"]
    scores = [models.create(name, seed=seed, **SMALL.get(name, {})).fit(data).score(np.arange(3)) for seed in (1, 1, 2)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


@pytest.mark.parametrize("name", models.MODELS)
def test_fit_does_not_change_its_data(name):
    data = shop()
    before = [data.relevant.copy(), data.seen.copy(), data.weights.copy()]
    fitted(name, data)
    assert data.interactions.equals(shop().interactions)
    assert all((old != new).nnz == 0 for old, new in zip(before, [data.relevant, data.seen, data.weights], strict=True))


@pytest.mark.parametrize("name", models.MODELS)
def test_the_block_does_not_matter(name):
    data = CASES["a shop"]
    model = fitted(name, data)
    users = np.array([5, 0, 39, 7])
    whole, blocks = (recommend(model, users, 5, data.relevant, block) for block in (1_024, 1))
    assert whole.drop("score").equals(blocks.drop("score"))
    assert whole["score"].to_numpy() == pytest.approx(blocks["score"].to_numpy())
    assert whole["user_idx"].unique(maintain_order=True).to_list() == users.tolist()
    assert whole.schema == {"user_idx": pl.Int32, "item_idx": pl.Int32, "score": pl.Float64, "rank": pl.Int32}
    assert recommend(model, users[:0], 5).schema == whole.schema


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing", "foreign", "npy"])
@pytest.mark.parametrize("name", models.MODELS)
def test_a_damaged_file_is_named(name, damage, tmp_path):
    fitted(name, CASES["a shop"]).save(tmp_path)
    without_hash(tmp_path)  # damage must be found without it, too
    path = tmp_path / ARRAYS_FILE
    if damage == "missing":
        path.unlink()
    elif damage == "foreign":
        np.savez(path, something=np.arange(3))
    elif damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "cut": path.read_bytes()[:200]}[damage])
    with pytest.raises(UserError, match=ARRAYS_FILE):
        models.load(tmp_path)


def test_two_models_read_features():
    assert [model.name for model in models.CLASSES if model.reads_features] == ["repurchase", "two_stage"]


@pytest.mark.parametrize("name", ["als", "bpr", "content", "ease", "item_knn", "segment_popularity"])
def test_users_without_history_get_popular_items(name):
    pairs = interactions([pair(user, item) for user in range(6) for item in range(user, 6)])
    looked = pairs.with_columns(n_relevant=pl.when(pl.col("user_idx") == 3).then(0).otherwise("n_relevant"))
    data = TrainData.of(looked, 6, 6, CUT)
    scores = models.create(name).fit(data).score(np.array([3]))
    assert top_k(scores, 3)[0][0].tolist() == top_k(data.popularity()[None, :], 3)[0][0].tolist()


EXPLAINERS = ("ease", "item_knn", "content", "basket")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", models.MODELS)
def test_contributions_sum_to_the_score_or_the_model_refuses_to_explain(name, case):
    data = CASES[case]
    model = fitted(name, data)
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(data.n_users), np.arange(data.n_items)))
    if name not in EXPLAINERS:
        with pytest.raises(UserError, match=f"{name} cannot be explained"):
            model.explain(users, items)
        return
    found = model.explain(users, items)
    assert found.schema == EXPLANATIONS
    sums = np.zeros((data.n_users, data.n_items))
    np.add.at(sums, (found["user_idx"].to_numpy(), found["item_idx"].to_numpy()), found["contribution"].to_numpy())
    assert np.abs(sums - model.score(np.arange(data.n_users))).max() <= 1e-9
    had = data.interactions.filter(pl.col("n_relevant") > 0).select("user_idx", because_idx="item_idx")
    assert found.join(had, on=["user_idx", "because_idx"], how="anti").is_empty()
    per_pair = found.group_by("user_idx", "item_idx").agg(pl.col("share").abs().sum())
    assert per_pair["share"].to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", models.MODELS)
def test_similar_items_are_valid_or_the_model_refuses(name, case):
    data = CASES[case]
    model = fitted(name, data)
    items = np.arange(data.n_items)[::-1]
    if name not in (*EXPLAINERS, "als", "ials", "bpr", "svd", "svdpp"):
        with pytest.raises(UserError, match=f"{name} has no item similarity"):
            similar_items(model, items, 3)
        return
    found = similar_items(model, items, data.n_items + 3)
    assert found.schema == SIMILAR
    assert found.filter(pl.col("item_idx") == pl.col("similar_idx")).is_empty()
    assert found.select("item_idx", "similar_idx").is_unique().all()
    assert (found["similarity"] > 0).all()
    assert similar_items(model, items, 2).equals(found.filter(pl.col("rank") <= 2))
    for wrong in (-1, data.n_items):
        with pytest.raises(IndexError, match="item_idx must be"):
            similar_items(model, np.array([wrong]), 1)
