"""The few columns of the events about which a sample says too little: read from all files, up to a bound."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recomart.draft import event_values, joins, time_shapes
from recomart.draft.keys import Key
from recomart.draft.table_draft import TableDraft

MAX_FILES = 1_000


@dataclass
class Events:
    """One row per event: user, item, type (ours) and time. `is_whole`: whether these are all events."""

    rows: pl.DataFrame
    words: pl.DataFrame | None
    is_whole: bool


def read(table: TableDraft, form: Key | None) -> Events:
    """The users, items, types and times of the events."""
    delivery, layout = table.delivery, table.delivery.group.layout
    names = {
        ours: choice.theirs
        for ours in ("user_id", "item_id", "event_type", "timestamp")
        if (choice := table.choice(ours))
    }
    found = delivery.sample
    files = delivery.group.files
    if not found.is_whole and layout.kind in ("csv", "parquet"):
        files = files[:: len(files) // MAX_FILES + 1]
        found = joins.read(delivery, list(names.values()), files)
    columns = {ours: found.rows.get_column(theirs).str.strip_chars() for ours, theirs in names.items()}
    nulls = table.column("user_id").null_words
    user = columns["user_id"].set(columns["user_id"].is_in(["", *nulls]), None)
    words = None
    if "event_type" in columns:
        counted = columns["event_type"].drop_nulls().rename("word").value_counts(name="n")
        words = counted.filter(pl.col("word") != "").sort(["n", "word"], descending=[True, False])
    dtype = table.column("timestamp").dtype
    moments = time_shapes.moments(columns["timestamp"], None if dtype.is_temporal() or form is None else form.value)
    rows = pl.DataFrame({"user": user, "item": columns["item_id"], "time": moments})
    kinds = columns.get("event_type")
    if kinds is not None:
        meanings = {word: event_values.meaning(word) or word for word in words["word"].head(50)}
        rows = rows.with_columns(kinds.replace(meanings).alias("type"))
    return Events(rows, words, found.is_whole and len(files) == len(delivery.group.files))
