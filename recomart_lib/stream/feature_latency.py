"""Latency from producing a message until its event is part of the online features."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from recomart_lib.stream import fresh_file, latency
from recomart_lib.stream.fresh_file import FILE as FILE
from recomart_lib.stream.latency import MINUTE


def quantiles(root: Path, since: datetime | None) -> dict[str, float | None]:
    """Latency quantiles in milliseconds since a minute; all None if nothing was measured, or `since` is None."""
    if since is None:
        return latency.quantiles({})
    rows = fresh_file.read(root, "select class, n from late where minute >= ?", (f"{since:{MINUTE}}",))
    return latency.quantiles(latency.merge({str(name): n} for name, n in rows))
