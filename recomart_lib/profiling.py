"""A profiling report per table (fg-data-profiling): every column's distribution on one self-contained HTML page."""

from __future__ import annotations

import html
import os
import warnings
from pathlib import Path

import polars as pl


def profile(table: pl.DataFrame, title: str, path: Path, max_rows: int, seed: int) -> str:
    """Write a profiling report; a table of more than `max_rows` rows is sampled, and the report's title says so.

    Returns
    -------
    str
        The title.
    """
    os.environ.setdefault("YDATA_PROFILING_NO_ANALYTICS", "true")  # the library would count its uses on-line
    warnings.filterwarnings("ignore", module="data_profiling")
    from data_profiling import ProfileReport  # four seconds of imports: only here

    if table.height > max_rows:
        title = f"{title}: a sample of {max_rows:,} of {table.height:,} rows"
        table = table.sample(max_rows, seed=seed, shuffle=False)
    # words are escaped here: the report prints some of them as they are
    frame = table.with_columns(pl.col(pl.String).map_elements(html.escape, return_dtype=pl.String)).to_pandas()
    for name, dtype in table.schema.items():
        if dtype == pl.Datetime:
            frame[name] = frame[name].dt.tz_localize(None)
    path.parent.mkdir(parents=True, exist_ok=True)
    # clouds of the words in ids and names say nothing and take most of the time
    text = {"text": {"words": False, "characters": False}}
    report = ProfileReport(frame, title=title, minimal=True, progress_bar=False, html={"inline": True}, vars=text)
    report.to_file(path, silent=True)
    return title
