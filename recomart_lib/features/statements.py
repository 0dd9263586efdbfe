"""Which statements about users and products do features of past cuts use? See `prepare.versions`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import KEYS
from recomart_lib.prepare import versions

ENTITIES = {"users": "user", "items": "item"}
USED = {"table": pl.String, "cut": pl.String, "ids": pl.Int64, "older": pl.Int64, "before_first": pl.Int64}


def used(
    histories: Mapping[str, pl.DataFrame], cuts: dict[str, datetime], features: Mapping[str, Mapping[str, pl.LazyFrame]]
) -> pl.DataFrame:
    """Compare the statements as of each cut with the newest, which live features use.

    Parameters
    ----------
    histories
        users and items: table -> its history.
    features
        Cut -> entity -> its features (see `compute.compute`).

    Returns
    -------
    DataFrame
        One row per table and cut except live: table, cut, ids (with features as of the cut), older (those whose
        statement is older than their newest), before_first (those without a statement yet: their first one is used,
        although it is later than the cut).
    """
    rows = []
    for table, history in histories.items():
        key = KEYS[table]
        for cut, moment in cuts.items():
            if cut != "live":
                ids = features[cut][ENTITIES[table]].select(key).collect()
                known = history.join(ids, on=key, how="semi", maintain_order="left")
                later = pl.col("valid_from") > moment
                older = known.filter(later & ~versions.is_first(key)).get_column(key).n_unique()
                rows.append((table, cut, ids.height, older, known.filter(later & versions.is_first(key)).height))
    return pl.DataFrame(rows, schema=USED, orient="row")
