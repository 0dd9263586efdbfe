"""The section `tables` of a shop file: where each table comes from, and how its columns map to ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BeforeValidator, Field, field_validator, model_validator

from recomart_lib.core import currency_signs, time_formats
from recomart_lib.core.config import Strict, suggestion
from recomart_lib.core.schemas import EVENT_TYPES, REQUIRED, STATE, TABLES, VALID_FROM

EventType = Literal[EVENT_TYPES]


def _as_written(value: object) -> object:
    """Numbers as text: `{free: 0}` translates the word free to what the shop could have written, 0."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


# `complete` and `equal_lines` have sentences of their own
KEYS_OF_DERIVED = ("kind", "columns", "price_is_total", "flags", "values", "complete", "equal_lines")

KINDS_WITH_LISTS = ("json", "jsonl", "rest", "parquet")

Word = Annotated[str, BeforeValidator(_as_written)]


class Exclusion(Strict):
    """Valid rows that are left out on purpose: those in which the column `missing` is null, or events since a day.

    `since` is a day in the shop's time zone, for feeds whose last days are incomplete.
    """

    missing: str | None = None
    since: str | None = None
    reason: str

    @field_validator("since")
    @classmethod
    def is_date(cls, value: str | None) -> str | None:
        try:
            _ = value is None or date.fromisoformat(value)
        except ValueError:
            raise ValueError('write a day in quotes, like "2011-11-01"') from None
        return value

    @model_validator(mode="after")
    def has_one_condition(self) -> Exclusion:
        if (self.missing is None) == (self.since is None):
            raise ValueError("say which rows: either `missing` (a column without a value) or `since` (a day)")
        return self


class Group(Strict):
    """Rows in which `column` starts with `starts_with`; they are only counted, for the report."""

    column: str
    starts_with: str
    meaning: str


class Join(Strict):
    """Files whose columns the rows of a table get, as `<name of the join>.<column>`: the orders of lines, for example.

    `by` is the column with the ids that both have, or {<column of the table>: <column of these files>}; the former may
    be a column of a join before this one. Keys that say how the files are written are those of the table, if the kind
    is the same, unless they are given. `complete`: false if rows of the table may have ids that these files lack.
    """

    path: str
    by: str | Annotated[dict[str, str], Field(min_length=1, max_length=1)]
    kind: Literal["csv", "json", "jsonl", "parquet", "xlsx"] | None = None
    sheet: str | None = None
    separator: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    header: list[str] | None = None
    skip_lines: int | None = Field(None, ge=0)
    complete: bool = True

    @property
    def keys(self) -> tuple[str, str]:
        """The column of the table, and that of these files, that hold the same ids."""
        return (self.by, self.by) if isinstance(self.by, str) else next(iter(self.by.items()))


class Table(Strict):
    """Where one table comes from. `columns` maps our name to the delivered one, or to a path into objects.

    A `derived` table has no files: its rows are the distinct ids of the events, and its columns hold the first value in
    the events' files. A `rest` table is fetched from the shop's `api` into one JSON Lines file.

    `sheet` names the sheet of an `xlsx` table's workbooks, if they have several.
    `skip_lines` lines of a `csv` table's files (rows of an `xlsx` table's sheet) above the header are not read.
    `nulls` are the words that mean null. `thousands` groups the digits before the `decimal` mark (default with a
    decimal comma: a point). `currency_sign` may stand before or after the numbers of prices.
    `records`: the path of the list in a JSON file that is one object, such as `data`.
    `explode`: the path of a list in each record, of which each entry becomes a row, such as the lines of an order.
    `joins` names further files whose columns the rows get, each by a name without a point.
    `flags` combines several delivered columns into one: the name of the first of them that is 1 or true.
    `values` translates words before they are converted: our column -> the delivered word -> ours; other words stay as
    they are. `price_is_total`: the delivered price is that of the whole line; written `columns: {price: {total: ...}}`.
    `equal_lines` says what events without an id are that equal each other: different `sales` (the default: a line is a
    repeat only if another file has it, too; it counts as often as in the file that has it most often) or `repeats`.
    `complete`: users and items only; false if the events may name ids that the table does not have.
    """

    kind: Literal["csv", "json", "jsonl", "parquet", "xlsx", "rest", "derived"]
    path: str | None = None
    sheet: str | None = None
    columns: dict[str, str] = Field({})
    price_is_total: bool = False
    separator: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", "'", "\u2019", " ", "\u00a0", "\u202f"] | None = None
    currency_sign: str | None = None
    nulls: list[str] = Field([])
    timestamp_format: str | None = None
    ambiguous_times: Literal["first", "second", "reject"] = "first"
    header: list[str] | None = None
    skip_lines: int = Field(0, ge=0)
    records: str | None = Field(None, min_length=1)
    explode: str | None = Field(None, min_length=1)
    joins: dict[Annotated[str, Field(pattern=r"^[^\s.]+$")], Join] = Field({})
    flags: dict[str, Annotated[list[str], Field(min_length=1)]] = Field({})
    values: dict[str, dict[Word, Word]] = Field({})
    event_type: EventType | None = None
    event_values: dict[str, EventType] = Field({})
    negative_quantity: Literal["return"] | None = None
    exclude: dict[str, Exclusion] = Field({})
    groups: dict[str, Group] = Field({})
    equal_lines: Literal["sales", "repeats"] | None = None
    complete: bool = True

    @model_validator(mode="before")
    @classmethod
    def has_line_totals(cls, content: Any) -> Any:
        columns = content.get("columns") if isinstance(content, dict) else None
        price = columns.get("price") if isinstance(columns, dict) else None
        if not isinstance(price, dict):
            return content
        if list(price) != ["total"] or not isinstance(price["total"], str):
            raise ValueError("columns.price: write the delivered column, or {total: <column with the line's total>}")
        return content | {"columns": columns | {"price": price["total"]}, "price_is_total": True}

    @field_validator("timestamp_format")
    @classmethod
    def is_read_exactly(cls, value: str | None) -> str | None:
        if value is not None and (problem := time_formats.problem(value)):
            raise ValueError(problem)
        return value

    @field_validator("currency_sign")
    @classmethod
    def is_currency_sign(cls, value: str | None) -> str | None:
        if value is not None and (problem := currency_signs.problem(value)):
            raise ValueError(problem)
        return value

    @field_validator("encoding")
    @classmethod
    def is_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("Python does not support this encoding (try utf-8, utf-8-sig, latin-1)") from None
        return value

    @model_validator(mode="after")
    def keys_are_consistent(self) -> Table:
        if (self.path is None) != (self.kind == "derived"):
            raise ValueError("`path` names the files of a table; a derived table has none, every other kind needs one")
        if self.sheet is not None and self.kind != "xlsx":
            raise ValueError(f"`sheet` is for tables of kind xlsx; this one is of kind {self.kind}")
        if self.skip_lines and self.kind not in ("csv", "xlsx", "derived"):
            raise ValueError(f"`skip_lines` is for tables of kind csv and xlsx; this one is of kind {self.kind}")
        if self.records is not None and self.kind != "json":
            raise ValueError(f"`records` is for tables of kind json; this one is of kind {self.kind}")
        if self.explode is not None and self.kind not in KINDS_WITH_LISTS:
            raise ValueError(f"`explode` is for tables of kind {', '.join(KINDS_WITH_LISTS)}; this one is {self.kind}")
        if self.thousands == self.decimal:
            raise ValueError(f"`thousands` and `decimal` cannot both be '{self.decimal}'")
        if self.path is not None and (problem := _path_problem(self.path)):
            raise ValueError(f"`path` {problem}")
        return self

    @model_validator(mode="after")
    def joins_are_consistent(self) -> Table:
        for name, join in self.joins.items():
            if problem := _path_problem(join.path):
                raise ValueError(f"`joins.{name}.path` {problem}")
            if self.kind == "rest" and not join.kind:
                raise ValueError(f"`joins.{name}.kind` is required: say of which kind these files are")
            self.joined(name)  # its other keys are checked as those of a table
        return self

    def joined(self, name: str) -> Table:
        """How the files of a join are read, as a table of their own."""
        join, keys = self.joins[name], {"sheet", "separator", "encoding", "header", "skip_lines"}
        given = join.model_dump(include=keys, exclude_none=True)
        if join.kind in (None, self.kind):
            given = self.model_dump(include={"separator", "encoding"}) | given
        return Table(kind=join.kind or self.kind, path=join.path, **given)

    def is_joined(self, theirs: str) -> bool:
        """Whether a delivered column is that of a join."""
        return theirs.partition(".")[0] in self.joins and "." in theirs


def _path_problem(path: str) -> str | None:
    if not path or Path(path).is_absolute():
        return f"must be relative to the folder SOURCE; '{path}' is not"
    if ".." in re.split(r"[/\\]", path):
        return f"must stay in the folder SOURCE; '{path}' leads out of a folder with .."
    return None


def mapping_problems(name: str, table: Table) -> list[str]:
    """The mistakes in a table's column mapping, as sentences."""
    checks = (_column_problems, _derived_problems, _cell_problems, _total_problems, _exclusion_problems)
    checks += (_group_problems, _scope_problems, _join_problems)
    return [f"tables.{name}.{problem}" for check in checks for problem in check(name, table)]


def _column_problems(name: str, table: Table) -> Iterator[str]:
    columns = list(TABLES[name])
    if name != "events" and table.kind != "derived":
        columns += [VALID_FROM, *(STATE if name == "items" else ())]
    for column in table.columns:
        if column not in columns:
            yield f"columns.{column}: not a column of {name}. {suggestion(column, columns)}"
    if table.kind == "derived":
        return
    available = {*table.columns, "event_id"} | ({"event_type"} if table.event_type else set())
    for column in REQUIRED[name]:
        if column not in available:
            yield f"columns.{column}: required; name the delivered column that contains it"


def _cell_problems(name: str, table: Table) -> Iterator[str]:
    """Mistakes in `flags` and `values`."""
    delivered = list(table.columns.values())
    for flag in table.flags:
        if flag not in delivered:
            yield f"flags.{flag}: no entry of `columns` uses it. {suggestion(flag, delivered)}"
    for column in table.values:
        if column not in table.columns:
            yield f"values.{column}: not a mapped column. {suggestion(column, list(table.columns))}"


def _exclusion_problems(name: str, table: Table) -> Iterator[str]:
    mapped = list(table.columns)
    for label, exclusion in table.exclude.items():
        if exclusion.missing and exclusion.missing not in mapped:
            yield (
                f"exclude.{label}.missing: '{exclusion.missing}' is not a mapped column. "
                f"{suggestion(exclusion.missing, mapped)}"
            )
        if exclusion.since and name != "events":
            yield f"exclude.{label}.since: only events have a time"


def _scope_problems(name: str, table: Table) -> Iterator[str]:
    """Keys that say nothing about this table."""
    if table.equal_lines and name != "events":
        yield "equal_lines: only events have it; equal rows of users and items are always repeats"
    elif table.equal_lines and "event_id" in table.columns:
        yield "equal_lines: `columns` maps an event_id, which says which events are different; leave one of them out"
    if table.currency_sign and name == "users":
        yield "currency_sign: only items and events have prices"
    if not table.complete and (name == "events" or table.kind == "derived"):
        yield "complete: only for users and items that are delivered, as other tables have all ids of the events"


def _join_problems(name: str, table: Table) -> Iterator[str]:
    """Joins whose ids come from a join that is not before them."""
    before: set[str] = set()
    for join, declared in table.joins.items():
        ids = declared.keys[0]
        if table.is_joined(ids) and (first := ids.partition(".")[0]) not in before:
            yield f"joins.{join}.by: '{ids}' is a column of the join {first}, which must stand before this one"
        before.add(join)


def _derived_problems(name: str, table: Table) -> Iterator[str]:
    """Keys that have no effect on a derived table."""
    for key, field in Table.model_fields.items():
        is_set = getattr(table, key) != field.get_default(call_default_factory=True)
        if table.kind == "derived" and is_set and key not in KEYS_OF_DERIVED:
            yield f"{key}: no effect on a derived table, which is read from the files of tables.events; write it there"


def _total_problems(name: str, table: Table) -> Iterator[str]:
    """A line total needs the quantity of its line."""
    if table.price_is_total and name == "events" and "quantity" not in table.columns:
        yield "columns.price: a total is divided by the quantity; name the delivered column that contains it"
    if table.price_is_total and name == "items" and table.kind != "derived":
        yield "columns.price: only lines of events have a total; name the column with the price of one unit"


def _group_problems(name: str, table: Table) -> Iterator[str]:
    texts = _text_columns(name, table)
    for label, group in table.groups.items():
        if group.column not in texts:
            yield (
                f"groups.{label}.column: '{group.column}' is not a mapped text column. "
                f"{suggestion(group.column, texts)}"
            )


def _text_columns(name: str, table: Table) -> list[str]:
    return [column for column in table.columns if TABLES[name].get(column) == pl.String]
