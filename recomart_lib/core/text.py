"""Numbers to sentences: every takeaway is computed, says how sure it is, and turns round when the numbers do.

Each function returns Markdown. Words that came from data pass through `safe`: they are text, never markup.
"""

from __future__ import annotations

import html
import re


def safe(text: object) -> str:
    """Text from data, made harmless in Markdown and HTML."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:])", r"\\\1", escaped)


def bullets(*sentences: str) -> str:
    """A Markdown list, empty sentences left out."""
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def number(value: float) -> str:
    """`12,345`, or four digits of a small number."""
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def percent(share: float) -> str:
    """`12.3 %`; more digits where it is tiny."""
    return f"{share:.1%}".replace("%", " %") if abs(share) >= 0.001 or share == 0 else f"{share * 100:.2g} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`, `3 categories`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def density(facts: dict[str, float]) -> str:
    """How empty the matrix is."""
    per_user = facts["pairs"] / max(facts["users"], 1)
    return (
        f"**{percent(facts['density'])} of the {number(facts['users'])} x {number(facts['items'])} matrix is filled**: "
        f"{per_user:.1f} products per user on average. The rest is what a recommender has to guess."
    )
