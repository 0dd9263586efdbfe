"""Lines and their orders in two files: one delivery that has the columns of both.

Lines have an id that is the key of another file, and no time of their own, or no customer: the other file has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from recomart.draft import column_profile, event_ids, relations, sample, vocabulary
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery, Join
from recomart.draft.relations import Relation
from recomart.draft.sample import Sample

MIN_LINES = 10
MIN_CONTAINED = 0.5  # of the lines whose order is in the other file
MAX_BYTES, MAX_ROWS = 300_000_000, 3_000_000  # of files of which a sample says too little
OF_LINES = ("quantity", "price", "total", "rating")  # numbers of orders are no numbers of their lines


def joined(deliveries: list[Delivery]) -> list[Delivery]:
    """What lines and their orders are together, for each pair of deliveries that may be that."""
    orders = [each for each in deliveries if each.keys and any(map(_is_time, each.columns))]
    return [
        _together(lines, relation)
        for lines in deliveries
        if lines.sample.rows.height >= MIN_LINES
        for relation in relations.of(lines, orders)
        if _are_lines(lines, relation)
    ]


def further(delivery: Delivery, deliveries: list[Delivery], column: str) -> Iterator[Delivery]:
    """A joined delivery with the columns of one more file, whose key has the ids in this column."""
    others = [each for each in deliveries if each is not delivery and not is_part(each, delivery)]
    for relation in relations.of(delivery, others):
        if relation.column == column and relation.contained >= MIN_CONTAINED:
            yield _together(delivery, relation)


def is_part(delivery: Delivery, of: Delivery) -> bool:
    """Whether the files of a delivery are among those of another, joined one."""
    return delivery.group.label in (of.group.label, *(join.other.group.label for join in of.joins))


def _is_time(column: Column) -> bool:
    return column.times is not None and not column.times.is_number and not column.personal


def _are_lines(lines: Delivery, relation: Relation) -> bool:
    """Whether a column has the ids of orders: it repeats, beside a product, and the orders may have a customer."""
    column, key = lines.column(relation.column), relation.key
    if relation.contained < MIN_CONTAINED or column.is_unique:
        return False
    return any(_others(lines, column.name)) and any(_others(relation.other, key))


def _others(delivery: Delivery, name: str) -> list[Column]:
    return [column for column in event_ids.candidates(delivery) if column.name != name]


def _together(lines: Delivery, relation: Relation) -> Delivery:
    """The lines with the columns of their orders; a name that both have gets the join's name before it."""
    other, name = relation.other, _name(relation.other, lines)
    kept = [column.name for column in other.columns if column.name != relation.key and not _is_of_orders(column)]
    names = {f"{name}.{theirs}" if theirs in lines.sample.rows.columns else theirs: theirs for theirs in kept}
    join = Join(name, relation.column, relation.key, other, names, relation.contained)
    found = other.sample if other.sample.is_whole else _rows_of(join)
    rows = _looked_up(lines.sample.rows, join, found.rows)
    types = lines.sample.types | {ours: found.types[theirs] for ours, theirs in names.items() if theirs in found.types}
    both = replace(lines.sample, rows=rows, is_whole=lines.sample.is_whole and found.is_whole, types=types)
    return Delivery(lines.group, both, lines.columns + _profiles(both, list(names)), [*lines.joins, join])


def read(delivery: Delivery, names: list[str], files: list[Path]) -> Sample:
    """These columns of some of a delivery's files, and of all files that they are joined with, up to a bound."""
    wanted = [*names, *(join.on for join in delivery.joins)]
    found = sample.of_files(files, delivery.group.layout, MAX_BYTES, MAX_ROWS, list(dict.fromkeys(wanted)))
    for join in delivery.joins:
        rows = _rows_of(join)
        found.is_whole = found.is_whole and rows.is_whole
        found.rows = _looked_up(found.rows, join, rows.rows)
    return found


def _rows_of(join: Join) -> Sample:
    columns = [join.key, *join.names.values()]
    return sample.of_files(join.other.group.files, join.other.group.layout, MAX_BYTES, MAX_ROWS, columns)


def _looked_up(rows: pl.DataFrame, join: Join, others: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns of a join."""

    def ids(cells: pl.Series) -> pl.Series:
        return relations.plain_ids(cells.str.strip_chars()).alias("\0id")

    found = others.select(pl.col(theirs).alias(ours) for ours, theirs in join.names.items() if theirs in others.columns)
    found = found.with_columns(ids(others[join.key])).unique("\0id", keep="first", maintain_order=True)
    return rows.with_columns(ids(rows[join.on])).join(found, on="\0id", how="left", maintain_order="left").drop("\0id")


def _profiles(rows: Sample, names: list[str]) -> list[Column]:
    place = rows.rows.width - len(names)
    return [
        column_profile.of_cells(rows.rows.get_column(name), place + n, rows.types.get(name, pl.String))
        for n, name in enumerate(names)
    ]


def _is_of_orders(column: Column) -> bool:
    """Whether a column counts or sums what an order has: no line has that."""
    if column.numbers is None or column.times:
        return False
    return not column.numbers.is_integer or max(vocabulary.agreement(column.name, ours) for ours in OF_LINES) > 0.5


def _name(delivery: Delivery, lines: Delivery) -> str:
    """A name for the join, from that of the sheet or file; no column of the lines has it."""
    named = delivery.group.layout.sheet or delivery.group.files[0].name.partition(".")[0]
    stem = re.sub(r"\W+", "_", named.lower()).strip("_")
    stem = re.sub(r"(_?\d+)+$", "", stem) or "orders"
    taken = {name.partition(".")[0] for name in lines.sample.rows.columns} | {join.name for join in lines.joins}
    while stem in taken:
        stem = f"{stem}_"
    return stem


def name_columns(delivery: Delivery) -> dict[str, str]:
    """Give the columns of joins the names that a shop file uses, `<join>.<column>`; returns old -> new names."""
    names = {ours: name for join in delivery.joins for ours, name in join.in_shop_file.items()}
    for column in delivery.columns:
        column.name = names.get(column.name, column.name)
        column.cells = column.cells.alias(column.name)
    delivery.sample.rows = delivery.sample.rows.rename(names)
    delivery.sample.types = {names.get(name, name): dtype for name, dtype in delivery.sample.types.items()}
    delivery.joins = [
        join._replace(
            on=names.get(join.on, join.on), names={names[ours]: theirs for ours, theirs in join.names.items()}
        )
        for join in delivery.joins
    ]
    delivery.forget_shares()
    return names
