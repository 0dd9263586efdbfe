"""Which column of items is their price: the one that the events of the item come near to."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from recomart.draft.assignment import Evidence
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery
from recomart.draft.relations import plain_ids
from recomart.draft.table_draft import TableDraft

MIN_ROWS = 20  # events with a price that decide
LOWEST, HIGHEST = 0.6, 1.15  # paid by listed price: lower, with discounts; a purchase price is far below what is paid


def compared(found: dict[str, Evidence], items: Delivery, key: Column, events: TableDraft) -> dict[str, Evidence]:
    """The evidence for each column of items being the price, compared with the prices of the events."""
    paid = _paid(events)
    if paid is None:
        return found
    return {name: _of_column(each, items.column(name), key, paid) for name, each in found.items()}


def _paid(events: TableDraft) -> pl.DataFrame | None:
    """One row per event with a price: item, and the price of a unit; None if the events have none."""
    price, total, quantity = (events.column(ours) for ours in ("price", "total", "quantity"))
    if price is None and (total is None or quantity is None):
        return None
    values = price.values if price is not None else total.values / quantity.values
    rows = pl.DataFrame({"item": plain_ids(events.column("item_id").cells), "paid": values})
    return rows.filter(pl.col("paid").is_finite() & (pl.col("paid") > 0))


def _of_column(evidence: Evidence, column: Column, key: Column, paid: pl.DataFrame) -> Evidence:
    if evidence.content == 0 or column.numbers is None:
        return evidence
    listed = pl.DataFrame({"item": plain_ids(key.cells), "listed": column.values}).drop_nulls().unique("item")
    ratios = (
        paid.join(listed.filter(pl.col("listed") > 0), on="item").select(pl.col("paid") / pl.col("listed")).to_series()
    )
    if ratios.len() < MIN_ROWS:
        return evidence
    usual, near = ratios.median(), (ratios - ratios.median()).abs().le(0.25 * ratios.median()).mean()
    if not LOWEST <= usual <= HIGHEST or near < 0.5:
        return replace(evidence, content=min(evidence.content, 0.1))
    return replace(evidence, content=0.6 + 0.4 * (1 - abs(1 - usual)), reason="agrees with the prices of the events")
