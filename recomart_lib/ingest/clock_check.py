"""Is the clock of this machine right? Files from its future say that it is behind, or that it was ahead earlier.

Nothing depends on the order of such moments: versions of a file are ordered by number. But the moment of the last
ingestion is the present by which 02_validate recognises events in the future.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from recomart_lib.core import clock, source_files
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import manifests
from recomart_lib.ingest.settings import Ingest

log = logging.getLogger(__name__)

TOLERANCE = timedelta(minutes=2)  # clocks of two machines that share a lake may differ by this much
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
# One row: a file whose moment, of its ingestion (zone "lake") or of its last change ("source"), is later than `now`.
FROM_FUTURE = {"zone": pl.String, "file": pl.String, "moment": MOMENT, "now": MOMENT}


def from_future(shop: Shop, source: Path, raw: Path, settings: Ingest) -> pl.DataFrame:
    """The delivered and ingested files of a shop that are later than now (`FROM_FUTURE`), the latest of a zone first.

    Of the lake, only the newest version of a file counts. The log warns of each zone with such files.
    """
    now = clock.now()
    moments = [*_ingested(shop, raw), *_delivered(shop, source, settings)]
    rows = [(zone, file, moment, now) for zone, file, moment in moments if moment > now + TOLERANCE]
    files = pl.DataFrame(rows, schema=FROM_FUTURE, orient="row").sort(
        "zone", "moment", descending=[False, True], maintain_order=True
    )
    for zone, file, moment, _ in files.unique("zone", keep="first", maintain_order=True).iter_rows():
        when = f"{moment:%Y-%m-%d %H:%M} UTC"
        log.warning("%s in the %s is of %s, later than now: is the clock of this machine right?", file, zone, when)
    return files


def _ingested(shop: Shop, raw: Path) -> Iterator[tuple[str, str, datetime]]:
    for table in shop.delivered:
        for name, manifest in manifests.newest(raw, shop.name, table).items():
            yield "lake", name, manifests.ingested_at(manifest)


def _delivered(shop: Shop, source: Path, settings: Ingest) -> Iterator[tuple[str, str, datetime]]:
    for table in shop.sources:
        for file in source_files.files(shop, table, source, settings.follow_links):
            yield "source", file.relative_to(source).as_posix(), _moment(file.stat().st_mtime)


def _moment(seconds: float) -> datetime:
    """The moment of a file's last change; some file systems have years that a calendar has not."""
    return datetime.fromtimestamp(min(max(seconds, 0), LATEST.timestamp()), UTC)
