"""The number of rows that a stage wrote."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.shops import Shop


def of_stage(name: str, shop: Shop) -> dict[str, int]:
    """The number of rows that the stage wrote, by table."""
    if name == "01_ingest":
        from recomart_lib.ingest import lake  # slow, and for this stage only

        return {table: lake.table(paths.place(paths.RAW), shop.name, table).height for table in shop.delivered}
    folders = {
        "02_validate": [paths.VALIDATED, paths.QUARANTINE],
        "04_prepare": [paths.PREPARED],
        "05_features": [paths.FEATURES],
        "06_train": [paths.MODELS],
        "08_recommend": [paths.RECOMMENDATIONS],
    }.get(name, [])
    files = [path for folder in folders for path in sorted(paths.place(folder).glob("*.parquet"))]
    data = paths.place("data")
    return {str(path.relative_to(data).with_suffix("")): _height(path) for path in files}


def _height(path: Path) -> int:
    return pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
