"""A profiling report per table (fg-data-profiling): every column's distribution on one self-contained HTML page."""

from __future__ import annotations

import html
import logging
import os
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from recomart_lib.core import files

log = logging.getLogger(__name__)


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
        heading = html.escape(title)
        files.write_text(path, f"<!doctype html><title>{heading}</title><h1>{heading}</h1>\n")
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
    # text is escaped here because the report prints some of it as it is
    frame = table.with_columns(pl.col(pl.String).map_elements(html.escape, return_dtype=pl.String)).to_pandas()
    for name, dtype in table.schema.items():
        if dtype == pl.Datetime:
            frame[name] = frame[name].dt.tz_localize(None)
    # word clouds of ids and names are useless and take most of the time
    text = {"text": {"words": False, "characters": False}}
    report = ProfileReport(frame, title=title, minimal=True, progress_bar=False, html={"inline": True}, vars=text)
    files.write_text(path, report.to_html())
    return title
