"""What the columns of users and items look like: evidence for each of ours, from content and name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import polars as pl

from recomart.draft import vocabulary, word_lists
from recomart.draft.assignment import Evidence
from recomart.draft.column_profile import Column

FIRST_SIGNUP = 1995  # dates before are birthdays
MIN_AGE, MAX_AGE = 5, 112
YES_AND_NO = {"yes", "no", "y", "n", "si", "s"}
SPEAKING = 0.6  # of the columns have a usual name: then names count more
USERS = ("signup_date", "gender", "age", "country", "city")
ITEMS = ("name", "category", "brand", "price", "available", "stock")


@cache
def _places(kind: str) -> frozenset[str]:
    return frozenset(word_lists.read("places")[kind])


@cache
def _words(section: str) -> frozenset[str]:
    """All words of a section of synonyms.yaml, such as those of genders."""
    return frozenset(vocabulary.plain(word) for group in vocabulary.synonyms()[section].values() for word in group)


def share_of_cells(column: Column, known: frozenset[str], n: int = 300) -> float:
    """The share of a column's cells (of its most frequent words) that are among these words."""
    words, counts = column.words.head(n), column.counts.head(n)
    is_known = pl.Series([vocabulary.plain(word) in known for word in words], dtype=pl.Boolean)
    return counts.filter(is_known).sum() / (counts.sum() or 1)


def _signup_date(column: Column) -> tuple[float, str]:
    if column.times is None or column.times.last.year < FIRST_SIGNUP or column.times.first.year < 1960:
        return 0.0, ""
    return (0.3 if column.times.is_number and column.times.form is None else 0.6), "days"


def _gender(column: Column) -> tuple[float, str]:
    if not 2 <= column.n_distinct <= 8 or column.numbers:
        return (0.1, "few numbers") if column.numbers and 2 <= column.n_distinct <= 4 else (0.0, "")
    share = share_of_cells(column, _words("gender"))
    return (1.0, "words for genders") if share > 0.9 else (0.0, "")


def _age(column: Column) -> tuple[float, str]:
    if column.ages > 0.7:
        return 1.0, "bands of ages"
    if column.numbers is None or not column.numbers.is_integer or (column.times and column.times.form):
        return 0.0, ""
    low, high = column.range
    mean = column.values.mean() or 0.0
    if low < 0 or (high > 130 and column.values.quantile(0.95) > MAX_AGE) or not 15 <= mean <= 75:
        return 0.0, ""
    is_typical = 12 <= column.n_distinct <= 105 and column.values.quantile(0.05) >= MIN_AGE
    return (0.8, f"whole numbers, {low:.0f} to {high:.0f}") if is_typical else (0.3, "whole numbers")


def _country(column: Column) -> tuple[float, str]:
    if column.numbers or column.n_distinct > 260 or column.times:
        return 0.0, ""
    if {word.lower() for word in column.words} <= YES_AND_NO:  # NO is Norway, too
        return 0.1, "words for yes and no"
    share = share_of_cells(column, _places("countries"))
    return (
        (1.0, "names or codes of countries")
        if share > 0.8
        else (0.25, "few words")
        if _is_category(column)
        else (0.0, "")
    )


def _city(column: Column) -> tuple[float, str]:
    if column.numbers or column.times or column.has_letters < 0.9 or column.mean_length > 30 or column.is_url:
        return 0.0, ""
    share = share_of_cells(column, _places("cities"))
    if share > 0.25 and column.n_distinct > 2:
        return 0.95, "names of cities"
    return (0.3, "words") if column.n_distinct > 2 and column.ratio < 0.7 else (0.15, "words")


def _is_category(column: Column) -> bool:
    """Few different words that repeat."""
    return not column.times and 2 <= column.n_distinct <= 600 and column.ratio <= 0.5


def _is_hash(column: Column) -> bool:
    """Whether the words are long codes with many digits, which name nothing that people read."""
    words = column.words.head(300)
    return column.is_code and bool((words.str.len_chars().ge(12) & (words.str.count_matches(r"\d") >= 6)).mean() > 0.9)


def _name(column: Column) -> tuple[float, str]:
    if column.numbers or column.times or column.is_url or column.has_letters < 0.8:
        return 0.0, ""
    long = min(1.0, column.mean_length / 12) * (0.7 if column.mean_length > 60 else 1.0)
    if column.mean_length > 250:
        return 0.2, "long text"
    varied = column.ratio if column.n_distinct > 12 else 0.2
    return 0.15 + 0.7 * long * min(1.0, varied * 1.2) * (0.4 + 0.6 * column.has_blanks), "different texts"


def _category(column: Column) -> tuple[float, str]:
    if column.is_url or column.personal or column.is_constant or (column.times and not column.numbers):
        return 0.0, ""
    if column.numbers:
        return (0.15, "few numbers") if _is_category(column) and column.numbers.is_integer else (0.0, "")
    if not _is_category(column):
        return (0.2, "words that repeat") if column.ratio < 0.9 else (0.0, "")
    if _is_hash(column):
        return 0.4, f"{column.n_distinct} different codes"
    return (0.75 if column.n_distinct <= 60 else 0.6), f"{column.n_distinct} different words"


def _brand(column: Column) -> tuple[float, str]:
    if column.is_url or column.numbers or column.times or column.personal or column.is_constant:
        return 0.0, ""
    if column.has_letters < 0.8 or column.mean_length > 45 or _is_hash(column):
        return 0.0, ""
    return (0.6 if column.n_distinct >= 3 and column.ratio < 0.75 else 0.15), f"{column.n_distinct} different words"


def _price(column: Column) -> tuple[float, str]:
    if column.numbers is None or (column.range[0] < 0 and (column.values < 0).mean() > 0.3):
        return 0.0, ""
    if column.range[1] <= 0 or column.is_flag:
        return 0.0, ""
    if column.numbers.signs:
        return 0.9, "prices with the sign of a currency"
    if not column.numbers.is_integer:
        return 0.8, "numbers with decimals"
    is_code = column.times is not None or column.range[1] > 1e7
    return (0.1 if is_code else 0.3), "whole numbers"


def _stock(column: Column) -> tuple[float, str]:
    if column.numbers is None or column.numbers.signs or column.is_flag or (column.times and column.times.form):
        return 0.0, ""
    return (0.4 if column.numbers.is_integer and column.range[1] < 1e6 else 0.1), "whole numbers"


def _available(column: Column) -> tuple[float, str]:
    if column.n_distinct > 4 or column.is_constant:
        return (0.2, "one word") if column.is_constant and column.n_filled and column.is_flag else (0.0, "")
    known = _words("available") | {
        "true",
        "false",
        "yes",
        "no",
        "0",
        "1",
        "in stock",
        "out of stock",
        "in_stock",
        "out_of_stock",
    }
    share = share_of_cells(column, known)
    if share < 0.95:
        return 0.0, ""
    is_number = bool(column.numbers)
    return (0.4 if is_number else 0.6 if column.is_flag else 0.7), "words for yes and no"


CONTENT: dict[str, Callable[[Column], tuple[float, str]]] = {
    "signup_date": _signup_date,
    "gender": _gender,
    "age": _age,
    "country": _country,
    "city": _city,
    "name": _name,
    "category": _category,
    "brand": _brand,
    "price": _price,
    "available": _available,
    "stock": _stock,
}


def evidence(column: Column, ours: str) -> Evidence:
    """What speaks for a column being a user's or item's column of ours."""
    if not column.n_filled or column.personal:
        return Evidence(0.0, 0.0)
    content, reason = CONTENT[ours](column)
    return Evidence(content * of_other(column.name, ours), own_name(column.name, ours), reason)


def of_other(name: str, ours: str) -> float:
    """How much of a column's content counts: little if its name says that it is none of ours."""
    other = vocabulary.agreement(name, "other")
    return 0.3 if other >= 0.9 and other > vocabulary.agreement(name, ours) else 1.0


def own_name(name: str, ours: str) -> float:
    """How well a name means one of our columns; less if it means another thing as well or better."""
    agreement = vocabulary.agreement(name, ours)
    other = vocabulary.agreement(name, "other")
    return max(0.0, agreement - (0.8 * other if other >= agreement else 0.3 * other))


def scores(columns: list[Column], among: tuple[str, ...]) -> dict[str, dict[str, Evidence]]:
    """The evidence for each of ours and each column."""
    share = sum(vocabulary.is_usual(column.name) for column in columns) / max(len(columns), 1)
    found = {ours: {column.name: evidence(column, ours) for column in columns} for ours in among}
    if share < SPEAKING:
        return found
    return {ours: {name: _doubted(each) for name, each in of_column.items()} for ours, of_column in found.items()}


def _doubted(found: Evidence) -> Evidence:
    """Where names speak, one that says nothing or another thing counts against a column."""
    if found.name >= 0.4 or found.content >= 0.9:
        return found
    return replace(found, content=0.5 * found.content)
