"""Takeaways of 03_explore: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import number, percent, plural, safe


def concentration(counts: pl.DataFrame, what: str, top: float, share: float) -> str:
    """How uneven the distribution is."""
    if not counts.height:
        return f"There are no {what}."
    single = counts.filter(pl.col("n") == 1).height / counts.height
    shape = "a few carry most of it" if share > 0.5 else "it is spread"
    return (
        f"**The top {percent(top)} of {what} have {percent(share)} of the events** ({shape}); the median has "
        f"{number(counts.get_column('n').median())}, and {percent(single)} have just one."
    )


def funnel(steps: pl.DataFrame) -> str:
    """Where pairs are lost on the way to a purchase."""
    recorded = steps.filter(pl.col("events") > 0)
    if not recorded.height:
        return "This shop records no step of the funnel (view, cart, purchase): there is nothing to compare."
    if recorded.height < 2:
        only = recorded.get_column("step")[0]
        return f"This shop records one step of the funnel only ({only}): there is nothing to compare."
    lost = recorded.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if not lost.height:
        return "The recorded steps do not follow one another: no share can be given."
    step = lost.row(0, named=True)
    return (
        f"**The narrowest step is {step['step']}: {percent(step['share_of_previous'])} of the pairs at the step before "
        f"reach it.** {number(steps.get_column('reached')[-1])} user-item pairs go all the way."
    )


def season(weeks: pl.DataFrame) -> str:
    """How much the weeks differ."""
    if weeks.height < 4:
        return f"{plural(weeks.height, 'full week')}: too few to speak of seasons."
    best, worst = weeks.sort("n").row(-1, named=True), weeks.sort("n").row(0, named=True)
    ratio = best["n"] / max(worst["n"], 1)
    quarter = max(weeks.height // 4, 1)
    trend = weeks.get_column("n").tail(quarter).mean() / max(weeks.get_column("n").head(quarter).mean(), 1) - 1
    way = f"the last quarter of the weeks is {percent(abs(trend))} {'above' if trend > 0 else 'below'} the first"
    if trend > 2:
        way = f"the last quarter of the weeks has {trend + 1:.1f} times the events of the first"
    return (
        f"**The busiest week ({best['week']}) has {ratio:.1f} times the events of the quietest ({worst['week']})**; {way}. "
        "A cut in time must live with that; a random split would hide it."
    )


def busiest_hour(grid: pl.DataFrame) -> str:
    """When the shop is busy."""
    long = grid.unpivot(index="day", variable_name="hour", value_name="share").sort("share", "day", "hour")
    top = long.row(-1, named=True)
    empty = long.filter(pl.col("share") == 0).height
    return (
        f"**The busiest hour is {top['day']} {top['hour']}:00 with {percent(top['share'])} of all events** "
        f"(even spread: {percent(1 / 168)}); {empty} of 168 hours of the week have none."
    )


def repeats(pairs: pl.DataFrame) -> str:
    """Whether people come back for the same thing."""
    if not pairs.height:
        return "Nothing was taken."
    again = pairs.filter(pl.col("n_days") > 1)
    share = again.height / pairs.height
    gap = f"; the median gap is {number(again.get_column('gap_days').median())} days" if again.height else ""
    if not again.height:
        return (
            "**Nobody took the same thing again on another day**: protocol *novel*, which hides what a user had, is the one to read, "
            "and recommend.protocol can be novel."
        )
    advice = "own history will be hard to beat in protocol *all*" if share > 0.1 else "lists must bring something new"
    return f"**{percent(share)} of the user-product pairs were taken again on another day**{gap}: {advice}."


def stars(given: pl.DataFrame) -> str:
    """How people rate."""
    n = given.get_column("n").sum()
    if not n:
        return "This shop has no ratings: the rating model learns from ratings derived from the implicit score."
    mean = (given.get_column("stars") * given.get_column("n")).sum() / n
    top = given.filter(pl.col("stars") >= 4).get_column("n").sum() / n
    return f"**{number(n)} ratings, {mean:.2f} stars on average**; {percent(top)} are 4 stars or more."


def category_structure(table: pl.DataFrame, currency: str) -> str:
    """Which categories earn the money; where nothing has a price, which are taken most often."""
    if not table.height:
        return "This shop has no categories: they cannot help a recommender here."
    first, revenue = table.row(0, named=True), table.get_column("revenue").sum()
    if revenue:
        lead = f"earns most: {number(first['revenue'])} {safe(currency)}, {percent(first['revenue'] / revenue)}"
    else:
        lead = f"is taken most: {plural(first['n'], 'relevant event')}, {percent(first['n'] / table.get_column('n').sum())}"
    price = (
        "" if first["median_price"] is None else f" at a median price of {first['median_price']:,.2f} {safe(currency)}"
    )
    return f"**{safe(first['category'])} {lead} of the categories shown**, with {plural(first['items'], 'product')}{price}."


def prices(items: pl.DataFrame, currency: str) -> str:
    """How prices are spread."""
    known = items.get_column("price").drop_nulls()
    if not len(known):
        return "This shop has no prices."
    low, mid, high = (known.quantile(q, "linear") for q in (0.1, 0.5, 0.9))
    return (
        f"**Half of the products cost less than {mid:,.2f} {safe(currency)}**; the middle 80 % lie between {low:,.2f} and {high:,.2f}, "
        f"a factor of {high / max(low, 0.01):,.1f}. {percent(items.get_column('price').null_count() / items.height)} have no price."
    )
