"""Format numbers and text for takeaways.

Takeaways are Markdown, computed from the numbers. Text from data passes through `safe`: it is never markup.
"""

from __future__ import annotations

import html
import json
import re


def printable(text: str) -> str:
    r"""Text from data with control characters escaped as in JSON, so that no terminal or log reader interprets them.

    Besides the control characters, these are other ends of lines and marks that turn the direction of writing.

    >>> printable("tea \x1b[31mred\x07")
    'tea \\u001b[31mred\\u0007'
    """
    return "".join(char if char.isprintable() or char == "\xa0" else json.dumps(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """`printable` for each line of a text."""
    return "\n".join(map(printable, text.split("\n")))


def safe(text: object) -> str:
    """Escape text from data for Markdown and HTML."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:])", r"\\\1", escaped)


def bullets(*sentences: str) -> str:
    """A Markdown list without the empty sentences."""
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def number(value: float) -> str:
    """`12,345`; three significant digits for small fractions."""
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def percent(share: float) -> str:
    """`12.3 %`; more digits for tiny shares."""
    return f"{share:.1%}".replace("%", " %") if abs(share) >= 0.001 or share == 0 else f"{share * 100:.2g} %"


def plural(count: int, singular: str, plural_form: str | None = None) -> str:
    """`1 row`, `2 rows`, `3 categories`."""
    return f"{count:,} {singular if count == 1 else plural_form or singular + 's'}"


def density(sparsity: dict[str, float]) -> str:
    """How sparse the user-item matrix is (see `summaries.sparsity`)."""
    per_user = sparsity["pairs"] / max(sparsity["users"], 1)
    return (
        f"**{percent(sparsity['density'])} of the {number(sparsity['users'])} x {number(sparsity['items'])} matrix is filled**: "
        f"{per_user:.1f} products per user on average. A recommender has to predict the rest."
    )
