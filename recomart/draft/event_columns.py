"""Which columns of events are the time, the type, the quantity, the price, the rating and the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import polars as pl

from recomart.draft import event_values, time_shapes, vocabulary
from recomart.draft.assignment import Evidence
from recomart.draft.column_profile import Column
from recomart.draft.delivery import MIN_UNIQUE, Delivery
from recomart.draft.entities import of_other, own_name

MAX_NUMBERS = 8  # columns that are tried as quantity, price and total
MIN_ROWS = 20  # that decide about a product of two columns
MAX_OF_ITEM = 12  # different numbers that quantities may have and be the same for each item
CLEAR = 0.2  # a difference of shares that decides whatever the names say
MAX_COMPARED = 5_000  # rows in which times are compared
FOLLOWS = timedelta(days=30)  # within which what happens to an order follows the purchase, in half of the rows
NEAR = 0.011  # how far a rounded total may be from quantity times price


def times(delivery: Delivery) -> dict[str, Evidence]:
    """The evidence for each column being the time of an event."""
    found = {}
    for column in delivery.columns:
        if column.times is None or column.filled < 0.5:
            continue
        content, reason = _time_content(delivery, column)
        name = own_name(column.name, "timestamp")
        better = max(vocabulary.agreement(column.name, other) for other in ("signup_date", "birth_date", "other"))
        if better > name:
            content *= 0.4
        found[column.name] = Evidence(content, name, reason)
    if first := _first_time(delivery, [name for name, evidence in found.items() if evidence.content >= 0.5]):
        found[first] = replace(found[first], content=found[first].content + 0.15, reason="the first of several times")
    return found


def _first_time(delivery: Delivery, names: list[str]) -> str | None:
    """Of several times of a row, the one that is never later than another: bought, before it is paid and sent.

    A time that is months before the others is none of the event: a customer's sign-up.
    """
    columns = [delivery.column(name) for name in names]
    exact = [column for column in columns if not column.times.is_day] or columns
    moments = pl.DataFrame([time_shapes.moments(c.cells.head(MAX_COMPARED), c.times.form).alias(c.name) for c in exact])
    for name in moments.columns if moments.width > 1 else ():
        later = (
            moments.select(pl.min_horizontal(pl.exclude(name) - pl.col(name)).alias("later")).to_series().drop_nulls()
        )
        if later.len() and (later >= timedelta()).mean() > 0.97 and later.median() < FOLLOWS:
            return name
    return None


def _time_content(delivery: Delivery, column: Column) -> tuple[float, str]:
    times = column.times
    if column.personal == "birth_date" or times.last.year < 1990:
        return 0.0, ""
    content = 0.5 if not times.is_number or times.form is not None else 0.25
    content += 0.2 if not times.is_day else 0.0
    content += 0.1 if column.filled > 0.99 else 0.0
    content += 0.2 if column.n_distinct >= min(30, column.n_filled * 0.02) else -0.2
    if (
        times.is_number
        and column.is_unique
        and times.form is not None
        and vocabulary.agreement(column.name, "event_id") > 0.7
    ):
        content -= 0.3
    return max(0.05, content), "times" if not times.is_day else "days"


def event_types(delivery: Delivery) -> dict[str, Evidence]:
    """The evidence for each column being the type of an event."""
    found = {}
    for column in delivery.columns:
        if not 1 <= column.n_distinct <= event_values.MAX_TYPES or column.n_filled < 0.5 * column.n or column.times:
            continue
        name = own_name(column.name, "event_type")
        if column.numbers:
            is_kind = name >= 0.7 and not event_values.is_state(column.name)  # the number of a state says nothing
            if is_kind and column.n_distinct <= 6 and column.numbers.is_integer:
                found[column.name] = Evidence(0.35, name, "few numbers")
            continue
        if column.is_constant and name < 0.7:
            continue  # a word that all events have, such as a state or a means of payment
        known = event_values.share_known(column)
        if known >= 0.5 or (name >= 0.95 and known > 0):
            content = 0.95 * known if column.n_distinct > 1 else 0.6 * known
            found[column.name] = Evidence(content, name, "words for events")
    return found


def order_ids(delivery: Delivery, user: Column, item: Column, time: Column) -> dict[str, Evidence]:
    """The evidence for each column being the id of an order: it has one user and, nearly, one time."""
    found = {}
    for column in delivery.columns:
        if column.name in (user.name, item.name, time.name) or not _may_be_id(column):
            continue
        name = own_name(column.name, "order_id")
        if _is_unique(delivery, column):
            if name > vocabulary.agreement(column.name, "event_id") and name >= 0.7:
                found[column.name] = Evidence(0.6, name, "no value repeats: each order has one line")
            continue
        content = _order_content(delivery, column, user, item, time)
        reason = "one user and one time per value" if content > 0.5 else "one user per value"
        found[column.name] = Evidence(content * of_other(column.name, "order_id"), name, reason)
    return found


def _order_content(delivery: Delivery, column: Column, user: Column, item: Column, time: Column) -> float:
    if column.n_distinct < max(10, 0.3 * user.n_distinct * column.filled) or delivery.determines(column, user) < 0.95:
        return 0.0
    if delivery.determines(column, item) > 0.9:
        return 0.1
    return 0.85 if delivery.determines(column, time) > 0.9 else 0.35


def _is_unique(delivery: Delivery, column: Column) -> bool:
    """Whether no value repeats, except in rows that equal another."""
    return column.n_distinct >= MIN_UNIQUE * min(column.n_filled, delivery.n_different)


def event_ids(delivery: Delivery, taken: set[str]) -> dict[str, Evidence]:
    """The evidence for each column being the id of an event: no value repeats."""
    found = {}
    for column in delivery.columns:
        if column.name in taken or not _may_be_id(column) or column.filled < 0.99 or column.n < 20:
            continue
        if _is_unique(delivery, column):
            name = max(own_name(column.name, "event_id"), 0.7 * vocabulary.agreement(column.name, "order_id"))
            found[column.name] = Evidence(0.75, name, "no value repeats")
    return found


def _may_be_id(column: Column) -> bool:
    if not column.is_code or column.is_url or column.n_distinct < 10 or column.personal:
        return False
    return not column.times or (column.times.is_number and vocabulary.agreement(column.name, "timestamp") < 0.5)


def numbers(delivery: Delivery, item: Column, time: Column, taken: set[str]) -> dict[str, dict[str, Evidence]]:
    """The evidence for each column of numbers being the quantity, the unit price, the line total or the rating."""
    taken = taken | delivery.coordinates
    columns = _most_telling([c for c in delivery.columns if c.name not in taken and _is_number(c)])
    found = {ours: {} for ours in ("quantity", "price", "total", "rating")}
    lines = _lines(delivery, item, time)
    quantities = {column.name: _quantity_of(delivery, column, item, lines) for column in columns}
    product = _product(columns, quantities)
    quantity = product[0] if product else _likeliest_quantity(columns, quantities)
    for column in columns:
        content = {
            "quantity": quantities[column.name],
            "rating": _rating(column),
            **_prices(column, quantity, item),
        }
        for ours, (share, reason) in content.items():
            if product and column in product:
                is_it = (
                    product[("quantity", "price", "total").index(ours)] is column
                    if ours in found and ours != "rating"
                    else False
                )
                share, reason = (1.0, "quantity x price = total") if is_it else (0.0, "")
            share *= of_other(column.name, ours) * (0.3 if _names_an_id(column.name) else 1.0)
            by_content = own_name(column.name, ours) < 0.5
            if ours in ("quantity", "rating") and by_content and _is_same_in_order(lines, column):
                share *= 0.35  # the number of a store or till
            if ours == "rating" and own_name(column.name, ours) < 0.5 and _are_together(column, quantity):
                share = 0.0  # a line with a quantity has no rating
            if share > 0:
                found[ours][column.name] = Evidence(share, own_name(column.name, ours), reason)
    return found


def _most_telling(columns: list[Column]) -> list[Column]:
    """The columns of numbers that are tried, in their order: usual names first, those that are always the same last."""
    names = {c.name: max(own_name(c.name, ours) for ours in ("quantity", "price", "total", "rating")) for c in columns}
    best = sorted(columns, key=lambda c: (-names[c.name], c.is_constant, _names_an_id(c.name)))[:MAX_NUMBERS]
    chosen = {column.name for column in best}
    return [column for column in columns if column.name in chosen]


def _are_together(column: Column, other: Column | None) -> bool:
    """Whether rows with a value in one column have one in the other, too."""
    if other is None or other is column:
        return False
    both = column.cells.is_not_null() & other.cells.is_not_null()
    return bool(both.sum() > 0.1 * column.n_filled)


def _is_same_in_order(lines: pl.DataFrame, column: Column) -> bool:
    """Whether the lines of one moment all have the same number, which differs between moments."""
    if column.n_distinct < 2 or lines.height < MIN_ROWS:
        return False
    return (
        _of_lines(lines, column).group_by("moment").agg(pl.col("value").n_unique() == 1)["value"].mean() or 0.0
    ) > 0.98


def _counts_lines(lines: pl.DataFrame, column: Column) -> bool:
    """Whether a column is the number of a line in its order: 1, 2, 3."""
    if not column.numbers.is_integer or lines.height < MIN_ROWS:
        return False
    numbers = _of_lines(lines, column)
    return (
        numbers.select((pl.col("value") == pl.int_range(1, pl.len() + 1).over("moment")).mean()).item() or 0.0
    ) > 0.9


def _lines(delivery: Delivery, item: Column, time: Column) -> pl.DataFrame:
    """The rows of moments with several rows of different items: their `moment`, and their `row`; none for days."""
    frame = pl.DataFrame({"moment": time.cells, "item": item.cells}).with_row_index("row")
    if time.times.is_day:
        return frame.clear()
    return frame.filter(pl.col("item").n_unique().over("moment") > 1).drop_nulls()


def _of_lines(lines: pl.DataFrame, column: Column) -> pl.DataFrame:
    return lines.select("moment", value=column.values.gather(lines["row"])).drop_nulls()


def _names_an_id(name: str) -> bool:
    """Whether a name ends in a word for ids, like store_id."""
    words = vocabulary.words(name)
    return len(words) > 1 and words[-1] in ("id", "code", "key", "nr", "no", "ref", "pk", "fk")


def _is_number(column: Column) -> bool:
    if column.numbers is None or column.personal:
        return False
    if column.is_constant and column.n_filled < column.n and own_name(column.name, "rating") < 0.9:
        return False
    return not column.times or not column.times.form or vocabulary.agreement(column.name, "timestamp") < 0.5


def _product(columns: list[Column], quantities: dict[str, tuple[float, str]]) -> tuple[Column, Column, Column] | None:
    """(quantity, price, total): three columns of which one is the product of the others; None if there are none."""
    for first, second, total in permutations(columns, 3):
        if first.place > second.place or not _is_product(first, second, total):
            continue
        by_shape = sorted((first, second), key=lambda column: (not column.numbers.is_integer, column.n_distinct))
        names = [own_name(c.name, "quantity") - own_name(c.name, "price") for c in (first, second)]
        quantity = by_shape[0] if abs(names[0] - names[1]) < 0.5 else (first if names[0] > names[1] else second)
        if quantities[quantity.name][0]:
            return quantity, second if quantity is first else first, total
    return None


def _is_product(first: Column, second: Column, total: Column) -> bool:
    frame = pl.DataFrame({"a": first.values, "b": second.values, "t": total.values}).drop_nulls()
    frame = frame.filter((pl.col("a").abs() != 1) & (pl.col("b").abs() != 1) & (pl.col("t") != 0))
    if frame.height < MIN_ROWS:
        return False
    gap = (pl.col("a") * pl.col("b")).abs() - pl.col("t").abs()
    return frame.select((gap.abs() <= NEAR + 0.0005 * pl.col("t").abs()).mean()).item() > 0.9


def _likeliest_quantity(columns: list[Column], quantities: dict[str, tuple[float, str]]) -> Column | None:
    scored = [
        (quantities[column.name][0] + 0.8 * own_name(column.name, "quantity"), -column.place, column)
        for column in columns
    ]
    best = max(scored, key=lambda entry: entry[:2], default=None)
    return best[2] if best and best[0] > 0.6 else None


def _quantity_of(delivery: Delivery, column: Column, item: Column, lines: pl.DataFrame) -> tuple[float, str]:
    """How much a column is a quantity: neither the number of the line nor a number that belongs to the item."""
    if _counts_lines(lines, column):
        return 0.0, ""
    if column.n_distinct > MAX_OF_ITEM and delivery.determines(item, column) > 0.95:
        return 0.0, ""
    return _quantity(column)


def _quantity(column: Column) -> tuple[float, str]:
    """Small whole numbers, of which 1 is the most frequent."""
    values = column.values.drop_nulls()
    if not values.len() or column.range[1] <= 0 or column.numbers.signs:
        return 0.0, ""
    if not column.numbers.is_integer:
        return (0.25, "numbers with decimals") if (values == 1).mean() > 0.2 else (0.05, "numbers with decimals")
    median, usual = values.abs().median(), (values.abs() <= 2).mean()
    if median > 100:
        return 0.05, "large numbers"
    if column.is_constant:
        return 0.3, "always the same number"
    is_first = float(column.words[0].replace(",", ".").split(" ")[0] or 0) == 1 if _is_plain(column.words[0]) else False
    return (0.8 if is_first else 0.45 if usual > 0.2 else 0.3), f"whole numbers, mostly {column.words[0]}"


def _is_plain(word: str) -> bool:
    return word.replace(",", ".", 1).replace(".", "", 1).isdigit()


def _rating(column: Column) -> tuple[float, str]:
    """Few numbers between 0 and 10, of which high ones are usual."""
    low, high = column.range
    if (
        low < 0
        or column.numbers.signs
        or high > 100
        or column.n_distinct > 101
        or (column.n_distinct < 2 and own_name(column.name, "rating") < 0.9)
    ):
        return 0.0, ""
    values = column.values.drop_nulls()
    halves = ((values * 2) == (values * 2).round()).mean()
    if high > 10 or halves < 0.99:
        return 0.1, "numbers"
    content = (
        0.3 + 0.25 * (high in (5, 10)) + 0.35 * (values.mean() >= 0.55 * high) - 0.3 * ((values == 1).mean() > 0.4)
    )
    return max(0.05, content), f"numbers from {low:g} to {high:g}"


def _prices(column: Column, quantity: Column | None, item: Column) -> dict[str, tuple[float, str]]:
    """Whether a column is the price of a unit, which is nearly constant per item, or the total of the line."""
    values = column.values
    if column.range[1] <= 0 or column is quantity or (values > 0).mean() in (None, 0.0):
        return {"price": (0.0, ""), "total": (0.0, "")}
    base = _price_by_form(column)
    if column.n_distinct <= 6 and item.n_distinct > 30:  # a rate of tax
        base = min(base, 0.1)
    if quantity is None:
        constant = _constancy(item.cells, values)
        if constant < 0.2 and own_name(column.name, "price") < 0.5:
            base *= 0.3  # no price is different in each event of an item
        return {"price": (min(1.0, base + 0.4 * constant), "numbers"), "total": (base * 0.6, "numbers")}
    several = pl.DataFrame({"item": item.cells, "value": values, "quantity": quantity.values}).drop_nulls()
    several = several.with_columns(unit=(pl.col("value") / pl.col("quantity")).round(2))
    counted = several.filter(pl.col("quantity").abs() > 1)
    if counted.height < MIN_ROWS:
        constant = _constancy(several["item"], several["value"])
        return {"price": (min(1.0, base + 0.4 * constant), "prices"), "total": (base * 0.6, "numbers")}
    # among all rows of an item, so that the price of one unit is compared with that of several
    as_unit = _constancy(several["item"], several["value"])
    as_total = _constancy(several["item"], several["unit"])
    if as_total > as_unit + 0.1:
        return {
            "price": (0.1 if as_total < as_unit + CLEAR else 0.0, "numbers"),
            "total": (min(1.0, base + 0.5), "total by quantity is the same for a product"),
        }
    if as_unit > as_total + 0.02 and column.numbers.is_integer and own_name(column.name, "price") < 0.5:
        return {"price": (0.3, "whole numbers"), "total": (0.1, "numbers")}
    if as_unit > as_total + 0.02:
        return {
            "price": (min(1.0, base + 0.5), "the same for a product, whatever the quantity"),
            "total": (0.1, "numbers"),
        }
    return {"price": (base, "numbers"), "total": (base, "numbers")}


def _price_by_form(column: Column) -> float:
    """How much the form of a column's numbers speaks for prices."""
    if column.numbers.signs:
        return 0.55
    if not column.numbers.is_integer:
        return 0.45
    return 0.2 if column.n_distinct > 12 else 0.05


def _constancy(items: pl.Series, values: pl.Series) -> float:
    """The share of rows with the usual value of their item, among items with several rows."""
    frame = pl.DataFrame({"item": items, "value": values}).drop_nulls()
    pairs = frame.group_by("item", "value").agg(pl.len().alias("n"))
    usual = pairs.group_by("item").agg(pl.col("n").max(), pl.col("n").sum().alias("total")).filter(pl.col("total") > 1)
    total = usual["total"].sum()
    return usual["n"].sum() / total if total else 0.0
