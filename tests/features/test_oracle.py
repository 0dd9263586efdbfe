"""The library against plain pandas, written independently from docs/features.md (bench/pandas_features.py)."""

from __future__ import annotations

import importlib.util

import numpy as np
import polars as pl
import pytest
from conftest import ROOT, utc
from feature_data import write_prepared

from recomart_lib.features import definitions, engine
from recomart_lib.features.base import KEYS
from recomart_lib.features.compute import compute
from recomart_lib.features.settings import Features

spec = importlib.util.spec_from_file_location("pandas_features", ROOT / "bench" / "pandas_features.py")
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

LACKING = {
    "everything": (),
    "no views": ("view",),
    "no ratings": ("rating",),
    "no returns": ("return",),
    "only purchases": ("view", "cart", "return", "rating"),
    "only ratings": ("view", "cart", "return", "purchase"),
}


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("day", [6, 29])
def test_features_are_what_their_words_say(tmp_path, lacking, day):
    write_prepared(tmp_path)
    path = tmp_path / "events.parquet"
    pl.read_parquet(path).filter(~pl.col("event_type").is_in(LACKING[lacking])).write_parquet(path)
    as_of, zone, settings = utc(2024, 1, day), "America/New_York", Features(n_last=5)
    ours = compute(engine.scan(tmp_path, zone), as_of, settings)
    tables = (pl.read_parquet(tmp_path / f"{name}.parquet").to_pandas() for name in ("events", "users", "items"))
    theirs = oracle.compute(*tables, as_of, settings, zone)
    for entity, table in ours.items():
        other = pl.from_pandas(theirs[entity].reset_index()).sort(KEYS[entity])
        assert table.height > 1
        assert table.select(KEYS[entity]).equals(other.select(KEYS[entity]))
        for d in definitions.DEFINITIONS:
            if d.entity == entity:
                expected = other[d.name].cast(d.dtype)
                if d.dtype == pl.Float64:
                    expected = expected.fill_nan(None)
                    assert np.allclose(table[d.name].fill_null(-1), expected.fill_null(-1), rtol=1e-8, atol=1e-9), d.ref
                else:
                    assert table[d.name].equals(expected.rename(d.name)), d.ref
