"""Format numbers and text for takeaways.

Takeaways are Markdown, computed from the numbers. Text from data passes through `safe`: it is never markup.
"""

from __future__ import annotations

import html
import json
import math
import re

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NOT_APPLICABLE = "*Not applicable:"


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
    """`12 %`: whole percents from 10 to 99, two digits below 10 (`1.7 %`), and never 0 or 100 for what is not.

    >>> percent(0.1234), percent(0.0167), percent(0.9987), percent(0.99999), percent(0.000001)
    ('12 %', '1.7 %', '99.9 %', 'more than 99.99 %', 'less than 0.001 %')
    """
    value, sign = abs(100 * share), "-" if share < 0 else ""
    if 0 < value < 0.001:
        return "less than 0.001 %"
    if 99 < value < 100:
        return f"{sign}{_below_100(value)} %"
    return f"{sign}{value:.2g} %" if value < 10 else f"{sign}{value:,.0f} %"


def _below_100(value: float) -> str:
    """A percentage above 99 with the digits that keep it below 100."""
    rounded = (f"{value:.{digits}f}" for digits in (1, 2))
    return next((text.removesuffix(".0") for text in rounded if float(text) < 100), "more than 99.99")


def quality(score: float) -> str:
    """`99.9 %`: a quality score from 0 to 100, rounded down, so that 94.99 does not look like a passed gate of 95."""
    return f"{math.floor(score * 10 + 1e-6) / 10:g} %"


def plural(count: int, singular: str, plural_form: str | None = None) -> str:
    """`1 row`, `2 rows`, `3 categories`."""
    return f"{count:,} {singular if count == 1 else plural_form or singular + 's'}"


def score(value: float) -> str:
    """Three decimals, which is what a score's interval supports: `0.383`."""
    return f"{value:.3f}"


def interval(value: float, low: float, high: float) -> str:
    """`0.383 (0.368 to 0.398)`: a score with its 95 % interval."""
    return f"{score(value)} ({score(low)} to {score(high)})"


def signed(value: float) -> str:
    """A difference of scores, with its sign: a plus is good.

    >>> signed(0.04057), signed(-0.0021), signed(-0.0001)
    ('+0.041', '-0.002', '0.000')
    """
    return "0.000" if score(abs(value)) == "0.000" else f"{value:+.3f}"


def hits(value: float) -> str:
    """Of ten shown products, how many were chosen: `3.24`, `0.76`; more digits only where the first two are zero."""
    return f"{value:.2f}" if value >= 0.01 or value == 0 else f"{value:.1g}"


def times(value: float, base: float) -> str:
    """A ratio written out: `4.3 times`, `1.12 times`; empty if there is nothing to compare with."""
    if base <= 0:
        return ""
    ratio = value / base
    return f"{ratio:.2f} times" if ratio < 2 else f"{ratio:.1f} times" if ratio < 100 else f"{ratio:,.0f} times"


def p_value(value: float) -> str:
    """`p = 0.021`, `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def not_applicable(reason: str) -> str:
    """The line in place of a statement whose base is empty, constant or unknown; reports show it in grey.

    >>> not_applicable("no message was streamed.")
    '*Not applicable: no message was streamed.*'
    """
    return f"{NOT_APPLICABLE} {reason}*"


def at_a_glance(*sentences: str, warning: str = "", no_data: str = "") -> str:
    """A stage's summary: its verdict, then its sentences. The report lifts it to the top, the index shows the verdict.

    Parameters
    ----------
    sentences
        Three to five computed sentences; those that are empty or not applicable are left out.
    warning
        What a reader has to know before relying on the stage; empty if there is nothing.
    no_data
        Why the stage had nothing to work on; empty if it had data.
    """
    verdict = f"**No data:** {no_data}" if no_data else f"**Warning:** {warning}" if warning else "**Passed.**"
    applicable = (sentence for sentence in sentences if not sentence.startswith(NOT_APPLICABLE))
    return f"{verdict}\n\n{bullets(*applicable)}".strip()


def density(sparsity: dict[str, float], of: str) -> str:
    """How sparse the user-item matrix is (see `summaries.sparsity`). `of`: what fills it, in the plural."""
    if not sparsity["pairs"]:
        return not_applicable("no user has chosen any product.")
    if sparsity["density"] == 1:
        return not_applicable("every user has chosen every product, so there is nothing left to predict.")
    per_user = sparsity["pairs"] / max(sparsity["users"], 1)
    return (
        f"**{percent(sparsity['density'])} of the {number(sparsity['users'])} x {number(sparsity['items'])} matrix (users x products) is filled by {of}**: "
        f"{number(per_user)} products per user on average. A recommender has to predict the rest."
    )
