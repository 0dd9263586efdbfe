"""Kinds of reasons, and the sentences that are written for them."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import utc

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
