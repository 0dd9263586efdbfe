"""EASE: its formula from both sides, its approximation, memory, precision and closeness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_data import CASES, CUT, bought_together, interactions, pair, shop
from scipy import sparse

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import blocks, cost
from recomart_lib.models.base import TrainData, fill_with_popularity
from recomart_lib.models.ease import Ease, Plan
from recomart_lib.models.similar_items import similar_items
from recomart_lib.models.top_k import top_k

WIDE = shop(40, 150)  # far more items than users: solved by users


def weights(data, reg, signal="relevant"):
    """B by its formula."""
    x = getattr(data, signal).toarray()
    p = np.linalg.inv(x.T @ x + reg * np.eye(data.n_items))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def sparse_shop(seed):
    """50 users and 300 items with ties: empty users and items, items of one user, equal items, a separate pair."""
    rng = np.random.default_rng(seed)
    pairs = {(int(u), int(i)) for u, i in zip(rng.integers(2, 48, 320), rng.integers(3, 250, 320), strict=True)}
    pairs |= {(0, 0), (1, 1), (1, 2)}  # unconnected to all others
    pairs |= {(u, i + 1) for u, i in pairs if i == 200}
    rows = [pair(u, i, n_orders=int(rng.random() < 0.9)) for u, i in sorted(pairs)]
    return TrainData.of(interactions(rows), 50, 300, CUT)


def solved_by_items(data, reg, signal):
    """The model that the matrix of all items gives."""
    model, history = Ease(reg=reg, signal=signal), getattr(data, signal)
    plan = Plan(by_users=False, size=data.n_items, reg=reg, closeness=0.0, n_other_items=0)
    model.arrays = {"history": history, "popularity": data.popularity(), **model._fit_items(data, history, plan)}
    return model


@pytest.mark.parametrize("signal", ["relevant", "seen"])
@pytest.mark.parametrize("data", [CASES["a shop"], WIDE], ids=["by items", "by users"])
def test_ease_equals_its_formula(data, signal):
    model = models.create("ease", reg=7, signal=signal).fit(data)
    assert ("inverse" in model.arrays) == (data is WIDE)
    expected = getattr(data, signal) @ weights(data, 7, signal)
    assert model.score(np.arange(data.n_users)) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize("signal", ["relevant", "seen"])
@pytest.mark.parametrize("reg", [0.01, 1.0, 200.0])
@pytest.mark.parametrize("seed", range(5))
def test_both_sides_give_the_same_scores_and_lists(seed, reg, signal, tmp_path):
    data, users = sparse_shop(seed), np.arange(50)
    by_users = models.create("ease", reg=reg, signal=signal).fit(data)
    by_items = solved_by_items(data, reg, signal)
    assert "inverse" in by_users.arrays
    assert np.abs(by_users.score(users) - by_items.score(users)).max() <= 1e-9
    x = getattr(data, signal)
    assert np.abs(by_users.score_histories(x) - by_items.score_histories(x)).max() <= 1e-9
    because, item = (grid.ravel() for grid in np.meshgrid(np.arange(300), np.arange(300)))
    assert np.abs(by_users.weight(because, item) - by_items.weight(because, item)).max() <= 1e-9
    for mask in (None, data.relevant):
        # equal scores differ in the last digit on either side: without it, ties go to the smaller index on both
        lists = [top_k(model.score(users).round(12), 10, mask)[0] for model in (by_users, by_items)]
        assert np.array_equal(*lists)
    by_users.save(tmp_path)
    assert np.array_equal(models.load(tmp_path).score(users), by_users.score(users))


def test_an_item_that_only_this_user_has_gets_popularity_on_both_sides():
    data = sparse_shop(0)  # user 0 has item 0 alone, and nobody else has it
    model = models.create("ease", reg=0.3).fit(data)
    assert "inverse" in model.arrays
    expected = fill_with_popularity(np.zeros((1, 300)), data.popularity())
    assert np.array_equal(model.score(np.array([0])), expected)


def test_the_users_side_explains_and_finds_similar_items_by_the_columns_it_needs(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 400 * 30)
    model, b = models.create("ease", reg=7).fit(WIDE), weights(WIDE, 7)
    explained = model.explain(np.array([3, 3]), np.array([5, 77]))
    had = WIDE.relevant[3].indices
    for item in (5, 77):
        rows = explained.filter(item_idx=item).sort("because_idx")
        expected = {int(j): b[j, item] for j in had if j != item}
        assert rows["because_idx"].to_list() == sorted(expected)
        assert rows["contribution"].to_list() == pytest.approx([expected[j] for j in sorted(expected)])
    assert similar_items(model, np.array([9]), 3)["similarity"].to_list() == pytest.approx(sorted(b[9])[:-4:-1])


def test_only_active_items_take_part():
    few = TrainData.of(CASES["a shop"].interactions, 40, 400, CUT)  # 385 products that nobody has
    model = models.create("ease", reg=7).fit(few)
    assert model.arrays["weights"].shape == (15, 15)
    whole = models.create("ease", reg=7).fit(CASES["a shop"]).score(np.arange(40))
    assert model.score(np.arange(40))[:, :15] == pytest.approx(whole, abs=1e-12)
    assert not model.score(np.arange(40))[:, 15:].any()
    assert model.notes == []


def test_a_large_catalogue_is_exact_for_the_best_supported_items():
    data = shop(60, 30, seed=2)
    model = models.create("ease", reg=7, max_items=10).fit(data)
    support = data.relevant.getnnz(axis=0)
    items = model.arrays["items"]
    assert items.tolist() == sorted(sorted(range(30), key=lambda i: (-support[i], i))[:10])
    exact = data.relevant[:, items].toarray()
    p = np.linalg.inv(exact.T @ exact + 7 * np.eye(10))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    scores = model.score_histories(data.relevant)
    assert scores[:, items] == pytest.approx(exact @ expected)
    other = int(np.setdiff1d(np.arange(30), items)[0])  # all ten exact items are its neighbours: a ridge regression
    ridge = np.linalg.solve(exact.T @ exact + 7 * np.eye(10), exact.T @ data.relevant[:, [other]].toarray().ravel())
    assert scores[:, other] == pytest.approx(exact @ ridge)
    assert model.weight(np.array([items[0], other]), np.array([other, items[0]])) == pytest.approx([ridge[0], 0])
    assert model.notes == [
        "exact for the 10 products with the most users; the other 20 get scores from their 50 nearest neighbours "
        "among these"
    ]


def test_the_approximation_is_explained_and_stored(tmp_path):
    data = shop(60, 30, seed=2)
    model = models.create("ease", max_items=10).fit(data)
    model.save(tmp_path)
    users = np.arange(60)
    assert np.array_equal(models.load(tmp_path).score(users), model.score(users))
    first, item = (grid.ravel() for grid in np.meshgrid(users, np.arange(30)))
    sums = np.zeros((60, 30))
    found = model.explain(first, item)
    np.add.at(sums, (found["user_idx"].to_numpy(), found["item_idx"].to_numpy()), found["contribution"].to_numpy())
    assert np.abs(sums - model.score_histories(data.relevant)).max() <= 1e-9


def test_the_budget_bounds_the_exact_part(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 0)
    tight = replace(shop(60, 30), budget=cost.Budget(max_memory_gb=8 * 12**2 / 1e9))
    assert models.create("ease").fit(tight).arrays["weights"].shape == (12, 12)
    slow = replace(shop(60, 30), budget=cost.Budget(max_fit_minutes=10**3 / 0.8 / cost.DENSE_SPEED / 60))
    assert models.create("ease").fit(slow).arrays["weights"].shape[0] in (9, 10)


def test_ease_checks_the_available_memory_first(monkeypatch):
    need = models.create("ease").cost(CASES["a shop"]).memory
    monkeypatch.setattr(cost, "available_memory", lambda: need - 1)
    with pytest.raises(UserError, match=r"ease: a fit needs up to 0\.0 GB, .* remove ease from train\.models"):
        models.create("ease").fit(CASES["a shop"])
    monkeypatch.setattr(cost, "available_memory", lambda: need)
    models.create("ease").fit(CASES["a shop"])


def test_a_matrix_that_cannot_be_inverted_is_reported():
    rows = [pair(u, i) for u in range(40) for i in range(3)]
    data = TrainData.of(interactions(rows), 40, 3, CUT)
    with pytest.raises(UserError, match="ease: the matrix cannot be inverted: increase reg"):
        models.create("ease", reg=1e-6, precision="single").fit(data)


def test_single_precision_gives_the_same_scores_to_four_digits():
    data = CASES["a shop"]
    exact, short = (models.create("ease", reg=5.0, precision=p).fit(data) for p in ("double", "single"))
    assert short.arrays["weights"].dtype == np.float32
    assert short.score(np.arange(9)) == pytest.approx(exact.score(np.arange(9)), abs=1e-4)


def test_single_precision_gives_the_same_lists():
    rng = np.random.default_rng(7)
    pairs = {(u, int(i)) for u in range(400) for i in np.unique((300 * rng.beta(0.6, 2.5, 12)).astype(int))}
    data = TrainData.of(interactions([pair(u, i) for u, i in sorted(pairs)]), 400, 300, CUT)
    exact, short = (models.create("ease", reg=20.0, precision=p).fit(data) for p in ("double", "single"))
    lists = [top_k(model.score(np.arange(400)), 10)[0] for model in (exact, short)]
    shared = [len(set(one) & set(other)) for one, other in zip(*lists, strict=True)]
    assert sum(shared) >= 0.999 * 400 * 10


def test_items_bought_at_nearly_the_same_time_are_more_closely_related():
    data = bought_together()
    near, plain = (models.create("ease", reg=1, closeness=c).fit(data).weight for c in (4, 0))
    assert near(np.array([0]), np.array([1])) > plain(np.array([0]), np.array([1]))


def test_closeness_is_left_out_where_the_matrix_of_items_is_too_large():
    model = models.create("ease", reg=70, closeness=4, max_items=100).fit(WIDE)
    assert "inverse" in model.arrays
    assert model.notes == ["closeness is left out: it would need the matrix of all items"]
    plain = models.create("ease", reg=70 / 5, max_items=100).fit(WIDE)
    assert np.array_equal(model.score(np.arange(40)), plain.score(np.arange(40)))
    assert "weights" in models.create("ease", reg=70, closeness=4).fit(WIDE).arrays, "150 items are few enough"


def test_no_array_is_larger_than_the_smaller_side_squared():
    rng = np.random.default_rng(0)
    rows = [pair(u, int(i)) for u in range(20) for i in rng.choice(3_000, 8, replace=False)]
    model = models.create("ease").fit(TrainData.of(interactions(rows), 20, 3_000, CUT))
    sizes = {name: array.nnz if sparse.issparse(array) else array.size for name, array in model.arrays.items()}
    assert max(size for name, size in sizes.items() if name not in ("popularity", "leverage")) <= 20 * 20
