"""Exports of orders that state the order's own columns in its first line only: later lines have the products."""

from __future__ import annotations

from recomart.draft.delivery import Delivery
from recomart_lib.core.text import percent

MIN_EMPTY, MAX_EMPTY = 0.1, 0.95  # of the rows that lack the columns of the order
MIN_COLUMNS = 2
MAX_SHOWN = 4


def columns(delivery: Delivery) -> list[str]:
    """The columns that are empty in the same rows, and filled in the first one."""
    groups: dict[tuple[int, int], list[str]] = {}
    for column in delivery.columns:
        empty = column.cells.is_null()
        if MIN_EMPTY <= 1 - column.filled <= MAX_EMPTY and not empty[0]:
            groups.setdefault((column.n_filled, empty.rle_id().max()), []).append(column.name)
    found = max(groups.values(), key=len, default=[])
    return found if len(found) >= MIN_COLUMNS else []


def sentence(delivery: Delivery, among: str | None = None) -> str:
    """What to do about such columns (if `among` is one of them); empty if there are none."""
    names = columns(delivery)
    if not names or (among is not None and among not in names):
        return ""
    share = percent(1 - delivery.column(names[0]).filled)
    shown = ", ".join(names[:MAX_SHOWN]) + (", ..." if len(names) > MAX_SHOWN else "")
    return f"{shown} are empty in the same {share} of the rows: if only an order's first line has them, fill them down"
