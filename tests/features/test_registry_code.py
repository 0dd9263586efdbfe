"""A registry from elsewhere cannot run code: each attack was seen to work on Feast without the check."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from feast.protos.feast.core.FeatureView_pb2 import FeatureView
from store_data import SETTINGS, new_root, write

from recomart_lib.core.errors import UserError
from recomart_lib.features import feast_store, feature_store, online_features, registry_code

REGISTRY = "data/feature_store/feature_store.db"


@pytest.fixture(scope="module")
def registered(tmp_path_factory) -> Path:
    root = new_root(tmp_path_factory.mktemp("store"))
    write(root)
    feature_store.apply("data1", SETTINGS, root)
    feature_store.materialise(root=root)
    return root


@pytest.fixture
def registry(registered) -> sqlite3.Connection:
    """The registry's database, open for changes; afterwards it is as it was."""
    before = (registered / REGISTRY).read_bytes()
    connection = sqlite3.connect(registered / REGISTRY)
    online_features._opened.cache_clear()
    yield connection
    connection.close()
    (registered / REGISTRY).write_bytes(before)
    online_features._opened.cache_clear()


def change(registry: sqlite3.Connection, edit: Callable[[FeatureView], None]) -> None:
    """Change the view `user` in the registry."""
    (content,) = registry.execute(
        "SELECT feature_view_proto FROM feature_views WHERE feature_view_name = 'user'"
    ).fetchone()
    view = FeatureView.FromString(content)
    edit(view)
    registry.execute(
        "UPDATE feature_views SET feature_view_proto = ? WHERE feature_view_name = 'user'", [view.SerializeToString()]
    )
    registry.commit()


def test_a_function_in_a_view_is_not_run(registered, registry, tmp_path):
    def with_function(view: FeatureView) -> None:
        function = view.spec.feature_transformation.user_defined_function
        function.name = "f"
        function.body_text = (
            f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef f(x):\n    return x\n"
        )

    change(registry, with_function)
    with pytest.raises(
        UserError, match=r"'user' contains a Python function.*feature_store\.db.*rm -r data/feature_store"
    ):
        feature_store.online_user("u1", root=registered)
    assert not (tmp_path / "ran").exists()


def test_a_class_from_elsewhere_is_not_imported(registered, registry):
    def with_class(view: FeatureView) -> None:
        view.spec.batch_source.data_source_class_type = "antigravity.Source"

    change(registry, with_class)
    with pytest.raises(UserError, match=r"'user' names the class 'antigravity.Source'"):
        feature_store.online_user("u1", root=registered)


@pytest.mark.parametrize("table", registry_code.WITH_FUNCTIONS)
def test_views_that_are_functions_are_refused(registered, registry, table):
    columns = [row[1] for row in registry.execute(f"PRAGMA table_info({table})")]
    values = ["recomart" if column == "project_id" else b"" for column in columns]
    registry.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    registry.commit()
    with pytest.raises(UserError, match=f"its table {table} has views with Python functions"):
        feast_store.open_store(registered)


def test_a_view_that_cannot_be_read_is_refused(registered, registry):
    registry.execute("UPDATE feature_views SET feature_view_proto = ?", [b"\xff\xff no view"])
    registry.commit()
    with pytest.raises(UserError, match="a view in it cannot be read"):
        feast_store.open_store(registered)


def test_views_of_other_projects_in_a_shared_registry_are_not_our_business(registered, registry):
    """Feast reads the views of one project."""
    registry.execute("INSERT INTO on_demand_feature_views VALUES ('v', 'another', 0, x'', x'')")
    registry.commit()
    assert feast_store.open_store(registered)
    assert feature_store.online_user("u1", root=registered)["activity_count"] is not None
