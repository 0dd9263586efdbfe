"""Feature tables of several moments are in files, and equal to those in memory."""

from __future__ import annotations

import threading

import polars as pl
import pytest
from conftest import utc
from feature_data import write_prepared

from recomart_lib.core import paths
from recomart_lib.features import engine, moments, profile
from recomart_lib.features.compute import compute, in_parts
from recomart_lib.features.offline_files import VIEW_KEYS, FeatureWriter
from recomart_lib.features.settings import Features

CUTS = {"before_all": utc(2023, 12, 1), "validation": utc(2024, 1, 10), "live": utc(2024, 1, 29)}


def test_the_tables_of_each_cut_are_read_from_temporary_files(tmp_path):
    write_prepared(tmp_path)
    prepared = engine.scan(tmp_path, "UTC")
    features = moments.compute_all(prepared, CUTS, Features(), tmp_path)
    assert list(features) == list(CUTS)
    for name, as_of in CUTS.items():
        for entity, table in compute(prepared, as_of, Features()).items():
            assert features[name][entity].collect().equals(table)
            assert features[name].n_rows(entity) == table.height
    assert profile.sizes(CUTS, features).filter(cut="before_all").select("users", "items", "pairs").row(0) == (0, 0, 0)
    for lookup in (lambda: features["test"], lambda: features["live"]["nothing"]):
        with pytest.raises(KeyError):
            lookup()
    assert list((tmp_path / ".scratch").iterdir())
    features.close()
    assert not list((tmp_path / ".scratch").iterdir())


@pytest.mark.parametrize(("together", "at_once"), [(3_999, 1), (4_000, 2)])
def test_the_moments_of_a_large_shop_are_computed_one_by_one(tmp_path, monkeypatch, together, at_once):
    monkeypatch.setattr(moments, "TOGETHER", together)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    write_prepared(tmp_path)
    prepared, lock = engine.scan(tmp_path, "UTC"), threading.Lock()
    running, most, both = [], [], threading.Barrier(at_once)

    def counted(*arguments):
        with lock:
            running.append(1)
            most.append(len(running))
        both.wait(timeout=10)
        yield from in_parts(*arguments)
        with lock:
            running.pop()

    monkeypatch.setattr(moments, "in_parts", counted)
    cuts = {"validation": CUTS["validation"], "live": CUTS["live"]}
    features = moments.compute_all(prepared, cuts, Features(), tmp_path)
    assert list(features) == ["validation", "live"]
    assert max(most) == at_once
    features.close()


def test_pairs_in_parts_are_the_pairs(tmp_path, monkeypatch):
    write_prepared(tmp_path)
    whole = compute(engine.scan(tmp_path, "UTC"), CUTS["live"], Features())
    monkeypatch.setattr("recomart_lib.features.compute.PART_BYTES", 200_000)
    stored = moments.compute_all(engine.scan(tmp_path, "UTC"), {"live": CUTS["live"]}, Features(), tmp_path)
    features = stored["live"]
    parts = [part for entity, part in features.parts() if entity == "interaction"]
    assert len(parts) > 2
    assert sum(part["user_id"].n_unique() for part in parts) == whole["user"].height, "a user is in one part"
    for entity, table in whole.items():
        assert features[entity].collect().equals(table)
    for folder, tables in (("parts", features.parts()), ("whole", whole.items())):
        (tmp_path / folder / paths.FEATURES).mkdir(parents=True)
        with FeatureWriter(tmp_path / folder) as writer:
            writer.add(tables)
    for view in VIEW_KEYS:
        files = (tmp_path / folder / paths.FEATURES / f"{view}.parquet" for folder in ("parts", "whole"))
        assert pl.read_parquet(next(files)).equals(pl.read_parquet(next(files)))
