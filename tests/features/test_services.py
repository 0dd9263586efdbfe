"""Which features a registered version has, read from our own tables, or, of older registries, from Feast's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_data import SETTINGS, new_root

from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions, feast_store, feature_store, registry_history, services, store_config


@pytest.fixture
def root(tmp_path) -> Path:
    root = new_root(tmp_path / "root")
    feature_store.apply("a", SETTINGS, root)
    return root


def test_our_tables_say_the_same_as_feast(root):
    ours = registry_history.contents(store_config.registry_url(root), "recomart")
    assert ours == feast_store.services(feast_store.open_store(root))
    assert list(ours) == list(definitions.SERVICES)


def test_columns_are_those_of_the_definitions_in_their_order(root):
    for name, service in definitions.SERVICES.items():
        columns = [column for of_entity in services.columns(root, name).values() for column in of_entity]
        assert columns == [services.Column(d.entity, d.name, d.dtype) for d in service]


def test_a_registry_of_an_earlier_recomart_is_read_by_feast(root):
    expected = services.registered(root)
    with closing(sqlite3.connect(root / "data/feature_store/feature_store.db")) as db, db:
        db.execute("delete from recomart_meta where key in ('contents', 'project')")
    services.forget()
    assert registry_history.contents(store_config.registry_url(root), "recomart") is None
    assert services.registered(root) == expected


def test_what_another_process_registers_is_seen(root, monkeypatch):
    assert "recommender_v9" not in services.registered(root)
    monkeypatch.setattr(definitions, "SERVICES", {**definitions.SERVICES, "recommender_v9": definitions.DEFINITIONS})
    monkeypatch.setattr(services, "forget", lambda: None)
    feature_store.apply("a", SETTINGS, root)
    assert len(services.registered(root)["recommender_v9"]) == len(definitions.DEFINITIONS)


def test_an_unknown_version_is_an_error_with_the_closest_name(root):
    with pytest.raises(UserError, match=r"no feature service 'recomender_v1'. Did you mean 'recommender_v1'"):
        services.columns(root, "recomender_v1")
