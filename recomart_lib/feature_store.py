"""The versioned feature store: Feast with a SQLite registry over the feature tables. Only this module knows Feast.

    data/feature_store/feature_store.db   registry: entities, views, services
    data/features/<entity>.parquet        offline store: one row per entity key and `event_timestamp`

A row's `event_timestamp` is the moment *as of* which its features were computed: they use only earlier events.
"""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from recomart_lib import features

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

SERVICE = "recommender_v1"
PROJECT = "recomart"


def apply(store_folder: Path, tables_folder: Path, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Register every feature of `features.DEFINITIONS` and the service that models pin. Applying twice changes nothing.

    Returns
    -------
    DataFrame
        One row per registered feature: view, feature, type, entity, description.
    """
    store = open_store(store_folder)
    views = [_view(entity, table, tables_folder) for entity, table in tables.items()]
    from feast import FeatureService

    service = FeatureService(name=SERVICE, features=views, description="What version 1 of the recommender reads")
    entities = {entity.name: entity for entity in (_entity("user_id"), _entity("item_id"))}
    store.apply([*entities.values(), *views, service])
    return catalogue(store)


def open_store(folder: Path) -> FeatureStore:
    """The store whose registry is `folder`/feature_store.db; it is made on first use."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="feast")
    from feast import FeatureStore, RepoConfig  # four seconds of imports: only where the store is used

    folder.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder / 'feature_store.db'}", "cache_ttl_seconds": 0},
        offline_store={"type": "file"},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def catalogue(store: FeatureStore) -> pl.DataFrame:
    """One row per registered feature."""
    rows = [
        (view.name, field.name, str(field.dtype), ", ".join(view.entities), field.description)
        for view in sorted(store.list_feature_views(), key=lambda view: view.name)
        for field in view.features
    ]
    return pl.DataFrame(rows, schema=["view", "feature", "type", "entity", "description"], orient="row")


def _entity(key: str):  # noqa: ANN202 - Feast's Entity, which is not imported at module level
    from feast import Entity, ValueType

    return Entity(name=key.removesuffix("_id"), join_keys=[key], value_type=ValueType.STRING)


def _view(entity: str, table: pl.DataFrame, folder: Path) -> FeatureView:
    from feast import FeatureView, Field, FileSource

    described = {d.name: d for d in features.DEFINITIONS if d.entity == entity}
    schema = [
        Field(name=name, dtype=_feast_type(table.schema[name]), description=f"{d.formula} [{d.unit}]; null: {d.null}")
        for name, d in described.items()
    ]
    source = FileSource(
        name=f"{entity}_features", path=str(folder / f"{entity}.parquet"), timestamp_field="event_timestamp"
    )
    return FeatureView(
        name=f"{entity}_features",
        entities=[_entity(key) for key in features.KEYS[entity]],
        ttl=timedelta(0),
        schema=schema,
        source=source,
        tags={"stage": "05_features"},
    )


def _feast_type(dtype: pl.DataType):  # noqa: ANN202 - as above
    from feast.types import Float64, Int64, String

    return {pl.Int64: Int64, pl.Float64: Float64, pl.String: String}[dtype]
