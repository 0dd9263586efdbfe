"""Events since the features were computed: stored by the stream's consumer, added to the features on read.

    data/streaming/fresh.db    one row per event that is newer than the feature tables (SQLite; readers never wait)

The online store holds features as of the last run of stage 05_features. A consumer adds each durable event here;
reading a user's features combines both. The file stores events, not sums: an event that is delivered twice counts once,
and a new run of stage 05_features, which includes them, has a later `as_of`. A consumer that starts restores lost
events from the streaming zone.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
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
from recomart_lib.stream import latency
from recomart_lib.stream.feature_latency import FILE
from recomart_lib.stream.latency import MINUTE

DAY_S = 24 * 3600
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# One row: an event, and `weight`, its implicit score.
FRESH = {**EVENTS, "weight": pl.Float64}
TABLE = """
create table fresh (topic text, partition integer, offset integer, event_id text, user_id text,
    item_id text, event_type text, timestamp integer, quantity real, price real, rating real, order_id text,
    weight real, primary key (topic, partition, offset)) without rowid;
create index of_user on fresh (user_id);
create table shop (name text);
create table late (minute text, class integer, n integer, primary key (minute, class)) without rowid;
"""
COUNT_LATE = "insert into late values (?, ?, ?) on conflict (minute, class) do update set n = n + excluded.n"
PLACE = ("topic", "partition", "offset")
KEPT = timedelta(days=1)


class Fresh:
    """The writer: one per consumer; several consumers may write at the same time."""

    def __init__(self, root: Path, shop: str, prepare: Prepare, has_purchases: bool) -> None:
        # as in stage 04: in a shop with purchases, ratings have weight 0
        self._weights = prepare.model_copy(update={"weight_rating": 0.0}) if has_purchases else prepare
        self.known = known_until(root)  # newer events than this are fresh
        path = root / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        if not path.exists():
            _make(path)
        self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
        self._db.execute("pragma synchronous = normal")  # `fill` restores what a power failure loses
        self._of_shop(shop)

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

    def fill(self, rows: Iterable[pl.DataFrame]) -> None:
        """Add what the zone holds (`commit_log.read_since`): a killed consumer may have added fewer events."""
        for part in rows:
            self.add(part)

    def add(self, rows: pl.DataFrame) -> None:
        """Add durable events (`commit_log.ROWS`) that are newer than the feature tables; duplicates change nothing."""
        new = rows.filter(pl.col("timestamp") > self.known)
        if not new.height:
            return
        weighed = weigh(new.with_columns(pl.col("quantity").fill_null(1.0)), self._weights)
        records = weighed.select(*PLACE, *FRESH).with_columns(pl.col("timestamp").dt.epoch("us"))
        marks = ", ".join("?" * records.width)
        try:
            with self._lock:
                with self._db:
                    self._db.executemany(f"insert or ignore into fresh values ({marks})", records.rows())
                with self._db:
                    self._db.executemany(COUNT_LATE, _lateness(new, clock.now()))
        except sqlite3.OperationalError as problem:
            raise UserError(
                f"{FILE} cannot be written: {problem}. The events are durable; a consumer that starts adds them here."
            ) from None

    def close(self) -> None:
        self._db.close()


def forget(events: pl.DataFrame, root: Path) -> None:
    """Remove events (`commit_log.ROWS`) that became dead letters."""
    path = root / FILE
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=30)) as db, db:
        db.executemany(
            "delete from fresh where topic = ? and partition = ? and offset = ?", events.select(PLACE).rows()
        )


def _lateness(rows: pl.DataFrame, now: datetime) -> list[tuple[str, str, int]]:
    """(minute, class of milliseconds since `produced_at`, rows), see `latency`; rows without it do not count."""
    if "produced_at" not in rows.columns:  # those of the zone: their consumer has counted them, or was killed
        return []
    late = latency.histogram_since(rows.get_column("produced_at"), now)
    return [(f"{now:{MINUTE}}", name, n) for name, n in late.items()]


def _make(path: Path) -> None:
    """Create the database in a scratch folder, then link it into place unless another consumer was first.

    SQLite does not wait for its turn to switch to a write-ahead log; a file that comes with one needs no switch.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fresh-") as folder:
        new = Path(folder) / path.name
        with closing(sqlite3.connect(new)) as db:
            db.execute("pragma journal_mode = wal")
            db.executescript(TABLE)
        with suppress(FileExistsError):
            os.link(new, path)


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
    path = root / FILE
    if not path.exists():
        return pl.DataFrame(schema=FRESH)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        query = f"select {', '.join(FRESH)} from fresh where user_id = ? and timestamp > ? order by timestamp, event_id"
        records = db.execute(query, (user_id, _micro(since) if since else -(2**63))).fetchall()
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
