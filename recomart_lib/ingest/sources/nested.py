"""The delivered cells that a shop file maps: columns by their name, fields of objects by a path such as `customer.id`.

A column whose own name has points is meant before a path. In a path, a number selects an entry of a list, from 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import polars as pl

from recomart_lib.ingest.sources import objects
from recomart_lib.ingest.sources.records import Records, printable
from recomart_lib.ingest.sources.refusals import BOOLEAN, BYTES, HALF_CHARACTER, LIST, OBJECT, Refusal

SAMPLE = 1_000  # objects whose paths are listed for messages
Refusals = list[Refusal | None]


class Delivered(NamedTuple):
    """The cells of some records: a column per wanted name that any of them has.

    `refusals` has an entry for each column in which a cell holds no plain value: what it holds, or None, per record.
    `undecided` are the paths into objects that are null in all of the records: nobody knows whether they exist.
    """

    cells: pl.DataFrame
    refusals: dict[str, Refusals]
    undecided: set[str]


def renamed(records: Records, names: dict[str, str]) -> Records:
    """The records with other names (old -> new) of some columns, or of some keys of their objects."""
    if not names:
        return records
    objects_renamed = [{names.get(printable(key), key): value for key, value in row.items()} for row in records.objects]
    return replace(records, cells=records.cells.rename(names), objects=objects_renamed)


def unpack(records: Records, wanted: Sequence[str]) -> Delivered:
    """The cells under the wanted names and paths."""
    columns, refusals, undecided = [], {}, set()
    for name in dict.fromkeys(wanted):
        if records.objects:
            values = _values(records, name, wanted)
            undecided |= {name} if all(value is objects.IN_NULL for value in values) else set()
            column, refused = _of_values(values)
        else:
            column, refused = _in_columns(records.cells, name)
        if column is not None:
            columns.append(column.alias(name))
        if refused is not None:
            refusals[name] = refused
    return Delivered(pl.DataFrame(columns), refusals, undecided)


def _values(records: Records, name: str, wanted: Sequence[str]) -> list[Any]:
    """The JSON value of each record at a path."""
    found = objects.values(records.objects, name)
    keys = [key for key in records.cells.columns if key.lower() == name.lower() and key not in wanted]
    return objects.in_other_letters(records.objects, found, keys) if keys else found


def _of_values(values: list[Any]) -> tuple[pl.Series | None, Refusals | None]:
    """A column of JSON values as text, and what its cells hold; None if no record has the path."""
    types = set(map(type, values))
    if types <= {type(objects.ABSENT), type(objects.IN_NULL)}:
        return None, None
    texts = [objects.text_of(value) for value in values]
    refused = None
    if types & {objects.Odd, *objects.NO_PLAIN_VALUES}:
        refused = [objects.refusal(value) for value in values]
    try:
        return pl.Series(texts, dtype=pl.String), refused
    except UnicodeEncodeError:
        return _escaped(texts, refused)


def _escaped(texts: list[str | None], refused: Refusals | None) -> tuple[pl.Series, Refusals]:
    """Text with halves of characters (JSON may write one as \\ud83d), which UTF-8 cannot hold."""
    shown = [text if text is None else printable(text) for text in texts]
    others = refused or [None] * len(texts)
    halves = [
        HALF_CHARACTER if text != escaped else other for text, escaped, other in zip(texts, shown, others, strict=True)
    ]
    return pl.Series(shown, dtype=pl.String), halves


def _in_columns(cells: pl.DataFrame, name: str) -> tuple[pl.Series | None, Refusals | None]:
    """A column, or a field in a column of objects (Parquet), as a plain type; and what its cells hold."""
    found = column(cells, name)
    if found is None:
        return None, None
    dtype = found.dtype
    if dtype == pl.Binary:
        return _decoded(found)
    kind = BOOLEAN if dtype == pl.Boolean else LIST if dtype in (pl.List, pl.Array) else OBJECT
    if dtype == pl.Boolean:
        text = found.cast(pl.String)
    elif dtype.is_nested():
        shown = (value if value is None else json.dumps(value, default=str) for value in found.to_list())
        text = pl.Series(list(shown), dtype=pl.String)
    else:
        return found.cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else found, None
    return text, [None if value is None else kind for value in text]


def _decoded(column: pl.Series) -> tuple[pl.Series, Refusals | None]:
    """Bytes as the UTF-8 text that they are: some programs write all text as bytes."""
    try:
        return column.cast(pl.String), None
    except pl.exceptions.PolarsError:
        texts = [cell if cell is None else cell.decode("utf-8", "backslashreplace") for cell in column]
        valid = [cell is None or cell == text.encode() for cell, text in zip(column, texts, strict=True)]
        return pl.Series(texts, dtype=pl.String), [None if is_valid else BYTES for is_valid in valid]


def column(cells: pl.DataFrame, name: str) -> pl.Series | None:
    """The column of this name, else the field at this path; None if there is neither."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        column = ".".join(parts[:n])
        if column in cells.columns:
            field = _inner(pl.col(column), cells.schema[column], parts[n:])
            if field is not None:
                return cells.select(field.alias(name)).to_series()
    return None


def _inner(column: pl.Expr, dtype: pl.DataType, parts: list[str]) -> pl.Expr | None:
    if not parts:
        return column
    if isinstance(dtype, pl.Struct):
        types = {field.name: field.dtype for field in dtype.fields}
        for n in range(len(parts), 0, -1):
            key = ".".join(parts[:n])
            if key in types:
                inner = _inner(column.struct.field(key), types[key], parts[n:])
                if inner is not None:
                    return inner
    elif isinstance(dtype, pl.List | pl.Array) and parts[0].isdecimal():
        entries = column.list if isinstance(dtype, pl.List) else column.arr
        return _inner(entries.get(int(parts[0]), null_on_oob=True), dtype.inner, parts[1:])
    return None


def names(records: Records, sample: int | None = SAMPLE) -> list[str]:
    """The names of columns, and the paths inside them (of some objects): what a shop file can map."""
    inside = chain.from_iterable(map(objects.paths, records.objects[:sample]))
    types = (_paths(dtype, f"{name}.") for name, dtype in records.cells.schema.items())
    listed = chain(records.cells.columns, (path for path, _ in inside), *types)
    return list(map(printable, objects.distinct(listed)))


def _paths(dtype: pl.DataType, prefix: str, depth: int = objects.MAX_LEVELS) -> Iterator[str]:
    inner = [(field.name, field.dtype) for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    if isinstance(dtype, pl.List | pl.Array):
        inner = [("0", dtype.inner)]
    for key, item in inner:
        yield f"{prefix}{key}"
        if depth > 1 and len(key) <= objects.MAX_KEY:
            yield from _paths(item, f"{prefix}{key}.", depth - 1)


def contains(known: Sequence[str], name: str) -> bool:
    """Whether a name or path is among `names`, in which the entries of a list have the number 0."""
    return name in known or re.sub(r"\.\d+(?=\.|$)", ".0", name) in known


def fields(known: Sequence[str], name: str) -> list[str]:
    """The paths one level inside a column of objects, or two inside a list of objects."""
    inner = [path for path in known if path.startswith(f"{name}.")]
    if f"{name}.0" in inner and any(path.startswith(f"{name}.0.") for path in inner):
        return fields(known, f"{name}.0")
    return [path for path in inner if "." not in path.removeprefix(f"{name}.")]


def hint(known: Sequence[str], missing: Sequence[str]) -> str:
    """For missing paths into columns: the fields of the objects there, or that there are none."""
    sentences = {}
    for path in missing:
        column = path.rpartition(".")[0]
        while column and column not in known:
            column = column.rpartition(".")[0]
        if column and (inner := fields(known, column)):
            sentences[column] = f" '{column}' holds: {', '.join(inner)}."
        elif column:
            sentences[column] = (
                f" '{column}' holds no objects (only JSON and Parquet have them), so no path leads into it."
            )
    return "".join(sentences.values())
