"""Split by global time: the windows, the interactions before each, and its holdout.

    fit  < validation.start <= validation holdout < test.start <= test holdout < test.end       (all half-open)

Parameters are chosen on `validation`; then models are refitted on everything before
`test.start`, and test is scored once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import POSITIVE, enum_of
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import plural

IDS = ("user_id", "item_id")
# Count of `describe` -> its name for people.
PROPERTIES = {
    "train_pairs": "user-product pairs before",
    "train_users": "users before",
    "train_items": "products before",
    "users_in_window": "users with a relevant event in it",
    "warm_users": "of them with earlier events (warm)",
    "cold_users": "of them without (cold)",
    "evaluated_all": "evaluated, lists as delivered (all)",
    "evaluated_novel": "evaluated, discovery (novel)",
}


@dataclass(frozen=True)
class Window:
    """The holdout is in [start, end); a model may use only events before `start`."""

    name: str
    start: datetime
    end: datetime


def horizon(shop: Shop, horizon_days: int) -> int:
    """The length of a window in days: that of the shop file, else `horizon_days` (prepare.horizon_days)."""
    return horizon_days if shop.horizon_days == "auto" else shop.horizon_days


def windows(shop: Shop, last: datetime, horizon_days: int) -> tuple[Window, Window]:
    """The validation and the test window. With `cut: auto` in the shop file, test is the last days of the data.

    Parameters
    ----------
    last
        The latest event's time (UTC).
    horizon_days
        Length of each window in days; the horizon of the shop file takes precedence.
    """
    length = timedelta(days=horizon(shop, horizon_days))  # of local days
    zone = ZoneInfo(shop.time_zone)
    if shop.cut == "auto":
        day = last.astimezone(zone).date() + timedelta(days=1) - length
    else:
        day = date.fromisoformat(shop.cut)
    start, cut, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day - length, day, day + length))
    return Window("validation", start, cut), Window("test", cut, end)


def after(last: datetime) -> Window:
    """The live window: it starts right after the last event, so all events are before it."""
    start = last + timedelta(microseconds=1)
    return Window("live", start, start)


def before(events: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The events strictly before `as_of`."""
    return nw.from_native(events).filter(nw.col("timestamp") < as_of).to_native()


def interactions(history: pl.DataFrame, relevant_events: list[str]) -> pl.DataFrame:
    """One row per user-item pair of the history: `schemas.INTERACTIONS`, but with user_id and item_id as keys.

    `history` has `weight`, the implicit score of each event (see `cleaning.weigh`). Returns are not interactions.
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
    0), timestamp (of its first such event). An event without an order id counts as one order.

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
    """One row per distinct id with its dense index: the rank of the id, sorted as a string."""
    ordered = ids.unique().sort()
    return pl.DataFrame({index: pl.Series(range(len(ordered)), dtype=pl.Int32), ids.name: ordered})


def holdout(events: pl.DataFrame, window: Window, train: pl.DataFrame, relevant_events: list[str]) -> pl.DataFrame:
    """One row per user-item pair with a relevant event in the window.

    Columns: user_id, item_id, warm (the user is in the interactions `train`), in_catalogue (the item is),
    repeat (the pair had a relevant event before the window). Protocol *all* uses warm rows in the catalogue,
    *novel* those of them that are not repeats.
    """
    inside = pl.col("timestamp").is_between(window.start, window.end, closed="left")
    pairs = events.filter(inside, pl.col("event_type").is_in(relevant_events)).select("user_id", "item_id").unique()
    repeats = train.filter(pl.col("n_relevant") > 0).select("user_id", "item_id", repeat=pl.lit(True))
    return (
        pairs.join(train.select("user_id", warm=pl.lit(True)).unique(), on="user_id", how="left")
        .join(train.select("item_id", in_catalogue=pl.lit(True)).unique(), on="item_id", how="left")
        .join(repeats, on=["user_id", "item_id"], how="left")
        .with_columns(pl.col("warm", "in_catalogue", "repeat").fill_null(False))
        .sort("user_id", "item_id")
    )


def relevant(holdout: pl.DataFrame, protocol: str) -> pl.DataFrame:
    """The pairs that lists are evaluated by: one row per user-item pair, warm users and known items only."""
    pairs = holdout.filter(pl.col("warm") & pl.col("in_catalogue"))
    if protocol == "novel":
        pairs = pairs.filter(~pl.col("repeat"))
    return pairs.select("user_id", "item_id")


def split_windows(
    events: pl.DataFrame, windows: list[Window], relevant_events: list[str]
) -> dict[str, dict[str, pl.DataFrame]]:
    """Window name -> its tables, see `split`. Ids are numbers meanwhile, of which many are compared."""
    numbered = events.with_columns(pl.col(name).cast(enum_of(events.get_column(name))) for name in IDS)
    as_text = pl.selectors.enum().cast(pl.String)
    return {
        window.name: {
            name: table.with_columns(as_text) for name, table in split(numbered, window, relevant_events).items()
        }
        for window in windows
    }


def split(events: pl.DataFrame, window: Window, relevant_events: list[str]) -> dict[str, pl.DataFrame]:
    """All tables of one window: users and items (encoders), interactions, holdout.

    Raises
    ------
    UserError
        If there are no interactions before the window: the cut or the horizon does not fit the data.
    """
    train = interactions(before(events, window.start), relevant_events)
    if not train.height:
        first = events.get_column("timestamp").min()
        raise UserError(
            f"There is no view, cart, purchase or rating before {window.start:%Y-%m-%d}, the start of the "
            f"{window.name} window; the data starts on {first:%Y-%m-%d}. Choose a later cut (shop file) or a shorter "
            "prepare.horizon_days."
        )
    users = encoder(train.get_column("user_id"), "user_idx")
    items = encoder(train.get_column("item_id"), "item_idx")
    # sorted by id, so sorted by index
    encoded = train.join(users, on="user_id", maintain_order="left").join(items, on="item_id", maintain_order="left")
    return {
        "users": users,
        "items": items,
        "interactions": encoded,
        "holdout": holdout(events, window, train, relevant_events),
    }


def describe(parts: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """Counts of one window, for tables and metrics."""
    pairs = parts["holdout"]
    all_, novel = relevant(pairs, "all"), relevant(pairs, "novel")
    cold = pairs.filter(~pl.col("warm"))
    return {
        "train_pairs": parts["interactions"].height,
        "train_users": parts["users"].height,
        "train_items": parts["items"].height,
        "users_in_window": pairs.get_column("user_id").n_unique(),
        "warm_users": pairs.filter("warm").get_column("user_id").n_unique(),
        "cold_users": cold.get_column("user_id").n_unique(),
        "evaluated_all": all_.get_column("user_id").n_unique(),
        "evaluated_novel": novel.get_column("user_id").n_unique(),
    }


def check_evaluable(windows: list[Window], descriptions: dict[str, dict[str, Any]], shop: Shop, last: datetime) -> None:
    """Check that models can be evaluated in each window, at least by one user in protocol *all*.

    Parameters
    ----------
    windows
        The validation and the test window.
    descriptions
        Window name -> its counts, see `describe`.
    last
        The latest event's time (UTC).

    Raises
    ------
    UserError
        Names the window that has no such user, and what to change.
    """
    for window in windows:
        if not descriptions[window.name]["evaluated_all"]:
            raise UserError(_not_evaluable(window, descriptions[window.name], shop, last))


def _not_evaluable(window: Window, counts: dict[str, Any], shop: Shop, last: datetime) -> str:
    start, end, latest = (moment.astimezone(ZoneInfo(shop.time_zone)) for moment in (window.start, window.end, last))
    reason = "no user has one in it"
    if n_users := counts["users_in_window"]:
        n_warm = counts["warm_users"]
        reason = f"of {plural(n_users, 'user')} with one, {n_warm} had earlier events, none of them with known products"
        reason = reason if n_warm else f"{plural(n_users, 'user')} with one had no earlier events"
    return (
        f"No user can be evaluated in the {window.name} window, which counts events of type "
        f"{', '.join(shop.relevant_events)} from {start:%Y-%m-%d} until {end:%Y-%m-%d} (exclusive): {reason}. The last "
        f"event is on {latest:%Y-%m-%d}; shops/{shop.name}.yaml has cut: {shop.cut}. Set `cut` there to a day with "
        "enough data before and after it, `horizon_days` to longer windows, or `relevant_events` to other types."
    )


def overview(windows: list[Window], parts: dict[str, dict[str, pl.DataFrame]], zone: str = "UTC") -> pl.DataFrame:
    """One row per property (local days, training data, users that can be evaluated), one text column per window."""
    columns = {window.name: _properties(window, describe(parts[window.name]), ZoneInfo(zone)) for window in windows}
    properties = list(columns[windows[0].name])
    return pl.DataFrame(
        {"": properties, **{name: [column[key] for key in properties] for name, column in columns.items()}}
    )


def _properties(window: Window, counts: dict[str, Any], zone: ZoneInfo) -> dict[str, str]:
    days = {"first day": window.start, "until (exclusive)": window.end}
    shown = {name: f"{moment.astimezone(zone):%Y-%m-%d}" for name, moment in days.items()}
    if window.start == window.end:  # see `after`
        shown = dict(zip(days, ("after the last event", "open"), strict=True))
    return shown | {PROPERTIES[name]: f"{count:,}" for name, count in counts.items()}


def cuts(split_metadata: dict[str, Any]) -> dict[str, datetime]:
    """The moments as of which features are stored, by name, earliest first; from the metadata of 04_prepare.

    training_1, training_2, ... are half a horizon apart before `validation`: what followed them gives training examples
    for rankers (see `train.training_examples`). If the data starts later than some of them, there are fewer.
    """
    validation, test, live = (
        datetime.fromisoformat(split_metadata[name]) for name in ("validation_start", "cut", "live")
    )
    half, first = timedelta(days=split_metadata["horizon_days"]) / 2, datetime.fromisoformat(split_metadata["first"])
    earlier = {f"training_{n}": validation - n * half for n in range(split_metadata["n_training_cuts"], 0, -1)}
    training = {name: moment for name, moment in earlier.items() if moment > first}
    return {**training, "validation": validation, "test": test, "live": live}


def matrix_size(parts: dict[str, pl.DataFrame]) -> dict[str, float]:
    """Users, items, pairs and density of the matrix that a model is trained on."""
    users, items, pairs = (parts[name].height for name in ("users", "items", "interactions"))
    return {"users": users, "items": items, "pairs": pairs, "density": pairs / (users * items)}


def split_metadata(
    shop: Shop,
    validated: dict[str, pl.DataFrame],
    fingerprint: str,
    windows: list[Window],
    descriptions: dict[str, dict[str, Any]],
    n_training_cuts: int,
    funnel: dict[str, dict[str, int]],
) -> dict[str, Any]:
    """The data and its split (reports/metrics/data.json). Times are ISO 8601, UTC; `funnel`: see `funnel.counts`."""
    times = validated["events"].get_column("timestamp")
    validation, test, live = windows
    return {
        "shop": shop.name,
        "title": shop.title,
        "relevant_events": shop.relevant_events,
        "fingerprint": fingerprint,
        "n_users": validated["users"].height,
        "n_items": validated["items"].height,
        "n_events": validated["events"].height,
        "first": times.min().isoformat(),
        "last": times.max().isoformat(),
        "validation_start": validation.start.isoformat(),
        "cut": test.start.isoformat(),
        "end": test.end.isoformat(),
        "live": live.start.isoformat(),
        "horizon_days": round((test.end - test.start) / timedelta(days=1)),
        "n_training_cuts": n_training_cuts,
        "windows": descriptions,
        "funnel": funnel,
        "currency": shop.currency,
    }
