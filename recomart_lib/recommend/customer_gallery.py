"""Customers to look at: a few of every kind, under a pseudonym, with what they chose and what they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import polars as pl

from recomart_lib.core.text import plural
from recomart_lib.recommend.segments import NO_ORDER
from recomart_lib.recommend.suggestions import purchase_history
from recomart_lib.train.train_data import Tables

N_CUSTOMERS = 20
N_HISTORY = 10  # products of the history that are shown
PER_KIND = 3  # the most active, the least active, and cold ones; then every segment in turn
COLD = "cold"


@dataclass(frozen=True)
class Customer:
    """One customer of the gallery.

    Attributes
    ----------
    name
        `Customer 7 (heavy, champions)`, with the id only where the shop allows it.
    n_seen
        The number of products with any event of the customer that models learn from, such as a view: 0 for a cold one.
    n_returned
        The number of products that a cold customer returned, which is all that the data has of this customer.
    n_history
        The number of products chosen before.
    history
        The newest of them: see `suggestions.purchase_history`.
    suggestions
        The list: rank, item_id, name, category, price, reason_kind, reason.
    """

    user_id: str
    name: str
    kind: str
    n_seen: int
    n_returned: int
    n_history: int
    history: pl.DataFrame
    suggestions: pl.DataFrame


def customers(
    lists: pl.DataFrame,
    window: Tables,
    items: pl.DataFrame,
    segments: pl.DataFrame,
    events: pl.DataFrame,
    show_ids: bool = False,
) -> list[Customer]:
    """At most `N_CUSTOMERS` users who have a list: heavy, light and cold ones, then users of every segment.

    Parameters
    ----------
    lists
        `schemas.RECOMMENDATIONS`.
    items
        All products: item_id, name, category, price.
    segments
        `schemas.SEGMENTS`.
    events
        All events: user_id, item_id, event_type.
    show_ids
        Whether names contain the user's id.
    """
    rows = _described(window, segments, events).join(lists.select("user_id").unique(), on="user_id", how="semi")
    shown = lists.join(
        items.select("item_id", "name", "category", "price"), on="item_id", how="left", maintain_order="left"
    )
    return [
        _customer(number, row, shown, window, items, show_ids)
        for number, row in enumerate(_choose(rows).iter_rows(named=True), 1)
    ]


def _customer(
    number: int, row: dict[str, Any], shown: pl.DataFrame, window: Tables, items: pl.DataFrame, show_ids: bool
) -> Customer:
    history = purchase_history(row["user_id"], window, items)
    words = [row["kind"], *([row["segment"]] if row["segment"] != NO_ORDER else [])]
    words += [f"id {row['user_id']}"] if show_ids else []
    own = shown.filter(pl.col("user_id") == row["user_id"]).sort("rank")
    name = f"Customer {number} ({', '.join(words)})"
    n_seen, n_returned = row["n"] or 0, row["n_returned"] or 0
    return Customer(row["user_id"], name, row["kind"], n_seen, n_returned, history.height, history.head(N_HISTORY), own)


def _described(window: Tables, segments: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """One row per user: user_id, n (products with an event that models learn from, null: none), n_returned, kind (heavy
    and light: the outer thirds), segment.

    Ordered by n, the smallest first.
    """
    returns = events.filter(pl.col("event_type") == "return").group_by("user_id")
    returned = returns.agg(n_returned=pl.col("item_id").n_unique().cast(pl.Int64))
    active = window["interactions"].group_by("user_id").agg(n=pl.len().cast(pl.Int64))
    rows = segments.select("user_id", "segment").join(active, on="user_id", how="left")
    rows = rows.join(returned, on="user_id", how="left")
    rows = rows.sort("n", "user_id", nulls_last=False)
    share = pl.col("n").rank("average") / pl.col("n").count()
    kind = (
        pl.when(pl.col("n").is_null())
        .then(pl.lit(COLD))
        .when(share > 2 / 3)
        .then(pl.lit("heavy"))
        .when(share <= 1 / 3)
        .then(pl.lit("light"))
        .otherwise(pl.lit("medium"))
    )
    return rows.with_columns(kind=kind)


def _choose(rows: pl.DataFrame) -> pl.DataFrame:
    """The users of the gallery, in its order. `rows`: of `_described`."""
    warm = rows.filter(pl.col("kind") != COLD)
    ends = [warm.reverse().head(PER_KIND), warm.head(PER_KIND), rows.filter(pl.col("kind") == COLD).head(PER_KIND)]
    first = list(chain.from_iterable(part.get_column("user_id") for part in ends))
    by_segment = warm.sort("segment", "n", "user_id").group_by("segment", maintain_order=True)
    typical = [_from_the_middle(part.get_column("user_id").to_list()) for _, part in by_segment]
    in_turn = [user for users in zip_longest(*typical) for user in users if user is not None]
    chosen = list(dict.fromkeys([*first, *in_turn]))[:N_CUSTOMERS]
    order = pl.DataFrame({"user_id": chosen}, schema={"user_id": pl.String})
    return order.join(rows, on="user_id", how="left", maintain_order="left")


def _from_the_middle(users: list[str]) -> list[str]:
    """The users of a segment, by activity, from the one in the middle on."""
    middle = len(users) // 2
    return [*users[middle:], *users[:middle]][:N_CUSTOMERS]


def by_product(shown: list[Customer]) -> pl.DataFrame:
    """One row per suggestion, by product: to find who is shown a product, and why."""
    rows = [
        {"product": row["name"] or row["item_id"], "customer": one.name, "place": row["rank"], "reason": row["reason"]}
        for one in shown
        for row in one.suggestions.iter_rows(named=True)
    ]
    schema = {"product": pl.String, "customer": pl.String, "place": pl.Int64, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema).sort("product", "place", "customer")


def history_of(one: Customer) -> str:
    """`49 products chosen before`, `nothing chosen yet, looked at 3 products`, `only returned 2 products`."""
    if one.kind == COLD:
        return f"only returned {plural(one.n_returned, 'product')}" if one.n_returned else "no event yet"
    if not one.n_history:
        return f"nothing chosen yet, looked at {plural(one.n_seen, 'product')}"
    return f"{plural(one.n_history, 'product')} chosen before"
