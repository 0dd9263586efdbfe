"""The typed content of shops/<name>.yaml: where a shop's tables come from and how their columns map to ours.

Users add a shop by writing such a file; the code does not depend on the name of any shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from recomart_lib.core import paths
from recomart_lib.core.config import read_yaml, suggestion, validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENT_TYPES, REQUIRED, TABLES

EventType = Literal[EVENT_TYPES]


class Strict(BaseModel):
    """Unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Pagination(Strict):
    """How an API splits a table into pages.

    page: `parameter` counts pages from `first`. offset: `parameter` counts records. cursor: `next` is the key of the
    response with the next value of `parameter`. link: the header `Link` names the next page. none: one response.
    """

    style: Literal["page", "offset", "cursor", "link", "none"] = "none"
    parameter: str = "page"
    first: int = 1
    next: str = "next"
    size_parameter: str | None = None
    size: int = Field(500, ge=1)


class Auth(Strict):
    """A header whose value is in an environment variable, as secrets do not belong in files."""

    env: str
    header: str = "Authorization"
    prefix: str = "Bearer "


class Api(Strict):
    """The REST API behind tables of `kind: rest`; a table's `path` is appended to `url`.

    `records` and `total` are the response's keys for its records and for the number of all records. Without `records`,
    the response itself is the list; without `total`, only the pages show whether the table is complete.
    """

    url: str = Field(pattern=r"^https?://")
    records: str | None = None
    total: str | None = None
    pagination: Pagination = Pagination()
    auth: Auth | None = None


class Fetch(Strict):
    """Where to download a public data set; `page` is its web page, with its terms.

    `unpack` maps a ZIP file's members to files in the folder SOURCE; without it, the file itself is the data.
    Without a `url`, `by_hand` explains what users must do.
    """

    page: str = Field(pattern=r"^https?://")
    url: str | None = Field(None, pattern=r"^https?://[^/]+/(.*/)?[^/?#]+$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    unpack: dict[str, str] = {}
    by_hand: str | None = None

    @model_validator(mode="after")
    def has_url_or_instructions(self) -> Fetch:
        if (self.url is None) != (self.sha256 is None) or (self.url is None) == (self.by_hand is None):
            raise ValueError("give `url` and `sha256` of a file, or explain in `by_hand` what users must do")
        outside = [name for name in self.unpack.values() if Path(name).is_absolute() or ".." in Path(name).parts]
        if outside or "" in self.unpack.values():
            raise ValueError(f"`unpack` must name files in the folder SOURCE; '{(outside or [''])[0]}' is not in it")
        return self

    @property
    def file_name(self) -> str:
        """The name of the downloaded file."""
        return unquote((self.url or "").rpartition("/")[2]).replace("/", "_")


class Table(Strict):
    """Where one table comes from. `columns` maps our name to the delivered one.

    A `derived` table has no files: its rows are the distinct ids of the events, and its columns hold the first value in
    the events' files. A `rest` table is fetched from the shop's `api` into one JSON Lines file.

    `nulls` are the words that mean null. `thousands` groups the digits before the `decimal` mark (default with a
    decimal comma: a point).
    `flags` combines several delivered columns into one: the name of the first of them that is 1 or true.
    `values` translates words: our column -> the delivered word -> ours; other words stay as they are.
    """

    kind: Literal["csv", "json", "jsonl", "parquet", "rest", "derived"]
    path: str | None = None
    columns: dict[str, str] = {}
    separator: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", "'", "\u2019", " ", "\u00a0", "\u202f"] | None = None
    nulls: list[str] = []
    timestamp_format: str | None = None
    ambiguous_times: Literal["first", "second", "reject"] = "first"
    header: list[str] | None = None
    flags: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    values: dict[str, dict[str, str]] = {}
    event_type: EventType | None = None
    event_values: dict[str, EventType] = {}
    negative_quantity: Literal["return"] | None = None
    exclude: dict[str, Exclusion] = {}
    groups: dict[str, Group] = {}

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
        if self.thousands == self.decimal:
            raise ValueError(f"`thousands` and `decimal` cannot both be '{self.decimal}'")
        if self.path is not None and (not self.path or Path(self.path).is_absolute()):
            raise ValueError(f"`path` must be relative to the folder SOURCE; '{self.path}' is not")
        return self


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone; write it like Europe/London") from None
    return value


class Shop(Strict):
    """One shop. `cut: auto`: the test window is the last days of the data; `horizon_days: auto`: as in params.yaml.

    Keys that a DVC stage tracks have no default, because DVC needs them in the file.
    """

    name: str
    title: str
    about: str = ""
    currency: str
    time_zone: Annotated[str, BeforeValidator(_zone)]
    simulated: bool
    cut: str
    horizon_days: Annotated[int, Field(ge=1)] | Literal["auto"]
    relevant_events: list[Literal["view", "cart", "purchase", "rating"]] = Field(min_length=1)
    api: Api | None = None
    fetch: Fetch | None = None
    tables: dict[Literal["users", "items", "events"], Table]

    @field_validator("cut", mode="before")
    @classmethod
    def is_date_or_auto(cls, value: object) -> object:
        try:
            # YAML reads an unquoted day as a date, which DVC rejects
            _ = value == "auto" or date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError('write a day in quotes, like "2011-11-01", or auto') from None
        return value

    @model_validator(mode="after")
    def tables_are_mapped(self) -> Shop:
        problems = [problem for name, table in self.tables.items() for problem in _mapping_problems(name, table)]
        if "events" not in self.tables or self.tables["events"].kind == "derived":
            problems.append("tables.events is required: models are trained on events")
        if not self.api and any(table.kind == "rest" for table in self.tables.values()):
            problems.append("api is required: a table of kind rest needs its url")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def table(self, name: str) -> Table:
        """The table's declaration; a table that the shop does not declare is derived from the events."""
        return self.tables.get(name) or Table(kind="derived")

    @property
    def delivered(self) -> list[str]:
        """The tables that are delivered (not derived), events last."""
        return [name for name in TABLES if self.table(name).kind != "derived"]


def _mapping_problems(name: str, table: Table) -> list[str]:
    """The mistakes in a table's column mapping, as sentences."""
    return [
        f"tables.{name}.{problem}"
        for check in (_column_problems, _cell_problems, _exclusion_problems, _group_problems)
        for problem in check(name, table)
    ]


def _column_problems(name: str, table: Table) -> Iterator[str]:
    columns = list(TABLES[name])
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
    delivered, texts = list(table.columns.values()), _text_columns(name, table)
    for flag in table.flags:
        if flag not in delivered:
            yield f"flags.{flag}: no entry of `columns` uses it. {suggestion(flag, delivered)}"
    for column in table.values:
        if column not in texts:
            yield f"values.{column}: not a mapped text column. {suggestion(column, texts)}"


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


def load(name: str) -> Shop:
    """The shop of shops/<name>.yaml."""
    path = paths.place(paths.SHOPS, f"{name}.yaml")
    if not path.exists():
        names = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise UserError(f"base.shop: there is no {paths.SHOPS}/{name}.yaml. {suggestion(name, names)}")
    return read(path)


def read(path: Path) -> Shop:
    """Read and validate one shop file; the shop is named after the file."""
    return validated(Shop, {**read_yaml(path), "name": path.stem}, path)


def fetch_hint(shop: Shop) -> str:
    """The end of a message about missing files, if they are public: how to download them."""
    return f" They are public: recomart shop fetch {shop.name}" if shop.fetch else ""


def files(shop: Shop, table: str, source: Path) -> list[Path]:
    """The delivered files of a table, sorted by name.

    Raises
    ------
    UserError
        If the folder or the files do not exist.
    """
    pattern = f"{table}.jsonl" if shop.table(table).kind == "rest" else shop.table(table).path
    if not source.is_dir():
        raise UserError(
            f"base.source: there is no folder {source}. Say where the files of shop '{shop.name}' are: "
            f"make repro SHOP={shop.name} SOURCE=<folder>." + fetch_hint(shop)
        )
    matches = sorted(file for file in source.glob(pattern or "") if file.is_file())
    if not matches:
        raise UserError(f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}' matches no file in {source}.")
    return matches
