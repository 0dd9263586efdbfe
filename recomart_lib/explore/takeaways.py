"""Takeaways of 03_explore: sentences computed from the numbers, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.numbers import varies
from recomart_lib.core.outlying_days import Bulk
from recomart_lib.core.text import WEEKDAYS, not_applicable, number, percent, plural, safe

FEW = 10  # users or products; of fewer, "the top 10 %" is not even one
DOMINANT = 0.25  # one user or product with this share of all events is reported
FEW_WEEKS = 4  # of fewer, nothing is said about seasons
OFTEN = 0.1  # of the pairs repeat: above, the history alone is a strong list


def kind(relevant_events: list[str]) -> str:
    """What the relevant events of a shop are, in the plural, for sentences and axes.

    >>> kind(["purchase"]), kind(["view", "cart", "rating"])
    ('purchases', 'views, carts and ratings')
    """
    *others, last = [f"{name}s" for name in relevant_events]
    return f"{', '.join(others)} and {last}" if others else last


def warning(grid: pl.DataFrame, weeks: pl.DataFrame, *findings: str) -> str:
    """What a reader has to know before relying on the figures; empty if there is nothing.

    Parameters
    ----------
    grid, weeks
        See `summaries.week_hours` and `summaries.per_week`.
    findings
        The sentences of `dominant` and `far_days`, which may be empty; their bold part warns.
    """
    idle = _idle(grid).strip() if weeks.height >= FEW_WEEKS else ""
    reasons = [idle and f"{idle[:-1]}: is the shop closed then, or are sales missing?"]
    reasons += [f"{finding.split('**')[1]}." for finding in findings if finding]
    return " ".join(filter(None, reasons))


def concentration(counts: pl.DataFrame, what: str, top: float, share: float, of: str = "events") -> str:
    """How uneven the distribution is.

    Parameters
    ----------
    counts
        See `summaries.per_key`.
    share
        Of the events of the top `top` of them.
    of
        What the events are: see `kind`.
    """
    if counts.height < FEW:
        return not_applicable(f"there are fewer than {FEW} {what}, too few to say how uneven they are.")
    if counts.get_column("n").n_unique() == 1:
        return f"**All {number(counts.height)} {what} have equally many {of}**: {number(counts.get_column('n')[0])}."
    n_single, even = counts.filter(pl.col("n") == 1).height, max(1, round(counts.height * top)) / counts.height
    single = f"{percent(n_single / counts.height)} have just one" if n_single else "none has just one"
    shape = "a few account for most of them" if share > 0.5 else f"{share / even:.1f} times an even share"
    return (
        f"**The top {percent(top)} of {what} have {percent(share)} of the {of}** ({shape}); the median has "
        f"{number(counts.get_column('n').median())}, and {single}."
    )


def dominant(counts: pl.DataFrame, what: str, of: str = "events") -> str:
    """Name the user or product that has a large part of all events; empty without one. `counts`: `summaries.per_key`;
    `of`: see `kind`."""
    if not counts.height:
        return ""
    name, n, share = counts.row(0)
    if share < max(DOMINANT, min(2 / counts.height, 1)):
        return ""
    return (
        f"**One {what}, {safe(name)}, has {percent(share)} of the {of} ({number(n)})**: popularity and models follow "
        f"it. Check whether it is a robot, a reseller or a collective account."
    )


def funnel(steps: pl.DataFrame) -> str:
    """Where user-item pairs drop out on the way to a purchase."""
    recorded = steps.filter(pl.col("events") > 0)
    if not recorded.height:
        return not_applicable("this shop records no step of the funnel (view, cart, purchase).")
    if recorded.height < 2:
        only = recorded.get_column("step")[0]
        return not_applicable(f"this shop records only one step of the funnel ({only}), so nothing can be compared.")
    compared = recorded.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if not compared.height:
        return not_applicable("no user-product pair reached two recorded steps in a row.")
    step = compared.row(0, named=True)
    return (
        f"**The narrowest step is {step['step']}: {percent(step['share_of_previous'])} of the pairs at the previous "
        f"step reach it.** {number(steps.get_column('reached')[-1])} user-product pairs complete all steps."
    )


def season(weeks: pl.DataFrame, of: str = "events") -> str:
    """How much the weeks differ; `weeks` is that of `summaries.per_week`; `of`: see `kind`."""
    if weeks.height < FEW_WEEKS:
        return not_applicable(
            f"{weeks.height or 'no'} full week{'s' * (weeks.height != 1)} with {of}: too few for seasons."
        )
    best, worst = weeks.sort("n").row(-1, named=True), weeks.sort("n").row(0, named=True)
    if best["n"] == worst["n"]:
        return f"**Each of {plural(weeks.height, 'full week')} has equally many {of}**: {number(best['n'])}."
    ratio = best["n"] / max(worst["n"], 1)
    return (
        f"**The busiest week ({best['week']}) has {ratio:.1f} times the {of} of the quietest ({worst['week']})**; "
        f"{_trend(weeks, of)}.{_empty_weeks(weeks, of)} A split by time includes these changes; a random split would hide them."
    )


def _trend(weeks: pl.DataFrame, of: str) -> str:
    quarter = max(weeks.height // 4, 1)
    first, last = (weeks.get_column("n").head(quarter).mean(), weeks.get_column("n").tail(quarter).mean())
    change = last / max(first, 1) - 1
    if change > 1:
        return f"the last quarter of the weeks has {change + 1:.1f} times the {of} of the first"
    if abs(change) < 0.005:
        return f"the last quarter of the weeks has as many {of} as the first"
    return f"the last quarter of the weeks is {percent(abs(change))} {'above' if change > 0 else 'below'} the first"


def _empty_weeks(weeks: pl.DataFrame, of: str) -> str:
    """How many weeks between the first and the last have no event at all; `of`: see `kind`."""
    span = (weeks.get_column("week").max() - weeks.get_column("week").min()).days // 7 + 1
    n = span - weeks.height
    return f" {plural(n, 'week')} {'has' if n == 1 else 'have'} no {of} at all." if n else ""


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


def busiest_hour(grid: pl.DataFrame, of: str = "events") -> str:
    """When the shop is busy; `grid` is that of `summaries.week_hours`; `of`: see `kind`."""
    cells = grid.unpivot(index="day", variable_name="hour", value_name="share").sort("share", "day", "hour")
    top = cells.row(-1, named=True)
    if not top["share"]:
        return not_applicable("there are no relevant events.")
    n_empty = cells.filter(pl.col("share") == 0).height
    if n_empty == cells.height - 1:
        return f"**All {of} are in one hour of the week**, {top['day']} {top['hour']}:00."
    if top["share"] == cells.get_column("share")[0]:
        return "**All hours of the week are equally busy.**"
    empty = f"{n_empty} of {cells.height} hours of the week have none" if n_empty else "every hour of the week has some"
    return (
        f"**The busiest hour is {top['day']} {top['hour']}:00 with {percent(top['share'])} of all {of}** "
        f"(even spread: {percent(1 / cells.height)}); {empty}.{_idle(grid)}"
    )


def _idle(grid: pl.DataFrame) -> str:
    """The days of the week without any event; empty if there are none."""
    sums = grid.select("day", n=pl.sum_horizontal(pl.exclude("day")))
    short = sums.filter(pl.col("n") == 0).get_column("day").to_list()
    idle = [f"{name}s" for name in WEEKDAYS if name[:3] in short]
    return f" Nothing happens on {' and '.join(idle)}." if idle else ""


def repeats(pairs: pl.DataFrame) -> str:
    """How often users come back to the same product."""
    if not pairs.height:
        return not_applicable("there are no relevant events.")
    repeated = pairs.filter(pl.col("n_days") > 1)
    if not repeated.height:
        return (
            "**No user came back to the same product on another day**: read the results of *Discovery (novel)*, which shows "
            "only what is new to the user; recommend.protocol can be novel."
        )
    share, gap = repeated.height / pairs.height, repeated.get_column("gap_days").median()
    advice = (
        "the user's purchase history is a strong list, and lists of discovery have to find the rest"
        if share > OFTEN
        else "most choices are new products; those who choose again can be served from their history"
    )
    return f"**{percent(share)} of the user-product pairs repeat on another day**, after {number(gap)} days (median): {advice}."


def stars(counts: pl.DataFrame) -> str:
    """How users rate. `counts`: see `summaries.ratings`."""
    n = counts.get_column("n").sum()
    if not n:
        return not_applicable(
            "this shop has no ratings; the rating models learn from ratings derived from other events."
        )
    if counts.height == 1:
        return f"**All {plural(n, 'rating')} have {number(counts.get_column('stars')[0])} stars**: they do not distinguish products."
    mean = (counts.get_column("stars") * counts.get_column("n")).sum() / n
    top = counts.filter(pl.col("stars") >= 4).get_column("n").sum() / n
    return f"**{plural(n, 'rating')}, {mean:.2f} stars on average**; {percent(top)} are 4 stars or more."


def category_structure(table: pl.DataFrame, currency: str) -> str:
    """The category with the most revenue, or, where nothing has a price, with the most relevant events."""
    if not table.height:
        return not_applicable("this shop has no categories, so a recommender cannot use them.")
    if table.height == 1:
        return not_applicable(f"all products with a category are of one, {safe(table.get_column('category')[0])}.")
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
        return not_applicable("this shop has no prices.")
    low, mid, high = (non_null_prices.quantile(q, "linear") for q in (0.1, 0.5, 0.9))
    n_missing = items.get_column("price").null_count()
    missing = f"{percent(n_missing / items.height)} have no price." if n_missing else "Every product has a price."
    if not varies(non_null_prices.to_numpy()):
        return f"**All products with a price cost {mid:,.2f} {safe(currency)}**. {missing}"
    return (
        f"**Half of the products cost less than {mid:,.2f} {safe(currency)}**; the middle 80 % are between {low:,.2f} and "
        f"{high:,.2f} {safe(currency)}, a factor of {number(high / max(low, 0.01))}. {missing}"
    )
