"""Numbers, scores, durations and times as the pages show them; a dash for a missing value."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from recomart_lib.core import text

BAR_WIDTH = 110  # of the small figures, in CSS pixels


def number(value: float | None) -> str:
    """`12,345`; a dash for a missing value."""
    return "-" if _absent(value) else f"{value:,.0f}"


def metric(value: float | None) -> str:
    """Three decimals: `0.153`; a dash for a missing value."""
    return "-" if _absent(value) else f"{value:.3f}"


def quality(score: float | None) -> str:
    """`99.9 %` (see `text.quality`); a dash for a missing score."""
    return "-" if _absent(score) else text.quality(score)


def duration(seconds: float | None) -> str:
    """`0.4 s`, `1 min 23 s`, `2 h 5 min`; a dash for a missing value."""
    if _absent(seconds):
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def utc(moment: str | None) -> str:
    """`2025-12-31 23:59` in UTC from an ISO time; other text is returned unchanged."""
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment or "-")
    return (parsed if parsed.tzinfo is None else parsed.astimezone(UTC)).strftime("%Y-%m-%d %H:%M")


def scale(value: float | None, top: float) -> float:
    """The position of `value` on a bar that ends at `top`, in pixels."""
    return 0.0 if _absent(value) or top <= 0 else round(BAR_WIDTH * min(max(value / top, 0), 1), 1)


def _absent(value: Any) -> bool:
    return not isinstance(value, int | float) or not math.isfinite(value)
