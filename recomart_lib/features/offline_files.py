"""The offline store as Parquet files: written moment by moment, joined as of a moment, and read for live use.

    data/features/<view>.parquet    one row per key and `event_timestamp`, sorted by `event_timestamp` and the key

The rows of a moment are in row groups of their own, whose statistics tell a reader which of them to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.parallel import thread_map
from recomart_lib.core.parquet import Writer
from recomart_lib.features.base import KEYS
from recomart_lib.features.definitions import names

PROVENANCE = "made_of.json"  # beside the feature tables: the data and settings they were computed from
HISTORY = "user_history"  # a user's pairs as parallel lists: one key lookup instead of one per pair
VIEW_KEYS = {**KEYS, HISTORY: ["user_id"]}
Added = dict[str, tuple[str, type[pl.DataType]]]  # new column -> the stored feature and its type
GROUP_ROWS = 2**17  # rows of a row group, and pairs of one of `user_history`: 21 MB of pairs
ROW = "row of the spine"
BATCH_KEYS = 5_000  # keys in memory of those that go online


class FeatureWriter:
    """Writes the feature tables of all moments, of which one part is in memory at a time; a context manager.

    The files are there at the end of `with`, complete; an error leaves none.

    Parameters
    ----------
    root
        The project; default: that of the working directory.
    """

    def __init__(self, root: Path | None = None) -> None:
        folder = (root or paths.root()) / paths.FEATURES
        self._stack = ExitStack()
        self._writers = {
            view: self._stack.enter_context(Writer(folder / f"{view}.parquet", [] if view == HISTORY else keys))
            for view, keys in VIEW_KEYS.items()
        }

    def add(self, parts: Iterable[tuple[str, pl.DataFrame]]) -> None:
        """Append the tables of a moment (see `compute.in_parts`); from the earliest moment to the latest.

        The view `user_history` is made of the pairs.
        """
        for entity, part in parts:
            views = {entity: part.iter_slices(GROUP_ROWS) if part.height else [part]}
            if entity == "interaction":
                views[HISTORY] = map(history_lists, _by_user(part))
            thread_map(self._append, views.items())  # each view has a file of its own

    def _append(self, groups: tuple[str, Iterable[pl.DataFrame]]) -> None:
        view, tables = groups
        for table in tables:
            self._writers[view].add(table)

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)


def provenance(root: Path) -> dict[str, Any]:
    """data_version and settings of the stored feature tables.

    Raises
    ------
    UserError
        If no features have been computed yet.
    """
    return json.loads(existing(root, PROVENANCE).read_text(encoding="utf-8"))


def existing(root: Path, name: str) -> Path:
    """A file of the feature tables. Raises UserError if there is none."""
    path = root / paths.FEATURES / name
    if not path.exists():
        raise UserError(f"{path} is missing: no features were computed yet. Run: dvc repro 05_features")
    return path


def history_lists(interaction: pl.DataFrame) -> pl.DataFrame:
    """The rows of the `user_history` view: user_id, event_timestamp, item_id and each pair feature as lists."""
    numbers = [pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names("interaction")]
    lists = interaction.select("user_id", "event_timestamp", "item_id", *numbers)
    return (
        lists.sort("event_timestamp", "user_id", "item_id")
        .group_by("user_id", "event_timestamp", maintain_order=True)
        .all()
    )


def _by_user(interaction: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The pairs of a moment, sorted by user, in slices of about `GROUP_ROWS`, each with all pairs of its users."""
    is_sorted = interaction.get_column("user_id").is_sorted()  # as `compute.compute` returns them
    pairs = interaction if is_sorted else interaction.sort("user_id", "item_id")
    ends = pairs.get_column("user_id").rle().struct.field("len").cum_sum().to_numpy()
    bounds = np.unique(ends[np.searchsorted(ends, np.arange(GROUP_ROWS, pairs.height, GROUP_ROWS))])
    start = 0
    for end in (*bounds.tolist(), pairs.height):
        if end > start or not end:
            yield pairs.slice(start, end - start)
        start = end


def newest(root: Path, view: str, until: datetime | None = None) -> Iterator[pl.DataFrame]:
    """The newest row of each key up to a moment (None: of all, whatever the clock of this machine shows).

    For views of one key, in batches of `BATCH_KEYS`: the latest moment first, and by key within a moment.

    Raises
    ------
    UserError
        If no features have been computed yet.
    """
    (key,) = VIEW_KEYS[view]
    rows = pl.scan_parquet(existing(root, f"{view}.parquet"), glob=False)
    rows = rows if until is None else rows.filter(pl.col("event_timestamp") <= until)
    moments = rows.select(key, "event_timestamp").group_by(key).agg(pl.col("event_timestamp").max()).collect()
    for (moment,), keys in sorted(moments.partition_by("event_timestamp", as_dict=True).items(), reverse=True):
        of_moment = rows.filter(pl.col("event_timestamp") == moment)
        for batch in of_moment.collect_batches(chunk_size=BATCH_KEYS, maintain_order=True):
            yield batch.join(keys.select(key), on=key, how="semi", maintain_order="left")


def with_features(frame: pl.DataFrame, root: Path, view: str, added: Added) -> pl.DataFrame:
    """Add the features of the newest row of each key with `event_timestamp` <= as_of; null where there is none.

    From the latest moment to the earliest, each looks up only those rows that no later one has. So the usual frame, of
    one `as_of` and of keys that are known by then, reads the row groups of one moment.

    Parameters
    ----------
    frame
        The keys, as_of, and any other columns; rows, order and duplicates stay.

    Raises
    ------
    UserError
        If no features have been computed yet.
    """
    keys, stored = VIEW_KEYS[view], pl.scan_parquet(existing(root, f"{view}.parquet"), glob=False)
    columns = [pl.col(name).cast(dtype).alias(title) for title, (name, dtype) in added.items()]
    empty = pl.DataFrame(schema={ROW: pl.Int64, **{title: dtype for title, (_, dtype) in added.items()}})
    left, parts = frame.select(pl.int_range(pl.len()).alias(ROW), *keys, "as_of"), [empty]
    for moment in _moments(stored):
        due = left.filter(pl.col("as_of") >= moment)
        if due.height:
            rows = stored.filter(pl.col("event_timestamp") == moment).select(*keys, *columns)
            joined = due.lazy().join(rows, on=keys, how="inner", validate="m:1", maintain_order="left")
            parts.append(joined.select(empty.columns).collect())
            left = left.join(parts[-1], on=ROW, how="anti", maintain_order="left")
    features = pl.concat([*parts, left.select(ROW)], how="diagonal").sort(ROW)
    return pl.concat([frame, features.drop(ROW)], how="horizontal")


def _moments(stored: pl.LazyFrame) -> list[datetime]:
    """The moments of a feature table, the latest first."""
    moments = stored.select(pl.col("event_timestamp").unique()).collect().to_series()
    return moments.sort(descending=True).to_list()
