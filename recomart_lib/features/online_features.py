"""The live features of a user, of the products, and of the user's pairs: the stored ones, and what has happened since.

Feast reads the online store; `online_events` adds the events that the stream delivered since the last run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.features import feast_store, online_events, services, store_config
from recomart_lib.features.definitions import NEWEST
from recomart_lib.features.offline_files import HISTORY, provenance
from recomart_lib.features.services import Column


def online_user(user_id: str, service: str = NEWEST, root: Path | None = None) -> dict[str, Any]:
    """The live features of a user by name, and `as_of`; all None for an unknown user.

    They include the events that the stream delivered since the last run: see `online_events.user_with`.
    """
    _require_text("user_id", user_id)
    root = root or paths.root()
    store = _live_store(root)
    columns = services.columns(root, service)["user"]
    values = _read(store, root, [f"user:{c.name}" for c in columns], [{"user_id": user_id}], stamps=True)
    stored = {c.name: values[c.title][0] for c in columns} | {"as_of": values["as_of"][0]}
    return online_events.user_with(stored, online_events.events_of(user_id, root, stored["as_of"]))


def online(
    user_id: str,
    item_ids: Sequence[str] | None = None,
    service: str = NEWEST,
    root: Path | None = None,
    streamed: bool = True,
) -> pl.DataFrame:
    """The live features of a user with products: one row per item, with the columns of `training_frame`.

    Unknown users and items have nulls, and so have the pair features of a pair without an event. A model that ranks
    such pairs computes them: `features.compute.compute(prepared, as_of, settings, pairs)`.

    Parameters
    ----------
    item_ids
        Default: the items of the user's history.
    streamed
        Whether to add the events that the stream delivered since the last run to the features of the user and of the
        pairs (see `online_events`).

    Raises
    ------
    UserError
        If the online store is empty, the service does not exist, or an id is not text.
    """
    _require_text("user_id", user_id)
    _require_items(item_ids)
    root = root or paths.root()
    store = _live_store(root)
    columns = services.columns(root, service)
    user = _user_and_history(store, root, columns, user_id)
    before, history = user["as_of"][0], user[f"{HISTORY}__item_id"][0] or []
    fresh = online_events.events_of(user_id, root, before) if streamed else pl.DataFrame(schema=online_events.FRESH)
    items = list(dict.fromkeys([*history, *fresh.get_column("item_id")])) if item_ids is None else list(item_ids)
    values = {"user_id": [user_id] * len(items), "item_id": items}
    values |= {c.title: user[c.title] * len(items) for c in columns["user"]}
    values |= _item_values(store, root, columns["item"], items)
    values |= _pair_values(user, history, columns["interaction"], items)
    if fresh.height:
        _add_fresh(values, fresh, before, columns, provenance(root)["settings"]["half_life_days"])
    types = dict.fromkeys(("user_id", "item_id"), pl.String) | {c.title: c.dtype for e in columns.values() for c in e}
    return pl.DataFrame(list(zip(*values.values(), strict=True)), schema=types, orient="row")  # three times faster


def _user_and_history(
    store: feast_store.FeatureStore, root: Path, columns: dict[str, list[Column]], user_id: str
) -> dict[str, list[Any]]:
    """A user's features and lists of pairs (`user__x`, `user_history__x`) and `as_of`: lists of one value."""
    lists = ("item_id", *(c.name for c in columns["interaction"]))
    refs = [*(f"user:{c.name}" for c in columns["user"]), *(f"{HISTORY}:{name}" for name in lists)]
    return _read(store, root, refs, [{"user_id": user_id}], stamps=True)


def _require_items(item_ids: Sequence[str] | None) -> None:
    if isinstance(item_ids, str):
        raise UserError(f"item_ids is a list of products, like ['{item_ids}'].")
    for item in item_ids or ():
        _require_text("item_id", item)


def _item_values(
    store: feast_store.FeatureStore, root: Path, columns: list[Column], items: list[str]
) -> dict[str, list[Any]]:
    """The item columns of `online`: one value per item, None for unknown items."""
    if not items:
        return {c.title: [] for c in columns}
    values = _read(store, root, [f"item:{c.name}" for c in columns], [{"item_id": item} for item in items])
    return {c.title: values.get(c.title, []) for c in columns}


def _pair_values(
    user: dict[str, list[Any]], history: list[str], columns: list[Column], items: list[str]
) -> dict[str, list[Any]]:
    """The pair columns of `online`: one value per item, None for items that are not in the user's history."""
    place_of = {item: place for place, item in enumerate(history)}
    places = [place_of.get(item) for item in items]
    return {c.title: _placed(user[f"{HISTORY}__{c.name}"][0], places, c.dtype) for c in columns}


def _add_fresh(
    values: dict[str, list[Any]],
    fresh: pl.DataFrame,
    before: datetime | None,
    columns: dict[str, list[Column]],
    half_life_days: float,
) -> None:
    """Add streamed events to the columns of `online`, in place."""
    as_of, by_item = fresh.get_column("timestamp")[-1], fresh.partition_by("item_id", as_dict=True)
    if values["item_id"]:  # the user is the same in every row
        stored = {c.name: values[c.title][0] for c in columns["user"]} | {"as_of": before}
        user = online_events.user_with(stored, fresh)
        values |= {c.title: [user[c.name]] * len(values["item_id"]) for c in columns["user"]}
    for n, item in enumerate(values["item_id"]):
        stored = {c.name: values[c.title][n] for c in columns["interaction"]}
        events = by_item.get((item,), fresh.clear())
        pair = online_events.pair_with(stored, events, as_of, before, half_life_days)
        for c in columns["interaction"]:
            values[c.title][n] = pair[c.name]


def _placed(numbers: list[float] | None, places: list[int | None], dtype: type[pl.DataType]) -> list[Any]:
    """The numbers at these places of a list of the user's history; None for a missing place and for NaN."""
    kind = int if dtype == pl.Int64 else float
    values = (None if place is None else numbers[place] for place in places)
    return [None if number is None or number != number else kind(number) for number in values]


def _require_text(name: str, key: object) -> None:
    if not isinstance(key, str):
        raise UserError(f"{name} must be text, like 'C000042'; it is {key!r} ({type(key).__name__}).")


def _read(
    store: feast_store.FeatureStore, root: Path, references: list[str], rows: list[dict[str, str]], stamps: bool = False
) -> dict[str, list[Any]]:
    """Values from the online store as lists, by `view__feature`; with `stamps` also their moments, as `as_of`."""
    values = feast_store.read_online(store, references, rows, stamps)
    if stamps:
        values["as_of"] = [moment and online_events.exact(moment, root) for moment in values["as_of"]]
    return values


def _live_store(root: Path) -> feast_store.FeatureStore:
    """The open store, which stays open until its files are replaced."""
    target = store_config.online_file(root)
    try:
        stat = target and target.stat()
    except FileNotFoundError:
        raise UserError(f"The online store is empty: {target} is missing. Run: dvc repro 05_features") from None
    return _opened(root, (root / store_config.FILE).stat().st_mtime_ns, stat and (stat.st_ino, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _opened(root: Path, config_time: int, online_version: tuple[int, int] | None) -> feast_store.FeatureStore:
    services.registered(root)  # Feast would not say that nothing is registered
    return feast_store.open_store(root)
