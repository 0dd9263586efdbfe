"""The feature tables of several moments, on disk: in memory are only those that are read."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import narwhals as nw
import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.parallel import thread_map
from recomart_lib.core.scratch import scratch_folder
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS
from recomart_lib.features.compute import in_parts
from recomart_lib.features.engine import PreparedTables
from recomart_lib.features.settings import Features

TOGETHER = 1_000_000  # events of a shop whose moments are computed on all cores, each on one


class StoredTables(Mapping[str, pl.LazyFrame]):
    """Entity -> its features at one moment (see `compute.compute`), in files: read only the columns that you need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, entity: str) -> pl.LazyFrame:
        return pl.scan_ipc(self._files(entity), glob=False)

    def parts(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """All tables, in the parts that they were computed in (see `compute.in_parts`)."""
        for entity in KEYS:
            for file in self._files(entity):
                yield entity, pl.scan_ipc(file, glob=False).collect()

    def __iter__(self) -> Iterator[str]:
        return iter(KEYS)

    def __len__(self) -> int:
        return len(KEYS)

    def n_rows(self, entity: str) -> int:
        """The number of rows, without reading them."""
        return self[entity].select(pl.len()).collect().item()

    def _files(self, entity: str) -> list[Path]:
        if entity not in KEYS:
            raise KeyError(entity)
        return sorted((self._folder / entity).iterdir())


class Moments(Mapping[str, StoredTables]):
    """Cut -> its feature tables, in files of a temporary folder.

    `close()` deletes it; so does the end of this object or of the process, but not that of a killed process.

    Parameters
    ----------
    names
        The cuts, in their order; all are to be added.
    folder
        Where the temporary folder is made; default: the project's data folder.
    """

    def __init__(self, names: Iterable[str], folder: Path | None = None) -> None:
        stack = ExitStack()
        self._folder = stack.enter_context(scratch_folder(folder or paths.place(paths.FEATURES).parent))
        self._names = list(names)
        self.close = weakref.finalize(self, stack.close)

    def add(self, name: str, parts: Iterable[tuple[str, pl.DataFrame]]) -> None:
        """Write the tables of one cut, part by part (see `compute.in_parts`)."""
        for n, (entity, part) in enumerate(parts):
            folder = self._folder / name / entity
            folder.mkdir(parents=True, exist_ok=True)
            part.write_ipc(folder / f"{n:06}.arrow", compression="lz4")

    def __getitem__(self, name: str) -> StoredTables:
        if name not in self._names:
            raise KeyError(name)
        return StoredTables(self._folder / name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def compute_all(
    prepared: PreparedTables, cuts: dict[str, datetime], settings: Features, folder: Path | None = None
) -> Moments:
    """The features as of each cut (see `compute.compute`).

    Of a shop with more than TOGETHER events, one part of a cut is in memory at a time; of a smaller one, one per core:
    small queries do not keep several cores busy.
    """
    moments = Moments(cuts, folder)
    one_by_one = not engine.is_polars(prepared.events) or _n_rows(prepared.events) > TOGETHER

    def add(cut: tuple[str, datetime]) -> None:
        name, as_of = cut
        moments.add(name, in_parts(prepared, as_of, settings))

    thread_map(add, cuts.items(), is_large=lambda _: one_by_one)
    return moments


def _n_rows(table: nw.LazyFrame) -> int:
    return engine.collect(table.select(n=nw.len())).item()
