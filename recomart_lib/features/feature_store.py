"""The versioned feature store: what stage 05 computed, registered, and read the same way for training and live use.

    feature_store.yaml                    where everything lies; Feast's own configuration
    data/feature_store/feature_store.db   registry: entities, views, services, and our history of definitions
    data/features/<view>.parquet          offline store: one row per key and `event_timestamp`
    data/feature_store/online.db          online store: the newest row of each key

A row's `event_timestamp` is the moment *as of* which its features were computed: they use only earlier events, so a row
may be used from that moment on. Only this module knows Feast.
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

from recomart_lib.core import paths
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.parquet import desk
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import online_events, registry_history, store_config
from recomart_lib.features.base import KEYS, OWNER, Definition
from recomart_lib.features.definitions import DEFINITIONS, NEWEST, SERVICES, names

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


log = logging.getLogger(__name__)

MADE_OF = "made_of.json"  # beside the feature tables: the data and settings that they were made of
FILES = ("file", "dask")  # what feature_store.yaml calls an offline store of files on this machine
HISTORY = "user_history"  # a user's pairs as parallel lists: one key lookup instead of one per pair
VIEW_KEYS = {**KEYS, HISTORY: ["user_id"]}
OLD_VIEWS = ("user_features", "item_features", "interaction_features")  # of layout 1
ABOUT = {
    "user": "one row per user with an event",
    "item": "one row per product with an event",
    "interaction": "one row per user-product pair; for training (live use reads user_history)",
    HISTORY: "one row per user: the pairs of the interaction view as parallel lists; null = NaN",
}


TYPES = {str(dtype): dtype for dtype in (pl.Int64, pl.Float64, pl.String)}  # by Feast's name, which is Polars' own


class Column(NamedTuple):
    """A feature as a registered version holds it."""

    entity: str
    name: str
    dtype: type[pl.DataType]

    @property
    def title(self) -> str:
        """Its column in a table of several entities: `user__order_count`."""
        return f"{self.entity}__{self.name}"


class Reader(NamedTuple):
    """An opened store, and the features of each version that is registered in it."""

    store: FeatureStore
    services: dict[str, list[Column]]

    def columns(self, service: str) -> list[Column]:
        """The features of a version. Raises UserError that suggests the nearest."""
        if service in self.services:
            return self.services[service]
        if service in SERVICES:
            raise UserError(f"{service} is defined, but not registered yet. Run: dvc repro 05_features")
        raise UserError(f"There is no feature service '{service}'. {suggestion(service, list(self.services))}")


def open_store(root: Path | None = None) -> FeatureStore:
    """The store that feature_store.yaml describes; its relative paths start at the root, wherever the caller is."""
    return _store(root or paths.root(), store_config.load(root or paths.root()))


def apply(data_version: str, settings: dict[str, Any], root: Path | None = None, replace: bool = False) -> pl.DataFrame:
    """Register every feature and every version of the service. Applying twice changes nothing, not even a byte.

    Parameters
    ----------
    data_version
        Of the data that the features were made of: see `feature_history.data_version`.
    settings
        params.yaml: features.
    replace
        Whether a registered version may be given other definitions; else that is refused: models pin it.

    Returns
    -------
    DataFrame
        One row per registered feature: view, feature, type, entity, description.

    Raises
    ------
    UserError
        If a registered version would change, or the registry was made by a newer version or is damaged.
    """
    root = root or paths.root()
    (root / paths.FEATURE_STORE).mkdir(parents=True, exist_ok=True)  # DVC awaits it, wherever the stores are
    url, state = store_config.registry_url(root), _state(root, data_version, settings)
    with registry_history.readable(url):
        if replace or registry_history.state(url) != state:
            before = registry_history.prepare(url)
            registry_history.require_frozen(url, SERVICES, replace)
            if before < registry_history.LAYOUT:
                _migrate(open_store(root))
            _register(root, data_version)
            registry_history.record(url, SERVICES, data_version, settings, state, replace)
            _kept.cache_clear()
        return catalogue(open_store(root))


def _state(root: Path, data_version: str, settings: dict[str, Any]) -> str:
    """Changes with everything that `apply` registers."""
    config = store_config.load(root)
    words = {name: [(d.ref, d.fingerprint, d.owner, d.since) for d in held] for name, held in SERVICES.items()}
    said = [config.get("project"), config.get("offline_store"), ABOUT, OWNER, words, data_version, settings]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def made_of(root: Path | None = None) -> dict[str, Any]:
    """data_version and settings of the feature tables as they lie there, which `apply` registers.

    Raises
    ------
    UserError
        If no features were computed yet.
    """
    path = (root or paths.root()) / paths.FEATURES / MADE_OF
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
    """Bring the newest values up to `as_of` (default: all) online; view -> rows online.

    With SQLite, a new file is written beside the old one and then takes its place at once: whoever reads meanwhile
    reads the old values, a run that dies leaves them, and no reader ever meets a lock.
    """
    root = root or paths.root()
    _registered(root)
    until = as_of or datetime.now(UTC) + timedelta(days=1)
    target = store_config.online_file(root)
    if target is None:
        return _materialise(open_store(root), until, root)
    with _beside(root, target) as (store, new_file):
        counts = _materialise(store, until, root)
        new_file.replace(target)
    return counts


def training_frame(spine: pl.DataFrame, service: str = NEWEST, root: Path | None = None) -> pl.DataFrame:
    """The spine with the features of a service, as they could be known at each row's `as_of`.

    Parameters
    ----------
    spine
        user_id or item_id or both (text), as_of (a time with a zone), and any other columns, like a label.

    Returns
    -------
    DataFrame
        The same rows in the same order, with `user__x`, `item__x` and `interaction__x` behind them: of the newest
        stored row of the key with `event_timestamp` <= as_of; null where there is none.

    Raises
    ------
    UserError
        If there is no such service, the spine lacks its columns or has them in other types, or nothing was stored yet.
    """
    root = root or paths.root()
    _require_spine(spine)
    reader = _ready(root)
    frame = spine.with_columns(pl.col("as_of").cast(TIMESTAMP))
    for entity, keys in KEYS.items():
        wanted = [column for column in reader.columns(service) if column.entity == entity]
        if wanted and set(keys) <= set(spine.columns):
            _require_features(root / paths.FEATURES / f"{entity}.parquet")
            asked = frame.select(*keys, "as_of").unique(maintain_order=True)
            join = _of_files if reader.store.config.offline_store.type in FILES else _of_feast
            found = join(reader.store, asked, entity, wanted)
            frame = frame.join(found, on=[*keys, "as_of"], how="left", validate="m:1", maintain_order="left")
    if frame.height != spine.height:
        raise RuntimeError(f"the join returned {frame.height} rows for {spine.height}")
    return frame


def online_user(user_id: str, service: str = NEWEST, root: Path | None = None) -> dict[str, Any]:
    """The live features of a user under their own names, and `as_of`; None throughout for an unknown user.

    What the stream brought since the last run is in them: see `stream_features.user_with`.
    """
    _require_text("user_id", user_id)
    root = root or paths.root()
    reader = _live(root)
    wanted = [column for column in reader.columns(service) if column.entity == "user"]
    answer = _ask(root, reader, [f"user:{c.name}" for c in wanted], [{"user_id": user_id}], stamps=True)
    known = {c.name: answer[c.title][0] for c in wanted} | {"as_of": answer["as_of"][0]}
    return online_events.user_with(known, online_events.events_of(user_id, root, known["as_of"]))


def online(
    user_id: str,
    item_ids: Sequence[str] | None = None,
    service: str = NEWEST,
    root: Path | None = None,
    streamed: bool = True,
) -> pl.DataFrame:
    """One row per item asked for (default: those of the user's history), with the columns of `training_frame`.

    What the stream brought since the last run is in the features of the user and of the pairs (see `stream_features`),
    unless `streamed` is False: then they are what was stored.
    Unknown users and items have nulls. So have the pair features of a pair that has no event yet; a model that ranks
    such pairs computes them: `features.compute.compute(world, as_of, settings, pairs)`.

    Raises
    ------
    UserError
        If nothing is online, there is no such service, or an id is no text.
    """
    _require_text("user_id", user_id)
    if isinstance(item_ids, str):
        raise UserError(f"item_ids is a list of products, like ['{item_ids}'].")
    for item in item_ids or ():
        _require_text("item_id", item)
    root = root or paths.root()
    reader = _live(root)
    of = {entity: [c for c in reader.columns(service) if c.entity == entity] for entity in KEYS}
    lists = ("item_id", *(c.name for c in of["interaction"]))
    refs = [*(f"user:{c.name}" for c in of["user"]), *(f"{HISTORY}:{name}" for name in lists)]
    person = _ask(root, reader, refs, [{"user_id": user_id}], stamps=True)
    before = person["as_of"][0]
    fresh = online_events.events_of(user_id, root, before) if streamed else pl.DataFrame(schema=online_events.FRESH)
    place = {item: n for n, item in enumerate(person[f"{HISTORY}__item_id"][0] or [])}
    asked = list(dict.fromkeys([*place, *fresh.get_column("item_id")])) if item_ids is None else list(item_ids)
    items = [{"item_id": item} for item in asked]
    known = _ask(root, reader, [f"item:{c.name}" for c in of["item"]], items) if asked else {}
    values = {"user_id": [user_id] * len(asked), "item_id": asked}
    values |= {c.title: person[c.title] * len(asked) for c in of["user"]}
    values |= {c.title: known.get(c.title, []) for c in of["item"]}
    places = [place.get(item) for item in asked]
    values |= {c.title: _placed(person[f"{HISTORY}__{c.name}"][0], places, c.dtype) for c in of["interaction"]}
    if fresh.height:
        _follow(values, fresh, before, of, made_of(root)["settings"]["half_life_days"])
    types = dict.fromkeys(("user_id", "item_id"), pl.String) | {c.title: c.dtype for e in of.values() for c in e}
    return pl.DataFrame(list(zip(*values.values(), strict=True)), schema=types, orient="row")  # three times faster


def _follow(
    values: dict[str, list[Any]],
    fresh: pl.DataFrame,
    before: datetime | None,
    of: dict[str, list[Column]],
    half_life_days: float,
) -> None:
    """Put what the stream brought into the columns of `online`, in their place."""
    as_of, by_item = fresh.get_column("timestamp")[-1], fresh.partition_by("item_id", as_dict=True)
    if values["item_id"]:  # the user is the same in every row
        person = {c.name: values[c.title][0] for c in of["user"]} | {"as_of": before}
        told = online_events.user_with(person, fresh)
        values |= {c.title: [told[c.name]] * len(values["item_id"]) for c in of["user"]}
    for n, item in enumerate(values["item_id"]):
        pair = {c.name: values[c.title][n] for c in of["interaction"]}
        mine = by_item.get((item,), fresh.clear())
        told = online_events.pair_with(pair, mine, as_of, before, half_life_days)
        for c in of["interaction"]:
            values[c.title][n] = told[c.name]


def _placed(numbers: list[float] | None, places: list[int | None], dtype: type[pl.DataType]) -> list[Any]:
    """The values of a list of the user's history at these places; None where there is no place, and for NaN."""
    kind = int if dtype == pl.Int64 else float
    found = (None if place is None else numbers[place] for place in places)
    return [None if number is None or number != number else kind(number) for number in found]


def _require_text(name: str, key: object) -> None:
    if not isinstance(key, str):
        raise UserError(f"{name} is text, like 'C000042'; found {key!r} ({type(key).__name__}).")


def _require_spine(spine: pl.DataFrame) -> None:
    if "as_of" not in spine.columns or not {"user_id", "item_id"} & set(spine.columns):
        raise UserError(f"A spine needs as_of, and user_id or item_id; it has {', '.join(spine.columns)}.")
    for name in {"user_id", "item_id"} & set(spine.columns):
        if spine.schema[name] != pl.String:
            raise UserError(f"A spine's {name} is text (String); it is {spine.schema[name]}. Cast it.")
    moment = spine.schema["as_of"]
    if not isinstance(moment, pl.Datetime) or moment.time_zone is None:
        raise UserError(f"A spine's as_of is a time with a zone, like Datetime('us', 'UTC'); it is {moment}.")


def _store(root: Path, config: dict[str, Any]) -> FeatureStore:
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="feast")
    with _types_unchecked():
        from feast import FeatureStore, RepoConfig  # a second of imports: only where the store is used
        from feast.errors import FeastError

    logging.getLogger("feast").setLevel(logging.WARNING)  # its own progress is not ours
    if file := registry_history.sqlite_file(config["registry"]["path"]):
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        store = FeatureStore(config=RepoConfig(**config, repo_path=root))
        _ = store.registry, store.provider  # made when asked for: a wrong word shows itself here
        return store
    except (FeastError, ImportError, ValueError) as problem:  # a wrong word in the file, or a package that it needs
        raise UserError(f"{root / store_config.FILE}: Feast cannot open this store: {problem}") from problem


@contextlib.contextmanager
def _types_unchecked() -> Iterator[None]:
    """Feast lets typeguard rewrite its classes when they are imported: three of four seconds, in every stage."""
    import typeguard

    checked, typeguard.typechecked = typeguard.typechecked, lambda target=None, **_: target or (lambda kept: kept)
    try:
        yield
    finally:
        typeguard.typechecked = checked


def _live(root: Path) -> Reader:
    """The opened store for reading online, kept as long as its file is the same; a swap is noticed."""
    target = store_config.online_file(root)
    if target is None:
        return _ready(root)
    try:
        stat = target.stat()
    except FileNotFoundError:
        raise UserError(f"Nothing is online: {target} is missing. Run: dvc repro 05_features") from None
    return _ready(root, (stat.st_ino, stat.st_mtime_ns))


def _ready(root: Path, online_version: tuple[int, int] | None = None) -> Reader:
    """The opened store, kept; a UserError if nothing was ever registered."""
    return _kept(root, (root / store_config.FILE).stat().st_mtime_ns, online_version)


@lru_cache(maxsize=4)
def _kept(root: Path, config_time: int, online_version: tuple[int, int] | None) -> Reader:
    return _registered(root)


def _registered(root: Path) -> Reader:
    """The opened store with what is registered in it.

    Raises
    ------
    UserError
        If nothing is, in this project; or if another version of RecoMart registered it, or the registry is damaged.
    """
    url = store_config.registry_url(root)
    with registry_history.readable(url):
        registry_history.require_layout(url)
        store = open_store(root)
        services = {service.name: _columns(service) for service in store.list_feature_services()}
    if not services:
        raise UserError(
            f"{root / store_config.FILE}: nothing is registered for the project '{store.project}'. Is its name "
            "right? If so, run: dvc repro 05_features"
        )
    return Reader(store, services)


def _columns(service: Any) -> list[Column]:
    """The features of a registered service, in its order."""
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
    with _beside(root, target) as (store, _):  # Feast would make empty online tables; only `materialise` makes them
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
            description=f"{len(held)} features; models pin this version",
            features=[views[entity][[d.name for d in held if d.entity == entity]] for entity in KEYS]
            + [views[HISTORY][["item_id", *(d.name for d in held if d.entity == "interaction")]]],
            tags={"definitions": registry_history.digest(held), "data_version": data_version},
        )
        for name, held in SERVICES.items()
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
    """Where a view's rows lie: one Parquet file, but a name per store, so that a registry can move between stores."""
    path = paths.FEATURES / f"{name}.parquet"
    if store.config.offline_store.type.startswith("spark"):
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        place = str(store.config.repo_path / path)  # Spark does not know the project's root
        return SparkSource(name=f"{name}_spark", path=place, file_format="parquet", timestamp_field="event_timestamp")
    from feast import FileSource

    return FileSource(name=f"{name}_file", path=path.as_posix(), timestamp_field="event_timestamp")


def _migrate(store: FeatureStore) -> None:
    """A registry of layout 1 had other views; theirs are registered anew under today's names."""
    old = [view.name for view in store.list_feature_views() if view.name in OLD_VIEWS]
    for service in store.list_feature_services():
        store.registry.delete_feature_service(service.name, store.project)
    for name in old:
        store.delete_feature_view(name)
        store.registry.delete_data_source(name, store.project)
    if old:
        log.info("the feature store's registry was of an older layout; %s were replaced", ", ".join(old))


def _materialise(store: FeatureStore, until: datetime, root: Path) -> dict[str, int]:
    from tqdm.auto import tqdm

    views = [name for name in ABOUT if name != "interaction"]
    counts = {}
    if store.config.online_store.type == "sqlite":
        _create_online(store)
    for name in tqdm(views, desc="features go online", unit="view", disable=None):
        newest = _newest(root / paths.FEATURES / f"{name}.parquet", VIEW_KEYS[name], until)
        with _quiet():  # not Feast's own `materialize`: it reads lists from Parquet twenty times slower than Polars
            store.write_to_online_store(name, newest.to_pandas())
        counts[name] = newest.height
    return counts


def _newest(path: Path, keys: list[str], until: datetime) -> pl.DataFrame:
    """The newest row of each key up to a moment."""
    _require_features(path)
    rows = pl.scan_parquet(path).filter(pl.col("event_timestamp") <= until)
    return rows.sort("event_timestamp").unique(keys, keep="last").sort(keys).collect()


def _require_features(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} is missing: no features were computed yet. Run: dvc repro 05_features")


@contextlib.contextmanager
def _beside(root: Path, target: Path) -> Iterator[tuple[FeatureStore, Path]]:
    """The store with another, new online file, which is deleted in the end if it was not moved."""
    config = store_config.load(root)
    with desk(target.parent) as folder:
        path = folder / target.name
        yield _store(root, {**config, "online_store": {**config["online_store"], "path": str(path)}}), path


def _create_online(store: FeatureStore) -> None:
    """The tables of a new SQLite file; Feast makes them in `apply` only, which knows the usual file."""
    views = [view for view in store.list_feature_views() if view.online]
    provider = store._get_provider()  # no public way
    provider.online_store.update(store.config, [], views, [], [], partial=False)


def _of_files(store: FeatureStore, spine: pl.DataFrame, view: str, wanted: list[Column]) -> pl.DataFrame:
    """As `_of_feast`, from the Parquet file itself: the same answer as Feast's own engine gives, in a tenth of the time
    (bench/features.py)."""
    keys = KEYS[view]
    stored = pl.scan_parquet(store.config.repo_path / paths.FEATURES / f"{view}.parquet")
    stored = stored.select(*keys, "event_timestamp", *(pl.col(c.name).cast(c.dtype).alias(c.title) for c in wanted))
    stored = stored.join(spine.lazy().select(keys).unique(), on=keys, how="semi").collect().sort("event_timestamp")
    found = (
        spine.select(*keys, "as_of")
        .sort("as_of")
        .join_asof(stored, left_on="as_of", right_on="event_timestamp", by=keys, check_sortedness=False)
    )
    return found.filter(pl.col("event_timestamp").is_not_null()).drop("event_timestamp")


def _of_feast(store: FeatureStore, spine: pl.DataFrame, view: str, wanted: list[Column]) -> pl.DataFrame:
    """The distinct (keys, as_of) for which the view has a row by then, with its features as `view__x`.

    Feast is asked once per view and with distinct rows: asked for several views at once, its join de-duplicates by the
    keys of the first; it drops what is older than the first row of its key, and here the caller's left join brings that
    back as nulls.
    """
    keys = KEYS[view]
    columns = {column.title: column.dtype for column in wanted}
    nothing = pl.DataFrame(schema={**dict.fromkeys(keys, pl.String), "as_of": TIMESTAMP, **columns})
    if not spine.height:  # Feast cannot ask for nothing
        return nothing
    asked = spine.rename({"as_of": "event_timestamp"}).to_pandas()
    refs = [f"{view}:{column.name}" for column in wanted]
    with _quiet():
        job = store.get_historical_features(asked, refs, full_feature_names=True)
        found = pl.from_arrow(job.to_arrow())
    if missing := [name for name in columns if name not in found.columns]:
        raise RuntimeError(f"Feast did not return {', '.join(missing)}")
    if not found.height:  # then Feast knows no types, either
        return nothing
    moment = pl.col("event_timestamp").dt.cast_time_unit("us").dt.convert_time_zone("UTC").alias("as_of")
    return found.select(*keys, moment, *(pl.col(name).cast(dtype) for name, dtype in columns.items()))


def _ask(
    root: Path, reader: Reader, refs: list[str], rows: list[dict[str, str]], stamps: bool = False
) -> dict[str, list[Any]]:
    """Feast's answer as lists, under `view__feature`."""
    try:
        answer = reader.store.get_online_features(refs, rows, full_feature_names=True)
    except sqlite3.DatabaseError as problem:  # damaged, or of an older layout
        place = store_config.online_file(root)
        raise UserError(f"The online store {place} cannot be read ({problem}). Run: dvc repro 05_features") from problem
    values = answer.to_dict(include_event_timestamps=stamps)
    if stamps:
        seconds = values.get(f"{refs[0].replace(':', '__')}__ts", [None])
        values["as_of"] = [online_events.exact(datetime.fromtimestamp(s, UTC), root) if s else None for s in seconds]
    return values


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Feast prints its own progress and warns of its own internals: ours is told by tqdm and logging."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
