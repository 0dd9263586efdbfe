"""Join the rows of a table with those of further files: the lines of orders with their orders, for example.

The further files are read whole and stay in memory, only with the columns that the shop file maps. A row whose id they
lack, or in which rows of them contradict each other, is rejected with the reason: nothing is guessed or lost.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recomart_lib.core import files, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import JOINS, Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import headers, ids, nested, record_files, words
from recomart_lib.ingest.sources.nested import Delivered, Refusals
from recomart_lib.ingest.sources.refusals import BOOLEAN

log = logging.getLogger(__name__)

# of columns that `rows` has besides the mapped ones, which have a point in their names
KEY, PROBLEM, IS_THERE = "key", "problem", "is there"


@dataclass(frozen=True)
class Join:
    """One join. `rows` has one row per id: KEY, PROBLEM (why it cannot be used, or null), and the mapped columns.

    `on` is the column of the table; `key` and `names` are columns of the files, which `label` names.
    """

    name: str
    on: str
    key: str
    label: str
    is_complete: bool
    rows: pl.DataFrame
    names: list[str]

    def problems(self, given: pl.Series, refusals: Refusals, found: pl.DataFrame) -> list[str | None]:
        """Why rows with these ids cannot be joined, by what their cells hold and what was found; None if they can."""
        reasons: list[str | None] = [None] * given.len()
        for place in found[IS_THERE].is_null().arg_true() if self.is_complete else ():
            written = "blank" if given[place] is None else f"'{given[place]}'"
            reasons[place] = f"{self.on}: {written} is in no row of {self.label}"
        for place in found[PROBLEM].is_not_null().arg_true():
            reasons[place] = f"{self.on}: '{given[place]}' {found[PROBLEM][place]} in {self.label}"
        for place in (place for place, refusal in enumerate(refusals) if refusal):
            reasons[place] = f"{self.on}: its cell {refusals[place].cell}"
        return reasons


@dataclass(frozen=True)
class Joins:
    """All joins of a table, in their order. `fingerprint` changes with the bytes of their files."""

    joins: list[Join] = field(default_factory=list)
    fingerprint: str = ""

    @property
    def names(self) -> list[str]:
        """The columns that these files have besides their ids, as `<join>.<column>`."""
        return [f"{join.name}.{name}" for join in self.joins for name in join.names if name != join.key]

    def add(self, delivered: Delivered, n: int, spec: Table) -> tuple[Delivered, pl.Series]:
        """The cells of `n` records with those of the joins, and why records cannot be joined (null: they can)."""
        cells, problems = delivered.cells, pl.repeat(None, n, dtype=pl.String, eager=True)
        for join in self.joins:
            # objects of a part of a JSON file may all lack the id
            given = _ids(cells[join.on], spec) if join.on in cells.columns else problems.clear(n).alias(KEY)
            found = _looked_up(join.rows, given)
            reasons = join.problems(given, delivered.refusals.get(join.on) or [], found)
            problems = problems.fill_null(pl.Series(reasons, dtype=pl.String))
            joined = found.drop(KEY, PROBLEM, IS_THERE)
            cells = pl.DataFrame([*cells.get_columns(), *joined.get_columns()])
        return delivered._replace(cells=cells), problems


NONE = Joins()


def check_names(path: Path, shop: Shop, table: str, columns: Sequence[str]) -> None:
    """Raise a `UserError` if a table's own file has a column or an object with the name of a join."""
    for name in shop.table(table).joins:
        if own := next((column for column in columns if column == name or column.startswith(f"{name}.")), None):
            raise UserError(
                f"{path.name} has a column '{own}' of its own, so that `{name}` of tables.{table}.joins in "
                f"shops/{shop.name}.yaml may mean either: give the join another name."
            )


def own_columns(spec: Table, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (our name, delivered name) that a table's own files must have: mapped columns, and the ids of joins."""
    mapped = [(ours, theirs) for ours, theirs in wanted if not spec.is_joined(theirs)]
    keys = [(f"joins.{name}", join.keys[0]) for name, join in spec.joins.items()]
    known = {theirs for _, theirs in mapped}
    return mapped + [(place, key) for place, key in keys if not spec.is_joined(key) and key not in known]


def check(shop: Shop, table: str, source: Path, wanted: Sequence[str], limits: Ingest) -> None:
    """Check that the files of joins exist, and that their headers have the mapped columns; see `load`."""
    for name in shop.table(table).joins:
        files_of_join = _Files.of(shop, table, name, source, wanted, limits)
        for path in files_of_join.paths:
            if columns := record_files.header(path, files_of_join.spec, limits):
                files_of_join.check_columns(path, columns)


def load(shop: Shop, table: str, source: Path, wanted: Sequence[str], limits: Ingest) -> Joins:
    """Read the files that a table's rows are joined with; `wanted` are the delivered columns that the table maps.

    Raises
    ------
    UserError
        If there are no such files, if one cannot be read or lacks a column, or if too many of its lines are unreadable.
    """
    if not shop.table(table).joins:
        return NONE
    loaded, digest = [], hashlib.sha256()
    for name in shop.table(table).joins:
        files_of_join = _Files.of(shop, table, name, source, wanted, limits)
        for path in files_of_join.paths:
            digest.update(f"{path.relative_to(source).as_posix()} {files.digest(path).hexdigest()}\n".encode())
        loaded.append(files_of_join.read())
    return Joins(loaded, digest.hexdigest())


@dataclass(frozen=True)
class _Files:
    """The files of one join: `place` is the join's place in the shop file, `wanted` its columns, the key first."""

    place: str
    shop: Shop
    table: Table
    name: str
    spec: Table
    paths: list[Path]
    wanted: list[str]
    limits: Ingest

    @classmethod
    def of(cls, shop: Shop, table: str, name: str, source: Path, wanted: Sequence[str], limits: Ingest) -> _Files:
        """The files of the join `name` of a table, of which the columns `wanted` are mapped."""
        place, declared = f"{table}{JOINS}{name}", shop.table(table)
        paths = source_files.files(shop, place, source, limits.follow_links)
        needed = [*wanted, *(join.keys[0] for join in declared.joins.values())]
        columns = [theirs.removeprefix(f"{name}.") for theirs in needed if theirs.startswith(f"{name}.")]
        columns = list(dict.fromkeys([declared.joins[name].keys[1], *columns]))
        return cls(place, shop, declared, name, shop.table(place), paths, columns, limits)

    @property
    def label(self) -> str:
        return self.paths[0].name if len(self.paths) == 1 else str(self.spec.path)

    def read(self) -> Join:
        """Read all files."""
        parts, names = [], dict[str, None]()
        for path in self.paths:
            parts += [(path, cells) for cells in self._cells(path, names)]
        on, key = self.table.joins[self.name].keys
        rows = self._rows(self._together(parts))
        return Join(self.name, on, key, self.label, self.table.joins[self.name].complete, rows, list(names))

    def _cells(self, path: Path, names: dict[str, None]) -> Iterator[pl.DataFrame]:
        """The rows of a file, part by part: KEY, PROBLEM and the wanted columns; all of its columns go to `names`."""
        columns, unreadable, n_records = dict[str, None](), [], 0
        for records in record_files.records(path, self.spec, self.limits):
            records = nested.renamed(records, headers.aliases(records.cells.columns, self.wanted))
            columns |= dict.fromkeys(nested.names(records))
            unreadable += records.rejects
            n_records += records.lines.len()
            yield self._of_join(nested.unpack(records, self.wanted), records.lines.len())
        if columns:
            self.check_columns(path, list(columns))
        names |= columns
        self._check_unreadable(path, unreadable, n_records)

    def _of_join(self, delivered: Delivered, n: int) -> pl.DataFrame:
        """Cells as columns of the join, with the id of each row as the pipeline reads it."""
        problem: list[str | None] = [None] * n
        cells = delivered.cells
        for name, refusals in delivered.refusals.items():
            odd = [refusal is not None and refusal is not BOOLEAN for refusal in refusals]
            for place in (place for place, is_odd in enumerate(odd) if is_odd):
                problem[place] = f"has a '{name}' that {refusals[place].cell}"
            cells = cells.with_columns(cells[name].set(pl.Series(odd), None))
        key = cells.get_column(self.wanted[0], default=None)
        columns = [_stripped(column).alias(f"{self.name}.{column.name}") for column in cells]
        key = pl.Series(KEY, [None] * n, pl.String) if key is None else _ids(key, self.table)
        return pl.DataFrame([key, pl.Series(PROBLEM, problem, pl.String), *columns])

    def _together(self, parts: list[tuple[Path, pl.DataFrame]]) -> pl.DataFrame:
        """All parts in one table.

        Raises
        ------
        UserError
            If a column has values of another kind in another file: they would not be read as each file says.
        """
        kinds: dict[str, tuple[str, Path]] = {}
        for path, cells in parts:
            for name, dtype in cells.schema.items():
                kind, first = kinds.setdefault(name, (_kind(dtype), path)) if dtype != pl.Null else (_kind(dtype), path)
                if kind != _kind(dtype):
                    raise UserError(
                        f"tables.{self.place}: the column '{name.removeprefix(f'{self.name}.')}' holds {kind} in "
                        f"{first.name}, but {_kind(dtype)} in {path.name}. Export it in one type."
                    )
        return pl.concat([cells for _, cells in parts], how="diagonal_relaxed")

    def check_columns(self, path: Path, columns: list[str]) -> None:
        """Raise a `UserError` if a file lacks a mapped column."""
        present = {*columns, *headers.aliases(columns, self.wanted).values()}
        if missing := [name for name in self.wanted if not nested.contains(present, name)]:
            pairs = [("the ids" if name == self.wanted[0] else "the columns", name) for name in missing]
            hint = record_files.hint(path, self.spec, self.wanted, self.limits)
            raise UserError(
                f"{path.name} lacks {len(missing)} column(s) that shops/{self.shop.name}.yaml names for "
                f"tables.{self.place}: {headers.explain_missing(pairs, columns)}{hint}{nested.hint(columns, missing)}"
            )

    def _check_unreadable(self, path: Path, unreadable: list[tuple[int, str, str]], n_records: int) -> None:
        """Say how many lines could not be read; raise a `UserError` if they are too many."""
        if not unreadable:
            return
        line, _, reason = unreadable[0]
        n_lines = len(unreadable) + n_records
        text = f"{path.name}: {len(unreadable):,} of {n_lines:,} lines could not be read (first: line {line}, {reason})"
        if len(unreadable) > self.limits.max_rejected * n_lines:
            raise UserError(
                f"{text}, more than ingest.max_rejected = {self.limits.max_rejected}. Are separator and encoding of "
                f"tables.{self.place} right in the shop file?"
            )
        log.warning("%s; rows of tables.%s without a row in it are rejected.", text, self.place.partition(JOINS)[0])

    def _rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per id: KEY, PROBLEM, IS_THERE, and the wanted columns as `<join>.<column>`."""
        wanted = [f"{self.name}.{name}" for name in self.wanted]
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in wanted if name not in rows.columns)
        rows = rows.filter(pl.col(KEY).is_not_null()).unique([KEY, PROBLEM, *wanted[1:]], maintain_order=True)
        differ = _differing(rows.filter(pl.col(KEY).is_duplicated()), wanted[1:] or wanted)
        rows = rows.unique(KEY, keep="first", maintain_order=True)
        rows = rows.join(differ, on=KEY, how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(PROBLEM, "differs").alias(PROBLEM), pl.lit(True).alias(IS_THERE))
        return rows.select(KEY, PROBLEM, IS_THERE, *wanted)


def _differing(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """One row per id of several rows: KEY and `differs`, which says in what they are different."""
    differs = [pl.when(pl.col(name).n_unique() > 1).then(pl.lit(name.partition(".")[2])) for name in columns]
    names = rows.group_by(KEY).agg(pl.concat_list(differs).list.drop_nulls().list.join(", ").alias("names"))
    return names.select(KEY, differs=pl.format("has rows with different values of {}", "names"))


def _stripped(column: pl.Series) -> pl.Series:
    return column.str.strip_chars() if column.dtype == pl.String else column


def _kind(dtype: pl.DataType) -> str:
    """What a column of this type holds, in words; columns of one kind can stand below each other."""
    if isinstance(dtype, pl.Datetime):
        return f"times ({dtype.time_zone or 'without a zone'})"
    if dtype.is_integer():
        return "whole numbers"
    return "text" if dtype == pl.String else str(dtype)


def _ids(cells: pl.Series, spec: Table) -> pl.Series:
    """The ids in a column as text, in the form that ids of events have: 17850.0 is 17850, and blank ones are null."""
    spec = Table(kind="csv", path="*", nulls=spec.nulls, decimal=spec.decimal)
    bare = words.prepare(pl.DataFrame({"order_id": cells}), spec)
    return bare.select(ids.text(pl.col("order_id"), bare.schema["order_id"], spec.decimal).alias(KEY)).to_series()


def _looked_up(rows: pl.DataFrame, given: pl.Series) -> pl.DataFrame:
    """The row of each id, nulls where there is none."""
    wanted = given.to_frame()
    # a hash table of the ids in the chunk, and not of all ids for each chunk
    near = rows.join(wanted.unique(), on=KEY, how="semi")
    return wanted.join(near, on=KEY, how="left", maintain_order="left")
