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


def score(value: float) -> str:
    """Three decimals, which is what a score's interval supports: `0.383`."""
    return f"{value:.3f}"


def interval(value: float, low: float, high: float) -> str:
    """`0.383 (0.368 to 0.398)`: a score with its 95 % interval."""
    return f"{score(value)} ({score(low)} to {score(high)})"


def p_value(value: float) -> str:
    """`p = 0.021`, `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def not_applicable(reason: str) -> str:
    """The line in place of a statement whose base is empty, constant or unknown; reports show it in grey.

    >>> not_applicable("no message was streamed.")
    '*Not applicable: no message was streamed.*'
    """
    return f"*Not applicable: {reason}*"


def at_a_glance(*sentences: str, warning: str = "", no_data: str = "") -> str:
    """A stage's summary: its verdict, then its sentences. The report lifts it to the top, the index shows the verdict.

    Parameters
    ----------
    sentences
        Three to five computed sentences; empty ones are left out.
    warning
        What a reader has to know before relying on the stage; empty if there is nothing.
    no_data
        Why the stage had nothing to work on; empty if it had data.
    """
    verdict = f"**No data:** {no_data}" if no_data else f"**Warning:** {warning}" if warning else "**Passed.**"
    return f"{verdict}\n\n{bullets(*sentences)}".strip()


def density(sparsity: dict[str, float]) -> str:
    """How sparse the user-item matrix is (see `summaries.sparsity`)."""
    per_user = sparsity["pairs"] / max(sparsity["users"], 1)
    return (
        f"**{percent(sparsity['density'])} of the {number(sparsity['users'])} x {number(sparsity['items'])} matrix is filled**: "
        f"{per_user:.1f} products per user on average. A recommender has to predict the rest."
    )
