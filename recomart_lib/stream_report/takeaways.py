"""Takeaways of 09_stream: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import not_applicable, percent, plural, safe

NOTHING_STREAMED = "no event has been streamed yet; `recomart stream demo` shows how it works."


def no_data(n_messages: int) -> str:
    """Why there is nothing to report; empty if messages were streamed, in any session."""
    return "" if n_messages else f"{NOTHING_STREAMED[0].upper()}{NOTHING_STREAMED[1:]}"


def warning(reasons: pl.DataFrame, to_features: dict[str, float | None], target_ms: float) -> str:
    """Dead letters and a missed target; empty if there is nothing to warn of."""
    found = []
    if n := reasons.get_column("n").sum():
        found.append(f"{plural(n, 'message')} could not be used (dead letters).")
    if to_features["p99"] is not None and to_features["p99"] >= target_ms:
        found.append(
            f"One in a hundred events took more than {to_features['p99']:,.0f} ms to the online features; the target is "
            f"{target_ms:,.0f} ms."
        )
    return " ".join(found)


def last_session(session: pl.DataFrame, n_events: int) -> str:
    """Summarise the messages of the last session; `n_events`: of all sessions."""
    if not session.height:
        return not_applicable(NOTHING_STREAMED)
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
        return not_applicable("no event carries the time at which it was sent, so its latency to the disk is unknown.")
    median, worst = minutes.get_column("p50").median(), minutes.get_column("p99").max()
    return (
        f"In the median minute, half of the events were on the disk within {median:,.0f} ms of being sent; "
        f"in the worst minute, one in a hundred took more than {worst:,.0f} ms. Latency is counted in classes 5 % wide."
    )


def latency_to_features(quantiles: dict[str, float | None], target_ms: float) -> str:
    """Compare the latency to the online features with the target."""
    if quantiles["p99"] is None:
        return not_applicable(
            "no event of the session was newer than the feature tables when it arrived, so none had to reach the online "
            "features."
        )
    verdict = "met" if quantiles["p99"] < target_ms else "missed"
    return (
        f"**99 of 100 events were in the online features within {quantiles['p99']:,.0f} ms; the target of {target_ms:,.0f} ms "
        f"is {verdict}.** Half of them took at most {quantiles['p50']:,.0f} ms."
    )


def dead_letters(reasons: pl.DataFrame, n_messages: int) -> str:
    """Name the most frequent reason for dead letters; `n_messages`: of all sessions."""
    if not n_messages:
        return not_applicable("no message was streamed.")
    if not reasons.height:
        return f"**There are no dead letters**: none of {plural(n_messages, 'message')} was unusable."
    top, n = reasons.get_column("reason")[0], reasons.get_column("n")
    return (
        f"**{plural(n.sum(), 'dead letter')} among {plural(n_messages, 'message')}**, most often ({percent(n[0] / n.sum())}): {safe(top)}. They are in the streaming "
        "zone (`recomart stream dead-letters`), with their bytes, topic, partition and offset, and go to the dead-letter topic."
    )
