"""Manifests: what each file of the lake contains, where it came from, and which version of a file readers see.

A manifest is the JSON file beside an ingested file (see `lake`). It has a hash of its own fields, and of the Parquet
files beside it. Versions of a file are ordered by their `sequence`, never by the clock.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.ingest import deliveries

Manifest = dict[str, Any]

VERSION = "source_version"  # first 16 digits of the hash of the file that a row came from
OWN_HASH = "manifest_sha256"  # of all other fields
PATTERN = "date=*/*.json"  # of the manifests in the folder of a table

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**62)]
YEARS = 2000, 9000  # of ingestions


class _Fields(BaseModel, strict=True):
    """The fields on which readers rely; those with a default are missing in manifests of earlier versions."""

    file: str
    sha256: Sha256
    path: str
    landed_at: AwareDatetime
    rows_landed: Count
    rows_rejected: Count
    columns: dict[str, str]
    sequence: Annotated[int, Field(ge=1, lt=2**31)] = 1
    valid_from: date | None = None
    parquet_sha256: Sha256 | None = None
    rejects_sha256: Sha256 | None = None


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the hash of its fields, by which a later change is recognised."""
    fields = {key: value for key, value in manifest.items() if key != OWN_HASH}
    return {**fields, OWN_HASH: hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()}


def read(path: Path) -> Manifest:
    """Read one manifest.

    Raises
    ------
    UserError
        If it is damaged, was changed, or is in the place of another one.
    """
    try:
        manifest = _parse(path)
    except (ValueError, RecursionError) as problem:
        raise UserError(
            f"The manifest {path} is damaged ({reason(problem)}). Delete it and run `recomart stage 01_ingest`, which "
            "ingests its file again; if that is no longer delivered, `dvc checkout data/raw` restores the manifest."
        ) from None
    return manifest


def _parse(path: Path) -> Manifest:
    content = path.read_bytes()
    _Fields.model_validate_json(content)
    manifest = json.loads(content)
    place = Path(*path.parts[-4:]).with_suffix(".parquet").as_posix()
    if not YEARS[0] <= ingested_at(manifest).year <= YEARS[1]:
        raise ValueError(f"landed_at: {manifest['landed_at']} cannot be the moment of its ingestion")
    if manifest["path"] != place:
        raise ValueError(f"its path is {manifest['path']!r}, not {place!r}")
    if OWN_HASH in manifest and manifest != sealed(manifest):
        raise ValueError("it was changed after the ingestion: its fields do not have its hash")
    return manifest


def reason(problem: Exception) -> str:
    """What is wrong with a JSON file, in a few words."""
    if not isinstance(problem, ValidationError):
        return str(problem)
    first = problem.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


def versions(raw: Path, shop: str, table: str) -> list[Manifest]:
    """All versions of all files of a table: by their numbers; those without a number, which are older, by the clock."""
    paths = files.listed(raw / f"source={shop}" / f"type={table}", PATTERN)
    return sorted(filter(None, map(_read_if_there, paths)), key=_order)


def _read_if_there(path: Path) -> Manifest | None:
    """Read a manifest; None if 01_ingest has just deleted it, as of a superseded streamed day (see `superseded`)."""
    try:
        return read(path)
    except FileNotFoundError:
        return None


def _order(manifest: Manifest) -> tuple[int, datetime, str]:
    return manifest.get("sequence", 0), datetime.fromisoformat(manifest["landed_at"]), manifest["path"]


def newest(raw: Path, shop: str, table: str) -> dict[str, Manifest]:
    """File name -> manifest of its newest version, sorted by file name."""
    latest = {manifest["file"]: manifest for manifest in versions(raw, shop, table)}
    return dict(sorted(latest.items()))


def last_ingestion(raw: Path, shop: str, tables: list[str]) -> datetime:
    """When the last of the files that readers see was ingested (UTC).

    Earlier versions do not count: one that was ingested with the clock ahead is forgotten with the next version.
    """
    return max(map(ingested_at, (m for table in tables for m in newest(raw, shop, table).values())))


def fingerprint(raw: Path, shop: str, tables: list[str]) -> str:
    """16 digits that change when readers see other files than before."""
    seen = [f"{table} {m['file']} {m['sha256']}" for table in tables for m in newest(raw, shop, table).values()]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16]


def version_of(manifest: Manifest) -> str:
    """The version of an ingested file, which its repairs refer to: the first 16 digits of its hash."""
    return manifest["sha256"][:16]


def ingested_at(manifest: Manifest) -> datetime:
    """The moment of ingestion, by the clock of the machine that ingested the file."""
    return datetime.fromisoformat(manifest["landed_at"])


def day_of(manifest: Manifest) -> date:
    """The day of an ingested file's partition."""
    return date.fromisoformat(Path(manifest["path"]).parent.name.removeprefix("date="))


def holds_from(manifest: Manifest) -> date:
    """The day from which an ingested file holds.

    Manifests of earlier versions of RecoMart do not say it: then it is the day in the file's name, or of the ingestion.
    """
    if day := manifest.get("valid_from"):
        return date.fromisoformat(day)
    ingested = ingested_at(manifest).date()
    return deliveries.day_in_name(manifest["file"], ingested) or ingested


def first_day(previous: Manifest | None, name: str, today: date) -> date:
    """The day from which a file holds that is ingested today: that of its `previous` version, if it has one.

    A day of a previous version that lies ahead, and not in the file's name, comes from a clock that was ahead.
    """
    named = deliveries.day_in_name(name, today)
    if previous and (holds_from(previous) <= today or holds_from(previous) == named):
        return holds_from(previous)
    return named or today


def is_repair(manifest: Manifest) -> bool:
    """Whether an ingested file holds repairs of rows of other files."""
    return VERSION in manifest["columns"]
