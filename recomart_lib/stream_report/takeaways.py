"""Takeaways of 09_stream: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import percent, plural, safe


def last_session(session: pl.DataFrame, n_events: int) -> str:
    """Summarise the messages of the last session; `n_events`: of all sessions."""
    if not session.height:
        return "**No events have been streamed yet.** `recomart stream demo` shows how it works; docs/streaming.md explains the details."
    n = {name: session.get_column(f"n_{name}").sum() for name in ("messages", "events", "dead", "duplicates")}
    first, last = session.get_column("minute")[0], session.get_column("minute")[-1]
    return (
        f"**The last session received {plural(n['messages'], 'message')}: {plural(n['events'], 'new event')}, "
        f"{plural(n['dead'], 'dead letter')}, {plural(n['duplicates'], 'duplicate')}.** It ran from {first:%Y-%m-%d %H:%M} to "
        f"{last:%H:%M} (UTC); its busiest minute received {plural(session.get_column('n_messages').max(), 'message')}. "
        f"All sessions together: {plural(n_events, 'event')}."
    )


def latency_to_disk(session: pl.DataFrame) -> str:
    """Give the latency to the disk, in the median and the worst minute."""
    minutes = session.drop_nulls("p50")
    if not minutes.height:
        return "The latency is unknown: no event carries its send time."
    median, worst = minutes.get_column("p50").median(), minutes.get_column("p99").max()
    return (
        f"In the median minute, half of the events were on the disk within {median:,.0f} ms of being sent; "
        f"in the worst minute, one in a hundred took more than {worst:,.0f} ms. Latency is counted in classes 5 % wide."
    )


def latency_to_features(quantiles: dict[str, float | None], target_ms: float) -> str:
    """Compare the latency to the online features with the target."""
    if quantiles["p99"] is None:
        return (
            "No event of the session was newer than the feature tables when it arrived, so none had to reach the "
            "online features: nothing was measured."
        )
    verdict = "met" if quantiles["p99"] < target_ms else "missed"
    return (
        f"**99 of 100 events were in the online features within {quantiles['p99']:,.0f} ms; the target of {target_ms:,.0f} ms "
        f"is {verdict}.** Half of them took at most {quantiles['p50']:,.0f} ms."
    )


def dead_letters(reasons: pl.DataFrame) -> str:
    """Name the most frequent reason for dead letters."""
    if not reasons.height:
        return "There are no dead letters: every message was a valid event."
    top, n = reasons.get_column("reason")[0], reasons.get_column("n")
    return (
        f"**{plural(n.sum(), 'dead letter')}**, most often ({percent(n[0] / n.sum())}): {safe(top)}. They are in the streaming "
        "zone (`recomart stream dead-letters`), with their bytes, topic, partition and offset, and go to the dead-letter topic."
    )
