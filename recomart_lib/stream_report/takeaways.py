"""Takeaways of 09_stream: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import number, percent, plural, safe


def streamed(session: pl.DataFrame, n_events: int) -> str:
    """What the last session of the stream brought, and where all of it went; `n_events`: of all sessions."""
    if not session.height:
        return "**No event was streamed yet.** `recomart stream demo` shows how it works; docs/streaming.md tells the rest."
    n = {name: session.get_column(f"n_{name}").sum() for name in ("messages", "events", "dead", "duplicates")}
    first, last = session.get_column("minute")[0], session.get_column("minute")[-1]
    return (
        f"**The last session brought {plural(n['messages'], 'message')}: {plural(n['events'], 'event')} went into the lake, "
        f"{number(n['dead'])} to the dead letters, {number(n['duplicates'])} had come before.** It ran from {first:%Y-%m-%d %H:%M} to "
        f"{last:%H:%M} (UTC); its busiest minute brought {number(session.get_column('n_messages').max())}. "
        f"All sessions together: {plural(n_events, 'event')}."
    )


def streamed_late(session: pl.DataFrame) -> str:
    """How long events took to the disk, in the worst minute and the usual one."""
    late = session.drop_nulls("p50")
    if not late.height:
        return "Nothing tells how late events were: none carried the time at which it was sent."
    usual, worst = late.get_column("p50").median(), late.get_column("p99").max()
    return (
        f"In the usual minute, half of the events were on the disk {usual:,.0f} ms after they were sent; "
        f"in the worst, one in a hundred took more than {worst:,.0f} ms. Classes are 5 % wide."
    )


def followed(late: dict[str, float | None], target_ms: float) -> str:
    """How long events took to the online features, beside the target."""
    if late["p99"] is None:
        return (
            "No event of the session was newer than the feature tables when it came, so none had to reach the online "
            "features: nothing was measured."
        )
    verdict = "met" if late["p99"] < target_ms else "missed"
    return (
        f"**99 of 100 events were in the online features within {late['p99']:,.0f} ms; the target of {target_ms:,.0f} ms "
        f"is {verdict}.** Half were within {late['p50']:,.0f} ms."
    )


def dead_letters(reasons: pl.DataFrame) -> str:
    """Why messages could not be used."""
    if not reasons.height:
        return "There are no dead letters: every message was a good event."
    top, n = reasons.get_column("reason")[0], reasons.get_column("n")
    return (
        f"**{plural(n.sum(), 'dead letter')}**, most often ({percent(n[0] / n.sum())}): {safe(top)}. They lie in the streaming "
        "zone and on the dead-letter topic, with their bytes, topic, partition and offset."
    )
