"""The other keys of a table: how its cells are written, and how they are translated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recomart.draft import event_values, first_lines, time_shapes, vocabulary
from recomart.draft.column_profile import Column
from recomart.draft.table_draft import TableDraft
from recomart_lib.core.text import percent, plural
from recomart_lib.core.time_formats import EPOCHS

NUMBERS = {"quantity", "price", "total", "rating", "age", "stock"}
ENGLISH_GENDERS = {
    "f",
    "m",
    "female",
    "male",
    "other",
    "x",
    "d",
    "diverse",
    "nonbinary",
    "non binary",
    "non-binary",
    "u",
}
ENGLISH_GENDERS |= {"unknown", "man", "woman"}
# Letters for genders that mean what they do only together: mujer and hombre, vrouw and man, kobieta, kadin and erkek.
LETTERS = (
    {"m": "female", "h": "male"},
    {"f": "female", "h": "male"},
    {"v": "female", "m": "male"},
    {"w": "female", "m": "male"},
    {"k": "female", "e": "male"},
    {"k": "female", "m": "male"},
    {"f": "female", "m": "male"},
)
MAX_TYPES = 8  # words of a column that may say what happened
MIN_WORDS = 0.005  # of the events that a word of the event type has: rarer ones are mistakes of the data
MIN_NEGATIVE = 0.0005  # of the lines with a negative quantity: fewer are mistakes of the data
MIN_GUESTS = 0.005  # of the events without a user: fewer are mistakes of the data
TIMES = {"timestamp", "signup_date", "valid_from"}


@dataclass
class Key:
    """A key with its value. `note`: a comment that explains it; `doubt`: what else may be right, as a `# ?` comment."""

    value: Any
    note: str = ""
    doubt: str = ""


@dataclass
class Keys:
    """The keys of a table, in the order of the shop file; `remarks` are sentences for the report."""

    values: dict[str, Key] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def of_table(table: TableDraft) -> Keys:
    """How the cells of a table's files are written."""
    keys, layout = Keys(), table.delivery.group.layout
    if layout.kind == "csv" and layout.separator != ",":
        keys.values["separator"] = Key(layout.separator)
    if layout.encoding:
        others = ", ".join(layout.other_encodings)
        keys.values["encoding"] = Key(layout.encoding, doubt=f"or {others}: look at the letters" if others else "")
    if layout.sheet:
        keys.values["sheet"] = Key(layout.sheet)
    if layout.skip_lines:
        unit = "rows" if layout.kind == "xlsx" else "lines"
        doubt = "" if layout.is_skip_sure else "look at the first lines: some of them may be records"
        keys.values["skip_lines"] = Key(layout.skip_lines, note=f"{unit} above the header", doubt=doubt)
    _add_number_marks(keys, table)
    _add_currency_sign(keys, table)
    _add_nulls(keys, table)
    _add_time_format(keys, table)
    return keys


def _mapped(table: TableDraft, among: set[str]) -> list[tuple[str, Column]]:
    found = [(choice.ours, table.column(choice.ours)) for choice in table.choices if choice.ours in among]
    return [(ours, column) for ours, column in found if column is not None]


def _add_number_marks(keys: Keys, table: TableDraft) -> None:
    columns = [column for _, column in _mapped(table, NUMBERS) if column.numbers and not column.dtype.is_numeric()]
    decimals = {column.numbers.decimal for column in columns if column.numbers.decimal}
    thousands = {column.numbers.thousands for column in columns if column.numbers.thousands}
    ambiguous = [column.name for column in columns if column.numbers.is_ambiguous]
    others = [c for c in table.delivery.columns if c.numbers and c.numbers.decimal == "," and not c.dtype.is_numeric()]
    if not decimals and others and columns:
        decimals = {","}
    if len(decimals) > 1:
        keys.remarks.append(f"{table.name}: its columns have both decimal points and decimal commas.")
    doubt = f"three digits follow in all cells of {', '.join(ambiguous)}: decimals or thousands" if ambiguous else ""
    decimal = "," if decimals == {","} else "."
    if decimal == ",":
        keys.values["decimal"] = Key(",", doubt=doubt)
        thousands -= {"."}
    if thousands - {decimal}:
        keys.values["thousands"] = Key(sorted(thousands - {decimal})[0], doubt=doubt if decimal == "." else "")


def _add_currency_sign(keys: Keys, table: TableDraft) -> None:
    """The sign that prices have; a table can have only one, so that two currencies are never added up."""
    signs: Counter[str] = Counter()
    for _, column in _mapped(table, {"price", "total"}):
        signs.update(column.numbers.signs if column.numbers else {})
    if signs:
        usual, *others = (sign for sign, _ in signs.most_common())
        others = ", ".join(others)
        doubt = f"some cells have another sign ({others}), and are rejected: convert these prices" if others else ""
        keys.values["currency_sign"] = Key(usual, note="before or after prices", doubt=doubt)


def _add_nulls(keys: Keys, table: TableDraft) -> None:
    words: dict[str, str] = {}
    for choice in table.choices:
        column = table.column(choice.ours)
        if column is not None:
            frequent = column.null_words if column.filled < 1 - MIN_GUESTS else []
            words |= dict.fromkeys(frequent, column.name)
    if words:
        keys.values["nulls"] = Key(list(words), note="words for a missing value")


def _add_time_format(keys: Keys, table: TableDraft) -> None:
    """One `timestamp_format` for all times of a table; a column of another form is not mapped."""
    columns = _mapped(table, TIMES)
    columns = [(ours, column) for ours, column in columns if not column.dtype.is_temporal()]
    if not columns:
        return
    order = {"timestamp": 0, "valid_from": 1, "signup_date": 2}
    columns.sort(key=lambda entry: order[entry[0]])
    column = columns[0][1]
    form, doubt = column.times.form, ""
    ambiguous = [other for other in column.times.others if _is_other_order(form, other)]
    if ambiguous:
        form, is_clear = time_shapes.most_sorted(column.cells, [form, *ambiguous])
        rest = [other for other in (column.times.form, *ambiguous) if other != form]
        doubt = "" if is_clear else f"or {rest[0]}: no day of the sample is above 12 and decides"
    if form in EPOCHS and column.times.share < 1:
        doubt = f"{percent(1 - column.times.share)} of the cells are in another unit"
    if form is not None:
        note = "seconds since 1970" if form == "epoch_s" else ""
        keys.values["timestamp_format"] = Key(form, note=note, doubt=doubt)
    for ours, other in columns[1:]:
        if time_shapes.moments(other.words.head(500), form).null_count() > 0.02 * min(other.n_distinct, 500):
            table.choices = [choice for choice in table.choices if choice.ours != ours]
            keys.remarks.append(
                f"{table.name}: {other.name} is written differently from {column.name}, and not mapped."
            )


def _is_other_order(form: str | None, other: str | None) -> bool:
    """Whether two formats differ in the order of day and month."""
    return form is not None and other is not None and sorted(form) == sorted(other) and form != other


def add_values(keys: Keys, table: TableDraft) -> None:
    """Translations of genders and of words for available products."""
    values: dict[str, Any] = {}
    if (column := table.column("gender")) is not None and not column.numbers:
        values["gender"] = _translations(column, "gender")
    if (column := table.column("available")) is not None and not column.is_flag:
        values["available"] = _translations(column, "available")
    if values := {ours: found for ours, found in values.items() if found}:
        keys.values["values"] = Key(values)


def _translations(column: Column, section: str) -> dict[str, str]:
    """Delivered word -> ours, for words that are not English already."""
    words = column.words.head(12).to_list()
    plain = {word: vocabulary.plain(word) for word in words}
    if section == "gender" and set(plain.values()) <= ENGLISH_GENDERS:
        return {}
    meanings = {
        vocabulary.plain(word): ours for ours, found in vocabulary.synonyms()[section].items() for word in found
    }
    if section == "gender":
        meanings |= next((pair for pair in LETTERS if pair.keys() <= set(plain.values())), {})
    return {word: meanings[text] for word, text in plain.items() if text in meanings and meanings[text] != word}


def add_event_keys(keys: Keys, table: TableDraft, words: pl.DataFrame | None = None) -> None:
    """Event types, negative quantities, guests and equal lines.

    Parameters
    ----------
    words
        The words of the event type with their number `n`, of more rows than those of the sample.
    """
    _add_event_type(keys, table, words)
    _add_negative_quantity(keys, table)
    _add_guests(keys, table)
    _add_no_item(keys, table)
    _add_equal_lines(keys, table)


def _add_event_type(keys: Keys, table: TableDraft, words: pl.DataFrame | None) -> None:
    column = table.column("event_type")
    if column is None:
        value, doubt = _constant_type(table)
        if words_of := _other_words(table):
            doubt = "; ".join(filter(None, (doubt, f"or does a column say it? {words_of}")))
        keys.values["event_type"] = Key(value, note="of all events", doubt=doubt)
        return
    counted = (
        dict(zip(column.words.to_list(), column.counts.to_list(), strict=True)) if words is None else dict(words.rows())
    )
    usual = MIN_WORDS * sum(counted.values())
    found, unknown = event_values.translations([word for word, n in counted.items() if n >= usual])
    kinds = {found.get(word, word) for word in counted}
    default = "view" if "view" in kinds or not kinds & {"purchase", "return"} else "purchase"
    guessed = dict.fromkeys(unknown, default)
    if found or guessed:
        counts = ", ".join(f"{word} {n:,}" for word, n in list(counted.items())[:8])
        doubt = f"what do {', '.join(unknown)} mean? view, cart, purchase, return or rating" if unknown else ""
        if event_values.is_state(column.name):
            doubt = "; ".join(filter(None, (doubt, "states of orders: or event_type: purchase for all lines?")))
        keys.values["event_values"] = Key({**found, **guessed}, note=counts, doubt=doubt)


def _other_words(table: TableDraft) -> str:
    """Columns of a few words that are nothing of the user, the item or the order: what happened, perhaps."""
    taken = {choice.theirs for choice in table.choices}
    owners = [table.column(ours) for ours in ("user_id", "item_id", "order_id") if table.choice(ours)]
    found = []
    for column in table.delivery.columns:
        if column.name in taken or column.personal or column.numbers or column.times or column.filled < 0.9:
            continue
        if 2 <= column.n_distinct <= MAX_TYPES and all(table.delivery.determines(o, column) < 0.97 for o in owners):
            found.append(f"{column.name} ({', '.join(column.words.head(4).to_list())})")
    return ", ".join(found[:3])


def _constant_type(table: TableDraft) -> tuple[str, str]:
    """The type of all events of a table without such a column, and what else it may be."""
    if table.choice("rating") and not table.choice("quantity"):
        return "rating", ""
    sold = [choice for ours in ("quantity", "price", "total", "order_id") if (choice := table.choice(ours))]
    if sold:
        is_sure = any(not choice.is_unsure for choice in sold)
        return "purchase", "" if is_sure else "or view, cart, rating: only columns in doubt speak for purchases"
    name = vocabulary.words(table.delivery.group.files[0].stem)
    named = {event_values.meaning(word) for word in name} - {None}
    if len(named) == 1:
        return named.pop(), "by the name of the file; or view, cart, purchase, rating"
    return "view", "or purchase, cart, rating: nothing in the file says what happened"


def _add_negative_quantity(keys: Keys, table: TableDraft) -> None:
    column = table.column("quantity")
    if column is None or column.numbers is None:
        return
    share = (column.values < 0).mean() or 0.0
    if share < MIN_NEGATIVE:
        return
    keys.values["negative_quantity"] = Key("return", note=f"{percent(share)} of the lines have a negative quantity")


def _add_guests(keys: Keys, table: TableDraft) -> None:
    column, time = table.column("user_id"), table.column("timestamp")
    is_empty = column.cells.is_null()
    if any(column.name in join.names for join in table.delivery.joins):
        is_empty &= time.cells.is_not_null()  # a row without either has no order in the other file, and is no guest
    share = is_empty.mean() or 0.0
    if share >= MIN_GUESTS:
        reason = f"no {column.name}: a guest, to whom nothing can be recommended"
        doubt = f"{percent(share)} of the events have no user; without this key they are errors"
        doubt = "; ".join(filter(None, (doubt, first_lines.sentence(table.delivery, column.name))))
        keys.values["exclude"] = Key({"guest": {"missing": "user_id", "reason": reason}}, doubt=doubt)


def _add_no_item(keys: Keys, table: TableDraft) -> None:
    """Lines without a product, such as those of shipping, or visits to other pages; and what they say happened."""
    empty = table.column("item_id").cells.is_null()
    share = empty.mean() or 0.0
    if share < MIN_GUESTS:
        return
    theirs = table.choice("item_id").theirs
    key = keys.values.setdefault("exclude", Key({}))
    key.value["no_product"] = {"missing": "item_id", "reason": f"no {theirs}: a line about no product"}
    doubt = f"{percent(share)} of the lines have no product; without this key they are errors"
    key.doubt = "; ".join(filter(None, (key.doubt, doubt)))
    types, values = table.column("event_type"), keys.values.get("event_values")
    if types is not None and values:
        without = sorted(set(types.cells.filter(empty).drop_nulls()) - set(types.cells.filter(~empty).drop_nulls()))
        if without:
            values.doubt = "; ".join(
                filter(None, (values.doubt, f"lines with {', '.join(without[:4])} have no product"))
            )


def add_missing_ids(keys: Keys, table: TableDraft, ours: str) -> None:
    """Rows of users or items without an id, such as further pictures of a product: they are left out."""
    column = table.column(ours)
    share = column.cells.is_null().mean() or 0.0
    if share >= MIN_GUESTS:
        rule = {"missing": ours, "reason": f"no {column.name}: the row says more about another one"}
        keys.values["exclude"] = Key({"no_id": rule}, doubt=f"{percent(share)} of the rows have no id")


def _add_equal_lines(keys: Keys, table: TableDraft) -> None:
    if table.choice("event_id"):
        return
    rows = table.delivery.sample.rows.with_columns(table.delivery.sample.file.alias("\0file"))
    n_repeats = rows.height - rows.n_unique()
    if not n_repeats:
        return
    quantity, order = table.column("quantity"), table.column("order_id")
    counted = quantity is not None and (quantity.values.abs() > 1).mean() > 0.05
    time = table.column("timestamp")
    repeats = bool(counted and order is not None and not time.times.is_day)
    value, other = ("repeats", "sales") if repeats else ("sales", "repeats")
    why = f"{plural(n_repeats, 'line')} of the sample ({percent(n_repeats / rows.height)}) equal another; or {other}"
    keys.values["equal_lines"] = Key(value, doubt=why)
