"""Takeaways of 04_prepare: sentences computed from the numbers."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from recomart_lib.core import protocol_names
from recomart_lib.core.text import not_applicable, number, percent, plural, safe, score
from recomart_lib.prepare.outliers import Outliers, sentences
from recomart_lib.prepare.splits import Window

FEW_USERS = 300  # below, the 95 % interval of ndcg@10 is wider than most differences between models


def warning(test: dict[str, Any], found: Outliers, horizon_days: int) -> str:
    """What a reader has to know before relying on the split; empty if there is nothing. `test`: see `splits.describe`."""
    reasons = []
    for protocol, title in protocol_names.TITLES.items():
        if (n := test[f"evaluated_{protocol}"]) < FEW_USERS:
            who = f"Only {plural(n, 'user')}" if n else "Nobody"
            reasons.append(f"{who} can be evaluated in *{title}*{': its scores will be unsure' if n else ''}.")
    if n := found.events.height:
        reasons.append(f"{plural(n, 'event')} far from all others {'is' if n == 1 else 'are'} left out.")
    if found.longest_gap > horizon_days:
        reasons.append(f"For {number(found.longest_gap)} days before {found.gap_end}, there are no events.")
    return " ".join(reasons)


def split(test: Window, trained: dict[str, Any], zone: str, horizon_days: int) -> str:
    """What models learn from, and on what they are evaluated.

    Parameters
    ----------
    test
        The test window.
    trained
        Its description (see `splits.describe`).
    zone
        The shop's time zone, for days.
    """
    if not trained["train_users"]:
        return not_applicable("nothing happened before the test window, so there is nothing to learn from.")
    days = plural(horizon_days, "day")
    return (
        f"**Models learn from what happened before {test.start.astimezone(ZoneInfo(zone)).date()}** "
        f"({plural(trained['train_users'], 'user')}, {plural(trained['train_items'], 'product')}) **and are evaluated on "
        f"the {days} from then on**. Models and parameters are chosen on the {days} before."
    )


def evaluable_users(description: dict[str, Any], name: str) -> str:
    """The users that can be evaluated in a window. `description`: see `splits.describe`."""
    n, n_evaluated, n_cold = (description[key] for key in ("users_in_window", "evaluated_all", "cold_users"))
    if not n:
        return not_applicable(f"the {name} window has no relevant events, so nobody can be evaluated in it.")
    if not n_evaluated:
        return (
            f"**{name.capitalize()} window: none of {plural(n, 'user')} can be evaluated**: nobody who was known before "
            "chose a product that was."
        )
    n_novel = description["evaluated_novel"]
    cold = (
        f"{number(n_cold)} {'is a cold user' if n_cold == 1 else 'are cold users'}" if n_cold else "None is a cold user"
    )
    return (
        f"**{name.capitalize()} window: {number(n_evaluated)} of {plural(n, 'user')} ({percent(n_evaluated / n)}) can be "
        f"evaluated**: they, and a product that they chose, were known before the window. {number(n_novel) if n_novel else 'None'} of them chose "
        f"a known product that was new to them. {cold}."
    )


def few_users(n_users: int, protocol: str, low: float, high: float, horizon_days: int) -> str:
    """How unsure the scores of a small shop are, and what helps; nothing from `FEW_USERS` users on.

    Parameters
    ----------
    n_users
        Evaluated in the window.
    low, high
        The 95 % interval of the chosen model's ndcg@10.
    """
    if not 0 < n_users < FEW_USERS:
        return ""
    return (
        f"**Protocol *{protocol}* has only {plural(n_users, 'user')} to evaluate**: the 95 % interval of the chosen "
        f"model's ndcg@10 is {score(low)} to {score(high)}. Longer windows have more users: set `horizon_days` in the shop "
        f"file above {number(horizon_days)}, and `cut`, if it is a day, to an earlier one, so that the test window still "
        "ends within the data."
    )


def outliers(found: Outliers, horizon_days: int) -> str:
    """Events that lie far from all others, else the longest time without events if it is longer than a window."""
    if found.events.height:
        return " ".join(f"**{safe(sentence).replace('. ', '.** ', 1)}" for sentence in sentences(found))
    if not found.longest_gap:
        return not_applicable("all events are of one day, so none is far from the others.")
    if found.longest_gap > horizon_days:
        return (
            f"**The longest time without events, {number(found.longest_gap)} days before {found.gap_end}, is longer than "
            f"a window ({number(horizon_days)} days)**: a window in it has no events."
        )
    return "All events lie in one period without long gaps."
