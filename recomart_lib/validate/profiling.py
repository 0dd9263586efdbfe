"""A profiling report per table (fg-data-profiling): every column's distribution on one self-contained HTML page.

The library prints titles, names and values as they are in some places. Therefore values and names are escaped before,
the title is filled in afterwards, and a content security policy allows only the library's own scripts.
"""

from __future__ import annotations

import html
import logging
import os
import re
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from recomart_lib.core import files
from recomart_lib.core.page_policy import policy

log = logging.getLogger(__name__)

HEAD = '<meta charset="utf-8">'
FIRST_YEAR, LAST_YEAR = 1677, 2262  # of nanoseconds around 1970, in 64 bits
TITLE = "recomart-title-of-the-profile"  # the library takes the escapes of a title off again


def profile(source: Path, title: str, path: Path, max_rows: int, seed: int) -> str:
    """Write a profiling report of a Parquet file; a sample if it has more than `max_rows` rows, as the title then says.

    The report of a table without rows says so.

    Returns
    -------
    str
        The title.
    """
    lazy = pl.scan_parquet(source, glob=False)
    height = lazy.select(pl.len()).collect().item()
    if not height:  # the library would fail
        title = f"{title}: no rows"
        text = html.escape(title)
        page = f"<!doctype html>\n<html lang='en'><head>{HEAD}<title>{text}</title></head><h1>{text}</h1></html>\n"
        files.write_text(path, _with_policy(page, []))
        return title
    os.environ.setdefault("YDATA_PROFILING_NO_ANALYTICS", "true")  # otherwise the library reports its usage online
    warnings.filterwarnings("ignore", module="data_profiling")
    from data_profiling import ProfileReport  # takes four seconds to import

    if height > max_rows:
        title = f"{title}: a sample of {max_rows:,} of {height:,} rows"
        sample = pl.Series(np.sort(np.random.default_rng(seed).choice(height, max_rows, replace=False)))
        lazy = lazy.with_row_index("row").filter(pl.col("row").is_in(sample.cast(pl.UInt32).implode())).drop("row")
    log.info("profiling %s", title)
    table = lazy.collect()
    naive = [_nanoseconds(table[name]) for name, dtype in table.schema.items() if dtype in (pl.Date, pl.Datetime)]
    escaped = pl.col(pl.String).map_elements(html.escape, return_dtype=pl.String)
    frame = table.with_columns(escaped, *naive).rename(html.escape).to_pandas()
    # a minified page would have other scripts than its policy allows
    page = {"inline": True, "minify_html": False}
    # word clouds and lengths of ids and names are useless and take most of the time
    parts = dict.fromkeys(("words", "characters", "length"), False)
    variables = {"text": parts, "cat": parts}
    report = ProfileReport(frame, title=TITLE, minimal=True, progress_bar=False, html=page, vars=variables)
    files.write_text(path, _with_policy(report.to_html().replace(TITLE, html.escape(title)), _scripts()))
    return title


def _nanoseconds(column: pl.Series) -> pl.Series:
    """Moments and dates in the unit that the library takes for granted: in any other, its time axis is in 1970.

    What lies outside of the years that this unit can express keeps its unit.
    """
    moments = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column.dt.replace_time_zone(None)
    first, last = moments.dt.year().min(), moments.dt.year().max()
    fits = first is None or (first > FIRST_YEAR and last < LAST_YEAR)
    return moments.dt.cast_time_unit("ns") if fits else moments


def _scripts() -> list[str]:
    """The scripts that the library puts into each of its pages."""
    from data_profiling.report.presentation.flavours.html.templates import template

    part = template("wrapper/javascript.html").render(offline=True, inline=True)
    return re.findall(r"<script>(.*?)</script>", part, re.DOTALL)


def _with_policy(page: str, scripts: list[str]) -> str:
    """The page with a content security policy that allows only these scripts."""
    meta = f'{HEAD}\n<meta http-equiv="Content-Security-Policy" content="{policy(*scripts)}">'
    return page.replace(HEAD, meta, 1)
