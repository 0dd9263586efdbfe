"""The lake: what was delivered, as immutable Parquet with a manifest beside every file.

    data/raw/source=<shop>/type=<table>/date=<YYYY-MM-DD>/<content hash>.parquet (+ .json, + .rejects.parquet)

One delivered file is landed as one Parquet file, in the partition of the day that most of its rows speak of (tables
without times: the day of landing). The hash covers the file's name (its path in the source folder), its bytes and its
declaration in the shop file. The same content again is recognised and skipped; a changed file is a new version:
readers see the newest, the old one stays.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib import __version__
from recomart_lib.errors import UserError

Manifest = dict[str, Any]


def content_hash(file: Path, name: str, declaration: str) -> str:
    """The identity of a landing: the file's name, the delivered bytes, and how they are to be read."""
    digest = hashlib.sha256(file.read_bytes())
    digest.update(f"{name}\n{declaration}".encode())
    return digest.hexdigest()


def land(
    raw: Path, shop: str, table: str, file: Path, name: str, sha256: str, rows: pl.DataFrame, rejects: pl.DataFrame
) -> Manifest:
    """Write one delivered file into the lake, the manifest last: without it, no reader sees the rest.

    Returns
    -------
    dict
        The manifest: where the file came from, what it held, where it lies (`path`, relative to `raw`).
    """
    now = datetime.now(UTC)
    folder = raw / f"source={shop}" / f"type={table}" / f"date={_day(rows, now.date())}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / sha256[:16]
    _write(rows, stem.with_suffix(".parquet"))
    if rejects.height:
        _write(rejects, stem.with_suffix(".rejects.parquet"))
    manifest = {
        "source": shop,
        "table": table,
        "file": name,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "rows_delivered": rows.height + rejects.height,
        "rows_landed": rows.height,
        "rows_rejected": rejects.height,
        "columns": {name: str(dtype) for name, dtype in rows.schema.items()},
        "first": _iso(rows, "min"),
        "last": _iso(rows, "max"),
        "landed_at": now.isoformat(),
        "recomart": __version__,
        "path": str(stem.with_suffix(".parquet").relative_to(raw)),
    }
    temporary = stem.with_suffix(".json.tmp")
    temporary.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    temporary.replace(stem.with_suffix(".json"))
    return manifest


def manifests(raw: Path, shop: str, table: str) -> list[Manifest]:
    """All versions of all files of a table, oldest landing first."""
    found = (raw / f"source={shop}" / f"type={table}").glob("date=*/*.json")
    return sorted(map(_manifest, found), key=lambda manifest: (manifest["landed_at"], manifest["path"]))


def _manifest(path: Path) -> Manifest:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        _ = [manifest[key] for key in ("file", "sha256", "path", "landed_at", "rows_rejected")]
    except (ValueError, KeyError, TypeError) as problem:
        raise UserError(f"The manifest {path} is damaged ({problem!r}). Delete it and ingest again.") from None
    return manifest


def newest(raw: Path, shop: str, table: str) -> dict[str, Manifest]:
    """File name -> the manifest of its newest version, in the order of the file names."""
    latest = {manifest["file"]: manifest for manifest in manifests(raw, shop, table)}
    return dict(sorted(latest.items()))


def last_landing(raw: Path, shop: str, tables: list[str]) -> datetime:
    """When the newest file of these tables was landed (UTC)."""
    return max(datetime.fromisoformat(m["landed_at"]) for table in tables for m in manifests(raw, shop, table))


def read(raw: Path, shop: str, table: str) -> pl.DataFrame:
    """The newest version of every landed file of a table, in the order of file name and line.

    Raises
    ------
    UserError
        If nothing was landed, or a landed file is missing.
    """
    landed = [raw / manifest["path"] for manifest in newest(raw, shop, table).values()]
    if not landed:
        raise UserError(f"{raw}: nothing was landed for {shop}/{table}. Run stage 01_ingest first.")
    if missing := [path for path in landed if not path.exists()]:
        raise UserError(
            f"{len(missing)} landed file(s) are gone, the first: {missing[0]}. Restore them, or delete the manifests "
            "(.json) beside them and ingest again."
        )
    return pl.concat((pl.read_parquet(path, hive_partitioning=False) for path in landed), how="diagonal")


def rejects(raw: Path, shop: str, table: str) -> pl.DataFrame | None:
    """The records of the newest versions that could not be read; None if there are none."""
    stems = [raw / m["path"] for m in newest(raw, shop, table).values() if m["rows_rejected"]]
    parts = [pl.read_parquet(path.with_suffix(".rejects.parquet"), hive_partitioning=False) for path in stems]
    return pl.concat(parts) if parts else None


def _write(table: pl.DataFrame, path: Path) -> None:
    """Atomic: a reader sees the whole file or none."""
    temporary = path.with_suffix(".tmp")
    table.write_parquet(temporary)
    temporary.replace(path)


def _day(rows: pl.DataFrame, otherwise: date) -> date:
    """The day that most rows speak of: late rows and impossible dates do not move a file."""
    if "timestamp" not in rows.columns or rows.get_column("timestamp").null_count() == rows.height:
        return otherwise
    days = rows.get_column("timestamp").dt.date().drop_nulls()
    return days.mode().sort()[0]


def _iso(rows: pl.DataFrame, which: str) -> str | None:
    if "timestamp" not in rows.columns:
        return None
    moment = getattr(rows.get_column("timestamp"), which)()
    return moment.isoformat() if moment else None
