"""Is the lake what was ingested? The hashes of its files are computed again and compared with those in the manifests.

`check` verifies what readers are about to read, and `verify` everything, for `recomart lake verify`. The hashes have no
key: they reveal accidents, and changes by people who do not know of them. Whoever may write to the lake can also write
manifests that fit; that changes the hash of data/raw in dvc.lock, which is in Git.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.ingest import inventory, manifests
from recomart_lib.ingest.manifests import Manifest

PARQUET_END = b"PAR1"  # the last bytes of every Parquet file
PROBLEMS = {"path": pl.String, "file": pl.String, "problem": pl.String}  # one row: a file of the lake with a problem
NO_MANIFEST = "has no manifest: no reader sees it"
LOST = "was in the lake and is no longer, or only in an earlier version"
NO_HASH = "has no hash, as an earlier version of RecoMart ingested it: it cannot be verified"


class Verified(NamedTuple):
    """Parquet files of the lake whose content is what was ingested: files, bytes, and files that have no hash."""

    n_files: int = 0
    n_bytes: int = 0
    n_without_hash: int = 0


class Part(NamedTuple):
    """One of the Parquet files of an ingested file: the rows, or the lines that could not be read."""

    path: Path
    sha256: str | None
    manifest: Manifest

    @property
    def problem(self) -> str | None:
        """What is wrong with the file; None if nothing is, or if its manifest has no hash."""
        if not self.path.is_file():
            return "is missing"
        if not self.path.stat().st_size:
            return "is empty"
        if not self.sha256 or files.sha256(self.path) == self.sha256:
            return None
        return "was changed after its ingestion" if _is_whole(self.path) else "is cut short"


def parts(raw: Path, manifest: Manifest) -> list[Part]:
    """The Parquet files that belong to a manifest."""
    rows = raw / manifest["path"]
    found = [Part(rows, manifest.get("parquet_sha256"), manifest)]
    if manifest["rows_rejected"]:
        found.append(Part(rows.with_suffix(".rejects.parquet"), manifest.get("rejects_sha256"), manifest))
    return found


def problem(raw: Path, manifest: Manifest) -> str | None:
    """What is wrong with the Parquet files of a manifest: name and problem of the first, or None."""
    return next((f"{part.path.name} {text}" for part in parts(raw, manifest) if (text := part.problem)), None)


def check(raw: Path, read: Collection[Manifest]) -> Verified:
    """Verify the Parquet files of these manifests, which are about to be read.

    Raises
    ------
    UserError
        If one is missing or differs from what was ingested.
    """
    all_parts = [part for manifest in read for part in parts(raw, manifest)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        problems = list(threads.map(lambda part: part.problem, all_parts))
    damaged = [(part, text) for part, text in zip(all_parts, problems, strict=True) if text]
    if damaged:
        raise UserError(_message(*damaged[0], len(damaged), len(all_parts)))
    n_without_hash = sum(not part.sha256 for part in all_parts)
    return Verified(len(all_parts), sum(part.path.stat().st_size for part in all_parts), n_without_hash)


def _message(part: Part, text: str, n_damaged: int, n_parts: int) -> str:
    file, moment = part.manifest["file"], manifests.ingested_at(part.manifest)
    return (
        f"{part.path}, which holds {file} as ingested on {moment:%Y-%m-%d %H:%M}, {text} ({n_damaged} of "
        f"{plural(n_parts, 'file')} of this table). If {file} is still delivered, run `recomart stage 01_ingest`: it "
        "ingests the file again. Else delete the damaged file and run `dvc checkout data/raw`: DVC's cache restores it."
    )


def verify(raw: Path, progress: Callable[[list], Iterable] = iter) -> pl.DataFrame:
    """Verify every ingested file of all shops, including old versions: one row per problem (`PROBLEMS`).

    A Parquet file without a manifest was left by a killed process, or its manifest was deleted; no reader sees it.

    Parameters
    ----------
    progress
        Wraps the list of manifests, to show how far it is.
    """
    paths = manifest_paths(raw)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = [row for rows in threads.map(partial(_problems, raw), progress(paths)) for row in rows]
    found += _lost(raw)
    found += [(_relative(path, raw), None, NO_MANIFEST) for path in _without_manifest(raw, set(paths))]
    return pl.DataFrame(found, schema=PROBLEMS, orient="row")


def manifest_paths(raw: Path) -> list[Path]:
    """The manifests of all shops and tables."""
    return files.listed(raw, f"source=*/type=*/{manifests.PATTERN}")


def _problems(raw: Path, path: Path) -> list[tuple[str, str | None, str]]:
    try:
        manifest = manifests.read(path)
    except FileNotFoundError:  # 01_ingest has just deleted a superseded streamed day, the manifest last
        return []
    except UserError as error:
        return [(_relative(path, raw), None, str(error))]
    texts = ((part, part.problem or (None if part.sha256 else NO_HASH)) for part in parts(raw, manifest))
    return [(_relative(part.path, raw), manifest["file"], text) for part, text in texts if text]


def _lost(raw: Path) -> Iterator[tuple[str, str | None, str]]:
    for path in sorted(raw.glob(f"source=*/{inventory.FILE}")):
        folder = path.parent.name
        try:
            names = inventory.lost(raw, folder.removeprefix("source="))
        except UserError as error:  # it or a manifest is damaged
            yield _relative(path, raw), None, str(error)
        else:
            for table, _, file in (name.partition("/") for name in names):
                yield f"{folder}/type={table}", file, LOST


def _without_manifest(raw: Path, paths: set[Path]) -> Iterator[Path]:
    for path in files.listed(raw, "source=*/type=*/date=*/*.parquet"):
        if path.with_name(path.name.split(".")[0] + ".json") not in paths:
            yield path


def _relative(path: Path, raw: Path) -> str:
    return path.relative_to(raw).as_posix()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-min(len(PARQUET_END), path.stat().st_size), os.SEEK_END)
        return stream.read() == PARQUET_END
