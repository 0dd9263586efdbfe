"""Events since the features were computed: stored by the stream's consumer, added to the features on read.

    data/streaming/fresh.db    one row per event that is newer than the feature tables (SQLite; readers never wait)

The online store holds features as of the last run of stage 05_features. A consumer adds each durable event here;
reading a user's features combines both. The file stores events, not sums: an event that is delivered twice counts once,
and a new run of stage 05_features, which includes them, has a later `as_of`. A consumer that starts restores lost
events from the streaming zone.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from recomart_lib.core import clock, paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS, TIMESTAMP
from recomart_lib.features.base import DECIMALS, MONEY, whole
from recomart_lib.prepare.cleaning import weigh
from recomart_lib.prepare.settings import Prepare
from recomart_lib.stream import fresh_file, latency
from recomart_lib.stream.fresh_file import FILE
from recomart_lib.stream.latency import MINUTE

DAY_S = 24 * 3600
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# One row: an event, and `weight`, its implicit score.
FRESH = {**EVENTS, "weight": pl.Float64}
PLACE = ("topic", "partition", "offset")
KEPT = timedelta(days=1)


class Fresh:
    """The writer: one per consumer; several consumers may write at the same time.

    Parameters
    ----------
    restore
        The durable events since a moment (`commit_log.read_since`), with which a new or rebuilt file begins.
    """

    def __init__(
        self,
        root: Path,
        shop: str,
        prepare: Prepare,
        has_purchases: bool,
        restore: Callable[[datetime], Iterable[pl.DataFrame]] = lambda _: (),
    ) -> None:
        # as in stage 04: in a shop with purchases, ratings have weight 0
        self._weights = prepare.model_copy(update={"weight_rating": 0.0}) if has_purchases else prepare
        self.known = known_until(root)  # newer events than this are fresh
        self._root, self._shop, self._restore = root, shop, restore
        self._lock, self._is_restoring = threading.RLock(), False
        self._open()

    def _open(self) -> None:
        """Open the file, new if it is missing or damaged, and add what the zone holds.

        A killed consumer may have added fewer events, and a rebuilt file has none.
        """
        self._db = fresh_file.writer(self._root)
        self._inode = _inode(self._root)
        self._is_restoring = True
        try:
            self._db.execute("pragma synchronous = normal")  # what a power failure loses is restored here, too
            self._of_shop(self._shop)
            for part in self._restore(self.known):
                self.add(part)
        except sqlite3.Error as problem:
            raise _not_written(problem) from None
        finally:
            self._is_restoring = False

    def _of_shop(self, shop: str) -> None:
        """Delete the events of another shop, and those that the feature tables include."""
        with self._db:
            # before the select: else another consumer's first events could come between it and the delete
            self._db.execute("begin immediate")
            if self._db.execute("select name from shop").fetchall() != [(shop,)]:
                self._db.execute("delete from fresh")
                self._db.execute("delete from shop")
                self._db.execute("insert into shop values (?)", (shop,))
            self._db.execute("delete from fresh where timestamp <= ?", (_micro(self.known),))
            self._db.execute("delete from late where minute < ?", (f"{clock.now() - KEPT:{MINUTE}}",))

    def add(self, rows: pl.DataFrame) -> None:
        """Add durable events (`commit_log.ROWS`) that are newer than the feature tables; duplicates change nothing.

        A file that was damaged, deleted or rebuilt by another consumer since it was opened is opened again.
        """
        new = rows.filter(pl.col("timestamp") > self.known)
        if not new.height:
            return
        weighed = weigh(new.with_columns(pl.col("quantity").fill_null(1.0)), self._weights)
        records = weighed.select(*PLACE, *FRESH).with_columns(pl.col("timestamp").dt.epoch("us"))
        late = _lateness(new, clock.now())
        with self._lock:
            if not self._is_restoring and self._inode != _inode(self._root):
                self._reopen()
            try:
                self._insert(records, late)
            except sqlite3.Error as problem:
                if self._is_restoring or not fresh_file.is_damage(problem):
                    raise _not_written(problem) from None
                self._reopen()
                self._insert(records, late)

    def _insert(self, records: pl.DataFrame, late: list[tuple[str, str, int]]) -> None:
        with self._db:
            self._db.executemany(fresh_file.INSERT, records.rows())
        with self._db:
            self._db.executemany(fresh_file.COUNT_LATE, late)

    def _reopen(self) -> None:
        self._db.close()
        self._open()

    def close(self) -> None:
        self._db.close()


def forget(events: pl.DataFrame, root: Path) -> None:
    """Remove events (`commit_log.ROWS`) that became dead letters."""
    if not (root / FILE).exists():
        return
    query = "delete from fresh where topic = ? and partition = ? and offset = ?"
    try:
        with closing(fresh_file.writer(root)) as db, db:
            db.executemany(query, events.select(PLACE).rows())
    except sqlite3.Error as problem:
        raise _not_written(problem) from None


def _not_written(problem: sqlite3.Error) -> UserError:
    return UserError(
        f"{FILE} cannot be written: {problem}. The events are durable; a consumer that starts adds them here."
    )


def _inode(root: Path) -> int | None:
    """Which file is in the place of the database; None: there is none."""
    try:
        return (root / FILE).stat().st_ino
    except FileNotFoundError:
        return None


def _lateness(rows: pl.DataFrame, now: datetime) -> list[tuple[str, str, int]]:
    """(minute, class of milliseconds since `produced_at`, rows), see `latency`; rows without it do not count."""
    if "produced_at" not in rows.columns:  # those of the zone: their consumer has counted them, or was killed
        return []
    late = latency.histogram_since(rows.get_column("produced_at"), now)
    return [(f"{now:{MINUTE}}", name, n) for name, n in late.items()]


def known_until(root: Path) -> datetime:
    """The moment as of which the feature tables were computed; long ago, if there are none."""
    path = root / paths.FEATURES / "user.parquet"
    return _last(path, path.stat().st_mtime_ns) if path.exists() else LONG_AGO


@lru_cache(maxsize=2)
def _last(path: Path, _: int) -> datetime:
    last = pl.scan_parquet(path, glob=False).select(pl.col("event_timestamp").max()).collect().item()
    return last or LONG_AGO


def exact(stamp: datetime, root: Path) -> datetime:
    """The moment of an online feature: Feast keeps its whole second, the feature tables all of it."""
    try:
        computed_at = known_until(root)
    except pl.exceptions.ComputeError:  # stage 05_features is writing the tables
        return stamp
    return computed_at if computed_at.replace(microsecond=0) == stamp else stamp


def _micro(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def events_of(user_id: str, root: Path, since: datetime | None = None) -> pl.DataFrame:
    """The user's events after `since` (None: all stored events): `FRESH`, in order of time."""
    query = f"select {', '.join(FRESH)} from fresh where user_id = ? and timestamp > ? order by timestamp, event_id"
    records = fresh_file.read(root, query, (user_id, _micro(since) if since else -(2**63)))
    kinds = {name: pl.Int64 if name == "timestamp" else kind for name, kind in FRESH.items()}
    rows = pl.DataFrame(records, schema=kinds, orient="row").unique("event_id", keep="first", maintain_order=True)
    return rows.with_columns(pl.from_epoch("timestamp", "us").dt.replace_time_zone("UTC").cast(TIMESTAMP))


def user_with(stored: dict[str, Any], events: pl.DataFrame) -> dict[str, Any]:
    """A user's features (and their `as_of`) updated by fresh events: counts, sums and days as of the last of them.

    Shares, averages over orders and preferences stay as of the last run of stage 05_features.
    """
    if not events.height:
        return stored
    first, as_of, before = events.get_column("timestamp")[0], events.get_column("timestamp")[-1], stored["as_of"]
    passed = _days(as_of - before) if before else 0.0
    purchases = events.filter(event_type="purchase")
    updated = {
        "activity_count": (stored.get("activity_count") or 0) + events.height,
        "days_since_last_event": 0.0,
        "tenure_days": _plus(stored.get("tenure_days"), passed) if before else _days(as_of - first),
        **_ratings_with(stored, events.drop_nulls("rating")),
        **_orders_with(stored, purchases, as_of, passed),
    }
    if purchases.height:
        updated["spend"] = _sum_with(stored.get("spend"), purchases, nw.col("price") * nw.col("quantity"), MONEY)
    return stored | {name: value for name, value in updated.items() if name in stored} | {"as_of": as_of}


def _sum_with(stored: float | None, events: pl.DataFrame, value: nw.Expr, decimals: int = DECIMALS) -> float:
    """A stored sum with that of fresh events, to the last bit what stage 05_features computes from all of them."""
    fresh = nw.from_native(events).select(sum=whole(value, decimals).sum()).item()
    return (round((stored or 0.0) * 10.0**decimals) + fresh) / 10.0**decimals


def _ratings_with(stored: dict[str, Any], rated: pl.DataFrame) -> dict[str, Any]:
    """The number and the average of a user's ratings with fresh ones; empty without fresh ones."""
    if not rated.height:
        return {}
    before = stored.get("rating_count") or 0
    total = _sum_with((stored.get("average_rating") or 0.0) * before, rated, nw.col("rating"))
    return {"rating_count": before + rated.height, "average_rating": total / (before + rated.height)}


def _orders_with(stored: dict[str, Any], purchases: pl.DataFrame, as_of: datetime, passed: float) -> dict[str, Any]:
    """The orders of a user or of a pair with fresh purchases, in the order of time; `passed`: days since stage 05."""
    if not purchases.height:
        return {"days_since_last_order": _plus(stored.get("days_since_last_order"), passed)}
    n_orders = purchases.select(pl.coalesce("order_id", "event_id")).to_series().n_unique()
    return {
        "order_count": (stored.get("order_count") or 0) + n_orders,
        "days_since_last_order": _days(as_of - purchases.get_column("timestamp")[-1]),
    }


def _days(duration: timedelta) -> float:
    return duration.total_seconds() / DAY_S


def _plus(days: float | None, passed: float) -> float | None:
    return None if days is None else days + passed


def pair_with(
    stored: dict[str, Any], events: pl.DataFrame, as_of: datetime, before: datetime | None, half_life_days: float
) -> dict[str, Any]:
    """The features of a user-item pair with the pair's fresh events: implicit score, counts, and how long ago.

    Parameters
    ----------
    stored
        The pair's features as of `before`, None where the pair had none.
    as_of
        The user's last fresh event.
    """
    updated: dict[str, Any] = {"days_since_last_event": None, **stored}
    positive = events.filter(pl.col("event_type") != "return")
    passed = _days(as_of - before) if before else 0.0
    updated["days_since_last_event"] = _plus(stored.get("days_since_last_event"), passed)
    updated |= _orders_with(stored, events.filter(event_type="purchase"), as_of, passed)
    if positive.height:
        updated["implicit_score"] = _sum_with(stored.get("implicit_score"), positive, nw.col("weight"))
        updated["days_since_last_event"] = _days(as_of - positive.get_column("timestamp")[-1])
    for kind, n in events.group_by("event_type").len().iter_rows():
        updated[f"{kind}_count"] = (stored.get(f"{kind}_count") or 0) + n
    if (days := updated["days_since_last_event"]) is not None:
        updated["recency_weight"] = 0.5 ** (days / half_life_days)
    return {name: updated[name] for name in stored}
