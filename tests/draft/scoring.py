"""Compare a shop file that `recomart shop draft` wrote with the right one: columns, tables, formats, marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from draft.answers import Answer

from recomart_lib.core import shops, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import reader

TABLES = ("users", "items", "events")
IDS = {"users": ("user_id",), "items": ("item_id",), "events": ("user_id", "item_id", "timestamp")}
# Our columns whose values show together whether a format is right.
ASPECTS = {
    "texts": (
        "event_id",
        "user_id",
        "item_id",
        "order_id",
        "name",
        "category",
        "brand",
        "gender",
        "age_group",
        "country",
        "city",
    ),
    "numbers": ("quantity", "price", "rating", "age", "stock"),
    "times": ("timestamp", "signup_date", "valid_from"),
    "types": ("event_type",),
}
# Keys that show whether a format is right, for each aspect; a mark at one of them is enough.
KEYS = {
    "texts": ("encoding", "separator", "header", "nulls"),
    "numbers": ("decimal", "thousands", "currency_sign", "nulls"),
    "times": ("timestamp_format",),
    "types": ("event_type", "event_values", "negative_quantity"),
    "rows": ("separator", "header", "skip_lines", "nulls", "decimal", "thousands", "currency_sign", "timestamp_format"),
}
MAX_FILES = 4  # per table, whose values are compared
MAX_LOST = 0.05  # the share of rows that a format may lose without a mark
FEMALE = ["f", "w", "k", "female", "donna", "femme", "kad\u0131n", "mujer", "vrouw"]
MALE = ["m", "h", "e", "male", "uomo", "homme", "erkek", "hombre", "man"]
GENDERS = dict.fromkeys(FEMALE, "f") | dict.fromkeys(MALE, "m") | dict.fromkeys(["d", "x", "diverse", "other"], "d")


@dataclass
class Marked:
    """The text of a shop file: which of its lines end in a question, `# ?`."""

    text: str

    @cached_property
    def _places(self) -> dict[tuple[str, ...], range]:
        """Path of keys -> its lines."""
        return dict(_places(yaml.compose(self.text), ()))

    def __contains__(self, path: tuple[str, ...]) -> bool:
        """Whether a line of this key is marked."""
        lines = self.text.splitlines()
        return any("# ?" in lines[number] for number in self._places.get(path, ()))

    def asks_for(self, table: str, column: str) -> bool:
        """Whether a question names a column that the file leaves out, like `# price: Preis  # ? ...`."""
        lines = self.text.splitlines()
        span = self._places.get(("tables", table), range(len(lines)))
        nearby = lines[span.start : span.stop + 30]  # comments after the last key belong to the table, too
        return any("# ?" in line and re.search(rf"\b{column}\b", line) for line in nearby)


def _places(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], range]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, range(key.start_mark.line, _last_line(value, key.end_mark.line) + 1)
            yield from _places(value, inner)


def _last_line(node: yaml.Node, line: int) -> int:
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return max(line, node.end_mark.line)
    children = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
    return max((_last_line(child, line) for child in children), default=line)


@dataclass
class Score:
    """How good a drafted shop file is. `marked`: wrong or missing columns with a question.

    `failures` are sentences: what must not happen in any folder. `notes`: all other differences.
    """

    right: int = 0
    wrong: int = 0
    missing: int = 0
    marked: int = 0
    tables_right: int = 0
    n_tables: int = 0
    formats_right: int = 0
    formats_marked: int = 0
    n_formats: int = 0
    required_wrong: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def n_columns(self) -> int:
        return self.right + self.wrong + self.missing

    def fails(self, sentence: str) -> None:
        self.failures.append(sentence)


def refusal(answer: Answer, message: str) -> Score:
    """The score where no shop file was written, but a message."""
    score = Score()
    if answer.refused:
        if not re.search(answer.refused, message):
            score.fails(f"the message lacks '{answer.refused}': {message[-300:]}")
        return score
    right = answer.shop
    score.n_tables = len(right.delivered)
    score.missing = sum(len(right.table(table).columns) for table in TABLES)
    score.fails(f"no shop file: {message[-300:]}")
    return score


def compare(path: Path, source: Path, answer: Answer) -> Score:
    """The score of a shop file for the files in `source`."""
    score, marks = Score(), Marked(path.read_text(encoding="utf-8"))
    for place in answer.asks:
        if place not in marks:
            score.fails(f"{'.'.join(place)} is no question")
    if answer.refused:
        if not answer.asks:
            score.fails(f"a shop file was written, but no file can be right ({answer.refused})")
        return score
    right = answer.shop
    try:
        drafted = shops.read(path)
    except UserError as problem:
        score.missing = sum(len(right.table(table).columns) for table in TABLES)
        score.fails(f"the file is not valid: {problem}")
        return score
    same_zone = drafted.model_copy(update={"time_zone": right.time_zone})
    for table in TABLES:
        found = _files(drafted, table, source) == _files(right, table, source)
        score.n_tables += table in right.delivered
        score.tables_right += table in right.delivered and found
        if not found:
            score.notes.append(f"{table}: reads {_names(drafted, table, source)}, not {_names(right, table, source)}")
        renamed = _renamed(drafted, right, table) if found else {}
        columns = _columns(score, marks, table, renamed, answer, drafted)
        if found and table in right.delivered:
            _formats(score, marks, table, same_zone, right, source, columns)
    _shop_keys(score, marks, drafted, right, answer)
    return score


def _files(shop: Shop, table: str, source: Path) -> list[Path] | None:
    if shop.table(table).kind == "derived":
        return None
    try:
        return source_files.files(shop, table, source)
    except UserError:
        return []


def _names(shop: Shop, table: str, source: Path) -> list[str] | None:
    files = _files(shop, table, source)
    return None if files is None else [path.relative_to(source).as_posix() for path in files[:3]]


def _renamed(drafted_shop: Shop, right_shop: Shop, name: str) -> dict[str, str]:
    """Our column -> the delivered one, by the names of the right file where files have no header line."""
    drafted, right = drafted_shop.table(name), right_shop.table(name)
    origin = "events" if drafted.kind == "derived" else name
    headers = [shop.table(origin).header or [] for shop in (drafted_shop, right_shop)]
    names = dict(zip(*headers, strict=False))
    columns = {ours: names.get(theirs, theirs) for ours, theirs in drafted.columns.items()}
    for flag, members in drafted.flags.items():  # most of the right columns, whatever the new one is called
        kept = {names.get(member, member) for member in members}
        for other, wanted in right.flags.items():
            if kept <= set(wanted) and len(kept) >= 0.7 * len(wanted):
                columns = {ours: other if theirs == flag else theirs for ours, theirs in columns.items()}
    return columns


def _columns(score: Score, marks: Marked, table: str, drafted: dict[str, str], answer: Answer, shop: Shop) -> list[str]:
    """Count the columns of one table; returns those that are right."""
    right, same = answer.shop.table(table).columns, []
    for ours in sorted({*drafted, *right}):
        theirs, wanted = drafted.get(ours), right.get(ours)
        others = _others(answer, table, ours)
        if theirs == wanted or theirs in others:
            score.right += wanted is not None or theirs is not None
            if theirs == wanted:
                same.append(ours)
            continue
        is_marked = ("tables", table, "columns", ours) in marks or marks.asks_for(table, ours)
        score.wrong += theirs is not None
        score.missing += theirs is None
        score.marked += is_marked
        score.notes.append(f"{table}.{ours}: {theirs}, not {wanted}{' (marked)' if is_marked else ''}")
        if ours in IDS[table] and not is_marked:
            score.required_wrong += 1
            score.fails(f"{table}.{ours} is {theirs}, not {wanted}, without a mark")
    for ours, theirs in drafted.items():
        origin = "events" if answer.shop.table(table).kind == "derived" else table
        if (origin, theirs) in answer.private and right.get(ours) != theirs:
            score.fails(f"{table}.{ours} is {theirs}: personal data")
    return same


def _others(answer: Answer, table: str, ours: str) -> set[str | None]:
    """What else is right: a derived catalogue may have the price of the events, or not."""
    others = answer.either.get((table, ours), set())
    if (table, ours) == ("items", "price") and answer.shop.table("items").kind == "derived":
        return others | {None, answer.shop.table("events").columns.get("price")}
    return others


def _formats(
    score: Score, marks: Marked, table: str, drafted: Shop, right: Shop, source: Path, columns: list[str]
) -> None:
    """Read the files with both shop files, and compare the values of the columns that are mapped rightly."""
    files = _files(right, table, source)[:MAX_FILES]
    expected = _read(right, table, source, files)
    try:
        rows = _read(drafted, table, source, files)
    except UserError as problem:
        score.n_formats += 1
        score.fails(f"{table} cannot be read: {problem}")
        return
    counts = f"{rows.height}, not {expected.height}"
    _format(score, marks, table, "rows", rows.height == expected.height, counts)
    if rows.height < (1 - MAX_LOST) * expected.height and not _is_marked(marks, table, "rows"):
        score.fails(f"{table}: rows are lost without a mark: {counts}")
    key = ["source_file", "source_line"]
    pairs = expected.join(rows, on=key, suffix="_drafted")
    for aspect, names in ASPECTS.items():
        compared = [name for name in names if name in columns or (name == "event_type" and table == "events")]
        if compared and pairs.height:
            different = [name for name in compared if name in rows.columns and not _equal(pairs, name)]
            _format(score, marks, table, aspect, not different, _shown(pairs, different))
    if drafted.table(table).price_is_total != right.table(table).price_is_total and "price" in columns:
        _format(score, marks, table, "total", False, f"price_is_total: {drafted.table(table).price_is_total}")
    _format(score, marks, table, "scope", *_scope(drafted.table(table), right.table(table)))


def _scope(drafted: Table, right: Table) -> tuple[bool, str]:
    """Whether the same rows are excluded, and the same rows may be missing."""
    excluded = [{e.missing or "since a day" for e in t.exclude.values()} for t in (drafted, right)]
    pair = [(drafted.complete, excluded[0]), (right.complete, excluded[1])]
    return pair[0] == pair[1], f"complete, exclude: {pair[0]}, not {pair[1]}"


MARKS_OF = {"total": (), "scope": ("complete", "exclude")}


def _is_marked(marks: Marked, table: str, aspect: str) -> bool:
    """Whether a line that decides about this aspect ends in a question."""
    keys = KEYS.get(aspect, MARKS_OF.get(aspect, ()))
    columns = [("columns", ours) for ours in (*ASPECTS.get(aspect, ()), *(["price"] if aspect == "total" else []))]
    if any(("tables", table, *place) in marks for place in [*((key,) for key in keys), *columns]):
        return True
    return any(marks.asks_for(table, key) for key in keys)


def _format(score: Score, marks: Marked, table: str, aspect: str, is_right: bool, details: str) -> None:
    is_marked = _is_marked(marks, table, aspect)
    score.n_formats += 1
    score.formats_right += is_right
    score.formats_marked += not is_right and is_marked
    if not is_right:
        score.notes.append(f"{table}: {aspect}: {details}{' (marked)' if is_marked else ''}")
        if aspect in ("types", "times") and table == "events" and not is_marked:
            score.required_wrong += aspect == "types"
            score.fails(f"{table}: {aspect} are read wrongly, without a mark: {details}")


def _read(shop: Shop, table: str, source: Path, files: list[Path]) -> pl.DataFrame:
    others = reader.joined(shop, table, source)
    chunks = [reader.read(path, shop, table, str(number), others).rows for number, path in enumerate(files)]
    return pl.concat(chunks, how="diagonal_relaxed")


def _equal(pairs: pl.DataFrame, name: str) -> bool:
    """Whether a column has the same values in (nearly) all rows."""
    return pairs.select(_same(name).mean()).item() > 0.999


def _same(name: str) -> pl.Expr:
    """Whether both values of a column are the same; words for genders may be translated."""
    values = [pl.col(name), pl.col(f"{name}_drafted")]
    if name == "gender":
        values = [value.str.to_lowercase().replace(GENDERS) for value in values]
    return values[0].eq_missing(values[1])


def _shown(pairs: pl.DataFrame, names: list[str]) -> str:
    """The first value of each column that differs."""
    shown = []
    for name in names:
        row = pairs.filter(~_same(name)).row(0, named=True)
        shown.append(f"{name} {row[f'{name}_drafted']!r}, not {row[name]!r}")
    return "; ".join(shown)


def _shop_keys(score: Score, marks: Marked, drafted: Shop, right: Shop, answer: Answer) -> None:
    has_prices = any("price" in right.table(table).columns for table in ("items", "events"))
    for key in ("time_zone", "currency") if has_prices else ("time_zone",):
        wanted: Any = answer.keys.get(key)
        if getattr(drafted, key) != wanted and (key,) not in marks:
            score.fails(f"{key} is {getattr(drafted, key)}, not {wanted}, without a mark")
