"""A small feature store for tests."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from conftest import ROOT, utc

from recomart_lib.core import paths
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import definitions, feature_store, offline_files, store_config
from recomart_lib.features.base import KEYS

FIRST, SECOND = utc(2024, 1, 1), utc(2024, 2, 1)


SETTINGS = {"half_life_days": 30.0}


def table(entity: str, keys: list[tuple[str, ...]], as_of: datetime, seed: int) -> pl.DataFrame:
    """Random features, a fifth of them null."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(keys, schema=dict.fromkeys(KEYS[entity], pl.String), orient="row")
    columns = []
    for d in definitions.DEFINITIONS:
        if d.entity == entity:
            values = [None if rng.random() < 0.2 else float(v) for v in rng.integers(0, 1000, len(keys)) / 4]
            column = pl.Series(d.name, values, pl.Float64)
            columns.append(column.cast(pl.Int64).cast(d.dtype) if d.dtype != pl.Float64 else column)
    stamp = pl.lit(as_of).cast(TIMESTAMP).alias("event_timestamp")
    return frame.with_columns(stamp, *columns).sort(KEYS[entity])


def write(root: Path, seed: int = 0, n_users: int = 12) -> dict[str, pl.DataFrame]:
    """Feature tables as of two moments; user u0 and item i0 are known at the second only."""
    users, items = [f"u{n}" for n in range(n_users)], [f"i{n}" for n in range(6)]
    pairs = [(user, item) for n, user in enumerate(users) for item in items[: n % 5 + 1]]
    made = {}
    for entity, keys in {"user": [(u,) for u in users], "item": [(i,) for i in items], "interaction": pairs}.items():
        early = [key for key in keys if "u0" not in key and "i0" not in key]
        made[entity] = pl.concat([table(entity, early, FIRST, seed), table(entity, keys, SECOND, seed + 1)])
    made[offline_files.HISTORY] = offline_files.history_lists(made["interaction"])
    for name, frame in made.items():
        (root / paths.FEATURES).mkdir(parents=True, exist_ok=True)
        frame.write_parquet(root / paths.FEATURES / f"{name}.parquet")
    provenance = json.dumps({"data_version": "data1", "settings": SETTINGS})
    (root / paths.FEATURES / feature_store.PROVENANCE).write_text(provenance)
    return made


def new_root(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / store_config.FILE, folder)
    return folder
