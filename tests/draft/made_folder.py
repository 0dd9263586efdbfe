"""Write the folder of a made-up shop, and say what is right for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer, Place
from draft.made_columns import PRIVATE
from draft.made_files import Format
from draft.made_shop import MadeShop

SHOWN = ("!full_name", "!email", "!phone", "!street", "!iban", "user_email")  # values too long to be shown by chance
N_SECRETS = 60  # values of each such column that are looked for
OURS = {"age_band": "age", "total": "price", "user_email": "user_id"}
ISO = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S+01:00")


@dataclass(frozen=True)
class Delivered:
    """One table: the file's name, delivered name -> kind of column, and the format. A `*` in the name is the month or
    day of `split` (like %Y-%m).

    `keys`: further keys of the table in the shop file.
    """

    path: str
    columns: dict[str, str]
    form: Format = field(default_factory=Format)
    split: str | None = None
    keys: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, table: pl.DataFrame, times: pl.Series | None = None) -> None:
        """Write the table's files; `times`: of the rows, by which they are split."""
        if not self.split:
            made_files.write(table, folder / self.path, self.form)
            return
        parts = table.with_columns(__part=times.dt.strftime(self.split)).partition_by(
            "__part", as_dict=True, include_key=False, maintain_order=True
        )
        for (part,), rows in parts.items():
            made_files.write(rows, folder / self.path.replace("*", str(part)), self.form)


def make(
    folder: Path,
    shop: MadeShop,
    events: Delivered,
    users: Delivered | None = None,
    items: Delivered | None = None,
    words: dict[str, str] | None = None,
    either: dict[Place, set[str | None]] | None = None,
    **keys: Any,
) -> Answer:
    """Write all tables. `words`: our event type -> the shop's word. `keys`: of the shop, right or marked."""
    words = words or {"purchase": "purchase"}
    tables, made = {}, {}
    if users:
        made["users"] = made_columns.users(shop, users.columns)
        users.write(folder, made["users"])
    if items:
        made["items"] = made_columns.items(shop, items.columns)
        items.write(folder, made["items"])
    made["events"] = made_columns.events(shop, events.columns, words)
    events.write(folder, made["events"], shop.events["moment"])
    delivered = {"users": users, "items": items, "events": events}
    for table, one in delivered.items():
        tables[table] = _declared(one) if one else _derived(table, events)
    tables["events"] |= _event_keys(shop, events, words)
    if users and shop.known < 1:
        tables["users"]["complete"] = False
    return Answer(
        tables=tables,
        either=either or {},
        private=tuple(_private(delivered)),
        secrets=tuple(_secrets(delivered, made)),
        keys={"currency": "EUR", "time_zone": "UTC"} | keys,
    )


def _private(delivered: dict[str, Delivered | None]) -> Iterator[Place]:
    for table, one in delivered.items():
        yield from ((table, name) for name, kind in (one.columns.items() if one else ()) if kind in PRIVATE)


def _declared(one: Delivered) -> dict[str, Any]:
    """The table as a shop file has it."""
    form, default = one.form, Format()
    columns = {OURS.get(kind, kind): name for name, kind in one.columns.items() if kind[0] != "!" and "." not in kind}
    table: dict[str, Any] = {"kind": form.kind, "path": one.path, "columns": columns}
    if "total" in one.columns.values():
        columns["price"] = {"total": columns["price"]}
    if form.kind == "csv":
        keys = {"separator": form.separator, "encoding": form.encoding, "decimal": form.decimal}
        table |= {key: value for key, value in keys.items() if value != getattr(default, key)}
        if form.thousands:
            table["thousands"] = form.thousands
        if not form.header:
            table["header"] = list(one.columns)
    if form.above:
        table["skip_lines"] = len(form.above)
    if set(form.signed) & set(one.columns):
        table |= {"currency_sign": form.sign.format("").strip(), "decimal": form.decimal}
    if form.mark:
        table["nulls"] = [form.mark]
    times = form.times if "timestamp" in columns else form.dates
    if form.unit and "timestamp" in columns:
        table["timestamp_format"] = form.unit
    elif form.kind not in ("parquet", "xlsx") and times not in ISO and {"timestamp", "signup_date"} & set(columns):
        table["timestamp_format"] = times
    return table | one.keys


def _derived(table: str, events: Delivered) -> dict[str, Any]:
    """A table without files: the columns of the events that belong to it."""
    prefix = f"{table}."
    columns = {kind.removeprefix(prefix): name for name, kind in events.columns.items() if kind.startswith(prefix)}
    return {"kind": "derived", "columns": columns}


def _event_keys(shop: MadeShop, events: Delivered, words: dict[str, str]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if "event_type" not in events.columns.values():
        keys["event_type"] = next(iter(words))
    elif values := {theirs: ours for ours, theirs in words.items() if ours != theirs}:
        keys["event_values"] = values
    if shop.negative:
        keys["negative_quantity"] = "return"
    if shop.guests:
        keys["exclude"] = {"guests": {"missing": "user_id", "reason": "guests"}}
    return keys


def _secrets(delivered: dict[str, Delivered | None], made: dict[str, pl.DataFrame]) -> list[str]:
    """Values of personal columns that must not be shown anywhere."""
    return [
        str(value)
        for table, one in delivered.items()
        if one
        for name, kind in one.columns.items()
        if kind in SHOWN
        for value in made[table][name].drop_nulls().unique(maintain_order=True).head(N_SECRETS)
    ]


def dialect(**changes: Any) -> Format:
    """Semicolons and decimal commas, as spreadsheets of continental Europe write CSV."""
    return replace(Format(separator=";", decimal=","), **changes)
