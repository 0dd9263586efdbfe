"""The history of the registry: versions of the feature service, their definitions, and the data behind them.

Three tables in the registry's database (feature_store.yaml: registry.path), beside those of Feast:

    recomart_meta         key, value                       layout (of these tables), state (see `feature_store.apply`),
                                                           project, contents (of its versions: see `contents`)
    recomart_definitions  service, entity, name, type, formula, unit, null_meaning, reads    what a version pins
    recomart_runs         id, applied_at, services, definitions, data_version, settings      one row per change
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from recomart_lib.core import clock, files
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.features.base import Definition

LAYOUT = 2  # of these tables and of the views
ADVICE = "Everything but the history of runs can be rebuilt: rm -r data/feature_store, then dvc repro 05_features"
META = sa.MetaData()
STATE = sa.Table("recomart_meta", META, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
PINNED = sa.Table(
    "recomart_definitions",
    META,
    *(sa.Column(name, sa.String(255), primary_key=True) for name in ("service", "entity", "name")),
    *(sa.Column(name, sa.Text) for name in ("type", "formula", "unit", "null_meaning", "reads")),
)
RUNS = sa.Table(
    "recomart_runs",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("applied_at", "services", "definitions", "data_version", "settings")),
)
WORDS = ("type", "formula", "unit", "null_meaning", "reads")
Services = Mapping[str, tuple[Definition, ...]]
Contents = dict[str, list[tuple[str, str, str]]]  # version -> entity, name and type of its features, in their order


def data_version(folder: Path) -> str:
    """DVC's hash of a folder (that of data/prepared is in dvc.lock), computed without DVC.

    Raises
    ------
    UserError
        If the folder is missing or empty.
    """
    found = files.listed(folder, "**/*")
    if not found:
        raise UserError(f"There is no data in {folder} to compute features from. Run: dvc repro 04_prepare")
    entries = [{"md5": _md5(path), "relpath": path.relative_to(folder).as_posix()} for path in found]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def digest(definitions: Iterable[Definition]) -> str:
    """A hash of 12 digits that changes if any definition does."""
    fingerprints = {d.ref: d.fingerprint for d in definitions}
    return hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()[:12]


def prepare(url: str) -> None:
    """Create the tables that are missing. `record` writes the layout, at the end: an aborted run is repeated.

    Raises
    ------
    UserError
        If a newer version of RecoMart wrote the registry.
    """
    with engine(url).begin() as connection:
        _require_layout(connection)
        META.create_all(connection)


def require_registered(url: str) -> None:
    """Check that the registry can be read. Raises UserError if nothing is registered, or by a newer version."""
    with _registered(url) as connection:
        _require_layout(connection)


def state(url: str) -> str | None:
    """The `state` of the last `record`; None if nothing is registered."""
    if (file := sqlite_file(url)) and not file.exists():
        return None
    with engine(url).connect() as connection:
        if not sa.inspect(connection).has_table(STATE.name):
            return None
        _require_layout(connection)
        return _value(connection, "state")


def contents(url: str, project: str) -> Contents | None:
    """The features of each version as the last `record` registered them, without Feast.

    None if that was for another project, or by an earlier RecoMart, which did not store them.
    """
    with _registered(url) as connection:
        stored = _value(connection, "contents") if _value(connection, "project") == project else None
    return stored and {version: [tuple(f) for f in features] for version, features in json.loads(stored).items()}


def _value(connection: sa.Connection, key: str) -> str | None:
    return connection.scalar(sa.select(STATE.c.value).where(STATE.c.key == key))


def _require_layout(connection: sa.Connection) -> None:
    """Raises UserError if the registry has another layout than this version of RecoMart."""
    if not sa.inspect(connection).has_table(STATE.name):
        return
    layout = _value(connection, "layout")
    if layout and int(layout) != LAYOUT:
        raise UserError(
            f"The feature store's registry has layout {layout}; this version of RecoMart uses layout {LAYOUT}. Update "
            f"RecoMart, or rebuild the registry. {ADVICE}"
        )


def require_frozen(url: str, services: Services, replace: bool = False) -> None:
    """Check that no registered version changes or disappears, because models pin it; `replace` allows it.

    Raises
    ------
    UserError
        With each definition that differs, before and after.
    """
    with engine(url).connect() as connection:
        registered = list(connection.scalars(sa.select(PINNED.c.service).distinct().order_by(PINNED.c.service)))
    lines = [
        f"  {service}: {line}"
        for service in registered
        for line in _changes(_pinned(url, service), _rows(services.get(service, ())))
    ]
    if lines and not replace:
        raise UserError(
            "\n".join(["A registered version of the features would change:", *lines[:20]])
            + "\nGive the changed feature a new name, or add it to the next version (since=...). If no model pins it: "
            "recomart features apply --replace"
        )


def record(
    url: str,
    project: str,
    services: Services,
    data_version: str,
    settings: dict[str, Any],
    state: str,
    replace: bool = False,
) -> None:
    """Pin the new versions (`replace`: all), and append a run if anything differs from the last one.

    `state` is stored as it is; the function `state` returns it.
    """
    features = {name: [(d.entity, d.name, str(d.dtype)) for d in pinned] for name, pinned in services.items()}
    run = {
        "services": json.dumps(list(services)),
        "definitions": digest(d for definitions in services.values() for d in definitions),
        "data_version": data_version,
        "settings": json.dumps(settings, sort_keys=True),
    }
    with engine(url).begin() as connection:
        connection.execute(sa.delete(STATE))
        values = {"layout": str(LAYOUT), "state": state, "project": project, "contents": json.dumps(features)}
        connection.execute(sa.insert(STATE), [{"key": key, "value": value} for key, value in values.items()])
        if replace:
            connection.execute(sa.delete(PINNED))
        for service, definitions in services.items():
            if not connection.scalar(sa.select(sa.func.count()).where(PINNED.c.service == service)):
                rows = [
                    {"service": service, "entity": entity, "name": name, **words}
                    for (entity, name), words in _rows(definitions).items()
                ]
                connection.execute(sa.insert(PINNED), rows)
        last = connection.execute(sa.select(RUNS).order_by(RUNS.c.id.desc()).limit(1)).mappings().first()
        if last is None or any(last[key] != value for key, value in run.items()):
            now = clock.now().isoformat(timespec="seconds")
            connection.execute(sa.insert(RUNS), {"applied_at": now, **run})


def runs(url: str) -> pl.DataFrame:
    """One row per registered change, oldest first: applied_at, services, definitions, data_version, settings."""
    with readable(url), _registered(url) as connection:
        rows = connection.execute(sa.select(RUNS).order_by(RUNS.c.id)).mappings().all()
    columns = [column.name for column in RUNS.columns]
    return pl.DataFrame([dict(row) for row in rows], schema=columns, infer_schema_length=None)


def diff(url: str, old: str, new: str) -> pl.DataFrame:
    """One row per feature that differs between two registered versions: change, entity, name, what."""
    with readable(url):
        with _registered(url) as connection:
            registered = list(connection.scalars(sa.select(PINNED.c.service).distinct().order_by(PINNED.c.service)))
        for service in (old, new):
            if service not in registered:
                raise UserError(f"There is no registered version '{service}'. {suggestion(service, registered)}")
        before, after = _pinned(url, old), _pinned(url, new)
    rows = [
        ("added" if key not in before else "removed" if key not in after else "changed", *key, what)
        for key in sorted(before.keys() | after.keys(), key=list({**before, **after}).index)
        if (what := _what(before.get(key), after.get(key)))
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("change", "entity", "name", "what"), pl.String), orient="row")


@contextlib.contextmanager
def readable(url: str) -> Iterator[None]:
    """Turn errors of a damaged, foreign or locked database into a UserError."""
    try:
        yield
    except sa.exc.DatabaseError as problem:
        location = sa.make_url(url).render_as_string()
        if "locked" in str(problem.orig):
            raise UserError(f"{location} is being written by another process ({problem.orig}). Try again.") from problem
        advice = ADVICE if sqlite_file(url) else "feature_store.yaml (registry.path) says where it is."
        raise UserError(
            f"The feature store's registry {location} cannot be used: {problem.orig}. {advice}"
        ) from problem


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for another one."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


def engine(url: str) -> sa.Engine:
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return sa.create_engine(url)
    except (sa.exc.ArgumentError, ImportError) as problem:  # not a URL, an unknown database, or a missing driver
        raise UserError(
            f"feature_store.yaml: registry.path cannot be used: {problem}. It must be a URL like sqlite:///data/feature_store/"
            "feature_store.db or postgresql+psycopg://...; databases other than SQLite need their driver."
        ) from problem


@contextlib.contextmanager
def _registered(url: str) -> Iterator[sa.Connection]:
    """A connection for reading our tables. Raises UserError, without creating a file, if there are none."""
    missing = UserError("Nothing is registered yet. Run: dvc repro 05_features (or: recomart features apply)")
    if (file := sqlite_file(url)) and not file.exists():
        raise missing
    with engine(url).connect() as connection:
        if not sa.inspect(connection).has_table(RUNS.name):
            raise missing
        yield connection


def _rows(definitions: Iterable[Definition]) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (d.entity, d.name): {("null_meaning" if key == "null" else key): text for key, text in d.fingerprint.items()}
        for d in definitions
    }


def _pinned(url: str, service: str) -> dict[tuple[str, str], dict[str, str]]:
    with engine(url).connect() as connection:
        rows = connection.execute(sa.select(PINNED).where(PINNED.c.service == service)).mappings().all()
    return {(row["entity"], row["name"]): {word: row[word] for word in WORDS} for row in rows}


def _changes(before: dict, after: dict) -> list[str]:
    return [
        f"{entity}.{name}: {what}"
        for entity, name in {**before, **after}
        if (what := _what(before.get((entity, name)), after.get((entity, name))))
    ]


def _what(before: dict[str, str] | None, after: dict[str, str] | None) -> str:
    """The difference in words; empty if there is none."""
    if before is None or after is None:
        return (after or before or {}).get("formula", "") + ("" if after else " (no longer there)")
    return "; ".join(f"{word}: {before[word]} -> {after[word]}" for word in WORDS if before[word] != after[word])


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
