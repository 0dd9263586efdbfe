"""The lake: what was delivered, as immutable Parquet with a manifest beside every file.

    data/raw/source=<shop>/type=<table>/date=<YYYY-MM-DD>/<content hash>.parquet (+ .json, + .rejects.parquet)

One delivered file is landed as one Parquet file, in the partition of the day, in the shop's time zone, that most of its
rows speak of (tables without times: the day of landing). The hash covers the file's name (its path in the source
folder), its bytes and its declaration in the shop file. The same content again is recognised and skipped; a changed
file is a new version: readers see the newest, the old one stays.

A *repair* (see `repair`) is a landed file too. Each of its rows stands for one row, or one unreadable line, of another
file, in the version that it was made for: readers see the repaired row in its place.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from recomart_lib import __version__
from recomart_lib.core.errors import UserError
from recomart_lib.core.parquet import Writer, desk
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES

Manifest = dict[str, Any]

ROWS_AT_ONCE = 250_000  # what a reader of a large table has in memory
PLACE = list(PROVENANCE)  # where a row came from
VERSION = "source_version"  # 16 digits of the hash of the file that a row came from
FILES = {
    "source_file": pl.String,
    VERSION: pl.String,
    "day": pl.Date,
    "daily": pl.Boolean,
    "n_rows": pl.Int64,
    "n_rejected": pl.Int64,
}


class Piece(Protocol):
    """A part of a delivered file: rows, lines that could not be read, and times that could mean two moments."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    n_ambiguous: int


@dataclass
class Landing:
    """A delivered file that is read, but not in the lake yet: counts, and the files that wait to be moved there."""

    folder: Path
    time_zone: str
    n_rows: int = 0
    n_rejects: int = 0
    n_ambiguous: int = 0
    first_reject: dict[str, Any] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    days: Counter[date] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def count(self, piece: Piece) -> None:
        self.n_rows += piece.rows.height
        self.n_rejects += piece.rejects.height
        self.n_ambiguous += piece.n_ambiguous
        if self.first_reject is None and piece.rejects.height:
            self.first_reject = piece.rejects.row(0, named=True)
        self.columns = {name: str(dtype) for name, dtype in piece.rows.schema.items()}
        if "timestamp" in piece.rows.columns:
            moments = piece.rows.get_column("timestamp").drop_nulls()
            local = moments.dt.convert_time_zone(self.time_zone).dt.date()
            self.days.update(dict(local.value_counts().iter_rows()))
            known = [moment for moment in (self.first, self.last, moments.min(), moments.max()) if moment]
            self.first, self.last = min(known, default=None), max(known, default=None)

    def day(self, otherwise: date) -> date:
        """The day that most rows speak of (of equals the first): late rows and impossible dates do not move a file."""
        return min(self.days, key=lambda day: (-self.days[day], day), default=otherwise)


def content_hash(file: Path, name: str, declaration: str) -> str:
    """The identity of a landing: the file's name, the delivered bytes, and how they are to be read."""
    digest = _digest(file)
    digest.update(f"{name}\n{declaration}".encode())
    return digest.hexdigest()


@contextmanager
def landing(raw: Path, pieces: Iterable[Piece], time_zone: str = "UTC") -> Iterator[Landing]:
    """Read a file to its end, beside the lake: nothing is landed until `commit`, and nothing is left if it is not."""
    with desk(raw.parent) as folder:
        found = Landing(folder, time_zone)
        with Writer(found.folder / "rows") as rows, Writer(found.folder / "rejects") as rejects:
            for piece in pieces:
                found.count(piece)
                rows.add(piece.rows)
                rejects.add(piece.rejects)
        yield found


def commit(found: Landing, raw: Path, shop: str, table: str, file: Path, name: str, sha256: str) -> Manifest:
    """Move what was read into the lake, the manifest last: without it, no reader sees the rest.

    Returns
    -------
    dict
        The manifest: where the file came from, what it held, where it lies (`path`, relative to `raw`).
    """
    now = datetime.now(UTC)
    folder = raw / f"source={shop}" / f"type={table}" / f"date={found.day(now.date())}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / sha256[:16]
    manifest = {
        "source": shop,
        "table": table,
        "file": name,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "rows_delivered": found.n_rows + found.n_rejects,
        "rows_landed": found.n_rows,
        "rows_rejected": found.n_rejects,
        "rows_of_day": found.days[found.day(now.date())],
        "times_ambiguous": found.n_ambiguous,
        "columns": found.columns,
        "first": found.first.isoformat() if found.first else None,
        "last": found.last.isoformat() if found.last else None,
        "landed_at": now.isoformat(),
        "recomart": __version__,
        "path": stem.with_suffix(".parquet").relative_to(raw).as_posix(),
        "parquet_sha256": _sha256(found.folder / "rows"),
        "rejects_sha256": _sha256(found.folder / "rejects") if found.n_rejects else None,
    }
    manifest_file = found.folder / "manifest"
    manifest_file.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    if found.n_rejects:
        (found.folder / "rejects").replace(stem.with_suffix(".rejects.parquet"))
    (found.folder / "rows").replace(stem.with_suffix(".parquet"))
    manifest_file.replace(stem.with_suffix(".json"))
    return manifest


def _sha256(path: Path) -> str:
    return _digest(path).hexdigest()


def _digest(path: Path) -> Any:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256")


def version_of(manifest: Manifest) -> str:
    """What a landed file is called in the lake, and what a repair of it names: 16 digits of its hash."""
    return manifest["sha256"][:16]


def manifests(raw: Path, shop: str, table: str) -> list[Manifest]:
    """All versions of all files of a table, oldest landing first."""
    found = (raw / f"source={shop}" / f"type={table}").glob("date=*/*.json")
    return sorted(map(manifest_of, found), key=lambda manifest: (manifest["landed_at"], manifest["path"]))


def manifest_of(path: Path) -> Manifest:
    """One manifest; a damaged one is a `UserError`."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        _ = [manifest[key] for key in ("file", "sha256", "path", "landed_at", "rows_landed", "rows_rejected")]
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


def fingerprint(raw: Path, shop: str, tables: list[str]) -> str:
    """16 digits that tell whether readers see the same files as before."""
    seen = [f"{table} {m['file']} {m['sha256']}" for table in tables for m in newest(raw, shop, table).values()]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Landed:
    """What readers see of one table: the newest version of every file, with repaired rows in their places.

    `files` has one row per file: source_file, source_version, day (of its partition), daily (at least half of its rows
    are of that day), n_rows, n_rejected; `paths` and `columns` belong to it. `repairs` are rows of the table;
    `repaired_rejects` counts those of them that stand for an unreadable line. `unreadable` are the lines that nobody
    repaired (see `schemas.REJECTS`).
    """

    files: pl.DataFrame
    paths: list[Path]
    columns: list[list[str]]
    repairs: pl.DataFrame
    repaired_rejects: int
    unreadable: pl.DataFrame

    @property
    def height(self) -> int:
        """Rows, repaired lines among them."""
        return self.files.get_column("n_rows").sum() + self.repaired_rejects

    @property
    def n_rejected(self) -> int:
        """Lines that could not be read, repaired ones not among them."""
        return self.files.get_column("n_rejected").sum() - self.repaired_rejects

    def batches(self, columns: list[str] | None = None, size: int = ROWS_AT_ONCE) -> Iterator[pl.DataFrame]:
        """All rows, in the order of file name and line (repairs last), at most `size` at a time; at least one batch.

        All batches have the same columns: those of any file, or those of `columns` among them, and `PLACE`.
        """
        repaired = self.repairs.lazy().select(PLACE)
        known = dict.fromkeys(name for names in self.columns for name in names)
        names = [name for name in known if columns is None or name in {*columns, *PLACE}]
        for paths, n_rows in self._groups(size):
            rows = _with(pl.scan_parquet(paths, hive_partitioning=False), names)
            for start in range(0, max(n_rows, 1), size):
                yield rows.slice(start, size).join(repaired, on=PLACE, how="anti", maintain_order="left").collect()
        if self.repairs.height:
            yield _with(self.repairs.lazy(), names).collect()

    def read(self) -> pl.DataFrame:
        """All rows at once: for tables that fit in memory."""
        return pl.concat(self.batches())

    def _groups(self, size: int) -> Iterator[tuple[list[Path], int]]:
        """Files of the same columns that together have at most `size` rows (or one that has more), and their rows."""
        group: list[Path] = []
        n_rows, columns = 0, self.columns[0]
        for path, n, names in zip(self.paths, self.files.get_column("n_rows"), self.columns, strict=True):
            if group and (n_rows + n > size or names != columns):
                yield group, n_rows
                group, n_rows = [], 0
            group, n_rows, columns = [*group, path], n_rows + n, names
        yield group, n_rows


def _with(rows: pl.LazyFrame, names: list[str]) -> pl.LazyFrame:
    """The columns of these names, null where the rows lack one: what derived tables need may differ between files."""
    there = rows.collect_schema().names()
    absent = {name: name.split(".") for name in names if name not in there}
    nulls = [pl.lit(None, TABLES[table][column]).alias(name) for name, (table, column) in absent.items()]
    return rows.with_columns(nulls).select(names)


def landed(raw: Path, shop: str, table: str) -> Landed:
    """What readers see of a table.

    Raises
    ------
    UserError
        If nothing was landed, or a landed file is missing.
    """
    everything = newest(raw, shop, table)
    if not everything:
        raise UserError(f"{raw}: nothing was landed for {shop}/{table}. Run stage 01_ingest first.")
    if missing := [raw / m["path"] for m in everything.values() if not (raw / m["path"]).exists()]:
        raise UserError(
            f"{len(missing)} landed file(s) are gone, the first: {missing[0]}. Restore them, or delete the manifests "
            "(.json) beside them and ingest again."
        )
    files = {name: manifest for name, manifest in everything.items() if not is_repair(manifest)}
    repairs = _repairs(raw, [manifest for manifest in everything.values() if is_repair(manifest)], files)
    unreadable = _all_rejects(raw, files)
    left = unreadable.join(repairs, on=PLACE, how="anti", maintain_order="left")
    return Landed(
        files=pl.DataFrame([_file_row(manifest) for manifest in files.values()], schema=FILES, orient="row"),
        paths=[raw / manifest["path"] for manifest in files.values()],
        columns=[list(manifest["columns"]) for manifest in files.values()],
        repairs=repairs,
        repaired_rejects=unreadable.height - left.height,
        unreadable=left,
    )


def _file_row(manifest: Manifest) -> tuple[object, ...]:
    counts = manifest["rows_landed"], manifest["rows_rejected"]
    daily = 2 * manifest.get("rows_of_day", 0) >= manifest["rows_landed"]
    return manifest["file"], version_of(manifest), day_of(manifest), daily, *counts


def day_of(manifest: Manifest) -> date:
    """The day of a landed file's partition."""
    return date.fromisoformat(Path(manifest["path"]).parent.name.removeprefix("date="))


def read(raw: Path, shop: str, table: str) -> pl.DataFrame:
    """All rows that readers see, in memory; see `landed` for a table that may be larger."""
    return landed(raw, shop, table).read()


def _all_rejects(raw: Path, files: dict[str, Manifest]) -> pl.DataFrame:
    stems = [raw / manifest["path"] for manifest in files.values() if manifest["rows_rejected"]]
    parts = [pl.read_parquet(path.with_suffix(".rejects.parquet"), hive_partitioning=False) for path in stems]
    return pl.concat([pl.DataFrame(schema=REJECTS), *parts])


def is_repair(manifest: Manifest) -> bool:
    """Whether a landed file holds rows that stand for those of others."""
    return VERSION in manifest["columns"]


def _repairs(raw: Path, made: list[Manifest], files: dict[str, Manifest]) -> pl.DataFrame:
    """The rows that repairs, the oldest first, put in place of others; the last repair of a line; without `VERSION`.

    A repair belongs to one version of a file: once the shop has delivered another one, it is not used any more.
    """
    if not made:
        return pl.DataFrame(schema=PROVENANCE)
    current = pl.DataFrame({"source_file": list(files), VERSION: list(map(version_of, files.values()))})
    rows = pl.concat([pl.read_parquet(raw / m["path"], hive_partitioning=False) for m in made], how="diagonal")
    rows = rows.join(current, on=["source_file", VERSION], how="semi", maintain_order="left")
    return rows.unique(PLACE, keep="last", maintain_order=True).sort(PLACE).drop(VERSION)


def verify(raw: Path) -> pl.DataFrame:
    """Recompute the hash of every landed file, old versions too: one row per problem (path, problem).

    A Parquet file without a manifest is what a killed landing left; no reader sees it.
    """
    problems = []
    for path in sorted(raw.glob("source=*/type=*/date=*/*.json")):
        manifest = manifest_of(path)
        for suffix, key in ((".parquet", "parquet_sha256"), (".rejects.parquet", "rejects_sha256")):
            if problem := _problem(path.with_suffix(suffix), manifest, key):
                problems.append((path.with_suffix(suffix).relative_to(raw).as_posix(), problem))
    for path in sorted(raw.glob("source=*/type=*/date=*/*.parquet")):
        if not path.with_name(path.name.split(".")[0] + ".json").exists():
            problems.append((path.relative_to(raw).as_posix(), "has no manifest: no reader sees it"))
    return pl.DataFrame(problems, schema={"path": pl.String, "problem": pl.String}, orient="row")


def _problem(path: Path, manifest: Manifest, key: str) -> str | None:
    if key == "rejects_sha256" and not manifest["rows_rejected"]:
        return None
    if not path.exists():
        return "is gone"
    if key not in manifest:
        return "was landed by a version that kept no hash: cannot be verified"
    return None if _sha256(path) == manifest[key] else f"has other bytes than were landed at {manifest['landed_at']}"
