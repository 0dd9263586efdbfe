"""Kinds of reasons, and the sentences that are written for them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from conftest import utc
from model_data import CUT, interactions, pair

from recomart_lib.models.base import TrainData
from recomart_lib.recommend import live_lists, reasons

MOMENT = utc(2024, 3, 2, 10)


@pytest.mark.parametrize(
    ("kind", "evidence", "sentence"),
    [
        (
            reasons.CHOSEN_BEFORE,
            {"n_orders": 1, "last_relevant_timestamp": MOMENT},
            "You chose this once before, last on 2024-03-02.",
        ),
        (
            reasons.CHOSEN_BEFORE,
            {"n_orders": 3, "last_relevant_timestamp": MOMENT},
            "You chose this 3 times before, last on 2024-03-02.",
        ),
        (
            reasons.CHOSEN_TOGETHER,
            {"n_together": 4, "because_name": "Axe"},
            "4 customers who chose Axe chose this too.",
        ),
        (
            reasons.RECENT_EVENT,
            {"event_type": "view", "because_name": "Axe", "timestamp": MOMENT},
            "Your recent view of Axe, 2024-03-02 10:00:00 (UTC).",
        ),
        (reasons.SIMILAR, {"because_name": "Axe"}, "You chose Axe before."),
        (reasons.POPULAR, {"buyers": 7}, "Popular in the shop: 7 customers chose it."),
        (reasons.POPULAR, {}, "Popular in the shop."),
    ],
)
def test_every_kind_has_its_sentence(kind, evidence, sentence):
    schema = {name: dtype for name, dtype in reasons.EVIDENCE.items() if name in evidence}
    rows = (
        pl.DataFrame({name: [value] for name, value in evidence.items()}, schema).with_columns(reason_kind=pl.lit(kind))
        if evidence
        else pl.DataFrame({"reason_kind": [kind]})
    )
    written = reasons.add_reason(rows)
    assert written["reason"].item() == sentence
    assert set(written.columns) == {*evidence, "reason_kind", "reason"}


def test_kinds_are_counted_most_frequent_first():
    lists = pl.DataFrame({"reason_kind": [reasons.POPULAR, reasons.CHOSEN_BEFORE, reasons.POPULAR]})
    assert reasons.reason_kinds(lists).rows() == [(reasons.POPULAR, 2), (reasons.CHOSEN_BEFORE, 1)]


def test_live_lists_get_their_reasons_from_the_same_writer():
    rows = [
        (1, "b", 0.9, "a", "view", MOMENT),
        (2, "c", 0.5, "nameless", None, None),
        (3, "d", 0.1, None, None, None),
    ]
    items = pl.DataFrame({"item_id": list("abcd"), "name": ["Axe", "Bow", "Cup", "Die"]})
    listed = live_lists.with_reasons(pl.DataFrame(rows, live_lists.RANKED, orient="row"), items)
    assert listed.select("name", "reason_kind", "reason").rows() == [
        ("Bow", reasons.RECENT_EVENT, "Your recent view of Axe, 2024-03-02 10:00:00 (UTC)."),
        ("Cup", reasons.SIMILAR, "You chose nameless before."),
        ("Die", reasons.POPULAR, "Popular in the shop."),
    ]


def evidence_pair_by_pair(lists: pl.DataFrame, relevant: np.ndarray) -> dict[tuple[str, str], tuple[int, int]]:
    """The strongest product of the history and its count, from the dense table of all pairs of products."""
    together = relevant.T @ relevant
    np.fill_diagonal(together, 0)
    found = {}
    for user, item in lists.rows():
        strength = relevant[int(user)] * together[int(item)]
        found[user, item] = (int(strength.argmax()), int(strength.max()))
    return found


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_evidence_is_found_in_blocks_of_products(rows, monkeypatch):
    rng = np.random.default_rng(5)
    chosen = rng.random((20, 12)) < 0.3
    chosen[:, 11] = False  # nobody chose it
    pairs = [pair(int(user), int(item)) for user, item in zip(*np.nonzero(chosen), strict=True)]
    data = TrainData.of(interactions(pairs), 20, 12, CUT)
    window = {
        f"{name}s": pl.DataFrame({f"{name}_id": [str(n) for n in range(size)], f"{name}_idx": range(size)}).cast(
            {f"{name}_idx": pl.Int32}
        )
        for name, size in (("user", 20), ("item", 12))
    }
    grid = [(str(user), str(item)) for user in range(20) for item in range(12) if rng.random() < 0.5]
    lists = pl.DataFrame(grid, ["user_id", "item_id"], orient="row")
    heights = []
    together_of = reasons._together
    monkeypatch.setattr(reasons.blocks, "rows", lambda n_columns: rows)
    monkeypatch.setattr(reasons, "BLOCK", 7)
    monkeypatch.setattr(
        reasons, "_together", lambda relevant, items: heights.append(len(items)) or together_of(relevant, items)
    )
    found = reasons._evidence(lists.with_columns(rank=1), data, window)
    expected = evidence_pair_by_pair(lists, data.relevant.toarray())
    assert max(heights) <= rows
    counted = {(user, item): (because, n) for user, item, because, n in found.rows()}
    assert {key: n for key, (_, n) in counted.items()} == {key: n for key, (_, n) in expected.items()}
    assert all(counted[key][0] == because for key, (because, n) in expected.items() if n)
