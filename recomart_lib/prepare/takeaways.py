"""Takeaways of 04_prepare: sentences computed from the numbers."""

from __future__ import annotations

from typing import Any

from recomart_lib.core.text import number, plural, safe
from recomart_lib.prepare.outliers import Outliers, sentences

FEW_USERS = 300  # below, the 95 % interval of ndcg@10 is wider than most differences between models


def evaluable_users(description: dict[str, Any], name: str) -> str:
    """The users that can be evaluated in a window. `description`: see `splits.describe`."""
    n = description["users_in_window"]
    if not n:
        return f"**The {name} window has no relevant events**: nothing can be evaluated in it."
    return (
        f"**{name}: {number(description['evaluated_all'])} of {plural(n, 'user')} can be evaluated** "
        f"({number(description['evaluated_novel'])} in protocol *novel*): they and at least one of their relevant products "
        f"were known before the window. {number(description['cold_users'])} are cold users."
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
        f"**Protocol *{protocol}* has only {plural(n_users, 'user')} to evaluate**: the 95 % interval of the chosen model's ndcg@10 is {low:.4f} to "
        f"{high:.4f}. Longer windows have more users: set `horizon_days` in the shop file above {number(horizon_days)}, and `cut`, if it is a day, "
        "to an earlier one, so that the test window still ends within the data."
    )


def outliers(found: Outliers, horizon_days: int) -> str:
    """Events that lie far from all others, else the longest time without events if it is longer than a window."""
    if found.events.height:
        return " ".join(f"**{safe(sentence).replace('. ', '.** ', 1)}" for sentence in sentences(found))
    if found.longest_gap > horizon_days:
        return (
            f"**The longest time without events, {number(found.longest_gap)} days before {found.gap_end}, is longer than "
            f"a window ({number(horizon_days)} days)**: a window in it has no events."
        )
    return "All events lie in one period without long gaps."
