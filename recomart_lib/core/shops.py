"""shops/<name>.yaml, typed: where a shop's tables come from and how their columns map to ours.

A user brings a shop by writing one such file; nothing in the code knows a shop by its name.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from recomart_lib.core import paths
from recomart_lib.core.config import read_yaml, suggestion, validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENT_TYPES, REQUIRED, TABLES

EventType = Literal[EVENT_TYPES]


class Strict(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Exclusion(Strict):
    """Rows that the shop expects and does not want judged: those in which `missing` is null, or events from a day on.

    `since` is a day of the shop's time zone, for feeds that end in a few stragglers.
    """

    missing: str | None = None
    since: str | None = None
    reason: str

    @field_validator("since")
    @classmethod
    def a_day(cls, value: str | None) -> str | None:
        try:
            _ = value is None or date.fromisoformat(value)
        except ValueError:
            raise ValueError('write a day in quotes, like "2011-11-01"') from None
        return value

    @model_validator(mode="after")
    def says_which(self) -> Exclusion:
        if (self.missing is None) == (self.since is None):
            raise ValueError("say which rows: `missing` names a column without a value, or `since` a day")
        return self


class Group(Strict):
    """Rows that people ask about: those in which `column` starts with `starts_with`. They are counted, and no more."""

    column: str
    starts_with: str
    meaning: str


class Pagination(Strict):
    """How an API cuts a table into pages.

    page: `parameter` counts pages from `first`. offset: `parameter` counts records. cursor: `next` is the key of the
    answer that holds the next value of `parameter`. link: the header `Link` names the next page. none: one answer.
    """

    style: Literal["page", "offset", "cursor", "link", "none"] = "none"
    parameter: str = "page"
    first: int = 1
    next: str = "next"
    size_parameter: str | None = None
    size: int = Field(500, ge=1)


class Auth(Strict):
    """A header whose value comes from an environment variable: secrets are never in a file."""

    env: str
    header: str = "Authorization"
    prefix: str = "Bearer "


class Api(Strict):
    """The REST API behind tables of `kind: rest`; a table's `path` is appended to `url`.

    `records` and `total` are the keys of an answer that hold its records and the number of all records; without
    `records` the answer is the list itself, without `total` completeness rests on the pages alone.
    """

    url: str = Field(pattern=r"^https?://")
    records: str | None = None
    total: str | None = None
    pagination: Pagination = Pagination()
    auth: Auth | None = None


class Fetch(Strict):
    """Where a public data set can be had; `page` is for people, and tells its terms.

    `unpack` maps a ZIP file's members to files in the folder of SOURCE; without it the file itself is the data.
    Without a `url`, `by_hand` says what people must do.
    """

    page: str = Field(pattern=r"^https?://")
    url: str | None = Field(None, pattern=r"^https?://[^/]+/(.*/)?[^/?#]+$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    unpack: dict[str, str] = {}
    by_hand: str | None = None

    @model_validator(mode="after")
    def says_enough(self) -> Fetch:
        if (self.url is None) != (self.sha256 is None) or (self.url is None) == (self.by_hand is None):
            raise ValueError("give `url` and `sha256` of a file, or say in `by_hand` what people must do")
        outside = [name for name in self.unpack.values() if Path(name).is_absolute() or ".." in Path(name).parts]
        if outside or "" in self.unpack.values():
            raise ValueError(f"`unpack` leads to files in the folder of SOURCE; '{(outside or [''])[0]}' is none")
        return self

    @property
    def file_name(self) -> str:
        """What the fetched file is called."""
        return unquote((self.url or "").rpartition("/")[2]).replace("/", "_")


class Table(Strict):
    """Where one table comes from. `columns` maps our name to the delivered one.

    A `derived` table has no files: its rows are the distinct ids of the events, its columns the first value that the
    events' files tell of it. A `rest` table is fetched from the shop's `api` into one file of JSON Lines.

    `nulls` are the words that stand for nothing. In numbers `thousands` groups the digits before the `decimal` mark
    (a point does before a comma, unless told otherwise).
    `flags` makes one column of many: its cell is the name of the first of these delivered columns that is 1 or true.
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
    def known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("not an encoding that Python knows (try utf-8, utf-8-sig, latin-1)") from None
        return value

    @model_validator(mode="after")
    def keys_fit_together(self) -> Table:
        if (self.path is None) != (self.kind == "derived"):
            raise ValueError("`path` names the files of a table; a derived table has none, every other kind needs it")
        if self.thousands == self.decimal:
            raise ValueError(f"`thousands` and `decimal` cannot both be '{self.decimal}'")
        if self.path is not None and (not self.path or Path(self.path).is_absolute()):
            raise ValueError(f"`path` is relative to the folder of SOURCE; '{self.path}' is not")
        return self


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone; write it like Europe/London") from None
    return value


class Shop(Strict):
    """One shop. `cut: auto`: the test window is the last days of its data; `horizon_days: auto`: as in params.yaml.

    Keys that a DVC stage tracks have no default: DVC wants to find them in the file.
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
    def a_date(cls, value: object) -> object:
        try:
            # an unquoted day is a date to YAML, and DVC refuses those
            _ = value == "auto" or date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError('write a day in quotes, like "2011-11-01", or auto') from None
        return value

    @model_validator(mode="after")
    def tables_are_mapped(self) -> Shop:
        problems = [problem for name, table in self.tables.items() for problem in _unmapped(name, table)]
        if "events" not in self.tables or self.tables["events"].kind == "derived":
            problems.append("tables.events is required: without events there is nothing to learn from")
        if not self.api and any(table.kind == "rest" for table in self.tables.values()):
            problems.append("api is required: a table of kind rest needs to know its url")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def table(self, name: str) -> Table:
        """The table's declaration; one that the shop does not declare is derived from the events."""
        return self.tables.get(name) or Table(kind="derived")

    @property
    def delivered(self) -> list[str]:
        """The tables that come in files, events last."""
        return [name for name in TABLES if self.table(name).kind != "derived"]


def _unmapped(name: str, table: Table) -> list[str]:
    """What is wrong with a table's column mapping, in words."""
    known = list(TABLES[name])
    problems = [
        f"tables.{name}.columns.{column}: not a column of {name}. {suggestion(column, known)}"
        for column in table.columns
        if column not in known
    ]
    filled = {*table.columns, "event_id"} | ({"event_type"} if table.event_type else set())
    if table.kind != "derived":
        problems += [
            f"tables.{name}.columns.{column}: required; say which delivered column holds it"
            for column in REQUIRED[name]
            if column not in filled
        ]
    problems += [
        f"tables.{name}.flags.{made}: columns maps nothing to it. {suggestion(made, list(table.columns.values()))}"
        for made in table.flags
        if made not in table.columns.values()
    ]
    problems += [
        f"tables.{name}.values.{column}: not a mapped column of text. {suggestion(column, _texts(name, table))}"
        for column in table.values
        if column not in _texts(name, table)
    ]
    problems += [
        f"tables.{name}.exclude.{label}.missing: '{rule.missing}' is not a mapped column. "
        + suggestion(rule.missing, list(table.columns))
        for label, rule in table.exclude.items()
        if rule.missing and rule.missing not in table.columns
    ]
    problems += [
        f"tables.{name}.exclude.{label}.since: only events have a time"
        for label, rule in table.exclude.items()
        if rule.since and name != "events"
    ]
    problems += [
        f"tables.{name}.groups.{label}.column: '{group.column}' is not a mapped column of text. "
        + suggestion(group.column, _texts(name, table))
        for label, group in table.groups.items()
        if group.column not in _texts(name, table)
    ]
    return problems


def _texts(name: str, table: Table) -> list[str]:
    return [column for column in table.columns if str(TABLES[name].get(column)) == "String"]


def load(name: str) -> Shop:
    """The shop of shops/<name>.yaml."""
    path = paths.place(paths.SHOPS, f"{name}.yaml")
    if not path.exists():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise UserError(f"base.shop: there is no {paths.SHOPS}/{name}.yaml. {suggestion(name, known)}")
    return read(path)


def read(path: Path) -> Shop:
    """Read and check one shop file; its name is the file's."""
    return validated(Shop, {**read_yaml(path), "name": path.stem}, path)


def fetch_hint(shop: Shop) -> str:
    """What to say where a shop's files are missing, if they are public."""
    return f" They are public: recomart shop fetch {shop.name}" if shop.fetch else ""


def files(shop: Shop, table: str, source: Path) -> list[Path]:
    """The delivered files of a table, sorted by name.

    Raises
    ------
    UserError
        If the folder or the files are not there.
    """
    pattern = f"{table}.jsonl" if shop.table(table).kind == "rest" else shop.table(table).path
    if not source.is_dir():
        raise UserError(
            f"base.source: there is no folder {source}. Say where the files of shop '{shop.name}' lie: "
            f"make repro SHOP={shop.name} SOURCE=<folder>." + fetch_hint(shop)
        )
    found = sorted(file for file in source.glob(pattern or "") if file.is_file())
    if not found:
        raise UserError(f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}' matches no file in {source}.")
    return found
