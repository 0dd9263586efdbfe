"""04_prepare on a sample: the windows, and how many users each can evaluate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from recomart.dry_run.quality import Quality
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.prepare import cleaning, outliers, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.prepare.splits import Window

FEW_USERS = 300  # fewer in a window: 06 and 07 say how unsure scores are
OTHER_HORIZONS = (60, 90, 180)  # days that are tried where the windows can evaluate few users
NAMES = ("users_in_window", "cold_users", "evaluated_all", "evaluated_novel")


@dataclass(frozen=True)
class Split:
    """The validation and the test window of the sample: their tables, and the counts of the sample (see `describe`).

    `events` are cleaned, without those far from all others, about which `notes` say more; `stop` is the sentence with
    which 04 would stop.
    """

    events: pl.DataFrame
    windows: list[Window]
    parts: dict[str, dict[str, pl.DataFrame]]
    counts: dict[str, dict[str, Any]]
    stop: str | None
    notes: list[str] = field(default_factory=list)

    def estimated(self, share: float) -> dict[str, dict[str, int]]:
        """Window -> its numbers of users in all data, of which a share is in the sample."""
        return {window: {name: round(counts[name] / share) for name in NAMES} for window, counts in self.counts.items()}


def split(shop: Shop, quality: Quality, settings: Prepare) -> Split:
    """Split the validated sample as 04 does.

    Raises
    ------
    UserError
        If there are no valid events, or none before a window.
    """
    events, history = (
        pl.read_parquet(quality.validated / f"{name}.parquet", glob=False) for name in ("events", "items_history")
    )
    far = outliers.find(events, shop, settings.horizon_days)
    events = outliers.remove(events, far, shop)
    events = cleaning.clean_events(events, settings, cleaning.clean_history("items", history))
    return replace(_split(shop, events, settings.horizon_days), notes=outliers.sentences(far))


def _split(shop: Shop, events: pl.DataFrame, horizon_days: int) -> Split:
    last = events.get_column("timestamp").max()
    windows = list(splits.windows(shop, last, horizon_days))
    parts = splits.split_windows(events, windows, shop.relevant_events)
    counts = {name: splits.describe(tables) for name, tables in parts.items()}
    try:
        splits.check_evaluable(windows, counts, shop, last)
    except UserError as problem:
        return Split(events, windows, parts, counts, str(problem))
    return Split(events, windows, parts, counts, None)


def better(shop: Shop, current: Split, share: float) -> tuple[dict[str, Any], int] | None:
    """Keys of the shop file that let both windows evaluate more users, and how many the smaller one then can.

    Tried only if the windows have few: the last days of the data as test window, then longer windows.
    """
    n_now = _smaller(current.counts)
    if n_now / share >= FEW_USERS:
        return None
    length = round((current.windows[1].end - current.windows[1].start).total_seconds() / 86_400)
    trials = [{"cut": "auto", "horizon_days": days} for days in (length, *OTHER_HORIZONS) if days >= length]
    best: tuple[dict[str, Any], int] | None = None
    for keys in trials:
        n = _evaluated(shop.model_copy(update=keys), current.events)
        if n > max(n_now, best[1] if best else 0):
            best = keys, n
        if n / share >= FEW_USERS:
            break
    return (best[0], round(best[1] / share)) if best else None


def _evaluated(shop: Shop, events: pl.DataFrame) -> int:
    try:
        return _smaller(_split(shop, events, shop.horizon_days).counts)
    except UserError:  # no interactions before such a window
        return 0


def _smaller(counts: dict[str, dict[str, Any]]) -> int:
    return min(window["evaluated_all"] for window in counts.values())
