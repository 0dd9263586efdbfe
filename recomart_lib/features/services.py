"""The registered versions of the feature service: which features a model that pins one reads."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions, feast_store, registry_history, store_config
from recomart_lib.features.base import KEYS

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


def columns(root: Path, service: str) -> dict[str, list[Column]]:
    """The features of a version by entity, in the order of `KEYS`.

    Raises
    ------
    UserError
        If there is no such version (with the closest name), or `registered` fails.
    """
    versions = registered(root)
    if service in versions:
        return {entity: [column for column in versions[service] if column.entity == entity] for entity in KEYS}
    if service in definitions.SERVICES:
        raise UserError(f"{service} is defined, but not registered yet. Run: dvc repro 05_features")
    raise UserError(f"There is no feature service '{service}'. {suggestion(service, list(versions))}")


def registered(root: Path) -> dict[str, list[Column]]:
    """The features of each registered version.

    Raises
    ------
    UserError
        If nothing is registered for this project, another version of RecoMart wrote the registry, or it is damaged.
    """
    url = store_config.registry_url(root)
    file = registry_history.sqlite_file(url)
    changed = tuple(path.stat().st_mtime_ns for path in (root / store_config.FILE, file) if path and path.exists())
    return _read(root, url, changed)


@lru_cache(maxsize=4)
def _read(root: Path, url: str, changed: tuple[int, ...]) -> dict[str, list[Column]]:
    with registry_history.readable(url):
        registry_history.require_registered(url)
        project = str(store_config.load(root).get("project"))
        contents = registry_history.contents(url, project)
        if contents is None:  # registered by an earlier RecoMart, or for another project: only Feast knows
            contents = feast_store.services(feast_store.open_store(root))
    if not contents:
        raise UserError(
            f"{root / store_config.FILE}: nothing is registered for the project '{project}'. Check "
            "the name; if it is right, run: dvc repro 05_features"
        )
    return {
        service: [Column(entity, name, TYPES[dtype]) for entity, name, dtype in features]
        for service, features in contents.items()
    }


def forget() -> None:
    """Read the registry again on the next call: it has changed."""
    _read.cache_clear()
