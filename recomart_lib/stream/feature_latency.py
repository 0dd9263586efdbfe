"""Latency from producing a message until its event is part of the online features."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.stream import latency
from recomart_lib.stream.latency import MINUTE

FILE = paths.STREAMING / "fresh.db"


def quantiles(root: Path, since: datetime | None) -> dict[str, float | None]:
    """Latency quantiles in milliseconds since a minute; all None if nothing was measured, or `since` is None."""
    path = root / FILE
    if since is None or not path.exists():
        return latency.quantiles({})
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        rows = db.execute("select class, n from late where minute >= ?", (f"{since:{MINUTE}}",)).fetchall()
    return latency.quantiles(latency.merge({str(name): n} for name, n in rows))
