"""From producing a message until its event counts in the online features."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.stream import latency
from recomart_lib.stream.latency import MINUTE

FILE = paths.STREAMING / "fresh.db"


def lateness(root: Path, since: datetime | None) -> dict[str, float | None]:
    """From the making of a message until its event was in the features: quantiles in milliseconds, since a minute.

    None throughout if nothing was measured since, or there is no such minute.
    """
    path = root / FILE
    if since is None or not path.exists():
        return latency.quantiles({})
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
        found = db.execute("select class, n from late where minute >= ?", (f"{since:{MINUTE}}",)).fetchall()
    return latency.quantiles(latency.added({str(name): n} for name, n in found))
