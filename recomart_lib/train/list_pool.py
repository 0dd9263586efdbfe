"""Long lists from which the shop's rules choose: those of the test window, which 07 prices, and the fallback.

The rules take products out of a list, and better ones than the next few may be left only far below. The fallback is
what fills a list of which the rules left too little.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import PROTOCOLS, enum_of
from recomart_lib.models.base import ArrayModel, TrainData
from recomart_lib.train import model_lists
from recomart_lib.train.train_data import Tables

DEPTH = 200  # products per user from which the rules choose: enough for a list of ten if they allow one in twenty
COLUMNS = ("protocol", "user_id", "item_id", "score", "rank", "model")
FALLBACK = "recent_popularity"


def pool(
    fitted: Mapping[str, ArrayModel], chosen: Mapping[str, str], data: TrainData, window: Tables, depth: int = DEPTH
) -> pl.DataFrame:
    """The best products of the model chosen in each protocol, for every user of the window who can be evaluated.

    Parameters
    ----------
    chosen
        Protocol -> model.
    window
        In a large shop, with a sample of its users (`user_sample.sample_window`), which also bounds the memory.

    Returns
    -------
    DataFrame
        protocol, user_id, item_id, score, rank, model, sorted by protocol, user_id and rank. Ids and names are Enums:
        store it with `model_lists.write`. A list is shorter than `depth` where fewer products are left.
    """
    dtypes = {
        "user_id": enum_of(window["users"].get_column("user_id")),
        "item_id": enum_of(window["items"].get_column("item_id")),
        "model": pl.Enum(sorted(set(chosen.values()))),
        "protocol": pl.Enum(sorted(PROTOCOLS)),
    }
    ranked = {
        name: model_lists.lists(fitted[name], data, window, depth).cast(dtypes) for name in sorted(set(chosen.values()))
    }
    parts = [ranked[chosen[protocol]].filter(pl.col("protocol") == protocol) for protocol in sorted(PROTOCOLS)]
    return pl.concat(parts).select(COLUMNS)


def fallback(data: TrainData, window: Tables) -> pl.DataFrame:
    """The next model down, over the whole catalogue: item_id, score, rank, model; the same for all users."""
    bestsellers = data.fitted(models.create(FALLBACK))
    ranked = model_lists.cold_list(bestsellers, window, max(window["items"].height, 1))
    return ranked.with_columns(model=pl.lit(FALLBACK))
