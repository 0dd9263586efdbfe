"""The versioned feature store: registers the features of stage 05, and reads them for training and for live use.

    feature_store.yaml                    Feast's configuration: where everything is stored
    data/feature_store/feature_store.db   registry: entities, views, services, history of definitions
    data/features/<view>.parquet          offline store: one row per key and `event_timestamp`
    data/feature_store/online.db          online store: the newest row of each key

A row's `event_timestamp` is the moment *as of* which its features were computed. They use only earlier events, so the
row is valid from that moment on. Only this module and `registry_code` use Feast.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from recomart_lib.core import files, paths
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.core.scratch import scratch_folder
from recomart_lib.features import online_events, registry_code, registry_history, store_config, workarounds
from recomart_lib.features.base import KEYS, OWNER, Definition
from recomart_lib.features.definitions import DEFINITIONS, NEWEST, SERVICES, names

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


PROVENANCE = "made_of.json"  # beside the feature tables: the data and settings they were computed from
FILES = ("file", "dask")  # types of an offline store of local files in feature_store.yaml
HISTORY = "user_history"  # a user's pairs as parallel lists: one key lookup instead of one per pair
VIEW_KEYS = {**KEYS, HISTORY: ["user_id"]}
ABOUT = {
    "user": "one row per user with an event",
    "item": "one row per product with an event",
    "interaction": "one row per user-product pair; for training (live use reads user_history)",
    HISTORY: "one row per user: the pairs of the interaction view as parallel lists; null = NaN",
}
TYPES = {str(dtype): dtype for dtype in (pl.Int64, pl.Float64, pl.String)}  # Feast and Polars use the same names


class Column(NamedTuple):
    """A feature of a registered version."""

    entity: str
    name: str
    dtype: type[pl.DataType]

    @property
    def title(self) -> str:
        """Its column in a table of several entities: `user__order_count`."""
        return f"{self.entity}__{self.name}"


class Reader(NamedTuple):
    """An open store with the features of each registered version."""

    store: FeatureStore
    services: dict[str, list[Column]]

    def columns(self, service: str) -> list[Column]:
        """The features of a version. Raises UserError for an unknown version, with the closest name."""
        if service in self.services:
            return self.services[service]
        if service in SERVICES:
            raise UserError(f"{service} is defined, but not registered yet. Run: dvc repro 05_features")
        raise UserError(f"There is no feature service '{service}'. {suggestion(service, list(self.services))}")

    def by_entity(self, service: str) -> dict[str, list[Column]]:
        """`columns` of each entity, in the order of `KEYS`."""
        columns = self.columns(service)
        return {entity: [column for column in columns if column.entity == entity] for entity in KEYS}


def open_store(root: Path | None = None) -> FeatureStore:
    """The store of feature_store.yaml. Relative paths start at the project root, not the working directory."""
    return _store(root or paths.root(), store_config.load(root or paths.root()))


def apply(data_version: str, settings: dict[str, Any], root: Path | None = None, replace: bool = False) -> pl.DataFrame:
    """Register every feature and every version of the service. Applying again changes no byte.

    Parameters
    ----------
    data_version
        The version of the features' data: see `registry_history.data_version`.
    settings
        params.yaml: features.
    replace
        Whether the definitions of a registered version may change; by default an error, because models pin them.

    Returns
    -------
    DataFrame
        One row per registered feature: view, feature, type, entity, description.

    Raises
    ------
    UserError
        If a registered version would change, or the registry has another layout or is damaged.
    """
    root = root or paths.root()
    (root / paths.FEATURE_STORE).mkdir(
        parents=True, exist_ok=True
    )  # an output of the DVC stage, wherever the stores are
    url, state = store_config.registry_url(root), _state(root, data_version, settings)
    with registry_history.readable(url):
        if replace or registry_history.state(url) != state:
            registry_history.prepare(url)
            registry_history.require_frozen(url, SERVICES, replace)
            _register(root, data_version)
            registry_history.record(url, SERVICES, data_version, settings, state, replace)
            _cached.cache_clear()
        return catalogue(open_store(root))


def _state(root: Path, data_version: str, settings: dict[str, Any]) -> str:
    """A hash of everything that `apply` registers."""
    config = store_config.load(root)
    versions = {name: [(d.ref, d.fingerprint, d.owner, d.since) for d in ds] for name, ds in SERVICES.items()}
    content = [config.get("project"), config.get("offline_store"), ABOUT, OWNER, versions, data_version, settings]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def provenance(root: Path | None = None) -> dict[str, Any]:
    """data_version and settings of the stored feature tables, which `apply` registers.

    Raises
    ------
    UserError
        If no features have been computed yet.
    """
    path = (root or paths.root()) / paths.FEATURES / PROVENANCE
    _require_features(path)
    return json.loads(path.read_text(encoding="utf-8"))


def catalogue(store: FeatureStore) -> pl.DataFrame:
    """One row per registered feature."""
    rows = [
        (view.name, field.name, str(field.dtype), ", ".join(view.entities), field.description)
        for view in sorted(store.list_feature_views(), key=lambda view: list(ABOUT).index(view.name))
        for field in view.features
    ]
    return pl.DataFrame(rows, schema=["view", "feature", "type", "entity", "description"], orient="row")


def history_lists(interaction: pl.DataFrame) -> pl.DataFrame:
    """The rows of the `user_history` view: user_id, event_timestamp, item_id and each pair feature as lists."""
    numbers = [pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names("interaction")]
    lists = interaction.select("user_id", "event_timestamp", "item_id", *numbers)
    return (
        lists.sort("event_timestamp", "user_id", "item_id")
        .group_by("user_id", "event_timestamp", maintain_order=True)
        .all()
    )


def materialise(as_of: datetime | None = None, root: Path | None = None) -> dict[str, int]:
    """Load the newest values up to `as_of` (default: all) into the online store; view -> rows loaded.

    With SQLite, a new file is written and then replaces the old one atomically: readers see the old values until then,
    an aborted run leaves them in place, and no reader meets a lock.
    """
    root = root or paths.root()
    _registered(root)
    target = store_config.online_file(root)
    if target is None:
        return _materialise(open_store(root), as_of, root)
    with _beside(root, target) as (store, new_file):
        counts = _materialise(store, as_of, root)
        files.move(new_file, target)
    return counts


def training_frame(spine: pl.DataFrame, service: str = NEWEST, root: Path | None = None) -> pl.DataFrame:
    """Point-in-time join: the spine with the features of a service as of each row's `as_of`.

    Parameters
    ----------
    spine
        user_id or item_id or both (text), as_of (a time with a zone), and any other columns, like a label.

    Returns
    -------
    DataFrame
        The same rows in the same order, with added columns `user__x`, `item__x` and `interaction__x`: the values of the
        newest stored row of the key with `event_timestamp` <= as_of; null where there is none.

    Raises
    ------
    UserError
        If the service does not exist, a spine column is missing or has the wrong type, or no features are stored.
    """
    root = root or paths.root()
    _require_spine(spine)
    reader = ready(root)
    frame = spine.with_columns(pl.col("as_of").cast(TIMESTAMP))
    for entity, columns in reader.by_entity(service).items():
        keys = KEYS[entity]
        if columns and set(keys) <= set(spine.columns):
            _require_features(root / paths.FEATURES / f"{entity}.parquet")
            distinct = frame.select(*keys, "as_of").unique(maintain_order=True)
            join = join_files if reader.store.config.offline_store.type in FILES else join_feast
            features = join(reader.store, distinct, entity, columns)
            frame = frame.join(features, on=[*keys, "as_of"], how="left", validate="m:1", maintain_order="left")
    if frame.height != spine.height:
        raise RuntimeError(f"the join returned {frame.height} rows for {spine.height}")
    return frame


def online_user(user_id: str, service: str = NEWEST, root: Path | None = None) -> dict[str, Any]:
    """The live features of a user by name, and `as_of`; all None for an unknown user.

    They include the events that the stream delivered since the last run: see `online_events.user_with`.
    """
    _require_text("user_id", user_id)
    root = root or paths.root()
    reader = _live(root)
    columns = reader.by_entity(service)["user"]
    values = _read_online(root, reader, [f"user:{c.name}" for c in columns], [{"user_id": user_id}], stamps=True)
    stored = {c.name: values[c.title][0] for c in columns} | {"as_of": values["as_of"][0]}
    return online_events.user_with(stored, online_events.events_of(user_id, root, stored["as_of"]))


def online(
    user_id: str,
    item_ids: Sequence[str] | None = None,
    service: str = NEWEST,
    root: Path | None = None,
    streamed: bool = True,
) -> pl.DataFrame:
    """The live features of a user with products: one row per item, with the columns of `training_frame`.

    Unknown users and items have nulls, and so have the pair features of a pair without an event. A model that ranks
    such pairs computes them: `features.compute.compute(prepared, as_of, settings, pairs)`.

    Parameters
    ----------
    item_ids
        Default: the items of the user's history.
    streamed
        Whether to add the events that the stream delivered since the last run to the features of the user and of the
        pairs (see `online_events`).

    Raises
    ------
    UserError
        If the online store is empty, the service does not exist, or an id is not text.
    """
    _require_text("user_id", user_id)
    _require_items(item_ids)
    root = root or paths.root()
    reader = _live(root)
    columns = reader.by_entity(service)
    user = _user_and_history(root, reader, columns, user_id)
    before, history = user["as_of"][0], user[f"{HISTORY}__item_id"][0] or []
    fresh = online_events.events_of(user_id, root, before) if streamed else pl.DataFrame(schema=online_events.FRESH)
    items = list(dict.fromkeys([*history, *fresh.get_column("item_id")])) if item_ids is None else list(item_ids)
    values = {"user_id": [user_id] * len(items), "item_id": items}
    values |= {c.title: user[c.title] * len(items) for c in columns["user"]}
    values |= _item_values(root, reader, columns["item"], items)
    values |= _pair_values(user, history, columns["interaction"], items)
    if fresh.height:
        _add_fresh(values, fresh, before, columns, provenance(root)["settings"]["half_life_days"])
    types = dict.fromkeys(("user_id", "item_id"), pl.String) | {c.title: c.dtype for e in columns.values() for c in e}
    return pl.DataFrame(list(zip(*values.values(), strict=True)), schema=types, orient="row")  # three times faster


def _user_and_history(
    root: Path, reader: Reader, columns: dict[str, list[Column]], user_id: str
) -> dict[str, list[Any]]:
    """A user's features and lists of pairs (`user__x`, `user_history__x`) and `as_of`: lists of one value."""
    lists = ("item_id", *(c.name for c in columns["interaction"]))
    refs = [*(f"user:{c.name}" for c in columns["user"]), *(f"{HISTORY}:{name}" for name in lists)]
    return _read_online(root, reader, refs, [{"user_id": user_id}], stamps=True)


def _require_items(item_ids: Sequence[str] | None) -> None:
    if isinstance(item_ids, str):
        raise UserError(f"item_ids is a list of products, like ['{item_ids}'].")
    for item in item_ids or ():
        _require_text("item_id", item)


def _item_values(root: Path, reader: Reader, columns: list[Column], items: list[str]) -> dict[str, list[Any]]:
    """The item columns of `online`: one value per item, None for unknown items."""
    if not items:
        return {c.title: [] for c in columns}
    values = _read_online(root, reader, [f"item:{c.name}" for c in columns], [{"item_id": item} for item in items])
    return {c.title: values.get(c.title, []) for c in columns}


def _pair_values(
    user: dict[str, list[Any]], history: list[str], columns: list[Column], items: list[str]
) -> dict[str, list[Any]]:
    """The pair columns of `online`: one value per item, None for items that are not in the user's history."""
    place_of = {item: place for place, item in enumerate(history)}
    places = [place_of.get(item) for item in items]
    return {c.title: _placed(user[f"{HISTORY}__{c.name}"][0], places, c.dtype) for c in columns}


def _add_fresh(
    values: dict[str, list[Any]],
    fresh: pl.DataFrame,
    before: datetime | None,
    columns: dict[str, list[Column]],
    half_life_days: float,
) -> None:
    """Add streamed events to the columns of `online`, in place."""
    as_of, by_item = fresh.get_column("timestamp")[-1], fresh.partition_by("item_id", as_dict=True)
    if values["item_id"]:  # the user is the same in every row
        stored = {c.name: values[c.title][0] for c in columns["user"]} | {"as_of": before}
        user = online_events.user_with(stored, fresh)
        values |= {c.title: [user[c.name]] * len(values["item_id"]) for c in columns["user"]}
    for n, item in enumerate(values["item_id"]):
        stored = {c.name: values[c.title][n] for c in columns["interaction"]}
        events = by_item.get((item,), fresh.clear())
        pair = online_events.pair_with(stored, events, as_of, before, half_life_days)
        for c in columns["interaction"]:
            values[c.title][n] = pair[c.name]


def _placed(numbers: list[float] | None, places: list[int | None], dtype: type[pl.DataType]) -> list[Any]:
    """The numbers at these places of a list of the user's history; None for a missing place and for NaN."""
    kind = int if dtype == pl.Int64 else float
    values = (None if place is None else numbers[place] for place in places)
    return [None if number is None or number != number else kind(number) for number in values]


def _require_text(name: str, key: object) -> None:
    if not isinstance(key, str):
        raise UserError(f"{name} must be text, like 'C000042'; it is {key!r} ({type(key).__name__}).")


def _require_spine(spine: pl.DataFrame) -> None:
    if "as_of" not in spine.columns or not {"user_id", "item_id"} & set(spine.columns):
        raise UserError(f"A spine needs as_of, and user_id or item_id; it has {', '.join(spine.columns)}.")
    for name in {"user_id", "item_id"} & set(spine.columns):
        if spine.schema[name] != pl.String:
            raise UserError(f"{name} of the spine must be text (String); it is {spine.schema[name]}. Cast it.")
    moment = spine.schema["as_of"]
    if not isinstance(moment, pl.Datetime) or moment.time_zone is None:
        raise UserError(f"as_of of the spine must be a time with a zone, like Datetime('us', 'UTC'); it is {moment}.")


def _store(root: Path, config: dict[str, Any]) -> FeatureStore:
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="feast")
    with workarounds.unchecked_types():
        from feast import FeatureStore, RepoConfig  # takes a second: only where the store is used
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


def _live(root: Path) -> Reader:
    """The open store for online reads, cached until its file is replaced."""
    target = store_config.online_file(root)
    if target is None:
        return ready(root)
    try:
        stat = target.stat()
    except FileNotFoundError:
        raise UserError(f"The online store is empty: {target} is missing. Run: dvc repro 05_features") from None
    return ready(root, (stat.st_ino, stat.st_mtime_ns))


def ready(root: Path, online_version: tuple[int, int] | None = None) -> Reader:
    """The open store, cached. Raises UserError if nothing is registered."""
    return _cached(root, (root / store_config.FILE).stat().st_mtime_ns, online_version)


@lru_cache(maxsize=4)
def _cached(root: Path, config_time: int, online_version: tuple[int, int] | None) -> Reader:
    return _registered(root)


def _registered(root: Path) -> Reader:
    """The open store with its registered versions.

    Raises
    ------
    UserError
        If nothing is registered for this project, another version of RecoMart wrote the registry, or it is damaged.
    """
    url = store_config.registry_url(root)
    with registry_history.readable(url):
        registry_history.require_registered(url)
        store = open_store(root)
        services = {service.name: _columns(service) for service in store.list_feature_services()}
    if not services:
        raise UserError(
            f"{root / store_config.FILE}: nothing is registered for the project '{store.project}'. Check "
            "the name; if it is right, run: dvc repro 05_features"
        )
    return Reader(store, services)


def _columns(service: Any) -> list[Column]:
    """The features of a registered service, in order."""
    return [
        Column(view.name, field.name, TYPES[str(field.dtype)])
        for view in service.feature_view_projections
        if view.name != HISTORY
        for field in view.features
    ]


def _register(root: Path, data_version: str) -> None:
    target = store_config.online_file(root)
    if target is None:
        _apply(open_store(root), data_version)
        return
    with _beside(root, target) as (store, _):  # a scratch file: Feast creates empty online tables
        _apply(store, data_version)


def _apply(store: FeatureStore, data_version: str) -> None:
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
        for name, service in SERVICES.items()
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
        online=name != "interaction",
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


def _materialise(store: FeatureStore, until: datetime | None, root: Path) -> dict[str, int]:
    from tqdm.auto import tqdm

    views = [name for name in ABOUT if name != "interaction"]
    counts = {}
    if store.config.online_store.type == "sqlite":
        _create_online(store)
    for name in tqdm(views, desc="loading the online store", unit="view", disable=None):
        newest = _newest(root / paths.FEATURES / f"{name}.parquet", VIEW_KEYS[name], until)
        with _quiet():  # Feast's `materialize` reads lists from Parquet 20 times slower than Polars
            store.write_to_online_store(name, newest.to_pandas())
        counts[name] = newest.height
    return counts


def _newest(path: Path, keys: list[str], until: datetime | None) -> pl.DataFrame:
    """The newest row of each key up to a moment (None: of all, whatever the clock of this machine shows)."""
    _require_features(path)
    rows = pl.scan_parquet(path, glob=False)
    rows = rows if until is None else rows.filter(pl.col("event_timestamp") <= until)
    return rows.sort("event_timestamp").unique(keys, keep="last").sort(keys).collect()


def _require_features(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} is missing: no features were computed yet. Run: dvc repro 05_features")


@contextlib.contextmanager
def _beside(root: Path, target: Path) -> Iterator[tuple[FeatureStore, Path]]:
    """The store with a new online file, which is deleted at the end unless it was moved."""
    config = store_config.load(root)
    with scratch_folder(target.parent) as folder:
        path = folder / target.name
        yield _store(root, {**config, "online_store": {**config["online_store"], "path": str(path)}}), path


def _create_online(store: FeatureStore) -> None:
    """Create the tables of a new SQLite file; Feast does so only in `apply`, for the configured file."""
    views = [view for view in store.list_feature_views() if view.online]
    provider = store._get_provider()  # no public way
    provider.online_store.update(store.config, [], views, [], [], partial=False)


def join_files(store: FeatureStore, spine: pl.DataFrame, view: str, columns: list[Column]) -> pl.DataFrame:
    """The same as `join_feast`, directly from the Parquet file: equal results in a tenth of the time
    (bench/features.py)."""
    keys = KEYS[view]
    stored = pl.scan_parquet(store.config.repo_path / paths.FEATURES / f"{view}.parquet", glob=False)
    stored = stored.select(*keys, "event_timestamp", *(pl.col(c.name).cast(c.dtype).alias(c.title) for c in columns))
    stored = stored.join(spine.lazy().select(keys).unique(), on=keys, how="semi").collect().sort("event_timestamp")
    features = (
        spine.select(*keys, "as_of")
        .sort("as_of")
        .join_asof(stored, left_on="as_of", right_on="event_timestamp", by=keys, check_sortedness=False)
    )
    return features.filter(pl.col("event_timestamp").is_not_null()).drop("event_timestamp")


def join_feast(store: FeatureStore, spine: pl.DataFrame, view: str, columns: list[Column]) -> pl.DataFrame:
    """The distinct (keys, as_of) for which the view has a row by then, with its features as `view__x`.

    One call per view, with distinct rows: with several views, Feast's join removes duplicates by the keys of the first.
    It drops rows that are older than the first row of their key; the caller's left join restores them as nulls.
    """
    keys = KEYS[view]
    types = {column.title: column.dtype for column in columns}
    empty = pl.DataFrame(schema={**dict.fromkeys(keys, pl.String), "as_of": TIMESTAMP, **types})
    if not spine.height:  # Feast fails on an empty spine
        return empty
    rows = spine.rename({"as_of": "event_timestamp"}).to_pandas()
    refs = [f"{view}:{column.name}" for column in columns]
    with _quiet():
        job = store.get_historical_features(rows, refs, full_feature_names=True)
        features = pl.from_arrow(job.to_arrow())
    if missing := [name for name in types if name not in features.columns]:
        raise RuntimeError(f"Feast did not return {', '.join(missing)}")
    if not features.height:  # then Feast returns no types, either
        return empty
    moment = pl.col("event_timestamp").dt.cast_time_unit("us").dt.convert_time_zone("UTC").alias("as_of")
    return features.select(*keys, moment, *(pl.col(name).cast(dtype) for name, dtype in types.items()))


def _read_online(
    root: Path, reader: Reader, refs: list[str], rows: list[dict[str, str]], stamps: bool = False
) -> dict[str, list[Any]]:
    """Values from the online store as lists, by `view__feature`."""
    try:
        response = reader.store.get_online_features(refs, rows, full_feature_names=True)
    except sqlite3.DatabaseError as problem:  # damaged, or of another layout
        file = store_config.online_file(root)
        raise UserError(f"The online store {file} cannot be read ({problem}). Run: dvc repro 05_features") from problem
    values = response.to_dict(include_event_timestamps=stamps)
    if stamps:
        seconds = values.get(f"{refs[0].replace(':', '__')}__ts", [None])
        values["as_of"] = [online_events.exact(datetime.fromtimestamp(s, UTC), root) if s else None for s in seconds]
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
