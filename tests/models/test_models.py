from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import CUT, ITEM, WORLDS, baskets, interactions, pair, shop
from scipy import sparse

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import base, boosted_trees, content, ease
from recomart_lib.models.base import ARRAYS_FILE, CARD_FILE, EXPLAINED, TrainData
from recomart_lib.models.ease import together
from recomart_lib.models.rating_base import ratings
from recomart_lib.models.similar_items import SIMILAR, similar_items
from recomart_lib.models.top_k import recommend, top_k

FEW = {"n_factors": 4, "n_epochs": 3}
SMALL = dict.fromkeys(("als", "bpr", "svd", "svdpp"), FEW)
SAME_FOR_ALL = ("random", "popularity", "recent_popularity")  # any user may ask


def fitted(name: str, data: TrainData) -> base.ArrayModel:
    return models.create(name, **SMALL.get(name, {})).fit(data)


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


@pytest.mark.parametrize("name", models.MODELS)
def test_users_out_of_range_are_refused(name):
    data = WORLDS["a shop"]
    model = fitted(name, data)
    with pytest.raises(IndexError, match="negative: -1"):
        recommend(model, np.array([0, -1]), 3)
    if name not in SAME_FOR_ALL:
        with pytest.raises(IndexError):
            model.score(np.array([0, data.n_users]))


@pytest.mark.parametrize("name", ["random", "als", "bpr", "svd", "svdpp"])
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


def order(model: base.ArrayModel, user: int, k: int = 10) -> list[int]:
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
        pair(0, 0, n_orders=2, days=int(half)),
        pair(0, 1, n_orders=1, days=0),  # 1.009 against 1
        pair(0, 3, n_orders=1, days=0),
        pair(1, 3),
        pair(0, 2, n_orders=5, days=10_000),
        pair(1, 4),
        pair(2, 4),
    ]
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
    with pytest.raises(UserError, match=r"15 items are more than max_items = 14: .* Use als or item_knn"):
        models.create("ease", max_items=14).fit(WORLDS["a shop"])


def test_ease_asks_for_memory_first(monkeypatch):
    need = 20 * 15**2  # bytes
    monkeypatch.setattr(ease, "available_memory", lambda: need - 1)
    with pytest.raises(
        UserError, match=r"15 items do not fit in the 0\.0 GB of memory that are free: .* als or item_knn"
    ):
        models.create("ease").fit(WORLDS["a shop"])
    monkeypatch.setattr(ease, "available_memory", lambda: need)
    models.create("ease").fit(WORLDS["a shop"])


def test_memory_is_a_number_of_bytes():
    assert 10**6 < ease.available_memory() < 10**15


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


def test_svdpp_equals_surprise(tmp_path):
    surprise = pytest.importorskip("surprise")
    rng = np.random.default_rng(1)
    rated = [(u, i) for u in range(12) for i in range(8) if u == 0 or rng.random() < 0.5]
    rows = [pair(u, i, rating=float(rng.integers(1, 6))) for u, i in rated]
    data = TrainData.of(interactions(rows), 12, 8, CUT)
    models.create("svdpp", n_factors=3, n_epochs=5, seed=7).fit(data).save(tmp_path)
    svdpp = models.load(tmp_path)
    frame = data.interactions.select("user_idx", "item_idx", "rating").to_pandas()
    train = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    theirs = surprise.SVDpp(n_factors=3, n_epochs=5, random_state=7).fit(train)
    expected = [[theirs.predict(u, i, clip=False).est for i in range(8)] for u in range(12)]
    assert svdpp.score(np.arange(12)) == pytest.approx(np.array(expected))
    assert svdpp.estimate(np.array([3]), np.array([2])) == pytest.approx([theirs.predict(3, 2).est])


@pytest.mark.parametrize("name", ["svd", "svdpp"])
def test_rating_models_know_nothing_of_users_and_items_without_rating(name):
    data = TrainData.of(interactions([pair(0, 0, rating=5.0), pair(0, 1, rating=4.0), pair(1, 2)]), 2, 3, CUT)
    model = fitted(name, data)
    assert model.estimate(np.array([1]), np.array([2])) == [4.5]
    assert model.score(np.array([1]))[0, 2] == 4.5


def test_svd_clips_estimates_but_not_scores():
    svd = fitted("svd", WORLDS["a shop"])
    svd.arrays = {**svd.arrays, "mean": np.array(9.0)}
    assert svd.estimate(np.array([0]), np.array([0])) == [5.0]
    assert svd.score(np.array([0])).max() > 5


@pytest.mark.parametrize("name", ["svd", "svdpp"])
def test_rating_models_that_diverge_say_so(name):
    rows = [pair(u, i, rating=float(1 + 4 * ((u + i) % 2))) for u in range(10) for i in range(10)]
    data = TrainData.of(interactions(rows), 10, 10, CUT)
    with pytest.raises(UserError, match=f"{name}: .* learning_rate 50"):
        models.create(name, learning_rate=50.0).fit(data)


def test_ratings_from_weights_are_quintiles():
    rows = [pair(0, i, weight=float(w)) for i, w in enumerate([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])]
    assert ratings(interactions(rows))["rating"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert ratings(interactions([pair(0, i) for i in range(4)]))["rating"].to_list() == [3] * 4
    assert ratings(interactions([pair(0, 0, rating=2.0), pair(0, 1)]))["rating"].to_list() == [2]


@pytest.mark.parametrize("name", ["als", "bpr", "content", "ease", "item_knn", "segment_popularity"])
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
    ).with_columns(own=True, user_id=pl.lit("u"), item_id=pl.lit("i"))
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
    assert [model.name for model in models.CLASSES if model.reads_features] == ["repurchase", "two_stage"]


def test_repurchase_learns_from_own_items_and_from_features_that_it_has_now():
    data = taught([0] * 50 + [1] * 50, now=[10.0, 90.0])
    others = data.lesson.with_columns(own=False, label=1 - pl.col("label"), ease__score=pl.lit(1.0))
    mixed = pl.concat([data.lesson.with_columns(ease__score=pl.lit(0.0)), others])
    more = TrainData.of(data.interactions, 1, 3, CUT, mixed, data.features)
    scores = [models.create("repurchase", n_trees=5).fit(each).score(np.arange(1)) for each in (data, more)]
    assert np.array_equal(*scores)


# two stages ----------------------------------------------------------------------------------------------------------


def ranked(now: dict[tuple[int, int], float], label: list[int] | None = None, n_users: int = 2) -> TrainData:
    """Lessons in which candidates with a large x are taken; candidates (user, item) with these x now, of four items."""
    data = taught(label or [0] * 300 + [1] * 300, now=[1.0])
    rows = pl.DataFrame(
        [(user, item, x) for (user, item), x in now.items()],
        schema={"user_idx": pl.Int32, "item_idx": pl.Int32, "x": pl.Float64},
        orient="row",
    ).with_columns(own=False)
    known = interactions([pair(0, 3), pair(1, 3), pair(0, 2, n_orders=5)])
    return TrainData.of(
        known,
        n_users,
        4,
        CUT,
        data.lesson,
        candidates=lambda users: rows.filter(pl.col("user_idx").is_in(users.tolist())),
    )


CANDIDATES = {(0, 0): 10.0, (0, 1): 590.0, (1, 1): 20.0, (1, 2): 580.0}


@pytest.mark.parametrize("objective", ["binary", "lambdarank"])
def test_two_stage_ranks_the_candidates_by_what_was_taken_and_the_others_by_popularity(objective):
    model = models.create("two_stage", n_trees=20, min_rows=5, objective=objective).fit(ranked(CANDIDATES))
    assert order(model, 0) == [1, 0, 3, 2]  # 3 has two users, 2 one
    assert order(model, 1) == [2, 1, 3, 0]
    levels = model.arrays["levels"].toarray()
    assert levels.tolist() == [[1, 2, 0, 0], [0, 1, 2, 0]]  # ranks among the user's own candidates


def test_trees_are_the_same_bytes_with_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(1)
    rows = pl.DataFrame({f"f{n}": rng.random(6_000) for n in range(8)})
    rows = rows.with_columns(label=(pl.col("f0") + pl.col("f1") * rng.random(6_000) > 0.8).cast(pl.Int32))
    learned = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(boosted_trees, "THREADS", n_threads)
        group = np.full(300, 20)
        learned.append(
            boosted_trees.learn(rows, boosted_trees.numbers(rows), 20, group, objective="lambdarank", seed=3).tobytes()
        )
    assert learned[0] == learned[1] == learned[2]


def test_two_stage_is_the_same_in_blocks_and_in_every_run(monkeypatch, tmp_path):
    fits = [models.create("two_stage", n_trees=20, min_rows=5).fit(ranked(CANDIDATES)) for _ in range(2)]
    monkeypatch.setattr("recomart_lib.models.two_stage.BLOCK", 1)
    fits.append(models.create("two_stage", n_trees=20, min_rows=5).fit(ranked(CANDIDATES)))
    for number, model in enumerate(fits):
        model.save(tmp_path / str(number))
    assert len({(tmp_path / str(number) / ARRAYS_FILE).read_bytes() for number in range(3)}) == 1
    loaded = models.load(tmp_path / "0")
    assert np.array_equal(loaded.score(np.arange(2)), fits[0].score(np.arange(2)))


def test_users_without_candidates_get_popularity():
    model = models.create("two_stage", n_trees=20, min_rows=5).fit(ranked({(0, 0): 5.0}, n_users=3))
    assert order(model, 2) == [3, 2, 0, 1]
    assert order(models.create("two_stage", n_trees=5).fit(ranked({}, n_users=3)), 0) == [3, 2, 0, 1]


@pytest.mark.parametrize("what", ["one kind of answer", "no lesson", "an empty lesson", "no candidates"])
def test_two_stage_without_a_lesson_is_the_decayed_own_history(what, caplog):
    data = ranked(CANDIDATES, label=[0] * 30) if what == "one kind of answer" else ranked(CANDIDATES)
    lesson = {"no lesson": None, "an empty lesson": data.lesson.clear()}.get(what, data.lesson)
    asked = None if what == "no candidates" else data.candidates
    data = TrainData.of(data.interactions, 2, 4, CUT, lesson, candidates=asked)
    model = fitted("two_stage", data)
    assert np.array_equal(model.score(np.arange(2)), fitted("own_history_decayed", data).score(np.arange(2)))
    assert "two_stage: nothing to learn from" in caplog.text
    with pytest.raises(UserError, match="no contributions"):
        model.contributions(pl.DataFrame({"x": [1.0]}))


def test_contributions_sum_to_the_score_and_the_largest_comes_first():
    data = ranked(CANDIDATES)
    lesson = data.lesson.with_columns(y=pl.col("x").sin(), z=pl.lit(0.0))
    model = models.create("two_stage", n_trees=20, min_rows=5, feature_share=1.0)
    now = data.candidates(np.arange(2)).with_columns(y=pl.lit(0.5), z=pl.lit(None, pl.Float64))
    model.fit(TrainData.of(data.interactions, 2, 4, CUT, lesson, candidates=lambda _: now))
    rows = lesson.head(7).with_columns(z=pl.lit(None, pl.Float64))
    found = model.contributions(rows)
    assert found.columns == ["row", "feature", "value", "contribution"]
    sums = found.group_by("row", maintain_order=True).agg(pl.col("contribution").sum())["contribution"].to_numpy()
    assert sums == pytest.approx(boosted_trees.score(model.arrays["trees"], rows))
    assert found.group_by("row").agg((pl.col("contribution").abs().diff() <= 0).all())["contribution"].all()
    assert found.filter(pl.col("feature") == "x")["value"].to_list() == rows["x"].to_list()
    assert found.filter(pl.col("feature") == "z")["value"].null_count() == 7


# what goes into one basket -------------------------------------------------------------------------------------------


def test_basket_by_hand():
    """Basket 0 of user 0 holds 0 and 1, ten days ago; basket 1 of user 1 holds 1 and 2, twenty days ago."""
    held = baskets((0, 0, 0, 10), (0, 1, 0, 10), (1, 1, 1, 20), (1, 2, 1, 20))
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 1), pair(1, 2)]), 3, 4, CUT, baskets=held)
    model = models.create("basket", decay_days=40.0, history_days=120.0, power=0.5).fit(data)
    old, older = np.exp(-10 / 360), np.exp(-20 / 360)
    usual = np.array([2 + old, 2 + old + older, 2 + older])
    link = {(0, 1): np.exp(-10 / 40) / 2, (1, 2): np.exp(-20 / 40) / 2}
    expected = np.exp(-10 / 120) * link[1, 2] / np.sqrt(usual[1] * usual[2])
    assert model.score(np.array([0]))[0, 2] == pytest.approx(expected)
    assert model.score(np.array([1]))[0, 0] == pytest.approx(
        np.exp(-20 / 120) * link[0, 1] / np.sqrt(usual[0] * usual[1])
    )
    assert order(model, 2) == order(fitted("popularity", data), 2)
    found = model.explain(np.array([0]), np.array([2]))
    assert found.select("because_idx", "contribution").row(0) == (1, pytest.approx(expected))


def test_what_went_together_lately_counts_more():
    held = baskets((0, 0, 0, 100), (0, 1, 0, 100), (1, 0, 1, 5), (1, 2, 1, 5), (2, 0, 2, 50))
    known = interactions([pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 2), pair(2, 0)])
    assert order(fitted("basket", TrainData.of(known, 3, 3, CUT, baskets=held)), 2)[:2] == [2, 1]


def test_basket_without_baskets_is_popularity(caplog):
    data = WORLDS["a shop"]
    users = np.arange(data.n_users)
    assert np.array_equal(
        recommend(fitted("basket", data), users, 5)["item_idx"],
        recommend(fitted("popularity", data), users, 5)["item_idx"],
    )
    assert "basket: no orders are known" in caplog.text


def test_baskets_of_the_future_are_refused():
    with pytest.raises(ValueError, match="the future has leaked in"):
        TrainData.of(interactions([pair(0, 0)]), 1, 1, CUT, baskets=baskets((0, 0, 0, 0)))


def test_single_precision_gives_the_same_scores_to_four_digits():
    data = WORLDS["a shop"]
    exact, short = (models.create("ease", reg=5.0, precision=p).fit(data) for p in ("double", "single"))
    assert short.arrays["weights"].dtype == np.float32
    assert short.score(np.arange(9)) == pytest.approx(exact.score(np.arange(9)), abs=1e-4)


def test_a_lesson_of_the_future_is_refused():
    data = taught([0, 1], now=[1.0])
    late = data.lesson.with_columns(as_of=pl.lit(CUT))
    with pytest.raises(ValueError, match="the future has leaked in"):
        TrainData.of(data.interactions, 1, 2, CUT, late, data.features)


# popularity by segment -----------------------------------------------------------------------------------------------


def of_countries(countries: list[str | None], rows: list[dict], n_items: int = 3) -> TrainData:
    users = pl.DataFrame({"user_idx": range(len(countries)), "country": countries})
    return TrainData.of(interactions(rows), len(countries), n_items, CUT, users=users)


def test_segment_popularity_by_hand():
    rows = [pair(0, 0), pair(1, 0), pair(2, 1), pair(3, 1), pair(3, 0, n_orders=0)]
    data = of_countries(["DE", "DE", "FR", "FR", "FR", None], rows)
    scores = models.create("segment_popularity", prior=2).fit(data).score(np.arange(6))
    german = [(2 + 2 * 0.5) / 4, (0 + 2 * 0.5) / 4, 0]  # two of two active users took item 0; of all users, half
    french = [(0 + 2 * 0.5) / 4, (2 + 2 * 0.5) / 4, 0]  # the third has no history: not counted, but served
    assert scores == pytest.approx(np.array([german, german, french, french, french, [0.5, 0.5, 0]]))


def test_a_large_prior_is_everybodys_popularity():
    rows = [pair(0, 0), pair(1, 1), pair(2, 1)]
    model = models.create("segment_popularity", prior=1e9).fit(of_countries(["DE", "FR", "FR"], rows))
    assert order(model, 0) == [1, 0, 2]
    assert order(models.create("segment_popularity", prior=0.1).fit(of_countries(["DE", "FR", "FR"], rows)), 0)[0] == 0


@pytest.mark.parametrize("data", [WORLDS["only views"], WORLDS["all equal"], of_countries(["unknown"], [pair(0, 1)])])
def test_without_segments_it_is_popularity(data):
    everybody, popular = (fitted(name, data) for name in ("segment_popularity", "popularity"))
    assert [order(everybody, user) for user in range(data.n_users)] == [order(popular, 0)] * data.n_users


def test_an_attribute_that_the_shop_lacks_is_said(caplog):
    models.create("segment_popularity", segment="city").fit(of_countries(["DE"], [pair(0, 0)]))
    assert "no city of the users is known" in caplog.text


# content -------------------------------------------------------------------------------------------------------------


def catalogue(*rows: tuple) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=ITEM, orient="row")
    return table.with_columns(item_idx=pl.Series(range(table.height), dtype=pl.Int32))


def test_words_of_items():
    items = catalogue(("Red CUP, 2 x Cup", "Mugs", None, 1.0), ("unknown", "unknown", "Acme", 3.0), (None,) * 4)
    assert content.words(items, n_price_levels=2).rows() == [
        (1, "brand", "Acme"),
        (0, "category", "Mugs"),
        (0, "name", "2"),
        (0, "name", "cup"),
        (0, "name", "red"),
        (1, "name", "unknown"),
        (0, "name", "x"),
        (0, "price", "1"),
        (1, "price", "2"),
    ]


def test_price_levels_of_equal_prices_are_equal():
    items = catalogue(*[("x", None, None, price) for price in (1.0, 1.0, 1.0, 9.0)])
    levels = content.words(items, n_price_levels=4).filter(pl.col("kind") == "price").sort("item_idx")
    assert levels["word"].to_list() == ["2", "2", "2", "4"]


def test_vectors_by_hand():
    items = catalogue(("red cup", "mugs", None, None), ("red", None, None, None), (None,) * 4)
    found = content.vectors(content.words(items, 4), 3, fact_weight=0.5).toarray()  # columns: mugs, cup, red
    red, cup = np.log(4 / 3) + 1, np.log(4 / 2) + 1  # two and one of three items
    first = np.array([0.5, cup / np.hypot(red, cup), red / np.hypot(red, cup)]) / np.sqrt(0.25 + 1)
    assert found == pytest.approx(np.array([first, [0, 0, 1], [0, 0, 0]]))


def test_facts_of_no_weight_leave_the_names():
    items = catalogue(("red", "mugs", None, 1.0), (None, "mugs", None, 1.0))
    assert content.vectors(content.words(items, 1), 2, fact_weight=0).toarray().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_content_ranks_what_is_like_the_recent_history_even_if_nobody_took_it():
    items = catalogue(
        ("red cup", *[None] * 3),
        ("blue bowl", *[None] * 3),
        ("red plate", *[None] * 3),
        ("blue plate", *[None] * 3),
        ("a spoon", *[None] * 3),
    )
    rows = [pair(0, 0, days=0), pair(0, 1, days=60), pair(1, 4), pair(2, 4)]
    data = TrainData.of(interactions(rows), 4, 5, CUT, items=items)
    model = models.create("content", decay_days=30).fit(data)
    assert order(model, 0) == [0, 2, 1, 3, 4]  # like the cup of today before like the bowl of two months ago
    scores = model.score(np.array([0]))[0]
    assert scores[[0, 1]] == pytest.approx([1, np.exp(-2)])  # an own item is like itself
    assert order(model, 3) == [4, 0, 1, 2, 3]  # no history: popularity


def test_content_without_items_is_popularity(caplog):
    data = WORLDS["all equal"]
    assert order(fitted("content", data), 0) == order(fitted("popularity", data), 0)
    assert "nothing is known of the items" in caplog.text


# bpr -----------------------------------------------------------------------------------------------------------------


def test_bpr_tells_two_tastes_apart():
    rows = [pair(u, i) for u in range(20) for i in range(6) if i % 2 == u % 2 and i != u % 6]
    model = models.create("bpr", n_factors=8, learning_rate=0.1, n_epochs=200).fit(
        TrainData.of(interactions(rows), 20, 6, CUT)
    )
    assert all({item % 2 for item in order(model, user, 3)} == {user % 2} for user in range(20))


def test_bpr_scores_as_implicit_does():
    implicit = pytest.importorskip("implicit.cpu.bpr")
    data = WORLDS["a shop"]
    theirs = implicit.BayesianPersonalizedRanking(
        factors=4, learning_rate=0.01, regularization=0.001, iterations=3, num_threads=1, random_state=0
    )
    theirs.fit(data.relevant, show_progress=False)
    users = np.unique(data.relevant.nonzero()[0])  # the others are popularity's
    expected = theirs.user_factors[users].astype(float) @ theirs.item_factors.T.astype(float)
    assert fitted("bpr", data).score(users) == pytest.approx(expected, abs=1e-6)


def test_what_nobody_took_comes_last_in_bpr():
    rows = [pair(u, i) for u in range(6) for i in range(1, 5) if u != i] + [pair(6, 0, n_orders=0)]
    model = models.create("bpr", learning_rate=0.5).fit(TrainData.of(interactions(rows), 7, 5, CUT))
    assert [order(model, user)[-1] for user in range(7)] == [0] * 7


# explanations --------------------------------------------------------------------------------------------------------

EXPLAINERS = ("ease", "item_knn", "content", "basket")


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", models.MODELS)
def test_explanations_sum_to_the_score_or_are_refused(name, world):
    data = WORLDS[world]
    model = fitted(name, data)
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(data.n_users), np.arange(data.n_items)))
    if name not in EXPLAINERS:
        with pytest.raises(UserError, match=f"{name} cannot say"):
            model.explain(users, items)
        return
    found = model.explain(users, items)
    assert found.schema == EXPLAINED
    sums = np.zeros((data.n_users, data.n_items))
    np.add.at(sums, (found["user_idx"].to_numpy(), found["item_idx"].to_numpy()), found["contribution"].to_numpy())
    assert np.abs(sums - model.score(np.arange(data.n_users))).max() <= 1e-9
    had = data.interactions.filter(pl.col("n_relevant") > 0).select("user_idx", because_idx="item_idx")
    assert found.join(had, on=["user_idx", "because_idx"], how="anti").is_empty()
    per_pair = found.group_by("user_idx", "item_idx").agg(pl.col("share").abs().sum())
    assert per_pair["share"].to_numpy() == pytest.approx(1)


def test_explanation_by_hand():
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 2), pair(2, 1)]), 4, 3, CUT)
    model = fitted("item_knn", data)  # cosines: 0 and 1: 1 / sqrt(2 * 2); 0 and 2: 1 / sqrt(2 * 1); 1 and 2: 0
    found = model.explain(np.array([0, 0, 3]), np.array([2, 0, 0]))
    assert found.select("user_idx", "item_idx", "because_idx").rows() == [(0, 2, 0), (0, 0, 0), (0, 0, 1)]
    assert found["contribution"].to_list() == pytest.approx([0.5**0.5, 1, 0.5])
    assert found["share"].to_list() == pytest.approx([1, 2 / 3, 1 / 3])


def test_a_contribution_may_speak_against_an_item():
    """One takes 0 and 1, others 0 and 2: in EASE, 1 speaks against 2. The sizes of the shares sum to 1."""
    rows = [pair(u, 0) for u in range(9)] + [pair(u, 1 + u % 2) for u in range(9)]
    found = models.create("ease", reg=1).fit(TrainData.of(interactions(rows), 9, 3, CUT)).explain([0], [2])
    assert found["because_idx"].to_list() == [0, 1]
    assert found["contribution"][0] > 0 > found["contribution"][1]
    assert found["share"].abs().sum() == pytest.approx(1)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_blocks_of_explanations_do_not_matter(name, monkeypatch):
    data = WORLDS["a shop"]
    users, items = np.arange(30), np.arange(30) % data.n_items
    model = fitted(name, data)
    whole = model.explain(users, items)
    monkeypatch.setattr("recomart_lib.models.item_to_item.BLOCK", 7)
    assert model.explain(users, items).equals(whole)
    assert model.explain(users[:0], items[:0]).schema == EXPLAINED


@pytest.mark.parametrize(("user", "item"), [(-1, 0), (40, 0), (0, -1), (0, 15)])
def test_pairs_out_of_range_are_not_explained(user, item):
    with pytest.raises(IndexError, match=r"must lie in \[0, "):
        fitted("ease", WORLDS["a shop"]).explain(np.array([user]), np.array([item]))
    with pytest.raises(ValueError, match="no pairs"):
        fitted("ease", WORLDS["a shop"]).explain(np.array([0, 1]), np.array([0]))


# similar items -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", models.MODELS)
def test_similar_items_or_a_refusal(name, world):
    data = WORLDS[world]
    model = fitted(name, data)
    items = np.arange(data.n_items)[::-1]
    if name not in (*EXPLAINERS, "als", "ials", "bpr", "svd", "svdpp"):
        with pytest.raises(UserError, match=f"{name} knows nothing of how items relate"):
            similar_items(model, items, 3)
        return
    found = similar_items(model, items, data.n_items + 3)
    assert found.schema == SIMILAR
    assert found.filter(pl.col("item_idx") == pl.col("similar_idx")).is_empty()
    assert found.select("item_idx", "similar_idx").is_unique().all()
    assert (found["similarity"] > 0).all()
    assert similar_items(model, items, 2).equals(found.filter(pl.col("rank") <= 2))
    for wrong in (-1, data.n_items):
        with pytest.raises(IndexError, match="item_idx must lie"):
            similar_items(model, np.array([wrong]), 1)


def test_similar_items_of_ease_are_the_list_of_somebody_with_that_item_alone():
    model = fitted("ease", WORLDS["a shop"])
    row = model.arrays["weights"][3]
    expected = [int(i) for i in np.argsort(-row, kind="stable") if row[i] > 0]
    found = similar_items(model, np.array([3]), 15)
    assert found["similar_idx"].to_list() == expected
    assert found["similarity"].to_list() == row[expected].tolist()


def test_equally_similar_items_come_by_index():
    rows = [pair(u, i) for u in range(3) for i in range(4)] + [pair(3, 4)]
    data = TrainData.of(interactions(rows), 4, 5, CUT)
    assert similar_items(fitted("item_knn", data), np.array([2]), 9)["similar_idx"].to_list() == [0, 1, 3]


def test_similar_by_the_cosine_of_factors():
    model = fitted("als", WORLDS["a shop"])
    model.arrays = {**model.arrays, "item_factors": np.array([[2, 0], [1, 1], [0, 0], [-3, 0], [5, 0]], np.float32)}
    found = similar_items(model, np.array([0, 2]), 9)
    assert found.select("item_idx", "similar_idx", "rank").rows() == [(0, 4, 1), (0, 1, 2)]
    assert found["similarity"].to_list() == pytest.approx([1, 0.5**0.5])


# attributes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indices", [[0], [0, 1, 2], [0, 0], [1, 2], [0, None]])
def test_attributes_have_one_row_per_index(indices):
    users = pl.DataFrame({"user_idx": indices})
    with pytest.raises(ValueError, match="one row for each user_idx"):
        TrainData.of(interactions([pair(0, 0)]), 2, 1, CUT, users=users)


def test_attributes_are_kept_in_the_order_of_their_index():
    items = catalogue(("a", None, None, None), ("b", None, None, None))[::-1]
    assert TrainData.of(interactions([pair(0, 0)]), 1, 2, CUT, items=items).items["name"].to_list() == ["a", "b"]


# what the blend is made of -------------------------------------------------------------------------------------------


def test_ials_minimises_its_loss():
    data = shop()
    model = models.create("ials", n_factors=3, reg=0.5, unobserved=0.2, n_epochs=2).fit(data)
    users, items, x = model.arrays["user_factors"], model.arrays["item_factors"], data.relevant.toarray()
    reg = 0.5 * np.sqrt(10_000 / data.relevant.nnz)

    def loss(items: np.ndarray) -> float:
        scores, weight = users @ items.T, reg * (x.sum(axis=0) + 0.2 * len(users))
        return ((x * (x - scores)) ** 2).sum() + 0.2 * (scores**2).sum() + (weight * (items**2).sum(axis=1)).sum()

    taken = np.flatnonzero(x.sum(axis=0))
    for item in taken:
        for factor in range(3):
            for step in (-1e-4, 1e-4):
                other = items.copy()
                other[item, factor] += step
                assert loss(other) > loss(items), "the items were solved last: no other factors are better"


def test_ials_takes_better_rated_items_for_better_examples():
    rows = [pair(0, 0, rating=5.0), pair(0, 1, rating=1.0), pair(1, 0, rating=5.0), pair(1, 1, rating=1.0)]
    data = TrainData.of(interactions(rows), 2, 2, CUT)
    plain, sloped = (
        models.create("ials", n_factors=1, rating_slope=s).fit(data).score(np.array([0])) for s in (0, 0.1)
    )
    assert plain[0, 0] == pytest.approx(plain[0, 1])
    assert sloped[0, 0] > sloped[0, 1] * 1.2


def test_closeness_counts_what_was_taken_at_one_sitting():
    at = {"last_relevant_timestamp": CUT - timedelta(days=1)}
    rows = [
        pair(0, 0, **at),
        pair(0, 1, last_relevant_timestamp=CUT - timedelta(days=1, seconds=60)),
        pair(1, 0, **at),
        pair(1, 1, **at),
        pair(1, 2, n_orders=0),
    ]
    data = TrainData.of(interactions(rows), 2, 3, CUT)
    expected = [[2, 1 + np.exp(-0.5), 0], [1 + np.exp(-0.5), 2, 0], [0, 0, 0]]
    assert together(data, within_seconds=120) == pytest.approx(np.array(expected))
    near, plain = (models.create("ease", reg=1, closeness=c).fit(data).arrays["weights"] for c in (4, 0))
    assert near[0, 1] > plain[0, 1]


def test_a_blend_adds_up_its_parts_on_one_scale():
    data, users = shop(), np.arange(39)
    hyper = {"ease_weight": 0.5, "history_weight": 0.25, "n_factors": 4, "ease_reg": 50, "closeness": 1}
    blended = models.create("blend", **hyper).fit(data).score(users)
    parts = {"ials": {"n_factors": 4}, "ease": {"reg": 50, "closeness": 1}, "own_history_decayed": {}}
    scores = [models.create(name, **made).fit(data).score(users) for name, made in parts.items()]
    scaled = [(s - s.mean(axis=1, keepdims=True)) / s.std(axis=1, keepdims=True) for s in scores]
    assert blended == pytest.approx(scaled[0] + 0.5 * scaled[1] + 0.25 * scaled[2])
    alone = models.create("blend", ease_weight=0).fit(data)
    assert not [name for name in alone.arrays if name.startswith("ease/")], "a part of weight 0 is not fitted"
