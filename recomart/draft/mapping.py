"""Which files are the events, users and items of a shop, and which of their columns are ours."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recomart.draft import (
    assignment,
    column_profile,
    entities,
    event_columns,
    event_ids,
    joins,
    kinds,
    lists,
    prices,
    relations,
    vocabulary,
)
from recomart.draft.assignment import Choice, Evidence
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery
from recomart.draft.event_ids import Pair
from recomart.draft.relations import Relation
from recomart.draft.table_draft import TableDraft

MIN_EVENTS = 10  # rows
MARGIN = 0.6  # between the scores of two files that may be the events
MIN_PRICE = 0.5  # of the rows of an item that have its usual price: otherwise an item has no price
MIN_DETERMINED = 0.93  # of the rows of a user (an item) that have the usual value of a derived column


@dataclass
class Candidate:
    """A file that may be the events: its time, and its columns of users and items."""

    delivery: Delivery
    time: Choice
    pair: Pair
    score: float


@dataclass
class Mapping:
    """The three tables; and why other files are none of them."""

    events: TableDraft
    users: TableDraft
    items: TableDraft
    unused: list[tuple[str, str]]
    deliveries: list[Delivery]

    @property
    def tables(self) -> list[TableDraft]:
        return [self.users, self.items, self.events]


def event_candidates(deliveries: list[Delivery]) -> list[Candidate]:
    """The files that may be the events, the best first; lines and their orders in two files are one of them."""
    alone = [found for each in deliveries if (found := _of_lists(each, deliveries) or _candidate(each, deliveries))]
    joined = [found for each in joins.joined(deliveries) if (found := _candidate(each, deliveries))]
    joined = [_with_customers(found, deliveries) for found in joined if _is_better(found, alone)]
    parts = [candidate.delivery for candidate in joined]
    alone = [found for found in alone if not any(joins.is_part(found.delivery, part) for part in parts)]
    return sorted([*alone, *joined], key=lambda candidate: -candidate.score)


def _of_lists(delivery: Delivery, deliveries: list[Delivery]) -> Candidate | None:
    """The entries of a list in each record, such as the lines of an order, if the products are there."""
    found = [_candidate(each, deliveries) for each in lists.exploded(delivery)]
    found = [each for each in found if each and lists.is_entry(each.delivery, each.pair.item.theirs)]
    return max(found, key=lambda candidate: candidate.score, default=None)


def _candidate(delivery: Delivery, deliveries: list[Delivery]) -> Candidate | None:
    """The time and the ids of a file, if it may be the events."""
    time = _best("timestamp", event_columns.times(delivery))
    if time is None or delivery.sample.rows.height < MIN_EVENTS:
        return None
    related = relations.of(delivery, [each for each in deliveries if not joins.is_part(each, delivery)])
    pair, _ = event_ids.best_pair(delivery, related, delivery.column(time.theirs))
    return Candidate(delivery, time, pair, _score(delivery, deliveries, time, pair)) if pair else None


def _same_lines(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates are the same lines, joined with other files."""
    return one.delivery.group.label == other.delivery.group.label and bool(one.delivery.joins)


def _is_better(joined: Candidate, alone: list[Candidate]) -> bool:
    """Whether lines with their orders are more like events than each of both alone, and take something from each."""
    parts = [found for found in alone if joins.is_part(found.delivery, joined.delivery)]
    theirs = {name for join in joined.delivery.joins for name in join.names}
    chosen = {joined.pair.user.theirs, joined.pair.item.theirs, joined.time.theirs}
    if any(join.on in (joined.pair.user.theirs, joined.pair.item.theirs) for join in joined.delivery.joins):
        return False  # the time of a user or a product, such as a sign-up or a launch, is no time of an event
    return bool(chosen & theirs and chosen - theirs) and all(joined.score > part.score + MARGIN for part in parts)


def _with_customers(candidate: Candidate, deliveries: list[Delivery]) -> Candidate:
    """Where each order has a customer id of its own, look for the file that says who that is."""
    [join], user = candidate.delivery.joins, candidate.pair.user.theirs
    if user not in join.names or not join.other.column(join.names[user]).is_unique:
        return candidate
    for further in joins.further(candidate.delivery, deliveries, user):
        found = _candidate(further, deliveries)
        if found and found.pair.user.theirs in further.joins[-1].names:
            return found
    return candidate


def _score(delivery: Delivery, deliveries: list[Delivery], time: Choice, pair: Pair) -> float:
    """How much a file looks like the events of the shop."""
    n_rows = delivery.sample.n_rows
    largest = max(other.sample.n_rows for other in deliveries)
    types = event_columns.event_types(delivery)
    bought = max(
        (vocabulary.agreement(column.name, ours) for column in delivery.columns for ours in BOUGHT), default=0.0
    )
    score = pair.score + time.evidence.score + 0.8 * n_rows / largest + 0.5 * bought
    score += 0.5 * max((found.score for found in types.values()), default=0.0)
    return score - (
        1.0 if any(column.personal in ("email", "phone", "person_name") for column in delivery.columns) else 0.0
    )


BOUGHT = ("quantity", "order_id", "rating", "event_type")


def _best(ours: str, found: dict[str, Evidence]) -> Choice | None:
    chosen = assignment.assign({ours: found})
    return chosen[0] if chosen else None


def of(deliveries: list[Delivery], chosen: Candidate, candidates: list[Candidate]) -> Mapping:
    """The tables of a shop whose events are those of the chosen candidate."""
    events = _events(chosen)
    elsewhere = [each for each in deliveries if not joins.is_part(each, chosen.delivery)]
    rivals = [other for other in candidates if other is not chosen and other.score > chosen.score - MARGIN]
    events.others = [other.delivery.label for other in rivals if not _same_lines(other, chosen)]
    events.other_joins = [other.delivery.joins[0].other.label for other in rivals if _same_lines(other, chosen)]
    users = _entity("users", "user_id", chosen.pair.users, elsewhere, events)
    items = _entity("items", "item_id", chosen.pair.items, elsewhere, events)
    used = {id(table.delivery) for table in (events, users, items) if table.delivery}
    unused = [(d.label, _why_unused(d, events)) for d in elsewhere if id(d) not in used]
    for table, key in ((users, "user_id"), (items, "item_id")):
        table.others = _rivals(table, events, elsewhere, {id(d) for d in (users.delivery, items.delivery) if d}, key)
    found = Mapping(events, users, items, unused, deliveries)
    _name_joined_columns(found)
    return found


def _name_joined_columns(found: Mapping) -> None:
    """Give columns of joins the names that a shop file uses."""
    names = joins.name_columns(found.events.delivery)
    for table in found.tables:
        for choice in table.choices if table.delivery in (None, found.events.delivery) else ():
            choice.theirs = names.get(choice.theirs, choice.theirs)
            choice.others = [names.get(name, name) for name in choice.others]
        if table.relation:
            table.relation = table.relation._replace(column=names.get(table.relation.column, table.relation.column))


def _rivals(table: TableDraft, events: TableDraft, deliveries: list[Delivery], used: set[int], key: str) -> list[str]:
    """Other files that have the ids of the events as well as the table's, and are of its kind."""
    if table.relation is None:
        return []
    sign = 1 if key == "user_id" else -1
    found = []
    for other in relations.of(events.delivery, [each for each in deliveries if id(each) not in used]):
        kind = sign * kinds.leaning(other.other, other.other.column(other.key))
        if other.column == table.relation.column and other.strength >= table.relation.strength - 0.15 and kind > 0.2:
            found.append(other.other.label)
    return list(dict.fromkeys(found))


def _events(chosen: Candidate) -> TableDraft:
    delivery, pair = chosen.delivery, chosen.pair
    user, item, time = (delivery.column(choice.theirs) for choice in (pair.user, pair.item, chosen.time))
    choices = [pair.user, pair.item, chosen.time]
    taken = {choice.theirs for choice in choices}
    types = {name: found for name, found in event_columns.event_types(delivery).items() if name not in taken}
    orders = {
        name: found for name, found in event_columns.order_ids(delivery, user, item, time).items() if name not in taken
    }
    for ours, found in (("event_type", types), ("order_id", orders)):
        if choice := _best(ours, found):
            choices.append(choice)
            taken.add(choice.theirs)
    if choice := _best("event_id", event_columns.event_ids(delivery, taken)):
        choices.append(choice)
        taken.add(choice.theirs)
    choices += assignment.assign(event_columns.numbers(delivery, item, time, taken))
    return TableDraft("events", delivery, choices)


def _entity(
    name: str, key: str, relation: Relation | None, deliveries: list[Delivery], events: TableDraft
) -> TableDraft:
    """The table of users or items: the file that has the ids of the events, else what the events say about them."""
    if relation is None:
        return TableDraft(name, None, _derived(name, key, events))
    delivery, id_column = relation.other, relation.other.column(relation.key)
    agreement = vocabulary.agreement(relation.key, key)
    choices = [
        Choice(key, relation.key, Evidence(min(1.0, 0.4 + relation.strength), agreement, "has the ids of the events"))
    ]
    columns = [c for c in delivery.columns if c is not id_column and c.name not in delivery.coordinates]
    flags = _genres(columns) if name == "items" else []
    flagged = {column.name for column in flags}
    columns = [column for column in columns if column.name not in flagged]
    scores = entities.scores(columns, entities.USERS if name == "users" else entities.ITEMS)
    if name == "items":
        scores["price"] = prices.compared(scores["price"], delivery, id_column, events)
    found = _fewer_categories(assignment.assign(scores), delivery)
    table = TableDraft(name, delivery, choices + found, relation=relation)
    category = table.choice("category")
    if flags and (category is None or category.evidence.name < 0.7):
        table.choices = [choice for choice in table.choices if choice is not category]
        table.flags["genre"] = [column.name for column in _rarest_first(flags)]
        table.choices.append(Choice("category", "genre", Evidence(0.8, 0.6, f"{len(flags)} columns of 1 and 0")))
    if choice := _valid_from(delivery, id_column, columns, {choice.theirs for choice in found}):
        table.choices.append(choice)
    return table


def _fewer_categories(choices: list[Choice], delivery: Delivery) -> list[Choice]:
    """Exchange brand and category if no name says which is which: there are fewer categories than brands."""
    chosen = {choice.ours: choice for choice in choices}
    brand, category = chosen.get("brand"), chosen.get("category")
    if brand and "name" not in chosen and brand.evidence.name < 0.5 and delivery.column(brand.theirs).ratio > 0.4:
        brand.ours, brand = "name", None  # too many brands
    if brand and category and max(brand.evidence.name, category.evidence.name) < 0.5:
        if delivery.column(brand.theirs).n_distinct < delivery.column(category.theirs).n_distinct:
            brand.theirs, category.theirs = category.theirs, brand.theirs
        brand.others, category.others = [category.theirs], [brand.theirs]
    return choices


def _genres(columns: list[Column]) -> list[Column]:
    """Neighbouring columns of 1 and 0 that say to which of many classes an item belongs."""
    flags = [
        column
        for column in columns
        if column.is_flag or (column.is_constant and set(column.words) <= {"0", "1"} and column.n_filled)
    ]
    return flags if len(flags) >= 4 and all(column.filled > 0.9 for column in flags) else []


def _rarest_first(flags: list[Column]) -> list[Column]:
    return sorted(flags, key=lambda column: float(column.values.sum() or 0) or column.n)


def _valid_from(delivery: Delivery, key: Column, columns: list[Column], taken: set[str]) -> Choice | None:
    """The column that says from when a row holds, if ids come repeatedly."""
    if key.is_unique:
        return None
    found = {
        column.name: Evidence(0.6, vocabulary.agreement(column.name, "valid_from"), "times; ids come repeatedly")
        for column in columns
        if column.times and column.name not in taken and column.filled > 0.9
    }
    return _best("valid_from", {name: evidence for name, evidence in found.items() if evidence.name > 0.5})


def _derived(name: str, key: str, events: TableDraft) -> list[Choice]:
    """The columns of a derived table: those of the events that are the same in all rows of a user (an item)."""
    delivery, owner = events.delivery, events.column(key)
    other = events.column("item_id" if key == "user_id" else "user_id")
    taken = {choice.theirs for choice in events.choices}
    columns = [
        _by_owner(owner, column)
        for column in delivery.columns
        if column.name not in taken and _follows(delivery, owner, other, column)
    ]
    among = entities.USERS if name == "users" else tuple(ours for ours in ("name", "category", "brand"))
    choices = assignment.assign(entities.scores(columns, among))
    price = events.choice("price") or events.choice("total")
    if name == "items" and price and delivery.determines(owner, delivery.column(price.theirs)) > MIN_PRICE:
        choices.append(Choice("price", price.theirs, price.evidence, list(price.others)))
    return choices


def _by_owner(owner: Column, column: Column) -> Column:
    """A column of events as a table of users (items) would have it: one cell for each."""
    cells = pl.DataFrame({"owner": owner.cells, column.name: column.cells}).drop_nulls()
    return column_profile.of_cells(cells.unique("owner", keep="first", maintain_order=True)[column.name], column.place)


def _follows(delivery: Delivery, owner: Column, other: Column, column: Column) -> bool:
    """Whether a column follows from the owner's id, and not from another id alone."""
    if column.is_constant or not column.n_filled or column.is_unique:
        return False
    share = delivery.determines(owner, column)
    is_text = column.numbers is None and column.times is None
    limit = 0.75 if is_text and column.has_blanks > 0.5 else MIN_DETERMINED
    return share >= limit and share >= delivery.determines(other, column) - 0.02


def _why_unused(delivery: Delivery, events: TableDraft) -> str:
    related = relations.of(events.delivery, [delivery])
    if related:
        best = max(related, key=lambda relation: relation.strength)
        return f"has values of the column {best.column} of the events, and another file fits better"
    return "no ids of the events in it"
