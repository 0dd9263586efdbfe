"""Takeaways of 04_prepare: sentences computed from the numbers."""

from __future__ import annotations

from typing import Any

from recomart_lib.core.text import number, plural


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
