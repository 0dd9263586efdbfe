"""A finished stage 08 for tests of recommendations."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from model_data import CUT, interactions, pair

from recomart_lib import models
from recomart_lib.core.schemas import RECOMMENDATIONS
from recomart_lib.models.base import TrainData
from recomart_lib.recommend import explain

HISTORY = [pair(0, 0, days=9), pair(0, 1), pair(1, 0), pair(1, 1), pair(1, 2), pair(2, 1), pair(2, 2)]


DATA = TrainData.of(interactions(HISTORY), 3, 3, CUT)


INDEX = pl.Series(range(3), dtype=pl.Int32)


WINDOW = {
    "users": pl.DataFrame({"user_idx": INDEX, "user_id": ["u0", "u1", "u2"]}),
    "items": pl.DataFrame({"item_idx": INDEX, "item_id": ["a", "b", "c"]}),
}


NAMES = pl.DataFrame({"item_idx": INDEX, "name": ["Axe", "Bow", "Cup"]})


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Path:
    """The outputs of stages 04 and 08, for three users and three items."""
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    live, out = tmp_path / "data/prepared/live", tmp_path / "data/recommendations"
    live.mkdir(parents=True)
    out.mkdir(parents=True)
    for name, table in WINDOW.items():
        table.write_parquet(live / f"{name}.parquet")
    known = DATA.interactions.join(WINDOW["users"], on="user_idx").join(WINDOW["items"], on="item_idx")
    known.write_parquet(live / "interactions.parquet")
    WINDOW["items"].join(NAMES, on="item_idx").write_parquet(live.parent / "items.parquet")
    model = models.create("ease", reg=1).fit(DATA)
    model.save(out / "model")
    rows = [
        ("u0", "c", 0.5, 1, "ease", "chosen together", "x"),
        ("u0", "b", 0.4, 2, "ease", "chosen before", "y"),
        ("new", "b", 3.0, 1, "popularity", "popular in the shop", "z"),
    ]
    lists = pl.DataFrame(rows, list(RECOMMENDATIONS), orient="row")
    lists.write_parquet(out / "recommendations.parquet")
    pl.DataFrame({"item_id": ["b"], "score": [3.0], "rank": [1]}).write_parquet(out / "default_list.parquet")
    explain.candidate_columns(model, DATA, lists, WINDOW).write_parquet(out / "columns.parquet")
    return tmp_path
