"""Training data, hyper-parameters and model files."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, baskets, catalogue, fitted, interactions, pair, repeat_purchases, without_hash

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models.base import ARRAYS_FILE, CARD_FILE, TrainData


def test_a_pickle_is_not_opened(tmp_path):
    fitted("popularity", CASES["a shop"]).save(tmp_path)
    without_hash(tmp_path)
    np.savez(tmp_path / ARRAYS_FILE, users=np.array([{"code": "could run"}], dtype=object))
    with pytest.raises(UserError, match=ARRAYS_FILE):
        models.load(tmp_path)


def test_arrays_larger_than_any_memory_are_refused(tmp_path):
    fitted("popularity", CASES["a shop"]).save(tmp_path)
    without_hash(tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps(card | {"arrays": {"huge": "dense"}}))
    with zipfile.ZipFile(tmp_path / ARRAYS_FILE, "w") as packed, packed.open("huge.npy", "w") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(UserError, match=rf"{ARRAYS_FILE} is not a valid file of the model popularity: Unable to alloc"):
        models.load(tmp_path)


def test_indices_that_point_outside_are_refused(tmp_path):
    """scipy's products would read foreign memory."""
    fitted("ease", CASES["a shop"]).save(tmp_path)
    without_hash(tmp_path)
    with np.load(tmp_path / ARRAYS_FILE) as stored:
        arrays = dict(stored)
    arrays["history.indices"] = arrays["history.indices"] + 10**6
    np.savez(tmp_path / ARRAYS_FILE, **arrays)
    with pytest.raises(UserError, match=ARRAYS_FILE):
        models.load(tmp_path)


def test_a_model_whose_training_was_killed_between_its_two_files_is_refused(tmp_path):
    fitted("ease", CASES["a shop"]).save(tmp_path)
    card = (tmp_path / CARD_FILE).read_bytes()
    fitted("ease", CASES["all equal"]).save(tmp_path)
    (tmp_path / CARD_FILE).write_bytes(card)  # the arrays are new, the card was not written
    with pytest.raises(UserError, match=r"arrays.npz does not belong to model.json beside it.*Train the model again"):
        models.load(tmp_path)


def test_a_card_of_an_earlier_version_has_no_hash(tmp_path):
    model = fitted("ease", CASES["a shop"])
    model.save(tmp_path)
    without_hash(tmp_path)
    assert np.array_equal(models.load(tmp_path).score(np.arange(2)), model.score(np.arange(2)))


@pytest.mark.parametrize(
    "card",
    [
        "",
        "[]",
        "{}",
        '{"model": "magic", "hyper": {}, "arrays": {}}',
        '{"model": "ease", "hyper": {"x": 1}, "arrays": {}}',
        "[" * 100_000,
    ],
    ids=["empty", "list", "no keys", "unknown", "parameter", "deep"],
)
def test_a_wrong_card_is_named(card, tmp_path):
    (tmp_path / CARD_FILE).write_text(card)
    with pytest.raises(UserError, match=CARD_FILE):
        models.load(tmp_path)


def test_a_model_does_not_load_another(tmp_path):
    fitted("popularity", CASES["a shop"]).save(tmp_path)
    with pytest.raises(UserError, match="not ease"):
        models.MODELS["ease"].load(tmp_path)
    assert json.loads((tmp_path / CARD_FILE).read_text())["model"] == "popularity"


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


def test_baskets_of_the_future_are_refused():
    with pytest.raises(ValueError, match="the future has leaked in"):
        TrainData.of(interactions([pair(0, 0)]), 1, 1, CUT).with_baskets(baskets((0, 0, 0, 0)))


def test_examples_from_the_future_are_refused():
    data = repeat_purchases([0, 1], now=[1.0])
    late = data.examples.with_columns(as_of=pl.lit(CUT))
    with pytest.raises(ValueError, match="the future has leaked in"):
        data.with_examples(late)


@pytest.mark.parametrize("indices", [[0], [0, 1, 2], [0, 0], [1, 2], [0, None]])
def test_attributes_have_one_row_per_index(indices):
    users = pl.DataFrame({"user_idx": indices})
    with pytest.raises(ValueError, match="one row for each user_idx"):
        TrainData.of(interactions([pair(0, 0)]), 2, 1, CUT).with_attributes(users=users)


def test_attributes_are_kept_in_the_order_of_their_index():
    items = catalogue(("a", None, None, None), ("b", None, None, None))[::-1]
    data = TrainData.of(interactions([pair(0, 0)]), 1, 2, CUT).with_attributes(items=items)
    assert data.items["name"].to_list() == ["a", "b"]
