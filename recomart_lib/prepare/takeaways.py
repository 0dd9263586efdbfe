"""Takeaways of 04_prepare: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from typing import Any

from recomart_lib.core.text import number, plural


def evaluable_users(description: dict[str, Any], name: str) -> str:
    """Whom a window can judge."""
    n = description["users_in_window"]
    if not n:
        return f"**Nobody does anything relevant in the {name} window**: nothing can be judged by it."
    return (
        f"**{name}: {number(description['evaluated_all'])} of {plural(n, 'user')} can be judged** "
        f"({number(description['evaluated_novel'])} in protocol *novel*): known before the window, with a relevant product "
        f"that was known too. {number(description['cold_users'])} are cold."
    )
