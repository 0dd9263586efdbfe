"""A bounded sample of a file's records, as text: from its start, its end and between, however large the file is."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import polars as pl

from recomart.draft import file_format, json_objects
from recomart.draft.layout import Layout
from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import csv_reader, formats, parquet_reader, xlsx_reader
from recomart_lib.ingest.sources.records import DEFAULTS, Records, open_text

MAX_BYTES, MAX_ROWS, MAX_FILES = 24_000_000, 120_000, 60  # of a group of files
REGIONS = 6  # parts of a large file
LINE_END = re.compile(r"\r\n|\r|\n")
SHORTEST = 50_000  # bytes of a part


@dataclass
class Sample:
    """Rows of a group of files, in their order, as text; `types` are those that the file itself states.

    `file` says in which of the group's files each row is. `is_whole`: whether these are all rows. `n_rows`: of all
    files, estimated by their bytes.
    """

    rows: pl.DataFrame
    file: pl.Series
    is_whole: bool
    n_rows: int
    is_exact: bool
    types: dict[str, pl.DataType] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """The number of rows in words; an estimate has two or three digits that count."""
        if self.is_exact:
            return f"{self.n_rows:,}"
        return f"about {round(self.n_rows, 3 - len(str(self.n_rows))):,}"


@dataclass
class _Part:
    """Rows of one file, the share of the file that they are, and the file's types."""

    rows: pl.DataFrame
    share: float
    types: dict[str, pl.DataType] = field(default_factory=dict)


def of_files(
    paths: list[Path],
    layout: Layout,
    max_bytes: int = MAX_BYTES,
    max_rows: int = MAX_ROWS,
    only: list[str] | None = None,
) -> Sample:
    """A sample of the files of one layout, evenly chosen among them; `only` are the columns that are kept."""
    chosen = _evenly(paths, MAX_FILES if max_bytes <= MAX_BYTES else len(paths))
    sizes = [path.stat().st_size for path in chosen]
    limit = max(SHORTEST, max_bytes // len(chosen)) if sum(sizes) > max_bytes else max_bytes
    parts, places = [], []
    for path in chosen:
        part = _of_file(path, layout, limit, max_rows)
        if only is not None:
            part.rows = part.rows.select(name for name in only if name in part.rows.columns)
        parts.append(part)
        places.append(pl.Series("file", [paths.index(path)] * part.rows.height, dtype=pl.Int32))
    rows, file = _joined([part.rows for part in parts]), pl.concat(places)
    n_read = sum(part.rows.height / max(part.share, 1e-9) for part in parts if part.share)
    is_whole = len(chosen) == len(paths) and all(part.share >= 1 for part in parts)
    is_exact = is_whole
    n_rows = rows.height if is_whole else int(n_read * len(paths) / len(chosen))
    if rows.height > max_rows:
        kept = _stretches(rows.height, max_rows)
        rows, file, is_whole = rows[kept], file[kept], False
    types = {name: dtype for part in parts for name, dtype in part.types.items()}
    return Sample(rows, file, is_whole, n_rows, is_exact, types)


def _evenly(paths: list[Path], n: int) -> list[Path]:
    if len(paths) <= n:
        return list(paths)
    return [paths[round(place * (len(paths) - 1) / (n - 1))] for place in range(n)]


def _stretches(height: int, n: int, n_parts: int = 20) -> pl.Series:
    """The places of `n` of the rows, in stretches of neighbours, from the first to the last."""
    size = n // n_parts
    starts = [round(part * (height - size) / (n_parts - 1)) for part in range(n_parts)]
    places = pl.concat([pl.int_range(start, start + size, eager=True) for start in starts])
    return places.unique().sort()


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def _of_file(path: Path, layout: Layout, max_bytes: int, max_rows: int) -> _Part:
    if layout.is_mixed:  # only the columns that all files have can be mapped
        own = file_format.layouts(path)
        if isinstance(own, str):
            return _Part(pl.DataFrame(), 0.0)
        part = _of_file(path, replace(own[0], encoding=layout.encoding), max_bytes, max_rows)
        return replace(part, rows=part.rows.select(name for name in layout.names if name in part.rows.columns))
    try:
        if layout.kind == "parquet":
            return _parquet(path, max_rows, layout.explode)
        if layout.kind == "xlsx":
            return _as_text(next(xlsx_reader.read(path, layout.table(), DEFAULTS)).cells, 1.0)
        if layout.kind == "json":
            records = json_objects.records(path, layout, max_rows, min(max_bytes, json_objects.MAX_BYTES))
            is_whole = path.stat().st_size <= json_objects.MAX_BYTES and not layout.is_packed
            return _Part(json_objects.flat(records, layout.explode), 1.0 if is_whole else 0.5)
        parts, share = _text_parts(
            path, layout, max_bytes if layout.kind == "csv" else min(max_bytes, json_objects.MAX_BYTES)
        )
        if layout.kind == "jsonl":
            return _Part(json_objects.flat(json_objects.of_lines("".join(parts)), layout.explode), share)
        return _Part(_joined([_csv(part, layout, place == 0) for place, part in enumerate(parts)]), share)
    except (UserError, *UNREADABLE):
        return _Part(pl.DataFrame(), 0.0)


UNREADABLE = (OSError, EOFError, ValueError, StopIteration, pl.exceptions.PolarsError)


def _text_parts(path: Path, layout: Layout, max_bytes: int) -> tuple[list[str], float]:
    """Parts of a text file with complete lines, and the share of the file that they are."""
    size = path.stat().st_size
    wide = (layout.encoding or "").startswith("utf-") or _is_marked_wide(path)
    if layout.is_packed or wide:
        with open_text(path, layout.encoding or "utf-8", "", DEFAULTS) as text:
            content = text.read(max_bytes)
            is_whole = len(content) < max_bytes
        content = content if is_whole else content[: content.rfind("\n") + 1]
        return [_printable(content)], 1.0 if is_whole else 0.1
    with path.open("rb") as stream:
        if size <= max_bytes:
            return [_decoded(stream.read(max_bytes), layout)], 1.0
        length = max_bytes // REGIONS
        parts = []
        for region in range(REGIONS):
            start = region * (size - length) // (REGIONS - 1)
            stream.seek(start)
            content = stream.read(length)
            first = content.find(b"\n") + 1 if start else 0
            last = content.rfind(b"\n") + 1 if start + length < size else len(content)
            parts.append(_decoded(content[first:last], layout))
    return parts, max_bytes / size


def _is_marked_wide(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) in (b"\xff\xfe", b"\xfe\xff")


def _decoded(content: bytes, layout: Layout) -> str:
    return content.decode(layout.encoding or "utf-8", "replace").replace("\ufeff", "")


def _printable(text: str) -> str:
    """The text without halves of characters, which stand for bytes that are not of its encoding."""
    return text.encode("utf-8", "replace").decode().replace("\ufeff", "")


def _csv(text: str, layout: Layout, is_start: bool) -> pl.DataFrame:
    """The records of a part of a file."""
    if is_start and layout.skip_lines:
        text = _below(text, layout.skip_lines)
    if is_start and (mark := csv_reader.SEPARATOR_LINE.match(text)) and mark.end() <= 12:
        text = text[mark.end() :]
    options = {"has_header": False, "infer_schema": False, "truncate_ragged_lines": True, "ignore_errors": True}
    schema = dict.fromkeys((f"column_{n}" for n in range(1, len(layout.names) + 1)), pl.String)
    content = text.encode()
    try:
        rows = pl.read_csv(io.BytesIO(content), separator=layout.separator, schema=schema, **options)
    except pl.exceptions.PolarsError:
        rows = pl.read_csv(io.BytesIO(content), separator=layout.separator, schema=schema, quote_char=None, **options)
    rows = rows.rename(dict(zip(rows.columns, layout.names, strict=True)))
    rows = rows.filter(~pl.all_horizontal(pl.all().is_null()))
    return rows[1:] if is_start and layout.has_header else rows


def _below(text: str, n_lines: int) -> str:
    """The text without its first lines."""
    ends = islice(LINE_END.finditer(text), n_lines - 1, n_lines)
    return next((text[end.end() :] for end in ends), "")


def _parquet(path: Path, max_rows: int, explode: str | None) -> _Part:
    """Rows of the first, the last and other row groups; columns of objects become their fields."""
    import pyarrow.parquet as pq

    if formats.is_packed(path):
        cells = next(parquet_reader.read(path, Layout("parquet", []).table(), DEFAULTS)).cells
        return _as_text(_fields(cells, explode), 1.0)
    file = pq.ParquetFile(path)
    n_rows, n_groups = file.metadata.num_rows, file.num_row_groups
    if n_rows <= max_rows:
        batches = [records.cells for records in parquet_reader.read(path, Layout("parquet", []).table(), DEFAULTS)]
        return _as_text(_fields(pl.concat(batches), explode), 1.0)
    groups = sorted({round(n * (n_groups - 1) / (REGIONS - 1)) for n in range(REGIONS)})
    size = max_rows // len(groups)
    batches = [next(file.iter_batches(size, row_groups=[group])) for group in groups]
    cells = pl.concat([pl.from_arrow(batch) for batch in batches])
    return _as_text(_fields(cells, explode), cells.height / n_rows)


def _fields(cells: pl.DataFrame, explode: str | None) -> pl.DataFrame:
    return json_objects.flat(Records(cells, pl.int_range(cells.height, eager=True), []), explode)


def _as_text(cells: pl.DataFrame, share: float) -> _Part:
    """The cells as text: times in ISO 8601, whole floats as they are written in files."""
    columns = []
    for column in cells.get_columns():
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            texts = [None if value is None else json.dumps(value, default=str) for value in column.to_list()]
            column = pl.Series(column.name, texts, dtype=pl.String)
        elif column.dtype.is_temporal():
            column = column.dt.to_string("iso:strict") if column.dtype != pl.Date else column.dt.to_string("iso")
        columns.append(column.cast(pl.String))
    return _Part(pl.DataFrame(columns), share, dict(cells.schema))
