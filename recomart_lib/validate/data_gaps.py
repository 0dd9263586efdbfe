"""What the validated data lack, or have too much of: fixes that no rule about single rows can find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core.shops import Shop
from recomart_lib.core.text import WEEKDAYS, percent, plural
from recomart_lib.validate.odd_ids import odd

# problem (a sentence with its numbers), rows (how many it touches; 0: something is absent), share (of the delivered
# rows of the table; for products and users, of the validated ones), lost (how many of the rows are not used), effect (a
# sentence: what gets worse by it), how (a sentence: what to do about it), where (page and section that show more). The
# sentences are plain text: who shows them escapes them.
Fix = dict[str, Any]

PAGE = "02_validate.html"
HERE = f"{PAGE}#what-should-be-fixed-in-the-data"
MIN_MISSING = 0.01  # of the products or users; less is not worth a fix
MIN_DAYS = 28  # with relevant events; below, a weekday without any is no finding
SHOWN = 5  # ids in a sentence
AMOUNT_UNITS = 10_000  # amounts are summed as integers, so that the sum does not depend on the order of rows
# Table -> (what a row is, column -> what gets worse where it is missing).
ATTRIBUTES = {
    "items": (
        "product",
        {
            "name": "readers see ids instead of names",
            "category": "lists cannot be mixed by category",
            "brand": "similar products are found without it",
            "price": "products cannot be compared by price",
        },
    ),
    "users": ("user", {"country": "results and bestsellers by country are not possible"}),
}
HOW_ABSENT = "Record them in the web shop, and deliver each as an event of its own type."
HOW_IDLE = "Ask whether the shop was open on these days; if it was, have the missing {what}s delivered."
HOW_ODD = "Leave them out of the delivery, or keep them off the lists: lists.block in the shop file."
HOW_ODD_BLOCKED = "Leave them out of the delivery, if revenue and popularity should be those of products only."
HOW_MISSING = "Have {them} delivered, if the shop knows, and map the column in the shop file (tables.{table}.columns)."
# Types of events that show interest before a sale.
EARLY = ("view", "cart")


def fix(problem: str, rows: int, of_rows: int, effect: str, how: str, where: str, lost: int = 0) -> Fix:
    """A `Fix` that touches `rows` of `of_rows` rows, of which `lost` are not used."""
    return {
        "problem": problem,
        "rows": rows,
        "share": rows / of_rows if rows else 0.0,
        "lost": lost,
        "effect": effect,
        "how": how,
        "where": where,
    }


def gaps(shop: Shop, validated: Path) -> Iterator[Fix]:
    """Missing attributes, ids that are no products, weekdays without sales, types of events that nobody records.

    Parameters
    ----------
    validated
        The folder of the validated tables.
    """
    users, items, events = (
        pl.scan_parquet(validated / f"{name}.parquet", glob=False) for name in ("users", "items", "events")
    )
    yield from _without_attributes("items", items)
    yield from _without_attributes("users", users)
    yield from _odd_ids(shop, items, events)
    yield from _idle_weekdays(shop, events)
    yield from _absent_event_types(events)


def _without_attributes(table: str, rows: pl.LazyFrame) -> Iterator[Fix]:
    """One fix per number of rows without a value; columns that as many rows lack share one."""
    noun, effects = ATTRIBUTES[table]
    missing = rows.select(pl.len().alias("rows"), pl.col(list(effects)).null_count()).collect().row(0, named=True)
    n = missing.pop("rows")
    for n_missing in sorted({count for count in missing.values() if count and count >= MIN_MISSING * n}, reverse=True):
        columns = [name for name, count in missing.items() if count == n_missing]
        who = f"No {noun} has a" if n_missing == n else f"{n_missing:,} of {plural(n, noun)} have no"
        what = " or ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))
        effect = "; ".join(effects[name] for name in columns)
        how = HOW_MISSING.format(them="it" if len(columns) == 1 else "them", table=table)
        yield fix(f"{who} {what}.", n_missing, n, f"{effect[0].upper()}{effect[1:]}.", how, HERE)


def _odd_ids(shop: Shop, items: pl.LazyFrame, events: pl.LazyFrame) -> Iterator[Fix]:
    """Products whose ids look like postage, fees or manual entries, with their rows and their revenue."""
    found = odd(items.select("item_id", "name").collect())
    if not found.height:
        return
    is_odd, is_sale = pl.col("item_id").is_in(found["item_id"].implode()), pl.col("event_type") == "purchase"
    amount = (pl.col("price") * pl.col("quantity").fill_null(1.0) * AMOUNT_UNITS).round().cast(pl.Int64)
    revenue = amount.filter(is_sale)
    totals = events.select(
        pl.len(), odd=is_odd.sum().cast(pl.Int64), part=amount.filter(is_sale & is_odd).sum(), all=revenue.sum()
    )
    n_rows, n, part, total = totals.collect().row(0)
    money = f" and {percent(part / total)} of the revenue" if total else ""
    problem = (
        f"{plural(found.height, 'product id')} {'looks' if found.height == 1 else 'look'} like postage, fees or manual "
        f"entries, not like the others: {_named(found, events)}; {plural(n, 'row')}{money}."
    )
    effect, how = _about_odd_ids(shop, found)
    yield fix(problem, n, n_rows, effect, how, HERE)


def _named(found: pl.DataFrame, events: pl.LazyFrame) -> str:
    """The ids with most rows, with their names."""
    rows = events.group_by("item_id").agg(n=pl.len()).collect()
    first = found.join(rows, on="item_id", how="left").sort("n", "item_id", descending=[True, False], nulls_last=True)
    shown = [
        f"{item} ({name[:30]})" if name else item
        for item, name in first.select("item_id", "name").head(SHOWN).iter_rows()
    ]
    return ", ".join(shown) + (f" and {found.height - SHOWN} more" if found.height > SHOWN else "")


def _about_odd_ids(shop: Shop, found: pl.DataFrame) -> tuple[str, str]:
    """What they cost, and what to do about them."""
    n_blocked = found.filter(pl.col("item_id").is_in(shop.lists.block.items)).height
    effect = "What is no product counts as one in revenue, popularity and in what the models learn"
    if n_blocked == found.height:
        return f"{effect}; the shop file keeps all of them off the lists (lists.block).", HOW_ODD_BLOCKED
    free = found.filter(~pl.col("item_id").is_in(shop.lists.block.items)).get_column("item_id").sort().to_list()
    named = f"{', '.join(free[:SHOWN])}{', ...' if len(free) > SHOWN else ''}"
    blocked = f"; the shop file keeps all but {named} off the lists" if n_blocked else " and may be recommended"
    return f"{effect}{blocked} (lists.block).", HOW_ODD


def _idle_weekdays(shop: Shop, events: pl.LazyFrame) -> Iterator[Fix]:
    """Days of the week on which nothing relevant ever happened."""
    day = pl.col("timestamp").dt.convert_time_zone(shop.time_zone).dt.date()
    relevant = events.filter(pl.col("event_type").is_in(shop.relevant_events))
    days = relevant.select(day=day).unique().collect().get_column("day")
    active = set(days.dt.weekday())
    idle = [name for number, name in enumerate(WEEKDAYS, 1) if number not in active]
    if not idle or days.len() < MIN_DAYS:
        return
    weeks = ((days.max() - days.min()).days + 1) // 7
    what = "sale" if "purchase" in shop.relevant_events else "relevant event"
    problem = f"There is no {what} on any {' or '.join(idle)}, in {plural(weeks, 'week')}."
    effect = f"If the shop was open, its {what}s of these days are missing; if it was closed, nothing is to be done."
    yield fix(problem, 0, 0, effect, HOW_IDLE.format(what=what), "03_explore.html#are-there-seasons")


def _absent_event_types(events: pl.LazyFrame) -> Iterator[Fix]:
    """Views and carts, where the shop records only what was bought or rated."""
    recorded = events.select(pl.col("event_type").cast(pl.String).unique().sort()).collect().get_column("event_type")
    absent = [name for name in EARLY if name not in recorded]
    if not absent or recorded.is_empty():
        return
    problem = f"The events have no {'s and no '.join(absent)}s, only {' and '.join(f'{name}s' for name in recorded)}."
    effect = "What users look at without choosing it is unknown, and nothing is known of those who only look."
    where = "03_explore.html#where-do-users-drop-out-between-viewing-and-buying"
    yield fix(problem, 0, 0, effect, HOW_ABSENT, where)
