"""Which columns of events are the user and the item, by content: relations, sessions, and what they determine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import polars as pl

from recomart.draft import entities, kinds, lists, vocabulary
from recomart.draft.assignment import Choice, Evidence
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery
from recomart.draft.relations import Relation
from recomart_lib.core.text import percent

MAX_CANDIDATES = 10
MAX_RATIO = 0.97  # distinct ids per row: a column with more has no ids that repeat
MARGIN = 0.35  # between the best pair and another, below which the choice is in doubt
MAX_MOMENTS = 0.3  # different times per row: with fewer, most neighbours in time are those of the file
NAMESAKE = 0.7  # how well the name of another column must mean the item
MIN_FILLS = 0.02  # of the rows that have an item in another column only
OTHERS = (
    "order_id",
    "event_id",
    "timestamp",
    "quantity",
    "price",
    "total",
    "rating",
    "event_type",
    "other",
    "postcode",
)


@dataclass
class Pair:
    """A user and an item column, what speaks for them, and the tables that have their ids."""

    user: Choice
    item: Choice
    users: Relation | None
    items: Relation | None
    score: float


def candidates(delivery: Delivery, time: Column | None = None) -> list[Column]:
    """The columns that may hold ids of users or items: they repeat, and are no numbers with decimals."""
    found = [column for column in delivery.columns if _may_be_id(column, _is_no_time(delivery, column, time))]
    return sorted(found, key=lambda column: -_id_name(column) - (column.n_distinct > 30))[:MAX_CANDIDATES]


def _is_no_time(delivery: Delivery, column: Column, time: Column | None) -> bool:
    """Whether a number that could count from 1970 is an id: the time is written out elsewhere, and is another one."""
    if time is None or column is time or not (column.times and column.times.is_number) or time.times.is_number:
        return False
    is_same = min(delivery.determines(time, column), delivery.determines(column, time)) >= 0.9
    return vocabulary.agreement(column.name, "timestamp") < 0.5 and not is_same


def _may_be_id(column: Column, is_no_time: bool = False) -> bool:
    if column.is_flag or column.n_distinct < 3 or column.is_url or column.n_filled < 0.05 * column.n:
        return False
    by_name = _id_name(column) >= 0.7
    may_be_time = column.times and not (is_no_time or by_name or column.times.form is None)
    if may_be_time or (column.times and not column.times.is_number):
        return False
    if column.numbers and (column.range[0] < 0 or not column.numbers.is_integer):
        return False
    if column.personal and column.personal != "email":
        return by_name and column.personal in ("card", "phone") and column.ratio <= MAX_RATIO
    return (column.is_code or by_name) and (column.ratio <= MAX_RATIO or by_name)


def _id_name(column: Column) -> float:
    return max(vocabulary.agreement(column.name, ours) for ours in ("user_id", "item_id"))


def best_pair(delivery: Delivery, relations: list[Relation], time: Column | None) -> tuple[Pair | None, list[Pair]]:
    """The user and item columns with the most evidence, and all pairs, the best first."""
    columns = candidates(delivery, time)
    if len(columns) < 2:
        return None, []
    orders = {column.name for column in columns if _is_order(delivery, column, columns, time)}
    users = {column.name: _side(delivery, column, "user_id", relations) for column in columns}
    items = {column.name: _side(delivery, column, "item_id", relations) for column in columns}
    together = _sessions(delivery, columns, time)
    pairs = []
    for user, item in permutations(columns, 2):
        score_of_user, of_user, users_table = users[user.name]
        score_of_item, of_item, items_table = items[item.name]
        if users_table and items_table and users_table.other is items_table.other:
            continue
        nested = max(delivery.determines(user, item), 0.0), max(delivery.determines(item, user), 0.0)
        penalty = 1.5 * sum(share > 0.97 for share in nested)  # one follows from the other: an order and its user
        session = 0.6 * max(-1.0, min(1.0, 3 * (together[user.name] - together[item.name])))
        penalty += 1.2 * len({user.name, item.name} & orders)
        score = score_of_user + score_of_item + session - penalty + _of_list(delivery, user, item)
        choices = Choice("user_id", user.name, of_user), Choice("item_id", item.name, of_item)
        pairs.append(Pair(*choices, users_table, items_table, score))
    pairs.sort(key=lambda pair: -pair.score)
    if not pairs or pairs[0].score < 0.3:
        return None, pairs
    _mark_rivals(pairs)
    _mark_namesakes(delivery, pairs[0], columns)
    return pairs[0], pairs


def _of_list(delivery: Delivery, user: Column, item: Column) -> float:
    """What speaks for a pair where rows are entries of a list: the list belongs to the user, and the item is in it."""
    return 0.3 if lists.is_entry(delivery, item.name) and not lists.is_entry(delivery, user.name) else 0.0


def _is_order(delivery: Delivery, column: Column, columns: list[Column], time: Column | None) -> bool:
    """Whether the values of a column have one time and one value of another column, which has more: an order's user."""
    if time is None or delivery.determines(column, time) < 0.9 or column.n_distinct >= MAX_RATIO * time.n_distinct * 3:
        return False
    return any(
        other is not column
        and other.n_distinct >= 10
        and delivery.determines(column, other) > 0.98
        and delivery.determines(other, column) < 0.9
        and delivery.determines(other, time) < 0.9
        for other in columns
    )


def _mark_rivals(pairs: list[Pair]) -> None:
    best = pairs[0]
    for pair in pairs[1:]:
        if pair.score < best.score - MARGIN:
            break
        for mine, other in ((best.user, pair.user), (best.item, pair.item)):
            if other.theirs != mine.theirs and other.theirs not in mine.others:
                mine.others.append(other.theirs)


def _mark_namesakes(delivery: Delivery, best: Pair, columns: list[Column]) -> None:
    """Columns whose names mean the item, too, and that tell others apart or have some where the best has none."""
    chosen = delivery.column(best.item.theirs)
    for column in columns:
        if column.name in (best.user.theirs, chosen.name, *best.item.others):
            continue
        if vocabulary.agreement(column.name, "item_id") < NAMESAKE or column.n_distinct < 10:
            continue
        ways = delivery.determines(chosen, column), delivery.determines(column, chosen)
        fills = (column.cells.is_not_null() & chosen.cells.is_null()).mean() or 0.0
        if min(ways) < 0.97 or fills > MIN_FILLS:
            best.item.others.append(column.name)


def _is_coincidence(relation: Relation) -> bool:
    """Whether a file only numbers other things from one: a list of numbers has all small numbers."""
    key = relation.other.column(relation.key)
    if relation.covered >= 0.5 or not key.numbers or not key.numbers.is_integer:
        return False
    span = (key.values.max() or 0.0) - (key.values.min() or 0.0) + 1
    return key.n_distinct > 0.9 * span and abs(kinds.leaning(relation.other, key)) < 0.2


def _side(
    delivery: Delivery, column: Column, ours: str, relations: list[Relation]
) -> tuple[float, Evidence, Relation | None]:
    """How much speaks for a column being the user's (the item's) id; with the table that has its ids."""
    sign = 1 if ours == "user_id" else -1
    best, table = 0.0, None
    for relation in relations:
        if relation.column == column.name and not _is_coincidence(relation):
            strength = relation.strength * (
                0.4 + 0.6 * sign * kinds.leaning(relation.other, relation.other.column(relation.key))
            )
            if strength > best:
                best, table = strength, relation
    name = vocabulary.agreement(column.name, ours)
    if column.personal:  # only an e-mail address identifies a person
        name = max(name, 0.8) if column.personal == "email" and sign > 0 else 0.0 if sign < 0 else name
    contrary = max(
        vocabulary.agreement(column.name, "item_id" if ours == "user_id" else "user_id"),
        *(vocabulary.agreement(column.name, other) for other in OTHERS),
    )
    attributes = sign * _attributes(delivery, column)
    repeats = (-0.8 if column.ratio > 0.9 else 0.0) - (1.0 if _counts(column) else 0.0)
    repeats -= (0.5 if sign > 0 else 1.0) * (1 - column.filled)  # guests are usual, lines without a product are not
    score = 2.2 * best + 1.6 * name - (1.0 if contrary > name else 0.3) * contrary + 0.7 * attributes + repeats
    score += min(0.3, column.n_distinct / 300) - (0.4 if column.n_distinct < 15 and not name else 0)
    content = max(0.05, min(1.0, best * 1.3 + 0.35 * max(attributes, 0.0) + 0.3))
    reason = f"{column.n_distinct:,} ids"
    if table:
        reason = f"{percent(table.contained)} of its ids are in {table.other.label}"
    return score, Evidence(content, name, reason), table


def _is_grouped(column: Column) -> bool:
    """Whether the file is sorted by a column, so that its neighbours in the file are none in time."""
    cells = column.cells.drop_nulls()
    return column.n_distinct >= 10 and int((cells != cells.shift(1)).sum()) + 1 == column.n_distinct


def _counts(column: Column) -> bool:
    """Whether a column numbers the rows, or those of each order."""
    if column.numbers is None:
        return False
    steps = column.values.diff().drop_nulls()
    return bool(steps.len() and ((steps == 1).mean() or 0.0) > 0.4)


def _attributes(delivery: Delivery, column: Column) -> float:
    """Above 0: the column determines what users have; below 0: what items have, such as a name or a price."""
    total = 0.0
    for other in delivery.columns:
        if other is column or other.is_constant or not other.n_filled or other.is_unique:
            continue
        user = max(
            entities.evidence(other, ours).content for ours in ("gender", "age", "country", "signup_date", "city")
        )
        user = 1.0 if other.personal else user * (user >= 0.8)
        name, price = (entities.evidence(other, ours).content for ours in ("name", "price"))
        item = max(name * (name >= 0.5), 0.7 * price * (price >= 0.8))
        if max(user, item) > 0 and delivery.determines(column, other) > 0.9:
            total += user - item
    return max(-1.0, min(1.0, total))


def _sessions(delivery: Delivery, columns: list[Column], time: Column | None) -> dict[str, float]:
    """For each column, how often neighbours in time have the same value, beyond coincidence: users act in sessions."""
    frame = pl.DataFrame([column.cells for column in columns])
    if time is not None and time.times:
        frame = frame.with_columns(time.cells.alias("\0time"), delivery.sample.file.alias("\0file"))
        if time.times.form is None or time.times.is_number:
            frame = frame.sort("\0file", "\0time", maintain_order=True)
    shares, is_coarse = {}, time is not None and time.n_distinct < MAX_MOMENTS * time.n
    for column in columns:
        cells = frame.get_column(column.name)
        again = 0.0 if is_coarse and _is_grouped(column) else (cells == cells.shift(1)).mean() or 0.0
        counts = column.counts / (column.counts.sum() or 1)
        chance = float((counts * counts).sum() or 0.0)
        shares[column.name] = max(0.0, again - chance)
    return shares
