"""The feature files: written moment by moment, joined as Feast would, and read newest first in batches."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from conftest import utc
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_data import FIRST, SECOND, SETTINGS, new_root, table, write

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import feast_store, feature_store, offline_files, services, store_config
from recomart_lib.features.base import KEYS
from recomart_lib.features.definitions import NEWEST, names

MOMENTS = [FIRST, SECOND, utc(2024, 3, 1)]
USERS, ITEMS = [f"u{n}" for n in range(4)], [f"i{n}" for n in range(3)]


def tables_at(number: int) -> dict[str, pl.DataFrame]:
    """The tables as of a moment; some keys leave and come back, which the pipeline's own never do."""
    users = [user for n, user in enumerate(USERS) if n % 3 != number]
    pairs = [(user, item) for n, user in enumerate(USERS) for item in ITEMS[: n + 1] if (n + number) % 3]
    keys = {
        "user": [(user,) for user in users],
        "item": [(item,) for item in ITEMS[: number + 1]],
        "interaction": pairs,
    }
    return {entity: table(entity, rows, MOMENTS[number], seed=number) for entity, rows in keys.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = new_root(tmp_path_factory.mktemp("files"))
    with offline_files.FeatureWriter(root) as writer:
        for number in range(len(MOMENTS)):
            writer.add(tables_at(number).items())
    feature_store.apply("data1", SETTINGS, root)
    return root


def by_asof(spine: pl.DataFrame, root: Path, entity: str, added: offline_files.Added) -> pl.DataFrame:
    """The point-in-time join in Polars' own words."""
    keys = KEYS[entity]
    stored = pl.read_parquet(root / paths.FEATURES / f"{entity}.parquet").sort("event_timestamp")
    stored = stored.select(*keys, "event_timestamp", *(pl.col(name).alias(title) for title, (name, _) in added.items()))
    numbered = spine.with_row_index("number").sort("as_of")
    joined = numbered.join_asof(stored, left_on="as_of", right_on="event_timestamp", by=keys, check_sortedness=False)
    return joined.sort("number").drop("number", "event_timestamp")


def added_of(root: Path, entity: str) -> offline_files.Added:
    return {c.title: (c.name, c.dtype) for c in services.columns(root, NEWEST)[entity]}


times = st.builds(
    lambda moment, microseconds: moment + timedelta(microseconds=microseconds),
    st.sampled_from([*MOMENTS, FIRST - timedelta(days=9), SECOND + timedelta(days=400)]),
    st.sampled_from([-1, 0, 1, 10**9]),
)
spines = st.lists(st.tuples(st.sampled_from([*USERS, "ghost"]), st.sampled_from([*ITEMS, "ghost"]), times), max_size=30)
SCHEMA = {"user_id": pl.String, "item_id": pl.String, "as_of": TIMESTAMP}


@given(spines)
@settings(max_examples=30, deadline=None)
def test_any_spine_gets_the_newest_rows_by_then_in_its_order(root, rows):
    spine = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(label=pl.int_range(pl.len()))
    for entity in KEYS:
        added = added_of(root, entity)
        joined = offline_files.with_features(spine, root, entity, added)
        assert_frame_equal(joined, by_asof(spine, root, entity, added), check_exact=True)


@given(spines.filter(len))
@settings(max_examples=4, deadline=None)
def test_files_are_joined_as_feast_would(root, rows):
    spine = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    store = feast_store.open_store(root)
    for entity in ("user", "interaction"):
        added = added_of(root, entity)
        of_feast = feast_store.with_features(spine, store, entity, added)
        assert_frame_equal(offline_files.with_features(spine, root, entity, added), of_feast, check_exact=True)


def test_a_spine_at_one_moment_reads_the_rows_of_that_moment_only(root, monkeypatch):
    read = []
    collect = pl.LazyFrame.collect

    def counted(frame: pl.LazyFrame, *args: object, **options: object) -> pl.DataFrame:
        if "JOIN" in (plan := frame.explain()):
            read.append(plan)
        return collect(frame, *args, **options)

    spine = tables_at(1)["interaction"].select(*KEYS["interaction"], as_of="event_timestamp")
    monkeypatch.setattr(pl.LazyFrame, "collect", counted)
    frame = offline_files.with_features(spine, root, "interaction", added_of(root, "interaction"))
    assert frame["interaction__implicit_score"].null_count() < frame.height
    assert len(read) == 1
    assert "== 2024-02-01" in read[0].partition("SELECTION")[2], "the condition is checked where the file is read"


def test_feast_joins_where_the_offline_store_is_not_files(root, monkeypatch):
    spine = tables_at(1)["interaction"].select(*KEYS["interaction"], as_of="event_timestamp").reverse()
    from_files = feature_store.training_frame(spine, root=root)
    monkeypatch.setattr(store_config, "has_offline_files", lambda _: False)
    monkeypatch.delattr(offline_files, "with_features")
    assert_frame_equal(feature_store.training_frame(spine, root=root), from_files, check_exact=True)


def test_training_needs_no_feast(root, monkeypatch):
    """Importing and opening it takes more than a second, in 06 and in 08."""
    services.forget()
    monkeypatch.delattr(feast_store, "open_store")
    frame = feature_store.training_frame(tables_at(2)["user"].select("user_id", as_of="event_timestamp"), root=root)
    assert frame.height == tables_at(2)["user"].height


# writing -------------------------------------------------------------------------------------------------------------


def test_the_files_hold_the_moments_in_order_and_the_lists_of_each_user(root):
    for entity in KEYS:
        stored = pl.read_parquet(root / paths.FEATURES / f"{entity}.parquet")
        assert_frame_equal(stored, pl.concat([tables_at(n)[entity] for n in range(len(MOMENTS))]))
    pairs = pl.concat([tables_at(n)["interaction"] for n in range(len(MOMENTS))])
    stored = pl.read_parquet(root / paths.FEATURES / "user_history.parquet")
    assert_frame_equal(stored, offline_files.history_lists(pairs))


def test_each_moment_has_row_groups_of_its_own_of_a_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(offline_files, "GROUP_ROWS", 4)
    with offline_files.FeatureWriter(tmp_path) as writer:
        for number in range(len(MOMENTS)):
            writer.add(tables_at(number).items())
    for view in offline_files.VIEW_KEYS:
        file = pq.ParquetFile(tmp_path / paths.FEATURES / f"{view}.parquet")
        groups = [pl.from_arrow(file.read_row_group(n)) for n in range(file.num_row_groups)]
        assert all(group["event_timestamp"].n_unique() == 1 for group in groups)
        lengths = [g["item_id"].list.len().sum() if view == offline_files.HISTORY else g.height for g in groups]
        assert max(lengths) <= 4 + len(ITEMS), "a user's pairs stay together"
    pairs = pl.concat([tables_at(n)["interaction"] for n in range(len(MOMENTS))])
    stored = pl.read_parquet(tmp_path / paths.FEATURES / "user_history.parquet")
    assert_frame_equal(stored, offline_files.history_lists(pairs))


def test_a_moment_without_any_row_leaves_files_with_their_columns(tmp_path):
    empty = {entity: rows.clear() for entity, rows in tables_at(0).items()}
    with offline_files.FeatureWriter(tmp_path) as writer:
        writer.add(empty.items())
    for view in offline_files.VIEW_KEYS:
        stored = pl.read_parquet(tmp_path / paths.FEATURES / f"{view}.parquet")
        assert stored.is_empty()
    assert stored.schema == offline_files.history_lists(empty["interaction"]).schema
    with offline_files.FeatureWriter(tmp_path) as writer:
        writer.add(empty.items())
        writer.add(tables_at(1).items())
    assert pl.read_parquet(tmp_path / paths.FEATURES / "user.parquet").equals(tables_at(1)["user"])


def test_an_error_half_way_leaves_the_old_files(tmp_path):
    with offline_files.FeatureWriter(tmp_path) as writer:
        writer.add(tables_at(0).items())
    with pytest.raises(KeyError), offline_files.FeatureWriter(tmp_path) as writer:
        writer.add(tables_at(1).items())
        writer.add([("nothing", tables_at(1)["user"])])
    assert pl.read_parquet(tmp_path / paths.FEATURES / "user.parquet").equals(tables_at(0)["user"])


# the newest rows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("until", [None, SECOND, FIRST - timedelta(days=1)], ids=["all", "second", "none"])
@pytest.mark.parametrize("batch", [1, 2, 5_000])
def test_the_newest_row_of_each_key_comes_in_batches(root, monkeypatch, until, batch):
    monkeypatch.setattr(offline_files, "BATCH_KEYS", batch)
    stored = pl.read_parquet(root / paths.FEATURES / "user.parquet")
    stored = stored if until is None else stored.filter(pl.col("event_timestamp") <= until)
    expected = stored.sort("event_timestamp").unique("user_id", keep="last").sort("user_id")
    batches = list(offline_files.newest(root, "user", until))
    assert all(rows.height <= batch for rows in batches)
    assert pl.concat([stored.clear(), *batches]).sort("user_id").equals(expected)


def test_lists_are_of_the_definitions(tmp_path):
    made = write(tmp_path)["user_history"]
    assert made.columns == ["user_id", "event_timestamp", "item_id", *names("interaction")]


def test_missing_files_are_an_error(tmp_path):
    for read in (lambda: offline_files.provenance(tmp_path), lambda: list(offline_files.newest(tmp_path, "user"))):
        with pytest.raises(UserError, match=r"is missing: no features were computed yet. Run: dvc repro 05_features"):
            read()
