"""Feast: its configuration opened, the features registered in it, and its own reads and writes.

Of what RecoMart does with its feature store, Feast does this: the registry (entities, views, services), reads from any
online store, writes to other online stores than SQLite, and joins in other offline stores than local files.
Importing and opening Feast takes more than a second, so only these functions do.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import registry_code, registry_history, store_config, workarounds
from recomart_lib.features.base import KEYS, OWNER, Definition
from recomart_lib.features.definitions import DEFINITIONS
from recomart_lib.features.offline_files import HISTORY, VIEW_KEYS, Added

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

ABOUT = {
    "user": "one row per user with an event",
    "item": "one row per product with an event",
    "interaction": "one row per user-product pair; for training (live use reads user_history)",
    HISTORY: "one row per user: the pairs of the interaction view as parallel lists; null = NaN",
}
ONLINE = [view for view in ABOUT if view != "interaction"]


def import_early() -> None:
    """Import Feast in the background, while this process computes something else: it takes 1.5 seconds."""
    threading.Thread(target=_import, args=["feast.infra.offline_stores.dask"]).start()


def _import(module: str = "feast") -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="feast")
    with workarounds.unchecked_types():
        import_module(module)


def open_store(root: Path, online_file: Path | None = None) -> FeatureStore:
    """The store of feature_store.yaml, whose relative paths start at the project root.

    Parameters
    ----------
    online_file
        The SQLite file of the online store; default: the configured one.

    Raises
    ------
    UserError
        If Feast cannot open it, or its registry contains code.
    """
    config = store_config.load(root)
    if online_file is not None:
        config = {**config, "online_store": {**config["online_store"], "path": str(online_file)}}
    _import()
    from feast import FeatureStore, RepoConfig
    from feast.errors import FeastError

    logging.getLogger("feast").setLevel(logging.WARNING)  # hides its progress messages
    if file := registry_history.sqlite_file(config["registry"]["path"]):
        file.parent.mkdir(parents=True, exist_ok=True)
    registry_code.require_none(config["registry"]["path"], str(config.get("project")))
    try:
        store = FeatureStore(config=RepoConfig(**config, repo_path=root))
        _ = store.registry, store.provider  # created on first access: errors of the configuration appear here
        return store
    except (FeastError, ImportError, ValueError) as problem:  # a wrong value in the file, or a missing package
        raise UserError(f"{root / store_config.FILE}: Feast cannot open this store: {problem}") from problem


def register(store: FeatureStore, versions: registry_history.Services, data_version: str) -> None:
    """Register all entities, views and versions of the service. Feast creates the tables of the online store, too."""
    from feast import Entity, FeatureService, ValueType

    entities = {
        key: Entity(
            name=key.removesuffix("_id"),
            join_keys=[key],
            value_type=ValueType.STRING,
            owner=OWNER,
            description=f"a {name} of the shop",
        )
        for key, name in (("user_id", "customer"), ("item_id", "product"))
    }
    views = {name: _view(name, entities, store) for name in ABOUT}
    services = [
        FeatureService(
            name=name,
            owner=OWNER,
            description=f"{len(service)} features; models pin this version",
            features=[views[entity][[d.name for d in service if d.entity == entity]] for entity in KEYS]
            + [views[HISTORY][["item_id", *(d.name for d in service if d.entity == "interaction")]]],
            tags={"definitions": registry_history.digest(service), "data_version": data_version},
        )
        for name, service in versions.items()
    ]
    with _quiet():
        store.apply([*entities.values(), *views.values(), *services])


def _view(name: str, entities: dict[str, Any], store: FeatureStore) -> FeatureView:
    from feast import FeatureView, Field
    from feast.types import Array, Float64, Int64, String

    kinds = {pl.Int64: Int64, pl.Float64: Float64, pl.String: String}
    entity = "interaction" if name == HISTORY else name
    fields = [
        Field(
            name=d.name,
            dtype=Array(Float64) if name == HISTORY else kinds[d.dtype],
            description=_described(d),
            tags={"unit": d.unit, "since": f"v{d.since}", "owner": d.owner},
        )
        for d in DEFINITIONS
        if d.entity == entity
    ]
    if name == HISTORY:
        fields.insert(0, Field(name="item_id", dtype=Array(String), description="the products of the history"))
    return FeatureView(
        name=name,
        entities=[entities[key] for key in VIEW_KEYS[name]],
        ttl=timedelta(0),
        schema=fields,
        source=_source(name, store),
        online=name in ONLINE,
        description=ABOUT[name],
        owner=OWNER,
        tags={"stage": "05_features"},
    )


def _described(d: Definition) -> str:
    return f"{d.formula} [{d.unit}]; null: {d.null}"


def _source(name: str, store: FeatureStore) -> Any:
    """The Parquet file of a view; the name differs by type of store, so a registry can move between stores."""
    path = paths.FEATURES / f"{name}.parquet"
    if store.config.offline_store.type.startswith("spark"):
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        absolute = str(store.config.repo_path / path)  # Spark does not know the project root
        return SparkSource(
            name=f"{name}_spark", path=absolute, file_format="parquet", timestamp_field="event_timestamp"
        )
    from feast import FileSource

    return FileSource(name=f"{name}_file", path=path.as_posix(), timestamp_field="event_timestamp")


def catalogue(store: FeatureStore) -> pl.DataFrame:
    """One row per registered feature: view, feature, type, entity, description."""
    rows = [
        (view.name, field.name, str(field.dtype), ", ".join(view.entities), field.description)
        for view in sorted(store.list_feature_views(), key=lambda view: list(ABOUT).index(view.name))
        for field in view.features
    ]
    return pl.DataFrame(rows, schema=["view", "feature", "type", "entity", "description"], orient="row")


def services(store: FeatureStore) -> registry_history.Contents:
    """The features of each registered service."""
    return {
        service.name: [
            (view.name, field.name, str(field.dtype))
            for view in service.feature_view_projections
            if view.name != HISTORY
            for field in view.features
        ]
        for service in store.list_feature_services()
    }


def with_features(frame: pl.DataFrame, store: FeatureStore, view: str, added: Added) -> pl.DataFrame:
    """The same as `offline_files.with_features`, by Feast's own point-in-time join.

    Feast's join removes duplicates by the keys of the first view, and drops rows that are older than the first row of
    their key. So it is called for one view at a time, with distinct rows, and its result is joined to the frame.
    """
    keys = VIEW_KEYS[view]
    features = _joined(frame.select(*keys, "as_of").unique(maintain_order=True), store, view, added)
    return frame.join(features, on=[*keys, "as_of"], how="left", validate="m:1", maintain_order="left")


def _joined(spine: pl.DataFrame, store: FeatureStore, view: str, added: Added) -> pl.DataFrame:
    """The distinct (keys, as_of) for which the view has a row by then, with its features."""
    keys = VIEW_KEYS[view]
    types = {title: dtype for title, (_, dtype) in added.items()}
    empty = pl.DataFrame(schema={**dict.fromkeys(keys, pl.String), "as_of": TIMESTAMP, **types})
    if not spine.height:  # Feast fails on an empty spine
        return empty
    rows = spine.rename({"as_of": "event_timestamp"}).to_pandas()
    with _quiet():
        references = [f"{view}:{name}" for name, _ in added.values()]
        features = pl.from_arrow(store.get_historical_features(rows, references, full_feature_names=True).to_arrow())
    if missing := [name for name in types if name not in features.columns]:
        raise RuntimeError(f"Feast did not return {', '.join(missing)}")
    if not features.height:  # then Feast returns no types, either
        return empty
    moment = pl.col("event_timestamp").dt.cast_time_unit("us").dt.convert_time_zone("UTC").alias("as_of")
    return features.select(*keys, moment, *(pl.col(name).cast(dtype) for name, dtype in types.items()))


def create_online_tables(store: FeatureStore) -> None:
    """Create the tables of a new SQLite file; Feast does so only in `apply`, for the configured file."""
    views = [view for view in store.list_feature_views() if view.online]
    provider = store._get_provider()  # no public way
    provider.online_store.update(store.config, [], views, [], [], partial=False)


def write_online(store: FeatureStore, view: str, batches: Iterator[pl.DataFrame]) -> int:
    """Write rows of a view to the online store; how many. Feast's `materialize` would read lists 20 times slower."""
    n_rows = 0
    for batch in batches:
        with _quiet():
            store.write_to_online_store(view, batch.to_pandas())
        n_rows += batch.height
    return n_rows


def read_online(
    store: FeatureStore, references: Sequence[str], rows: list[dict[str, str]], stamps: bool = False
) -> dict[str, list[Any]]:
    """Values from the online store as lists, by `view__feature`; with `stamps` also their moments, as `as_of`.

    Raises
    ------
    UserError
        If the SQLite file is damaged, or has another layout.
    """
    try:
        response = store.get_online_features(list(references), rows, full_feature_names=True)
    except sqlite3.DatabaseError as problem:
        file = store.config.online_store.path
        raise UserError(f"The online store {file} cannot be read ({problem}). Run: dvc repro 05_features") from problem
    values = response.to_dict(include_event_timestamps=stamps)
    if stamps:
        seconds = values.get(f"{references[0].replace(':', '__')}__ts", [None])
        values["as_of"] = [datetime.fromtimestamp(s, UTC) if s else None for s in seconds]
    return values


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide Feast's progress output and its warnings about its internals."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
