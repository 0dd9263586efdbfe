"""The versioned feature store: registers the features of stage 05, and reads them for training and for live use.

    feature_store.yaml                    Feast's configuration: where everything is stored (`store_config`)
    data/feature_store/feature_store.db   registry: entities, views, services (`feast_store`), our history of
                                          definitions (`registry_history`)
    data/features/<view>.parquet          offline store: one row per key and `event_timestamp` (`offline_files`)
    data/feature_store/online.db          online store: the newest row of each key (`online_file`, `online_features`)

A row's `event_timestamp` is the moment *as of* which its features were computed. They use only earlier events, so the
row is valid from that moment on. Others use this module only; `docs/feature_store.md` says what Feast does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core import files, paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.core.scratch import scratch_folder
from recomart_lib.features import (
    definitions,
    feast_store,
    offline_files,
    online_file,
    registry_history,
    services,
    store_config,
)
from recomart_lib.features.base import KEYS, OWNER
from recomart_lib.features.definitions import NEWEST
from recomart_lib.features.feast_store import import_early
from recomart_lib.features.offline_files import PROVENANCE, VIEW_KEYS, FeatureWriter
from recomart_lib.features.online_features import online, online_user

__all__ = [
    "PROVENANCE",
    "FeatureWriter",
    "apply",
    "import_early",
    "materialise",
    "online",
    "online_user",
    "provenance",
    "training_frame",
]
PLAIN_SQLITE = {"type", "path"}  # the settings of an online store whose file `online_file` writes


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
    folder = root / paths.FEATURE_STORE
    folder.mkdir(parents=True, exist_ok=True)  # an output of the DVC stage, wherever the stores are
    url, state = store_config.registry_url(root), _state(root, data_version, settings)
    with registry_history.readable(url):
        if replace or registry_history.state(url) != state:
            registry_history.prepare(url)
            registry_history.require_frozen(url, definitions.SERVICES, replace)
            _register(root, data_version)
            project = str(store_config.load(root).get("project"))
            registry_history.record(url, project, definitions.SERVICES, data_version, settings, state, replace)
            services.forget()
        return feast_store.catalogue(feast_store.open_store(root))


def _state(root: Path, data_version: str, settings: dict[str, Any]) -> str:
    """A hash of everything that `apply` registers."""
    config = store_config.load(root)
    versions = {
        name: [(d.ref, d.fingerprint, d.owner, d.since) for d in ds] for name, ds in definitions.SERVICES.items()
    }
    about = feast_store.ABOUT
    content = [config.get("project"), config.get("offline_store"), about, OWNER, versions, data_version, settings]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _register(root: Path, data_version: str) -> None:
    if store_config.online_file(root) is None:
        feast_store.register(feast_store.open_store(root), definitions.SERVICES, data_version)
        return
    with _beside(root) as (store, _):  # a scratch file: Feast creates empty online tables
        feast_store.register(store, definitions.SERVICES, data_version)


def provenance(root: Path | None = None) -> dict[str, Any]:
    """data_version and settings of the stored feature tables, which `apply` registers.

    Raises
    ------
    UserError
        If no features have been computed yet.
    """
    return offline_files.provenance(root or paths.root())


def materialise(as_of: datetime | None = None, root: Path | None = None) -> dict[str, int]:
    """Load the newest values up to `as_of` (default: all) into the online store; view -> rows loaded.

    With SQLite, a new file is written and then replaces the old one atomically: readers see the old values until then,
    an aborted run leaves them in place, and no reader meets a lock.
    """
    root = root or paths.root()
    services.registered(root)  # Feast would not say that nothing is registered
    target = store_config.online_file(root)
    if target is None:
        return _load(feast_store.open_store(root), None, root, as_of)
    with _beside(root) as (store, new_file):
        feast_store.create_online_tables(store)
        by_column = set(store_config.load(root)["online_store"]) <= PLAIN_SQLITE
        counts = _load(store, new_file if by_column else None, root, as_of)
        files.move(new_file, target)
    return counts


def _load(store: feast_store.FeatureStore, new_file: Path | None, root: Path, until: datetime | None) -> dict[str, int]:
    """Write the newest rows of all online views: into an SQLite file, or (None) as Feast does."""
    from tqdm.auto import tqdm

    counts = {}
    for view in tqdm(feast_store.ONLINE, desc="loading the online store", unit="view", disable=None):
        rows = offline_files.newest(root, view, until)
        if new_file is None:
            counts[view] = feast_store.write_online(store, view, rows)
        else:
            counts[view] = online_file.write(new_file, f"{store.project}_{view}", VIEW_KEYS[view][0], rows)
    return counts


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[tuple[feast_store.FeatureStore, Path]]:
    """The store with a new online file beside that of `root`, which is deleted at the end unless it was moved."""
    target = store_config.online_file(root)
    with scratch_folder(target.parent) as folder:
        yield feast_store.open_store(root, folder / target.name), folder / target.name


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
    frame = spine.with_columns(pl.col("as_of").cast(TIMESTAMP))
    store = None if store_config.has_offline_files(root) else feast_store.open_store(root)
    for entity, columns in services.columns(root, service).items():
        if columns and set(KEYS[entity]) <= set(spine.columns):
            added = {column.title: (column.name, column.dtype) for column in columns}
            if store is None:
                frame = offline_files.with_features(frame, root, entity, added)
            else:
                frame = feast_store.with_features(frame, store, entity, added)
    if frame.height != spine.height:
        raise RuntimeError(f"the join returned {frame.height} rows for {spine.height}")
    return frame


def _require_spine(spine: pl.DataFrame) -> None:
    if "as_of" not in spine.columns or not {"user_id", "item_id"} & set(spine.columns):
        raise UserError(f"A spine needs as_of, and user_id or item_id; it has {', '.join(spine.columns)}.")
    for name in {"user_id", "item_id"} & set(spine.columns):
        if spine.schema[name] != pl.String:
            raise UserError(f"{name} of the spine must be text (String); it is {spine.schema[name]}. Cast it.")
    moment = spine.schema["as_of"]
    if not isinstance(moment, pl.Datetime) or moment.time_zone is None:
        raise UserError(f"as_of of the spine must be a time with a zone, like Datetime('us', 'UTC'); it is {moment}.")
