"""Takeaways of 03_explore: sentences computed from the numbers, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.numbers import varies
from recomart_lib.core.outlying_days import Bulk
from recomart_lib.core.text import number, percent, plural, safe

DOMINANT = 0.25  # one user or product with this share of all events is reported


def concentration(counts: pl.DataFrame, what: str, top: float, share: float) -> str:
    """How uneven the distribution is."""
    if not counts.height:
        return f"There are no {what}."
    single = counts.filter(pl.col("n") == 1).height / counts.height
    shape = "a few account for most of them" if share > 0.5 else "they are spread out"
    return (
        f"**The top {percent(top)} of {what} have {percent(share)} of the events** ({shape}); the median has "
        f"{number(counts.get_column('n').median())}, and {percent(single)} have just one."
    )


def dominant(counts: pl.DataFrame, what: str) -> str:
    """Name the user or product that has a large part of all events; empty without one. `counts`: `summaries.per_key`."""
    if not counts.height:
        return ""
    name, n, share = counts.row(0)
    if share < max(DOMINANT, min(2 / counts.height, 1)):
        return ""
    return (
        f"**One {what}, {safe(name)}, has {percent(share)} of the events ({number(n)})**: popularity and models follow "
        f"it. Check whether it is a robot, a reseller or a collective account."
    )


def funnel(steps: pl.DataFrame) -> str:
    """Where user-item pairs drop out on the way to a purchase."""
    recorded = steps.filter(pl.col("events") > 0)
    if not recorded.height:
        return "This shop records no step of the funnel (view, cart, purchase), so there is nothing to compare."
    if recorded.height < 2:
        only = recorded.get_column("step")[0]
        return f"This shop records only one step of the funnel ({only}), so there is nothing to compare."
    compared = recorded.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if not compared.height:
        return "No pair reached two recorded steps in a row, so no conversion can be computed."
    step = compared.row(0, named=True)
    return (
        f"**The narrowest step is {step['step']}: {percent(step['share_of_previous'])} of the pairs at the previous "
        f"step reach it.** {number(steps.get_column('reached')[-1])} user-item pairs complete all steps."
    )


def season(weeks: pl.DataFrame) -> str:
    """How much the weeks differ."""
    if weeks.height < 4:
        return f"{plural(weeks.height, 'full week')}: too few to detect seasons."
    best, worst = weeks.sort("n").row(-1, named=True), weeks.sort("n").row(0, named=True)
    ratio = best["n"] / max(worst["n"], 1)
    quarter = max(weeks.height // 4, 1)
    trend = weeks.get_column("n").tail(quarter).mean() / max(weeks.get_column("n").head(quarter).mean(), 1) - 1
    change = f"the last quarter of the weeks is {percent(abs(trend))} {'above' if trend > 0 else 'below'} the first"
    if trend > 2:
        change = f"the last quarter of the weeks has {trend + 1:.1f} times the events of the first"
    return (
        f"**The busiest week ({best['week']}) has {ratio:.1f} times the events of the quietest ({worst['week']})**; {change}. "
        "A split by time includes these changes; a random split would hide them."
    )


def far_days(found: Bulk) -> str:
    """A few events far before or after all others; `found` is that of `summaries.bulk_of_days`."""
    sides = [
        (found.n_before, found.gap_before, f"before all others, the first of which is on {found.first}"),
        (found.n_after, found.gap_after, f"after all others, the last of which is on {found.last}"),
    ]
    parts = [f"{plural(n, 'event')} at least {plural(gap, 'day')} {where}" for n, gap, where in sides if n]
    if not parts:
        return ""
    return f"**{'; '.join(parts)}**: the figures of this page include such days. 04 says whether it uses them."


def busiest_hour(grid: pl.DataFrame) -> str:
    """When the shop is busy."""
    cells = grid.unpivot(index="day", variable_name="hour", value_name="share").sort("share", "day", "hour")
    top = cells.row(-1, named=True)
    empty = cells.filter(pl.col("share") == 0).height
    return (
        f"**The busiest hour is {top['day']} {top['hour']}:00 with {percent(top['share'])} of all events** "
        f"(even spread: {percent(1 / 168)}); {empty} of 168 hours of the week have none."
    )


def repeats(pairs: pl.DataFrame) -> str:
    """How often users come back to the same product."""
    if not pairs.height:
        return "There are no relevant events."
    repeated = pairs.filter(pl.col("n_days") > 1)
    share = repeated.height / pairs.height
    gap = f"; the median gap is {number(repeated.get_column('gap_days').median())} days" if repeated.height else ""
    if not repeated.height:
        return (
            "**No user came back to the same product on another day**: read the results of protocol *novel*, which hides a "
            "user's earlier products; recommend.protocol can be novel."
        )
    advice = (
        "purchase history will be hard to beat in protocol *all*" if share > 0.1 else "lists must offer new products"
    )
    return f"**{percent(share)} of the user-product pairs repeat on another day**{gap}: {advice}."


def stars(counts: pl.DataFrame) -> str:
    """How users rate. `counts`: see `summaries.ratings`."""
    n = counts.get_column("n").sum()
    if not n:
        return "This shop has no ratings: the rating model learns from ratings derived from the implicit score."
    mean = (counts.get_column("stars") * counts.get_column("n")).sum() / n
    top = counts.filter(pl.col("stars") >= 4).get_column("n").sum() / n
    return f"**{number(n)} ratings, {mean:.2f} stars on average**; {percent(top)} are 4 stars or more."


def category_structure(table: pl.DataFrame, currency: str) -> str:
    """The category with the most revenue, or, where nothing has a price, with the most relevant events."""
    if not table.height:
        return "This shop has no categories, so a recommender cannot use them."
    first, revenue = table.row(0, named=True), table.get_column("revenue").sum()
    if revenue:
        lead = (
            f"has the most revenue: {number(first['revenue'])} {safe(currency)}, {percent(first['revenue'] / revenue)}"
        )
    else:
        lead = f"is the most popular: {plural(first['n'], 'relevant event')}, {percent(first['n'] / table.get_column('n').sum())}"
    price = (
        "" if first["median_price"] is None else f" at a median price of {first['median_price']:,.2f} {safe(currency)}"
    )
    return f"**{safe(first['category'])} {lead} of the categories shown**, with {plural(first['items'], 'product')}{price}."


def prices(items: pl.DataFrame, currency: str) -> str:
    """The spread of prices."""
    non_null_prices = items.get_column("price").drop_nulls()
    if not len(non_null_prices):
        return "This shop has no prices."
    low, mid, high = (non_null_prices.quantile(q, "linear") for q in (0.1, 0.5, 0.9))
    missing = f"{percent(items.get_column('price').null_count() / items.height)} have no price."
    if not varies(non_null_prices.to_numpy()):
        return f"**All products with a price cost {mid:,.2f} {safe(currency)}**; {missing}"
    return (
        f"**Half of the products cost less than {mid:,.2f} {safe(currency)}**; the middle 80 % are between {low:,.2f} and {high:,.2f}, "
        f"a factor of {high / max(low, 0.01):,.1f}. {missing}"
    )
