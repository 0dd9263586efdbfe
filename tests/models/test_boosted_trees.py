"""Boosted trees: reproducible with any number of threads."""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.models import boosted_trees


def test_trees_are_the_same_bytes_with_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(1)
    rows = pl.DataFrame({f"f{n}": rng.random(6_000) for n in range(8)})
    rows = rows.with_columns(label=(pl.col("f0") + pl.col("f1") * rng.random(6_000) > 0.8).cast(pl.Int32))
    learned = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(boosted_trees.parallel, "n_threads", lambda n=n_threads: n)
        group = np.full(300, 20)
        learned.append(
            boosted_trees.fit(
                rows, boosted_trees.numeric_columns(rows), 20, group, objective="lambdarank", seed=3
            ).tobytes()
        )
    assert learned[0] == learned[1] == learned[2]
