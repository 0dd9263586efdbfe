"""06_train's limits on a sample: the size of the data that models are fitted on, and which models are left out."""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl

from recomart.dry_run.windows import Split
from recomart_lib.core.shops import Shop
from recomart_lib.models.base import TrainData
from recomart_lib.models.cost import Budget
from recomart_lib.prepare import splits
from recomart_lib.prepare.splits import Window
from recomart_lib.train import limits, search_space
from recomart_lib.train.settings import Train

MAX_PAIRS = 20_000_000  # of users and products, in the enlarged sample: its costs are computed in memory


def test_data(shop: Shop, split: Split, share: float, item_times: pl.DataFrame) -> TrainData:
    """The data before the test window, as large as all data: every user of the sample stands for 1 / `share` users.

    Parameters
    ----------
    item_times
        When each product was seen first, in all data: item_id, first.
    """
    window, parts = split.windows[1], split.parts["test"]
    users, items = parts["users"], parts["items"]
    baskets = splits.baskets(splits.before(split.events, window.start), users, items, shop.relevant_events)
    data = TrainData.of(parts["interactions"], users.height, items.height, window.start).with_baskets(baskets)
    return data if share == 1 else enlarged(data, share, _n_items(item_times, window, data))


def _n_items(item_times: pl.DataFrame, window: Window, data: TrainData) -> int:
    return max(item_times.filter(pl.col("first") < window.start).height, data.n_items)


def enlarged(data: TrainData, share: float, n_items: int) -> TrainData:
    """Data of 1 / `share` times the users, with the histories of these users again and again; not for fits."""
    share = max(share, data.interactions.height / MAX_PAIRS)
    n_users = math.ceil(data.n_users / share)
    pairs = _repeated(data.interactions, data.n_users, n_users)
    lines = data.baskets
    if lines is not None:
        n_orders = int(lines.get_column("basket").max() or 0) + 1
        lines = _repeated(lines, data.n_users, n_users, {"basket": n_orders})
    return TrainData(pairs, n_users, n_items, data.cut, baskets=lines, budget=data.budget)


def _repeated(
    rows: pl.DataFrame, n_in_sample: int, n_users: int, numbers: dict[str, int] | None = None
) -> pl.DataFrame:
    """The rows once per copy of the users, with new numbers of users (and of what `numbers` counts) in every copy."""
    copies = []
    for copy in range(math.ceil(n_users / n_in_sample)):
        new = [(pl.col(name) + copy * n).cast(rows.schema[name]) for name, n in (numbers or {}).items()]
        user = (pl.col("user_idx") + copy * n_in_sample).cast(rows.schema["user_idx"])
        copies.append(rows.with_columns(user, *new).filter(pl.col("user_idx") < n_users))
    return pl.concat(copies)


def left_out(data: TrainData, settings: Train, seed: int) -> dict[str, str]:
    """Model -> why 06 will leave it out."""
    data = replace(data, budget=Budget(settings.max_memory_gb, settings.max_fit_minutes))
    spaces = search_space.search_spaces(settings, seed)
    without_ratings = {
        name: "it learns from ratings, and there are none before the test window"
        for name in spaces
        if not limits.is_possible(name, data)
    }
    return limits.left_out(spaces, data) | without_ratings
