"""Where the past ends: global time windows, what was known before each, and what happened in it.

    fit  < valid.start <= valid answers < test.start <= test answers < test.end       (all half-open)

Parameters are chosen on `valid`; then everything before `test.start` is fitted again and test is scored once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import POSITIVE
from recomart_lib.core.shops import Shop


@dataclass(frozen=True)
class Window:
    """Answers lie in [start, end); a model may know what lies before start, and nothing else."""

    name: str
    start: datetime
    end: datetime


def windows(shop: Shop, last: datetime, horizon_days: int) -> tuple[Window, Window]:
    """The valid and the test window. With `cut: auto` in the shop file, test is the last days of the data.

    Parameters
    ----------
    last
        The latest event's time (UTC).
    horizon_days
        Length of each window in days; the shop file's own horizon wins.
    """
    horizon = timedelta(days=horizon_days if shop.horizon_days == "auto" else shop.horizon_days)  # of local days
    zone = ZoneInfo(shop.time_zone)
    if shop.cut == "auto":
        day = last.astimezone(zone).date() + timedelta(days=1) - horizon
    else:
        day = date.fromisoformat(shop.cut)
    start, cut, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day - horizon, day, day + horizon))
    return Window("validation", start, cut), Window("test", cut, end)


def after(last: datetime) -> Window:
    """The live window: it starts right after the last event, so that everything is known before it."""
    start = last + timedelta(microseconds=1)
    return Window("live", start, start)


def before(events: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The events strictly before `as_of`."""
    return nw.from_native(events).filter(nw.col("timestamp") < as_of).to_native()


def interactions(history: pl.DataFrame, relevant_events: list[str]) -> pl.DataFrame:
    """One row per user-item pair of the history: see `schemas.INTERACTIONS`, with user_id and item_id for the indices.

    `history` carries `weight`, the implicit score of each event (see `prepare.weigh`). Returns are no interactions.
    """
    frame = nw.from_native(history).filter(nw.col("event_type").is_in(POSITIVE))
    is_relevant = nw.col("event_type").is_in(relevant_events)
    frame = frame.with_columns(
        relevant=is_relevant.cast(nw.Int64),
        relevant_timestamp=nw.when(is_relevant).then(nw.col("timestamp")),
        relevant_order=nw.when(is_relevant).then(nw.coalesce("order_id", "event_id")),
    )
    pairs = frame.group_by("user_id", "item_id").agg(
        nw.col("weight").sum(),
        n_events=nw.len().cast(nw.Int64),
        n_relevant=nw.col("relevant").sum(),
        last_timestamp=nw.col("timestamp").max(),
        last_relevant_timestamp=nw.col("relevant_timestamp").max(),
        rating=nw.col("rating").mean(),
    )
    orders = (
        frame.select("user_id", "item_id", "relevant_order")
        .drop_nulls("relevant_order")
        .unique()
        .group_by("user_id", "item_id")
        .agg(n_orders=nw.len().cast(nw.Int64))
    )
    pairs = pairs.join(orders, on=["user_id", "item_id"], how="left")
    return pairs.with_columns(nw.col("n_orders").fill_null(0)).sort("user_id", "item_id").to_native()


def baskets(
    history: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, relevant_events: list[str]
) -> pl.DataFrame:
    """One row per order and item of the history's relevant events: user_idx, item_idx, basket (the order's number, from
    0), timestamp (of its first such event). An event without an order id is an order of its own.

    `users` and `items` are the encoders of the same history.
    """
    lines = history.filter(pl.col("event_type").is_in(relevant_events)).with_columns(
        order=pl.coalesce("order_id", "event_id")
    )
    lines = lines.group_by("user_id", "order", "item_id").agg(pl.col("timestamp").min())
    lines = lines.join(users, on="user_id").join(items, on="item_id").sort("user_idx", "order", "item_idx")
    number = pl.struct("user_idx", "order").rle_id().cast(pl.Int64)
    return lines.select("user_idx", "item_idx", number.alias("basket"), "timestamp")


def encoder(ids: pl.Series, index: str) -> pl.DataFrame:
    """One row per distinct id, with its dense index: the rank of the sorted id string."""
    ordered = ids.unique().sort()
    return pl.DataFrame({index: pl.Series(range(len(ordered)), dtype=pl.Int32), ids.name: ordered})


def holdout(events: pl.DataFrame, window: Window, known: pl.DataFrame, relevant_events: list[str]) -> pl.DataFrame:
    """One row per user-item pair with a relevant event in the window.

    Columns: user_id, item_id, warm (the user is in the interactions `known`), in_catalogue (the item is),
    repeat (the pair had a relevant event before the window). Protocol *all* asks for warm rows in the catalogue,
    *novel* for those of them that are no repeats.
    """
    inside = pl.col("timestamp").is_between(window.start, window.end, closed="left")
    pairs = events.filter(inside, pl.col("event_type").is_in(relevant_events)).select("user_id", "item_id").unique()
    had = known.filter(pl.col("n_relevant") > 0).select("user_id", "item_id", repeat=pl.lit(True))
    return (
        pairs.join(known.select("user_id", warm=pl.lit(True)).unique(), on="user_id", how="left")
        .join(known.select("item_id", in_catalogue=pl.lit(True)).unique(), on="item_id", how="left")
        .join(had, on=["user_id", "item_id"], how="left")
        .with_columns(pl.col("warm", "in_catalogue", "repeat").fill_null(False))
        .sort("user_id", "item_id")
    )


def relevant(answered: pl.DataFrame, protocol: str) -> pl.DataFrame:
    """The distinct user-item pairs that a list is judged by: one row each, warm users and known items only."""
    kept = answered.filter(pl.col("warm") & pl.col("in_catalogue"))
    if protocol == "novel":
        kept = kept.filter(~pl.col("repeat"))
    return kept.select("user_id", "item_id")


def split(events: pl.DataFrame, window: Window, relevant_events: list[str]) -> dict[str, pl.DataFrame]:
    """All tables of one window: users and items (encoders), interactions, answers.

    Raises
    ------
    UserError
        If nothing was known before the window: the cut or the horizon does not fit the data.
    """
    known = interactions(before(events, window.start), relevant_events)
    if not known.height:
        first = events.get_column("timestamp").min()
        raise UserError(
            f"No view, cart, purchase or rating lies before {window.start:%Y-%m-%d}, the start of the {window.name} "
            f"window; the data starts on {first:%Y-%m-%d}. Choose a later cut (shop file) or a shorter "
            "prepare.horizon_days."
        )
    users = encoder(known.get_column("user_id"), "user_idx")
    items = encoder(known.get_column("item_id"), "item_idx")
    encoded = known.join(users, on="user_id").join(items, on="item_id").sort("user_idx", "item_idx")
    return {
        "users": users,
        "items": items,
        "interactions": encoded,
        "holdout": holdout(events, window, known, relevant_events),
    }


def describe(parts: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """Counts of one window, for people and for the metrics."""
    answered = parts["holdout"]
    all_, novel = relevant(answered, "all"), relevant(answered, "novel")
    cold = answered.filter(~pl.col("warm"))
    return {
        "train_pairs": parts["interactions"].height,
        "train_users": parts["users"].height,
        "train_items": parts["items"].height,
        "users_in_window": answered.get_column("user_id").n_unique(),
        "warm_users": answered.filter("warm").get_column("user_id").n_unique(),
        "cold_users": cold.get_column("user_id").n_unique(),
        "evaluated_all": all_.get_column("user_id").n_unique(),
        "evaluated_novel": novel.get_column("user_id").n_unique(),
    }


def overview(cuts: list[Window], parts: dict[str, dict[str, pl.DataFrame]]) -> pl.DataFrame:
    """One row per fact (days, what is known before, whom the window can judge), one column of text per window."""
    columns = {
        cut.name: {"start": f"{cut.start:%Y-%m-%d}", "end": f"{cut.end:%Y-%m-%d}"}
        | {name: f"{count:,}" for name, count in describe(parts[cut.name]).items()}
        for cut in cuts
    }
    facts = list(columns[cuts[0].name])
    return pl.DataFrame({"": facts, **{name: [column[fact] for fact in facts] for name, column in columns.items()}})


def cuts(facts: dict[str, Any]) -> dict[str, datetime]:
    """The moments as of which features are stored, by name, from the facts of 04_prepare; the earliest first.

    training_1, training_2, ... lie half a horizon apart before `valid`: what followed them teaches models that read
    features (see `lessons`). A shop that is too short for some has fewer.
    """
    valid, test, live = (datetime.fromisoformat(facts[name]) for name in ("validation_start", "cut", "live"))
    half, first = timedelta(days=facts["horizon_days"]) / 2, datetime.fromisoformat(facts["first"])
    earlier = {f"training_{n}": valid - n * half for n in range(facts["n_training_cuts"], 0, -1)}
    known = {name: moment for name, moment in earlier.items() if moment > first}
    return {**known, "validation": valid, "test": test, "live": live}


def matrix(parts: dict[str, pl.DataFrame]) -> dict[str, float]:
    """Users, items, pairs and density of the matrix that a model learns from."""
    users, items, pairs = (parts[name].height for name in ("users", "items", "interactions"))
    return {"users": users, "items": items, "pairs": pairs, "density": pairs / (users * items)}


def facts(
    shop: Shop,
    valid: dict[str, pl.DataFrame],
    fingerprint: str,
    cuts: list[Window],
    described: dict[str, dict[str, Any]],
    n_training_cuts: int,
) -> dict[str, Any]:
    """What the data is and where it is cut (reports/metrics/data.json). Times are ISO 8601, UTC."""
    times = valid["events"].get_column("timestamp")
    tuning, test, live = cuts
    return {
        "shop": shop.name,
        "title": shop.title,
        "relevant_events": shop.relevant_events,
        "fingerprint": fingerprint,
        "n_users": valid["users"].height,
        "n_items": valid["items"].height,
        "n_events": valid["events"].height,
        "first": times.min().isoformat(),
        "last": times.max().isoformat(),
        "validation_start": tuning.start.isoformat(),
        "cut": test.start.isoformat(),
        "end": test.end.isoformat(),
        "live": live.start.isoformat(),
        "horizon_days": round((test.end - test.start) / timedelta(days=1)),
        "n_training_cuts": n_training_cuts,
        "windows": described,
    }
