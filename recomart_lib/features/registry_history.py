"""What was registered when: versions of the feature service, their definitions, and the data behind them.

Three tables of ours in the registry's database (feature_store.yaml: registry.path), beside Feast's own:

    recomart_meta         key, value                       layout (of these tables), state (see `feature_store.apply`)
    recomart_definitions  service, entity, name, type, formula, unit, null_meaning, reads    what a version pins
    recomart_runs         id, applied_at, services, definitions, data_version, settings      one row per change
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.features.base import Definition

LAYOUT = 2  # 1: views user_features, item_features, interaction_features, and none of these tables
ADVICE = "All but the history of runs can be made again: rm -r data/feature_store, then dvc repro 05_features"
META = sa.MetaData()
FACTS = sa.Table("recomart_meta", META, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
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


def data_version(folder: Path) -> str:
    """DVC's own hash of a folder (of data/prepared it stands in dvc.lock), also outside of a DVC run.

    Raises
    ------
    UserError
        If the folder is missing or empty: then there is no data that features could be of.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UserError(f"There is no data in {folder} that features could be made of. Run: dvc repro 04_prepare")
    entries = [{"md5": _md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def digest(held: Iterable[Definition]) -> str:
    """Twelve digits that change if any definition does."""
    words = {d.ref: d.fingerprint for d in held}
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:12]


def prepare(url: str) -> int:
    """Make our tables where they are missing; the layout that was found (LAYOUT: a new or current one).

    The layout is written by `record`, when all is done: a run that dies before is done again.

    Raises
    ------
    UserError
        If a newer version of this project made the registry.
    """
    engine = _engine(url)
    with engine.begin() as connection:
        found = _layout(connection)
        META.create_all(connection)
    return found


def require_layout(url: str) -> None:
    """Whether the registry can be read. Raises UserError if nothing is registered, or another version did it."""
    with _registered(url) as connection:
        if _layout(connection) < LAYOUT:
            raise UserError("The feature store's registry is of an older version. Run: dvc repro 05_features")


def state(url: str) -> str | None:
    """What `record` was told last of all that is registered; None where nothing is, or in another layout."""
    if (file := sqlite_file(url)) and not file.exists():
        return None
    with _engine(url).connect() as connection:
        if not sa.inspect(connection).has_table(FACTS.name) or _layout(connection) != LAYOUT:
            return None
        return connection.scalar(sa.select(FACTS.c.value).where(FACTS.c.key == "state"))


def _layout(connection: sa.Connection) -> int:
    """The layout of the registry; that of an empty database is today's. Raises UserError if it is a newer one."""
    tables = set(sa.inspect(connection).get_table_names())
    found = LAYOUT if "feature_views" not in tables else 1
    if FACTS.name in tables:
        found = int(connection.scalar(sa.select(FACTS.c.value).where(FACTS.c.key == "layout")) or 1)
    if found > LAYOUT:
        raise UserError(
            f"The feature store's registry has layout {found}; this version of RecoMart knows {LAYOUT}. Update "
            f"RecoMart, or start anew. {ADVICE}"
        )
    return found


def require_frozen(url: str, services: Services, replace: bool = False) -> None:
    """A registered version must not change or vanish: models pin it. `replace` lets it.

    Raises
    ------
    UserError
        Naming each definition that differs, what it was, and what it is.
    """
    with _engine(url).connect() as connection:
        known = list(connection.scalars(sa.select(PINNED.c.service).distinct().order_by(PINNED.c.service)))
    lines = [
        f"  {service}: {line}"
        for service in known
        for line in _changes(_pinned(url, service), _rows(services.get(service, ())))
    ]
    if lines and not replace:
        raise UserError(
            "\n".join(["A registered version of the features would change:", *lines[:20]])
            + "\nGive a changed feature a new name, or the next version (since=...). If nothing pins the version: "
            "recomart features apply --replace"
        )


def record(
    url: str, services: Services, data_version: str, settings: dict[str, Any], state: str, replace: bool = False
) -> None:
    """Pin the versions that are new (`replace`: all), and append a run if anything differs from the last one.

    `state` is kept as it is, for whoever wants to know whether there is anything to register (see `state`).
    """
    run = {
        "services": json.dumps(list(services)),
        "definitions": digest(d for held in services.values() for d in held),
        "data_version": data_version,
        "settings": json.dumps(settings, sort_keys=True),
    }
    with _engine(url).begin() as connection:
        connection.execute(sa.delete(FACTS))
        facts = {"layout": str(LAYOUT), "state": state}
        connection.execute(sa.insert(FACTS), [{"key": key, "value": value} for key, value in facts.items()])
        if replace:
            connection.execute(sa.delete(PINNED))
        for service, held in services.items():
            if not connection.scalar(sa.select(sa.func.count()).where(PINNED.c.service == service)):
                rows = [
                    {"service": service, "entity": entity, "name": name, **words}
                    for (entity, name), words in _rows(held).items()
                ]
                connection.execute(sa.insert(PINNED), rows)
        last = connection.execute(sa.select(RUNS).order_by(RUNS.c.id.desc()).limit(1)).mappings().first()
        if last is None or any(last[key] != value for key, value in run.items()):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute(sa.insert(RUNS), {"applied_at": now, **run})


def runs(url: str) -> pl.DataFrame:
    """One row per registered change, the first one first: applied_at, services, definitions, data_version, settings."""
    with readable(url), _registered(url) as connection:
        found = connection.execute(sa.select(RUNS).order_by(RUNS.c.id)).mappings().all()
    columns = [column.name for column in RUNS.columns]
    return pl.DataFrame([dict(row) for row in found], schema=columns, infer_schema_length=None)


def diff(url: str, old: str, new: str) -> pl.DataFrame:
    """One row per feature that differs between two registered versions: change, entity, name, what."""
    with readable(url):
        with _registered(url) as connection:
            known = list(connection.scalars(sa.select(PINNED.c.service).distinct().order_by(PINNED.c.service)))
        for service in (old, new):
            if service not in known:
                raise UserError(f"There is no registered version '{service}'. {suggestion(service, known)}")
        before, after = _pinned(url, old), _pinned(url, new)
    rows = [
        ("added" if key not in before else "removed" if key not in after else "changed", *key, what)
        for key in sorted(before.keys() | after.keys(), key=list({**before, **after}).index)
        if (what := _what(before.get(key), after.get(key)))
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("change", "entity", "name", "what"), pl.String), orient="row")


@contextlib.contextmanager
def readable(url: str) -> Iterator[None]:
    """A damaged or foreign database becomes one sentence."""
    try:
        yield
    except sa.exc.DatabaseError as problem:
        place = sa.make_url(url).render_as_string()
        if "locked" in str(problem.orig):
            raise UserError(f"{place} is being written by another process ({problem.orig}). Try again.") from problem
        advice = ADVICE if sqlite_file(url) else "feature_store.yaml (registry.path) says where it is."
        raise UserError(f"The feature store's registry {place} cannot be used: {problem.orig}. {advice}") from problem


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for another one."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


def _engine(url: str) -> sa.Engine:
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return sa.create_engine(url)
    except (sa.exc.ArgumentError, ImportError) as problem:  # no URL, an unknown database, or its driver is missing
        raise UserError(
            f"feature_store.yaml: registry.path cannot be used: {problem}. It is a URL like sqlite:///data/feature_store/"
            "feature_store.db or postgresql+psycopg://...; another database than SQLite needs its driver."
        ) from problem


@contextlib.contextmanager
def _registered(url: str) -> Iterator[sa.Connection]:
    """A connection for reading our tables; a UserError, and no new file, where there are none."""
    nothing = UserError("Nothing is registered yet. Run: dvc repro 05_features (or: recomart features apply)")
    if (file := sqlite_file(url)) and not file.exists():
        raise nothing
    with _engine(url).connect() as connection:
        if not sa.inspect(connection).has_table(RUNS.name):
            raise nothing
        yield connection


def _rows(held: Iterable[Definition]) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (d.entity, d.name): {("null_meaning" if key == "null" else key): text for key, text in d.fingerprint.items()}
        for d in held
    }


def _pinned(url: str, service: str) -> dict[tuple[str, str], dict[str, str]]:
    with _engine(url).connect() as connection:
        rows = connection.execute(sa.select(PINNED).where(PINNED.c.service == service)).mappings().all()
    return {(row["entity"], row["name"]): {word: row[word] for word in WORDS} for row in rows}


def _changes(before: dict, after: dict) -> list[str]:
    return [
        f"{entity}.{name}: {what}"
        for entity, name in {**before, **after}
        if (what := _what(before.get((entity, name)), after.get((entity, name))))
    ]


def _what(before: dict[str, str] | None, after: dict[str, str] | None) -> str:
    """What differs, in words; empty if nothing does."""
    if before is None or after is None:
        return (after or before or {}).get("formula", "") + ("" if after else " (no longer there)")
    return "; ".join(f"{word}: {before[word]} -> {after[word]}" for word in WORDS if before[word] != after[word])


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
