"""The feature store: point-in-time join, parity of training and live use, faults, registries of other versions."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from store_data import (
    FIRST,
    SECOND,
    SETTINGS,
    new_root,
    write,
)

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import (
    definitions,
    feast_store,
    feature_store,
    online_features,
    online_file,
    registry_history,
    store_config,
)
from recomart_lib.features.base import KEYS


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> tuple[Path, dict[str, pl.DataFrame]]:
    root = new_root(tmp_path_factory.mktemp("store"))
    tables = write(root)
    feature_store.apply("data1", SETTINGS, root)
    feature_store.materialise(root=root)
    return root, tables


def spine(*rows: tuple[str, str, datetime]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "as_of": TIMESTAMP}, orient="row")


def stored(tables: dict[str, pl.DataFrame], entity: str, as_of: datetime, *key: str) -> dict:
    keys = dict(zip(KEYS[entity], key, strict=True))
    row = tables[entity].filter(event_timestamp=as_of, **keys)
    return {name: row[name][0] if row.height else None for name in definitions.names(entity)}


# training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "used"),
    [
        (FIRST - timedelta(microseconds=1), None),
        (FIRST, FIRST),
        (SECOND - timedelta(microseconds=1), FIRST),
        (SECOND, SECOND),
        (SECOND + timedelta(days=400), SECOND),
    ],
    ids=["before the first", "at the first", "between", "at the second", "later"],
)
def test_a_row_gets_the_newest_features_as_of_its_moment(store, moment, used):
    root, tables = store
    row = feature_store.training_frame(spine(("u7", "i1", moment)), root=root).row(0, named=True)
    for entity, key in (("user", ("u7",)), ("item", ("i1",)), ("interaction", ("u7", "i1"))):
        expected = stored(tables, entity, used or FIRST, *key) if used else dict.fromkeys(definitions.names(entity))
        assert {name: row[f"{entity}__{name}"] for name in expected} == expected


def test_rows_order_labels_and_duplicates_are_kept(store):
    root, tables = store
    rng = np.random.default_rng(1)
    keys = tables["interaction"].select("user_id", "item_id")
    many = keys[rng.integers(0, keys.height, 2_000).tolist()].with_columns(
        as_of=pl.lit(SECOND).cast(TIMESTAMP), label=pl.Series(rng.integers(0, 2, 2_000))
    )
    frame = feature_store.training_frame(many, root=root)
    assert frame.select(many.columns).equals(many)
    assert frame["interaction__implicit_score"].to_list() == [
        stored(tables, "interaction", SECOND, user, item)["implicit_score"]
        for user, item in many.select("user_id", "item_id").iter_rows()
    ]


def test_moments_may_be_mixed_and_unknown_keys_are_null(store):
    root, tables = store
    keys_and_moments = spine(
        ("u0", "i2", FIRST), ("u3", "i2", SECOND), ("ghost", "i0", FIRST), ("u3", "i2", FIRST), ("u0", "i0", SECOND)
    )
    frame = feature_store.training_frame(keys_and_moments, root=root)
    known = [stored(tables, "user", moment, user)["activity_count"] for user, _, moment in keys_and_moments.iter_rows()]
    assert frame["user__activity_count"].to_list() == known
    nulls = frame.select(pl.col("^(user|interaction)__.*$")).row(0)
    assert set(nulls) == {None}, "u0 was not known at the first moment"
    assert frame["item__popularity"][0] == stored(tables, "item", FIRST, "i2")["popularity"]


def test_types_are_those_of_the_definitions_also_where_all_is_null(store):
    root, _ = store
    expected = {f"{d.entity}__{d.name}": d.dtype for d in definitions.DEFINITIONS}
    for frame in (
        feature_store.training_frame(spine(("ghost", "ghost", FIRST)), root=root),
        feature_store.training_frame(spine(), root=root),
        feature_store.online("ghost", ["ghost"], root=root),
        feature_store.online("u3", root=root),
    ):
        assert {name: frame.schema[name] for name in expected} == expected


def test_a_spine_of_users_gets_user_features_only(store):
    root, _ = store
    frame = feature_store.training_frame(spine(("u3", "i2", SECOND)).drop("item_id"), root=root)
    assert {name.split("__")[0] for name in frame.columns} == {"user_id", "as_of", "user"}


def test_an_older_version_of_the_service_gives_its_features_only(store):
    root, _ = store
    frame = feature_store.training_frame(spine(("u3", "i2", SECOND)), "recommender_v1", root)
    assert len([name for name in frame.columns if "__" in name]) == 17
    assert frame.columns[3:] == feature_store.online("u3", ["i2"], "recommender_v1", root).columns[2:]


@pytest.mark.parametrize(
    ("broken", "service", "message"),
    [
        (spine(("u", "i", FIRST)), "recommender_v9", "Did you mean 'recommender_v"),
        (spine(("u", "i", FIRST)).drop("as_of"), "recommender_v2", "A spine needs as_of"),
        (spine(("u", "i", FIRST)).select("as_of"), "recommender_v2", "A spine needs as_of, and user_id or item_id"),
    ],
    ids=["service", "no moment", "no key"],
)
def test_mistakes_are_errors(store, broken, service, message):
    with pytest.raises(UserError, match=message):
        feature_store.training_frame(broken, service, store[0])


# live use ------------------------------------------------------------------------------------------------------------


def test_live_use_gets_what_training_gets(store):
    root, tables = store
    newest = tables["interaction"].filter(event_timestamp=SECOND).select("user_id", "item_id")
    offline = feature_store.training_frame(newest.with_columns(as_of=pl.lit(SECOND)), root=root).drop("as_of")
    live = pl.concat([feature_store.online(user, root=root) for user in newest["user_id"].unique().sort()])
    assert live.sort("user_id", "item_id").equals(offline.sort("user_id", "item_id"))
    assert live.null_count().sum_horizontal()[0] > 0


def test_requested_products_keep_their_order_and_unknown_ones_are_null(store):
    root, tables = store
    frame = feature_store.online("u1", ["ghost", "i5", "i0", "i5"], root=root)
    assert frame["item_id"].to_list() == ["ghost", "i5", "i0", "i5"]
    assert frame["item__popularity"].to_list()[:2] == [None, stored(tables, "item", SECOND, "i5")["popularity"]]
    assert frame["interaction__affinity"].to_list() == [
        stored(tables, "interaction", SECOND, "u1", item)["affinity"] for item in frame["item_id"]
    ]
    assert frame["user__spend"].unique().to_list() == [stored(tables, "user", SECOND, "u1")["spend"]]
    assert feature_store.online("u1", [], root=root).is_empty()
    assert feature_store.online("ghost", root=root).is_empty()


def test_a_user_on_one_call(store):
    root, tables = store
    person = feature_store.online_user("u4", root=root)
    assert person == {**stored(tables, "user", SECOND, "u4"), "as_of": SECOND}
    assert set(feature_store.online_user("ghost", root=root).values()) == {None}


def test_only_what_is_older_than_a_moment_goes_online(tmp_path, store):
    root = new_root(tmp_path / "root")
    tables = write(root)
    feature_store.apply("data1", SETTINGS, root)
    counts = feature_store.materialise(FIRST, root)
    assert counts == {"user": 11, "item": 5, "user_history": 9}
    assert feature_store.online_user("u4", root=root) == {**stored(tables, "user", FIRST, "u4"), "as_of": FIRST}
    assert feature_store.online_user("u0", root=root)["as_of"] is None


def test_the_newest_values_go_online_even_if_the_clock_is_behind_them(tmp_path):
    root, later = new_root(tmp_path / "root"), SECOND.replace(year=2999)
    tables = write(root)
    newest = pl.when(event_timestamp=SECOND).then(pl.lit(later)).otherwise("event_timestamp").cast(TIMESTAMP)
    for name in ("user", "user_history"):
        path = root / "data" / "features" / f"{name}.parquet"
        pl.read_parquet(path).with_columns(event_timestamp=newest).write_parquet(path)
    feature_store.apply("data1", SETTINGS, root)
    feature_store.materialise(root=root)
    person = {name: value for name, value in feature_store.online_user("u4", root=root).items() if name != "as_of"}
    assert person == {name: value for name, value in stored(tables, "user", SECOND, "u4").items() if name != "as_of"}


def test_without_a_store_advice_is_given(tmp_path):
    root = new_root(tmp_path / "root")
    with pytest.raises(UserError, match="dvc repro 05_features"):
        feature_store.online("u", root=root)
    feature_store.apply("data1", SETTINGS, root)
    with pytest.raises(UserError, match="dvc repro 05_features"):
        feature_store.online("u", root=root)
    with pytest.raises(UserError, match="dvc repro 05_features"):
        feature_store.materialise(root=root)
    with pytest.raises(UserError, match="dvc repro 05_features"):
        feature_store.training_frame(spine(("u", "i", FIRST)), root=root)


# faults --------------------------------------------------------------------------------------------------------------


def _materialise_again_and_again(root: Path, n: int) -> None:
    for seed in range(n):
        write(root, seed * 10)
        feature_store.materialise(root=root)


def _die_half_way(root: Path) -> None:
    """Killed as nothing else kills, after the first view was written."""
    written = []

    def one_then_dead(*arguments: object) -> int:
        if written:
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(1)
        return original(*arguments)

    original = online_file.write
    online_file.write = one_then_dead
    feature_store.materialise(root=root)


def test_reading_while_another_process_materialises_meets_no_lock_and_no_mixture(tmp_path):
    root = new_root(tmp_path / "root")
    generations = [write(root, seed * 10) for seed in (2, 1, 0)]
    feature_store.apply("data1", SETTINGS, root)
    feature_store.materialise(root=root)
    whole = [stored(tables, "user", SECOND, "u5") for tables in generations]
    writer = multiprocessing.get_context("spawn").Process(target=_materialise_again_and_again, args=(root, 3))
    writer.start()
    seen = []
    while writer.is_alive():
        person = feature_store.online_user("u5", root=root)
        person.pop("as_of")
        assert person in whole
        seen.append(whole.index(person))
        time.sleep(0.001)
    writer.join()
    assert writer.exitcode == 0
    assert feature_store.online_user("u5", root=root)["spend"] == whole[0]["spend"]
    assert len(seen) > 20


def test_killed_half_way_leaves_the_old_values_and_a_rerun_completes(tmp_path):
    root = new_root(tmp_path / "root")
    old = write(root)
    feature_store.apply("data1", SETTINGS, root)
    feature_store.materialise(root=root)
    new = write(root, seed=50)
    victim = multiprocessing.get_context("spawn").Process(target=_die_half_way, args=(root,))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert feature_store.online_user("u5", root=root)["spend"] == stored(old, "user", SECOND, "u5")["spend"]
    scratch = root / "data/feature_store/.scratch"
    (left,) = scratch.iterdir()
    os.utime(left, (0, 0))
    feature_store.materialise(root=root)
    assert feature_store.online_user("u5", root=root)["spend"] == stored(new, "user", SECOND, "u5")["spend"]
    assert not list(scratch.iterdir()), "what the dead run left is swept after a day"


# the registry --------------------------------------------------------------------------------------------------------


def database(root: Path) -> Path:
    return root / "data/feature_store/feature_store.db"


def test_all_definitions_are_registered_with_their_descriptions_and_again_changes_nothing(store):
    root, _ = store
    first = feature_store.apply("data1", SETTINGS, root)
    assert feature_store.apply("data1", SETTINGS, root).equals(first)
    for d in definitions.DEFINITIONS:
        row = first.filter(view=d.entity, feature=d.name).row(0, named=True)
        assert row["description"] == f"{d.formula} [{d.unit}]; null: {d.null}"
        assert row["type"] == str(d.dtype)
    store = feast_store.open_store(root)
    services = {service.name: service for service in store.list_feature_services()}
    assert list(services) == list(definitions.SERVICES)
    assert services["recommender_v2"].tags["data_version"] == "data1"
    assert all(view.owner and view.description for view in store.list_feature_views())
    assert registry_history.runs(store_config.registry_url(root)).height == 1
    assert str(root).encode() not in database(root).read_bytes(), "the registry can be moved with its folder"


def test_every_change_of_data_or_settings_is_in_the_history(tmp_path):
    root = new_root(tmp_path / "root")
    for data, settings in (("a", SETTINGS), ("a", SETTINGS), ("b", SETTINGS), ("b", {"half_life_days": 7.0})):
        feature_store.apply(data, settings, root)
    runs = registry_history.runs(store_config.registry_url(root))
    assert runs["data_version"].to_list() == ["a", "b", "b"]
    assert runs["definitions"].n_unique() == 1


def test_a_registered_version_is_frozen(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    feature_store.apply("a", SETTINGS, root)
    first, *rest = definitions.SERVICES["recommender_v1"]
    changed = {"recommender_v1": (replace(first, formula="something else"), *rest[:-1])}
    monkeypatch.setattr(definitions, "SERVICES", {**definitions.SERVICES, **changed})
    with pytest.raises(UserError, match=r"formula: .* -> something else") as error:
        feature_store.apply("a", SETTINGS, root)
    assert f"{rest[-1].entity}.{rest[-1].name}" in str(error.value)
    assert "--replace" in str(error.value)
    feature_store.apply("a", SETTINGS, root, replace=True)
    url = store_config.registry_url(root)
    found = registry_history.diff(url, "recommender_v2", "recommender_v1")
    assert ("changed", first.entity, first.name, f"formula: {first.formula} -> something else") in found.rows()


def test_versions_are_compared(store):
    url = store_config.registry_url(store[0])
    found = registry_history.diff(url, "recommender_v1", "recommender_v2")
    new = {(d.entity, d.name) for d in definitions.DEFINITIONS if d.since == 2}
    assert set(found["change"]) == {"added"}
    assert set(found.select("entity", "name").iter_rows()) == new
    back = registry_history.diff(url, "recommender_v2", "recommender_v1")
    assert set(back["change"]) == {"removed"}
    assert registry_history.diff(url, "recommender_v1", "recommender_v1").is_empty()
    with pytest.raises(UserError, match="Did you mean 'recommender_v1'"):
        registry_history.diff(url, "recomender_v1", "recommender_v2")


def aborted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_replacement_that_died_leaves_versions_frozen(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    feature_store.apply("a", SETTINGS, root)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(feast_store, "register", aborted)
        feature_store.apply("a", SETTINGS, root, replace=True)
    monkeypatch.setattr(definitions, "SERVICES", {"recommender_v1": definitions.SERVICES["recommender_v1"]})
    with pytest.raises(UserError, match=r"recommender_v2: .*no longer there"):
        feature_store.apply("a", SETTINGS, root)


def test_a_locked_registry_is_not_reported_as_damaged(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    config = root / store_config.FILE
    config.write_text(config.read_text().replace("timeout=60", "timeout=0.1"))
    feature_store.apply("a", SETTINGS, root)
    with sqlite3.connect(database(root), isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=r"another process.*Try again"):
            registry_history.runs(store_config.registry_url(root))


def test_one_product_in_the_place_of_a_list_is_an_error(store):
    with pytest.raises(UserError, match=r"item_ids is a list of products, like \['i1'\]"):
        feature_store.online("u4", "i1", root=store[0])


def test_a_registry_of_a_newer_version_is_refused_with_advice(tmp_path):
    root = new_root(tmp_path / "root")
    feature_store.apply("a", SETTINGS, root)
    with sqlite3.connect(database(root)) as connection:
        connection.execute("update recomart_meta set value = '99'")
    with pytest.raises(UserError, match=r"layout 99.*uses layout 2.*rm -r data/feature_store"):
        feature_store.apply("a", SETTINGS, root)


def test_a_damaged_registry_is_an_error_with_advice(tmp_path):
    root = new_root(tmp_path / "root")
    database(root).parent.mkdir(parents=True)
    database(root).write_bytes(b"this is no database, and long enough to be taken for one" * 100)
    with pytest.raises(UserError, match="rm -r data/feature_store"):
        feature_store.apply("a", SETTINGS, root)
    with pytest.raises(UserError, match="rm -r data/feature_store"):
        registry_history.runs(store_config.registry_url(root))


def test_nothing_registered_is_an_error(tmp_path):
    root = new_root(tmp_path / "root")
    with pytest.raises(UserError, match="Nothing is registered yet"):
        registry_history.runs(store_config.registry_url(root))


def test_the_data_version_is_the_hash_of_dvc(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("hello")
    (tmp_path / "a").write_text("")
    # md5 of [{"md5": md5(""), "relpath": "a"}, {"md5": md5("hello"), "relpath": "b/x"}] as `dvc add` writes it
    assert registry_history.data_version(tmp_path) == "0c047ea4bc0d189647797966fff1d626.dir"


def test_secrets_come_from_the_environment(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    config = root / store_config.FILE
    config.write_text(config.read_text().replace("sqlite:///data/", "sqlite:///${STORE_PLACE}/"))
    monkeypatch.delenv("STORE_PLACE", raising=False)
    with pytest.raises(UserError, match=r"feature_store.yaml: the environment variable STORE_PLACE is not set"):
        store_config.registry_url(root)
    monkeypatch.setenv("STORE_PLACE", "elsewhere")
    assert str(root / "elsewhere/feature_store/feature_store.db") in store_config.registry_url(root)


def test_a_configuration_without_its_keys_is_an_error(tmp_path):
    root = new_root(tmp_path / "root")
    with pytest.raises(UserError, match="no such file"):
        feast_store.open_store(tmp_path / "nowhere")
    (root / store_config.FILE).write_text("project: x\nprovider: local\n")
    with pytest.raises(UserError, match=r"feature_store.yaml: .*registry"):
        feast_store.open_store(root)


def edited(root: Path, old: str, new: str) -> Path:
    """The root with another word in feature_store.yaml."""
    path = root / store_config.FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return root


REGISTRY = "sqlite:///data/feature_store/feature_store.db?timeout=60"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type: sqlite\n  path", "type: sqlight\n  path", r"feature_store.yaml: Feast cannot open .*sqlight"),
        ("type: file", "type: fil", r"feature_store.yaml: Feast cannot open .*fil"),
        ("registry_type: sql", "registry_type: sq", r"feature_store.yaml: Feast cannot open .*sq"),
        ("provider: local", "provider: loco", r"feature_store.yaml: Feast cannot open .*loco"),
        ("type: sqlite\n  path", "type: redis\n  path", r"feature_store.yaml: Feast cannot open .*redis"),
        (REGISTRY, "data/registry.db", "registry.path cannot be used: .*It must be a URL like"),
        (REGISTRY, "postgrsql://u:secret@localhost/x", "registry.path cannot be used: .*postgrsql"),
        (REGISTRY, "postgresql+psycopg://u:secret@localhost/x", "registry.path cannot be used: .*psycopg"),
    ],
    ids=["online", "offline", "registry", "provider", "package", "no url", "database", "driver"],
)
def test_a_wrong_value_in_the_configuration_is_one_sentence(tmp_path, old, new, message):
    root = edited(new_root(tmp_path / "root"), old, new)
    with pytest.raises(UserError, match=message) as error:
        feature_store.apply("a", SETTINGS, root)
    assert "secret" not in str(error.value)


def test_a_misspelt_project_is_an_error(tmp_path):
    root = new_root(tmp_path / "root")
    write(root)
    feature_store.apply("a", SETTINGS, root)
    feature_store.materialise(root=root)
    edited(root, "project: recomart", "project: recomrat")
    for read in (lambda: feature_store.online_user("u1", root=root), lambda: feature_store.materialise(root=root)):
        with pytest.raises(UserError, match=r"nothing is registered for the project 'recomrat'\. Check the name"):
            read()


def test_damaged_stores_are_reported_where_they_are_read(tmp_path):
    root = new_root(tmp_path / "root")
    write(root)
    feature_store.apply("a", SETTINGS, root)
    feature_store.materialise(root=root)
    online = root / "data/feature_store/online.db"
    online.write_bytes(b"this is no database, and long enough to be taken for one" * 100)
    with pytest.raises(UserError, match=r"online.db cannot be read .*Run: dvc repro 05_features"):
        feature_store.online("u1", root=root)
    feature_store.materialise(root=root)
    assert feature_store.online("u1", root=root).height
    database(root).write_bytes(b"this is no database, and long enough to be taken for one" * 100)
    online_features._opened.cache_clear()  # another process
    for read in (
        lambda: feature_store.online("u1", root=root),
        lambda: feature_store.training_frame(spine(("u", "i", FIRST)), root=root),
        lambda: feature_store.materialise(root=root),
    ):
        with pytest.raises(UserError, match=r"registry .* cannot be used: .*rm -r data/feature_store"):
            read()


def test_a_version_is_read_as_it_was_registered_whatever_the_code_says_now(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    write(root)
    feature_store.apply("a", SETTINGS, root)
    feature_store.materialise(root=root)
    keys_and_moments = spine(("u7", "i1", SECOND))
    before = feature_store.training_frame(keys_and_moments, "recommender_v1", root)
    later = {"recommender_v1": definitions.SERVICES["recommender_v1"][1:], "recommender_v9": definitions.DEFINITIONS}
    monkeypatch.setattr(definitions, "SERVICES", {**definitions.SERVICES, **later})
    assert feature_store.training_frame(keys_and_moments, "recommender_v1", root).equals(before)
    assert feature_store.online("u7", ["i1"], "recommender_v1", root).columns == before.drop("as_of").columns
    with pytest.raises(UserError, match=r"recommender_v9 is defined, but not registered yet. Run: dvc repro"):
        feature_store.training_frame(keys_and_moments, "recommender_v9", root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("2024-01-01").alias("as_of"), "as_of of the spine must be a time with a zone.*it is String"),
        (pl.col("as_of").dt.replace_time_zone(None), "as_of of the spine must be a time with a zone.*it is Datetime"),
        (pl.col("as_of").dt.date(), "as_of of the spine must be a time with a zone.*it is Date"),
        (pl.lit(3).alias("user_id"), r"user_id of the spine must be text \(String\); it is Int"),
        (pl.lit(3).alias("item_id"), r"item_id of the spine must be text \(String\); it is Int"),
    ],
    ids=["text", "no zone", "day", "user", "item"],
)
def test_a_spine_of_other_types_is_an_error(store, change, message):
    with pytest.raises(UserError, match=message):
        feature_store.training_frame(spine(("u", "i", FIRST)).with_columns(change), root=store[0])


def test_ids_that_are_not_text_are_an_error(store):
    root, _ = store
    for read in (lambda: feature_store.online(17, root=root), lambda: feature_store.online_user(17, root=root)):
        with pytest.raises(UserError, match=r"user_id must be text, like 'C000042'; it is 17 \(int\)"):
            read()
    with pytest.raises(UserError, match=r"item_id must be text.*it is None"):
        feature_store.online("u1", ["i1", None], root=root)


def test_registering_the_same_again_changes_no_byte_and_anything_else_is_registered(tmp_path):
    root = new_root(tmp_path / "root")
    feature_store.apply("a", SETTINGS, root)
    before = database(root).read_bytes()
    feature_store.apply("a", SETTINGS, root)
    assert database(root).read_bytes() == before
    feature_store.apply("b", SETTINGS, root)
    assert feast_store.open_store(root).get_feature_service("recommender_v1").tags["data_version"] == "b"
