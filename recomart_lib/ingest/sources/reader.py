"""Read one delivered file (CSV, JSON, JSON Lines, Parquet or Excel, plain or packed) in chunks of bounded size.

Every record ends in exactly one of two tables: `rows` (renamed and typed, see `schemas`) or `rejects` (unreadable
records, with line and reason). Nothing is guessed or dropped. Memory depends on the size of a chunk, not of the file,
and settings of `ingest` bound the size of a record: a hostile file is refused before it fills the memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, STATE, TABLES, VALID_FROM
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import flags, headers, joins, nested, record_files
from recomart_lib.ingest.sources.casting import Typed, cast
from recomart_lib.ingest.sources.joins import Joins
from recomart_lib.ingest.sources.known_names import KnownNames
from recomart_lib.ingest.sources.nested import Delivered
from recomart_lib.ingest.sources.records import DEFAULTS, Chunk, Records, printable
from recomart_lib.ingest.sources.refused_columns import RefusedColumns


def joined(shop: Shop, table: str, source: Path, limits: Ingest = DEFAULTS) -> Joins:
    """Read the files in the folder `source` that the shop file joins a table's rows with; see `joins.load`."""
    return joins.load(shop, table, source, [theirs for _, theirs in _required(shop, table)], limits)


def check_joins(shop: Shop, table: str, source: Path, limits: Ingest) -> None:
    """Check the headers of the files that a table's rows are joined with; see `joins.check`."""
    joins.check(shop, table, source, [theirs for _, theirs in _required(shop, table)], limits)


def chunks(
    path: Path,
    shop: Shop,
    table: str,
    name: str | None = None,
    limits: Ingest = DEFAULTS,
    others: Joins = joins.NONE,
) -> Iterator[Chunk]:
    """Read a delivered file as one of the three tables; `name` is written to `source_file` (default: the file's name).

    `others` are the files that its rows are joined with (see `joined`).

    There is at least one chunk, and all chunks have the same columns. Whether JSON objects lack a mapped key is known
    only after the last chunk.

    Raises
    ------
    UserError
        If the file cannot be read, lacks a column that the shop file maps, or exceeds a limit of its size.
    """
    spec = reading(shop, table)
    wanted = [theirs for _, theirs in joins.own_columns(spec, _required(shop, table))]
    known, refused = KnownNames(wanted), RefusedColumns(path, mapped_columns(shop, table))
    for delivered_records in record_files.records(path, spec, limits):
        records = nested.renamed(delivered_records, headers.aliases(delivered_records.cells.columns, wanted))
        if spec.kind in record_files.KINDS_WITH_HEADER and records.cells.width:
            check_columns(path, shop, table, nested.names(records), limits)
        delivered = nested.unpack(records, wanted)
        known.add(records, delivered)
        delivered, problems = others.add(delivered, records.lines.len(), spec)
        typed = _typed(delivered, records, path, shop, table)
        typed = typed._replace(reasons=problems.fill_null(typed.reasons))
        refused.add(typed)
        refused.check(nested.names(records) if typed.refused else [])
        yield _chunk(records, typed, shop, table, name or path.name)
    if known.n_records:
        check_columns(path, shop, table, known.names(), limits)


def read(path: Path, shop: Shop, table: str, name: str | None = None, others: Joins = joins.NONE) -> Chunk:
    """A delivered file as one chunk, see `chunks`."""
    parts = list(chunks(path, shop, table, name, others=others))
    rows, rejects = (pl.concat(tables) for tables in zip(*((p.rows, p.rejects) for p in parts), strict=True))
    return Chunk(rows, rejects, sum(part.n_ambiguous for part in parts))


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The delivered column names of a file; empty if they are known only after reading all of it."""
    return record_files.header(path, spec, limits)


def unmapped(path: Path, shop: Shop, table: str, limits: Ingest = DEFAULTS, others: Joins = joins.NONE) -> list[str]:
    """The delivered columns, and the fields of objects, that the shop file does not map."""
    names = [*header(path, shop.table(table), limits), *others.names]
    wanted = [theirs for _, theirs in _required(shop, table)] + [
        join.keys[0] for join in shop.table(table).joins.values()
    ]
    mapped = {*wanted, *headers.aliases(names, wanted)}
    groups = {name.rpartition(".")[0] for name in (*names, *wanted)}  # an object is as much as its fields
    return [name for name in names if not nested.contains(mapped, name) and name not in groups]


def mapped_columns(shop: Shop, table: str) -> dict[str, str]:
    """Our column -> the delivered one. Events also carry the columns of derived tables, such as `users.country`."""
    mapping = dict(shop.table(table).columns)
    if table == "events":
        for other in ("users", "items"):
            if shop.table(other).kind == "derived":
                mapping |= {f"{other}.{ours}": theirs for ours, theirs in shop.table(other).columns.items()}
    return mapping


def reading(shop: Shop, table: str) -> Table:
    """How a table's files are read: for the events, also what derived tables say about their columns."""
    spec = shop.table(table)
    derived = [(other, shop.table(other)) for other in ("users", "items") if table == "events"]
    derived = [(other, declared) for other, declared in derived if declared.kind == "derived"]
    values = {f"{other}.{ours}": words for other, declared in derived for ours, words in declared.values.items()}
    flags = {column: names for _, declared in derived for column, names in declared.flags.items()}
    return spec.model_copy(update={"values": spec.values | values, "flags": flags | spec.flags})


def line_totals(shop: Shop, table: str) -> list[str]:
    """Our columns that hold the total of a line instead of a price."""
    declared = {"price": shop.table(table)}
    if table == "events" and shop.table("items").kind == "derived":
        declared["items.price"] = shop.table("items")
    return [ours for ours, spec in declared.items() if spec.price_is_total]


def check_columns(path: Path, shop: Shop, table: str, columns: list[str], limits: Ingest = DEFAULTS) -> None:
    """Raise a `UserError` if the file lacks a mapped column, or one that `flags` combines into a mapped column."""
    spec = shop.table(table)
    joins.check_names(path, shop, table, columns)
    required = joins.own_columns(spec, _required(shop, table))
    wanted = [theirs for _, theirs in required]
    present = {*columns, *headers.aliases(columns, wanted).values()}
    if missing := [(ours, theirs) for ours, theirs in required if not nested.contains(present, theirs)]:
        details = headers.explain_missing(missing, columns)
        hint = record_files.hint(path, spec, wanted, limits)
        raise UserError(
            f"{path.name} lacks {len(missing)} column(s) that shops/{shop.name}.yaml maps in tables.{table}: "
            f"{details}{hint}{nested.hint(columns, [theirs for _, theirs in missing])}"
        )


def _required(shop: Shop, table: str) -> list[tuple[str, str]]:
    """(our column, delivered column) for each delivered one that the shop file names, also in `flags`."""
    flags, mapping = reading(shop, table).flags, mapped_columns(shop, table)
    return [(ours, name) for ours, theirs in mapping.items() for name in flags.get(theirs, [theirs])]


def _typed(delivered: Delivered, records: Records, path: Path, shop: Shop, table: str) -> Typed:
    """The records in our types; mapped columns that only other chunks of the file have are null."""
    spec, mapping = reading(shop, table), mapped_columns(shop, table)
    delivered = flags.combine(delivered, spec)
    cells = _with_absent(delivered.cells, mapping, records.lines.len())
    try:
        return cast(delivered._replace(cells=cells), mapping, spec, shop.time_zone, line_totals(shop, table))
    except UserError as problem:
        raise UserError(f"{path}: tables.{table}.{problem}") from None
    except pl.exceptions.PolarsError as problem:
        raise UserError(f"{path}: a column that tables.{table} maps has an impossible type: {problem}") from None


def _chunk(records: Records, typed: Typed, shop: Shop, table: str, name: str) -> Chunk:
    rows = typed.rows.with_columns(source_file=pl.lit(name), source_line=records.lines)
    if table == "events":
        rows = _with_event_columns(rows, shop.table(table))
    valid = typed.reasons.is_null()
    n_ambiguous = (valid & typed.ambiguous).sum()
    return Chunk(_complete(rows.filter(valid), table), _reject_table(name, records, typed), n_ambiguous)


def _with_absent(cells: pl.DataFrame, mapping: dict[str, str], n: int) -> pl.DataFrame:
    """The cells of `n` records, with nulls for mapped columns that are not among them."""
    absent = dict.fromkeys(theirs for theirs in mapping.values() if theirs not in cells.columns)
    nulls = (pl.repeat(None, n, dtype=pl.String, eager=True).alias(name) for name in absent)
    return pl.DataFrame([*cells.get_columns(), *nulls])


def _with_event_columns(rows: pl.DataFrame, spec: Table) -> pl.DataFrame:
    """Set event types as the shop file says; rows without an id get one from file name and line."""
    if spec.event_type:
        rows = rows.with_columns(event_type=pl.lit(spec.event_type, pl.String))
    elif spec.event_values:
        rows = rows.with_columns(pl.col("event_type").replace(spec.event_values))
    if spec.negative_quantity and "quantity" in rows.columns:
        negative = pl.col("quantity") < 0
        kind = pl.when(negative).then(pl.lit(spec.negative_quantity)).otherwise("event_type")
        rows = rows.with_columns(event_type=kind, quantity=pl.col("quantity").abs())
    if "event_id" not in rows.columns:
        rows = rows.with_columns(event_id=pl.format("{}:{}", "source_file", "source_line"))
    return rows


def _complete(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """All columns of the table in its order, absent ones null.

    As far as the shop file maps them, `valid_from`, `STATE` and the columns of derived tables follow.
    """
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in TABLES[table].items() if name not in rows.columns]
    extra = [name for name in rows.columns if "." in name or name == VALID_FROM or name in STATE]
    return rows.with_columns(absent).select(*TABLES[table], *extra, *PROVENANCE)


def _reject_table(file: str, records: Records, typed: Typed) -> pl.DataFrame:
    """The records that the reader could not split, and those with a cell that could not be converted."""
    untypable = typed.reasons.is_not_null()
    if records.objects:
        delivered = (records.objects[place] for place in untypable.arg_true())
    else:
        delivered = records.cells.filter(untypable).iter_rows(named=True)
    raw = [printable(json.dumps(row, ensure_ascii=False, default=str)) for row in delivered]
    untyped = zip(records.lines.filter(untypable), raw, typed.reasons.drop_nulls(), strict=True)
    rows = [(file, *record) for record in sorted([*records.rejects, *untyped])]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")
