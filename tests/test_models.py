from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recomart_lib import models
from recomart_lib.errors import UserError
from recomart_lib.models.base import ARRAYS_FILE, CARD_FILE, TrainData
from recomart_lib.models.ranking import recommend, top_k
from recomart_lib.models.svd import ratings
from recomart_lib.schemas import INTERACTIONS

CUT = datetime(2025, 1, 31, tzinfo=UTC)
SMALL = {"als": {"n_factors": 4, "n_epochs": 3}, "svd": {"n_factors": 4, "n_epochs": 3}}


def interactions(rows: list[dict]) -> pl.DataFrame:
    """Pairs with sensible values where a row says nothing."""
    filled = []
    for row in rows:
        last = CUT - timedelta(days=row.get("days", 5), hours=1)
        bought = row.get("n_orders", 1) > 0
        filled.append({
            "weight": 1.0, "n_events": 1, "n_relevant": int(bought), "n_orders": 1, "last_timestamp": last,
            "last_relevant_timestamp": last if bought else None, "rating": None, **row,
        })  # fmt: skip
    return pl.DataFrame([{name: row[name] for name in INTERACTIONS} for row in filled], schema=INTERACTIONS)


def pair(user: int, item: int, **values: float) -> dict:
    return {"user_idx": user, "item_idx": item, **values}


def shop(n_users: int = 40, n_items: int = 15, seed: int = 0) -> TrainData:
    """Random pairs; the last user has only looked, and at one item."""
    rng = np.random.default_rng(seed)
    rows = [
        pair(u, i, n_orders=int(rng.integers(0, 4)), weight=float(rng.integers(1, 6)), days=int(rng.integers(0, 90)))
        for u in range(n_users - 1) for i in range(n_items) if rng.random() < 0.3
    ]  # fmt: skip
    return TrainData.of(interactions([*rows, pair(n_users - 1, 0, n_orders=0)]), n_users, n_items, CUT)


def fitted(name: str, data: TrainData) -> models.ArrayModel:
    return models.create(name, **SMALL.get(name, {})).fit(data)


WORLDS = {
    "a shop": shop(),
    "one user": TrainData.of(interactions([pair(0, i) for i in (0, 2)]), 1, 4, CUT),
    "one item": TrainData.of(interactions([pair(u, 0) for u in (0, 1)]), 3, 1, CUT),
    "one pair": TrainData.of(interactions([pair(0, 0)]), 1, 1, CUT),
    "all equal": TrainData.of(interactions([pair(u, i) for u in range(5) for i in range(4)]), 5, 4, CUT),
    "only views": TrainData.of(interactions([pair(0, 0, n_orders=0), pair(1, 2, n_orders=0)]), 2, 3, CUT),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", models.MODELS)
def test_contract(name, world, tmp_path):
    data = WORLDS[world]
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
    assert (type(loaded), loaded.hyper) == (type(model), model.hyper)
    assert np.array_equal(loaded.score(users), scores)


@pytest.mark.parametrize("name", ["random", "als", "svd"])
def test_the_seed_matters(name):
    data = WORLDS["a shop"]
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


# the registry and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("eas", {}, "did you mean ease"),
        ("popularty", {}, "did you mean popularity"),
        ("xyz", {}, "There are: random"),
        ("als", {"factors": 3}, "did you mean n_factors"),
        ("popularity", {"reg": 1}, "There are: none"),
        ("als", {"n_factors": 0}, "n_factors is 0"),
        ("als", {"n_factors": 2.5}, "an integer"),
        ("als", {"n_factors": True}, "an integer"),
        ("ease", {"reg": "200"}, "a number"),
        ("ease", {"reg": float("nan")}, "reg is nan"),
        ("ease", {"signal": "bought"}, "relevant, seen"),
    ],
)
def test_create_says_what_is_wrong(name, hyper, words):
    with pytest.raises(UserError, match=words):
        models.create(name, **hyper)


def test_a_pickle_is_not_opened(tmp_path):
    fitted("popularity", WORLDS["a shop"]).save(tmp_path)
    np.savez(tmp_path / ARRAYS_FILE, users=np.array([{"code": "could run"}], dtype=object))
    with pytest.raises(UserError, match=ARRAYS_FILE):
        models.load(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing", "foreign", "npy"])
@pytest.mark.parametrize("name", models.MODELS)
def test_a_damaged_file_is_named(name, damage, tmp_path):
    fitted(name, WORLDS["a shop"]).save(tmp_path)
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


def test_indices_that_point_outside_are_refused(tmp_path):
    """scipy's products would read foreign memory."""
    fitted("ease", WORLDS["a shop"]).save(tmp_path)
    with np.load(tmp_path / ARRAYS_FILE) as stored:
        arrays = dict(stored)
    arrays["history.indices"] = arrays["history.indices"] + 10**6
    np.savez(tmp_path / ARRAYS_FILE, **arrays)
    with pytest.raises(UserError, match=ARRAYS_FILE):
        models.load(tmp_path)


@pytest.mark.parametrize(
    "card",
    [
        "",
        "[]",
        "{}",
        '{"model": "magic", "hyper": {}, "arrays": {}}',
        '{"model": "ease", "hyper": {"x": 1}, "arrays": {}}',
    ],
)
def test_a_wrong_card_is_named(card, tmp_path):
    (tmp_path / CARD_FILE).write_text(card)
    with pytest.raises(UserError, match=CARD_FILE):
        models.load(tmp_path)


def test_a_model_does_not_load_another(tmp_path):
    fitted("popularity", WORLDS["a shop"]).save(tmp_path)
    with pytest.raises(UserError, match="not ease"):
        models.MODELS["ease"].load(tmp_path)
    assert json.loads((tmp_path / CARD_FILE).read_text())["model"] == "popularity"


# train data ----------------------------------------------------------------------------------------------------------


def test_views():
    rows = [pair(1, 0, weight=2.5), pair(0, 1, weight=0.0, n_orders=2), pair(0, 2, n_orders=0, weight=1.0)]
    data = TrainData.of(interactions(rows), 2, 3, CUT)
    assert data.relevant.toarray().tolist() == [[0, 1, 0], [1, 0, 0]]
    assert data.seen.toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert data.weights.toarray().tolist() == [[0, 0, 1.0], [2.5, 0, 0]]
    assert all(view.dtype == np.float64 for view in (data.relevant, data.seen, data.weights))
    assert data.relevant is data.relevant


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([pair(0, 0), pair(0, 0)], "more than once"),
        ([pair(0, 3)], "item_idx"),
        ([pair(2, 0)], "user_idx"),
        ([pair(0, 0, last_timestamp=CUT)], "future"),
    ],
)
def test_wrong_pairs_are_refused(rows, words):
    with pytest.raises(ValueError, match=words):
        TrainData.of(interactions(rows), 2, 3, CUT)


def test_missing_columns_and_no_pairs_are_refused():
    with pytest.raises(ValueError, match="n_orders"):
        TrainData.of(interactions([pair(0, 0)]).drop("n_orders"), 1, 1, CUT)
    with pytest.raises(UserError, match="nothing to learn"):
        TrainData.of(interactions([pair(0, 0)]).clear(), 1, 1, CUT)


# ranking -------------------------------------------------------------------------------------------------------------


def slow_top_k(scores: np.ndarray, k: int, mask: np.ndarray) -> list[list[int]]:
    allowed = [[i for i in range(len(row)) if np.isfinite(row[i]) and not mask[r, i]] for r, row in enumerate(scores)]
    return [sorted(left, key=lambda i, row=row: (-row[i], i))[:k] for left, row in zip(allowed, scores, strict=True)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 5), n_items=st.integers(1, 12), k=st.integers(1, 14))
def test_top_k_equals_a_full_sort(seed, n, n_items, k):
    rng = np.random.default_rng(seed)
    scores = rng.choice([-1.0, 0.0, -0.0, 1.0, 2.0, np.nan, np.inf, -np.inf], size=(n, n_items))
    mask = rng.random((n, n_items)) < 0.2
    before = scores.copy()
    idx, best = top_k(scores, k, sparse.csr_matrix(mask))
    assert idx.shape == best.shape == (n, k)
    assert [[int(i) for i in row if i >= 0] for row in idx] == slow_top_k(scores, k, mask)
    assert np.array_equal(idx < 0, np.isneginf(best))
    assert np.array_equal(scores, before, equal_nan=True)
    row, place = np.nonzero(idx >= 0)
    assert np.array_equal(best[row, place], scores[row, idx[row, place]])


def test_top_k_settles_ties_by_the_smaller_index():
    scores = np.zeros((2, 1_000))
    scores[:, 700] = 1
    assert top_k(scores, 4)[0].tolist() == [[700, 0, 1, 2]] * 2


def test_top_k_refuses_nonsense():
    with pytest.raises(ValueError, match="k must"):
        top_k(np.zeros((1, 2)), 0)
    with pytest.raises(ValueError, match="mask has shape"):
        top_k(np.zeros((1, 2)), 1, sparse.csr_matrix((2, 2)))


@pytest.mark.parametrize("name", models.MODELS)
def test_the_block_does_not_matter(name):
    data = WORLDS["a shop"]
    model = fitted(name, data)
    users = np.array([5, 0, 39, 7])
    whole, blocks = (recommend(model, users, 5, data.relevant, block) for block in (1_024, 1))
    assert whole.drop("score").equals(blocks.drop("score"))
    assert whole["score"].to_numpy() == pytest.approx(blocks["score"].to_numpy())
    assert whole["user_idx"].unique(maintain_order=True).to_list() == users.tolist()
    assert whole.schema == {"user_idx": pl.Int32, "item_idx": pl.Int32, "score": pl.Float64, "rank": pl.Int32}
    assert recommend(model, users[:0], 5).schema == whole.schema


# what each model says ------------------------------------------------------------------------------------------------


def order(model: models.ArrayModel, user: int, k: int = 10) -> list[int]:
    return [int(item) for item in recommend(model, np.array([user]), k)["item_idx"]]


def test_popularity_counts_users_not_events():
    viewed = [pair(1, 1, n_orders=0), pair(0, 1, n_orders=0)]
    rows = [pair(0, 0, n_relevant=9, n_orders=9), pair(0, 2), pair(1, 2), *viewed]
    data = TrainData.of(interactions(rows), 2, 3, CUT)
    assert fitted("popularity", data).score(np.array([1])).tolist() == [[1, 0, 2]]


def test_recent_popularity_starts_with_the_first_moment_of_its_window():
    first = CUT - timedelta(days=30)
    rows = [
        pair(0, 0, last_relevant_timestamp=first),
        pair(0, 1, last_relevant_timestamp=first - timedelta(microseconds=1)),
        pair(0, 2, last_relevant_timestamp=CUT - timedelta(microseconds=1)),
    ]
    data = TrainData.of(interactions(rows), 1, 3, CUT)
    assert fitted("recent_popularity", data).score(np.array([0])).tolist() == [[1, 0, 1]]


def test_own_history_then_popularity():
    rows = [pair(0, 4, n_orders=3), pair(0, 1), pair(0, 2), pair(1, 2), pair(1, 3), pair(2, 3), pair(2, 2)]
    model = fitted("own_history", TrainData.of(interactions(rows), 4, 5, CUT))
    assert order(model, 0) == [4, 2, 1, 3, 0]  # three orders; one order, the more popular first; then popularity
    assert order(model, 3) == [2, 3, 1, 4, 0]  # nothing but popularity, equal ones by index


def test_decayed_history_keeps_equal_values_equal_and_close_ones_apart():
    half = 60 * np.log(2)  # days in which an order loses half its worth: 41.6
    rows = [
        pair(0, 0, n_orders=2, days=int(half)), pair(0, 1, n_orders=1, days=0),  # 1.009 against 1
        pair(0, 3, n_orders=1, days=0), pair(1, 3), pair(0, 2, n_orders=5, days=10_000), pair(1, 4), pair(2, 4),
    ]  # fmt: skip
    model = fitted("own_history_decayed", TrainData.of(interactions(rows), 3, 6, CUT))
    assert order(model, 0) == [0, 3, 1, 2, 4, 5]


def test_decay_counts_whole_days():
    early, late = CUT - timedelta(hours=47), CUT - timedelta(hours=25)  # both one whole day
    rows = [pair(0, 0, last_relevant_timestamp=early), pair(0, 1, last_relevant_timestamp=late)]
    model = fitted("own_history_decayed", TrainData.of(interactions(rows), 1, 2, CUT))
    assert model.score(np.array([0]))[0].tolist() == [1.5, 1.5]


@pytest.mark.parametrize("signal", ["relevant", "seen"])
def test_ease_equals_its_formula(signal):
    data = WORLDS["a shop"]
    x = getattr(data, signal).toarray()
    p = np.linalg.inv(x.T @ x + 7 * np.eye(data.n_items))
    weights = -p / np.diag(p)
    np.fill_diagonal(weights, 0)
    model = models.create("ease", reg=7, signal=signal).fit(data)
    assert model.score(np.arange(data.n_users)) == pytest.approx(x @ weights, abs=2e-9)


def test_ease_refuses_a_large_catalogue():
    with pytest.raises(UserError, match="als or item_knn"):
        models.create("ease", max_items=14).fit(WORLDS["a shop"])


def test_item_knn_equals_cosine_if_all_are_neighbours():
    data = WORLDS["a shop"]
    x = data.relevant.toarray()
    unit = x / np.linalg.norm(x, axis=0)
    model = models.create("item_knn", n_neighbours=data.n_items).fit(data)
    assert model.score(np.arange(data.n_users)) == pytest.approx(x @ (unit.T @ unit), abs=2e-9)


def test_svd_equals_surprise():
    surprise = pytest.importorskip("surprise")
    rng = np.random.default_rng(1)
    rated = [(u, i) for u in range(12) for i in range(8) if u == 0 or rng.random() < 0.5]
    rows = [pair(u, i, rating=float(rng.integers(1, 6))) for u, i in rated]
    data = TrainData.of(interactions(rows), 12, 8, CUT)
    svd = models.create("svd", n_factors=3, n_epochs=5, seed=7).fit(data)
    frame = data.interactions.select("user_idx", "item_idx", "rating").to_pandas()
    train = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    theirs = surprise.SVD(n_factors=3, n_epochs=5, random_state=7).fit(train)
    expected = [[theirs.predict(u, i, clip=False).est for i in range(8)] for u in range(12)]
    assert svd.score(np.arange(12)) == pytest.approx(np.array(expected))
    assert svd.estimate(np.array([3]), np.array([2])) == pytest.approx([theirs.predict(3, 2).est])


def test_svd_knows_nothing_of_users_and_items_without_rating():
    data = TrainData.of(interactions([pair(0, 0, rating=5.0), pair(0, 1, rating=4.0), pair(1, 2)]), 2, 3, CUT)
    svd = fitted("svd", data)
    assert svd.estimate(np.array([1]), np.array([2])) == [4.5]
    assert svd.score(np.array([1]))[0, 2] == 4.5


def test_svd_clips_estimates_but_not_scores():
    svd = fitted("svd", WORLDS["a shop"])
    svd.arrays = {**svd.arrays, "mean": np.array(9.0)}
    assert svd.estimate(np.array([0]), np.array([0])) == [5.0]
    assert svd.score(np.array([0])).max() > 5


def test_svd_that_diverges_says_so():
    rows = [pair(u, i, rating=float(1 + 4 * ((u + i) % 2))) for u in range(10) for i in range(10)]
    data = TrainData.of(interactions(rows), 10, 10, CUT)
    with pytest.raises(UserError, match="learning_rate 50"):
        models.create("svd", learning_rate=50.0).fit(data)


def test_ratings_from_weights_are_quintiles():
    rows = [pair(0, i, weight=float(w)) for i, w in enumerate([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])]
    assert ratings(interactions(rows))["rating"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert ratings(interactions([pair(0, i) for i in range(4)]))["rating"].to_list() == [3] * 4
    assert ratings(interactions([pair(0, 0, rating=2.0), pair(0, 1)]))["rating"].to_list() == [2]


@pytest.mark.parametrize("name", ["als", "ease", "item_knn"])
def test_a_user_whom_a_model_knows_nothing_of_gets_popular_items(name):
    pairs = interactions([pair(user, item) for user in range(6) for item in range(user, 6)])
    looked = pairs.with_columns(n_relevant=pl.when(pl.col("user_idx") == 3).then(0).otherwise("n_relevant"))
    data = TrainData.of(looked, 6, 6, CUT)
    scores = models.create(name).fit(data).score(np.array([3]))
    assert top_k(scores, 3)[0][0].tolist() == top_k(data.popularity()[None, :], 3)[0][0].tolist()


def taught(label: list[int], now: list[float]) -> TrainData:
    """A lesson in which a large x is taken again, and pairs of user 0 with these x now; two orders of item 0."""
    lesson = pl.DataFrame(
        {"as_of": [CUT - timedelta(days=30)] * len(label), "label": label, "x": [float(n) for n in range(len(label))]}
    )
    known = interactions([pair(0, item, n_orders=2 if item == 0 else 1) for item in range(len(now))])
    features = known.select("user_idx", "item_idx").with_columns(x=pl.Series(now))
    return TrainData.of(known, 1, len(now) + 1, CUT, lesson, features)


def test_repurchase_ranks_the_own_history_by_what_was_taken_again():
    data = taught([0] * 50 + [1] * 50, now=[10.0, 90.0, 60.0])
    scores = models.create("repurchase", n_trees=5).fit(data).score(np.arange(1))[0]
    assert min(scores[1], scores[2]) >= scores[0] + 1  # both look like what is taken again
    assert scores[0] > 1 > scores[3]  # what the user never had comes last


def test_repurchase_without_two_kinds_of_answers_is_own_history(caplog):
    for data in (taught([0] * 30, now=[1.0, 2.0]), WORLDS["a shop"]):
        users = np.arange(data.n_users)
        assert np.array_equal(fitted("repurchase", data).score(users), fitted("own_history", data).score(users))
    assert "nothing to learn from" in caplog.text


def test_repurchase_tells_the_chance_behind_its_order(tmp_path):
    model = models.create("repurchase", n_trees=5).fit(taught([0] * 50 + [1] * 50, now=[10.0, 90.0, 60.0]))
    told = model.chance()
    assert told.select("user_idx", "item_idx").rows() == [(0, 0), (0, 1), (0, 2)]
    chance = told["probability"].to_numpy()
    assert 0 < chance[0] < 0.5 < min(chance[1:]) < 1
    score = model.score(np.arange(1))[0][:3]
    assert ((chance[:, None] < chance) == (np.floor(score)[:, None] < np.floor(score))).all()
    model.save(tmp_path)
    assert models.load(tmp_path).chance().equals(told)


def test_models_that_estimate_no_chance_tell_none():
    assert fitted("own_history", WORLDS["a shop"]).chance() is None
    model = models.create("repurchase", n_trees=5).fit(taught([0] * 50 + [1] * 50, now=[1.0]))
    assert model.fit(taught([0] * 30, now=[1.0, 2.0])).chance() is None  # nothing learned this time


def test_models_say_whether_they_read_features():
    assert [model.name for model in models.CLASSES if model.reads_features] == ["repurchase"]


def test_a_lesson_of_the_future_is_refused():
    data = taught([0, 1], now=[1.0])
    late = data.lesson.with_columns(as_of=pl.lit(CUT))
    with pytest.raises(ValueError, match="the future has leaked in"):
        TrainData.of(data.interactions, 1, 2, CUT, late, data.features)
