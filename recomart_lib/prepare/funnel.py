"""How many events and users are left at each step from the validated data to the evaluation, for the index page."""

from __future__ import annotations

import polars as pl

from recomart_lib.prepare import splits


def counts(
    events: pl.DataFrame,
    users: pl.DataFrame,
    n_far: int,
    test: splits.Window,
    parts: dict[str, dict[str, pl.DataFrame]],
    relevant_events: list[str],
) -> dict[str, dict[str, int]]:
    """Events and users by step.

    Parameters
    ----------
    events, users
        The cleaned tables: one row per event, one per user.
    n_far
        Events that were left out because they lie far from all others (see `outliers`).
    test
        The test window.
    parts
        Window name -> its tables (see `splits.split`), of `test` and `live`.

    Returns
    -------
    dict
        `events`: validated = far + before_cut + in_window + after_window; of those in the window, relevant ones, and
        those that count as hits in each protocol. `users`: all with a row, with an event, with an interaction,
        those with an interaction before the cut (on whom models are trained), those with a relevant event in the
        window, and of the latter those known before (warm) and those evaluated in each protocol.
    """
    time = pl.col("timestamp")
    inside = events.filter(time.is_between(test.start, test.end, closed="left"))
    before = events.filter(time < test.start)
    relevant = inside.filter(pl.col("event_type").is_in(relevant_events))
    holdout = parts["test"]["holdout"]
    pairs = {protocol: splits.relevant(holdout, protocol) for protocol in ("all", "novel")}
    hits = {
        f"evaluated_{name}": relevant.join(table, on=["user_id", "item_id"], how="semi").height
        for name, table in pairs.items()
    }
    return {
        "events": {
            "validated": events.height + n_far,
            "far": n_far,
            "before_cut": before.height,
            "in_window": inside.height,
            "after_window": events.height - before.height - inside.height,
            "relevant_in_window": relevant.height,
            **hits,
        },
        "users": {
            "rows": users.height,
            "with_event": _users(events),
            "with_interaction": parts["live"]["users"].height,
            "event_before_cut": _users(before),
            "trained": parts["test"]["users"].height,
            "in_window": _users(holdout),
            "warm": _users(holdout.filter("warm")),
            **{f"evaluated_{name}": _users(table) for name, table in pairs.items()},
        },
    }


def _users(rows: pl.DataFrame) -> int:
    return rows.get_column("user_id").n_unique()
