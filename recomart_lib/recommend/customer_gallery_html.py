"""The gallery of customers as HTML: two lists per customer that fold, without scripts; text from data is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from IPython.display import HTML

from recomart_lib.core import html_table
from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.core.text import plural
from recomart_lib.recommend.customer_gallery import COLD, Customer, by_product, history_of

SIDES = "display: flex; flex-wrap: wrap; gap: 0 2rem"
SIDE = "flex: 1 1 17rem; min-width: 0"


def show(shown: list[Customer], currency: str) -> HTML:
    """One fold per customer, the first one open, then all suggestions by product."""
    if not shown:
        return HTML("<p>No customer has a list.</p>")
    folds = [_customer(one, currency, is_open=number == 0) for number, one in enumerate(shown)]
    summary = "<summary>The same suggestions by product: who is shown it, and why</summary>"
    search = f"<details>\n{summary}\n{html_table.render(by_product(shown))}\n</details>"
    return HTML("\n".join([*folds, search]))


def _customer(one: Customer, currency: str, is_open: bool) -> str:
    suggestions = [_suggestion(row, currency) for row in one.suggestions.iter_rows(named=True)]
    history = [_chosen(row) for row in one.history.iter_rows(named=True)]
    more = one.n_history - len(history)
    left_out = f"<p><small>and {more:,} more</small></p>" if more else ""
    return "\n".join(
        [
            f'<details class="customer"{" open" if is_open else ""}>',
            f"<summary>{_escaped(one.name)}: {history_of(one)}</summary>",
            f'<div style="{SIDES}">',
            f'<div style="{SIDE}"><p><b>Suggestions, and why</b></p>{_list("Suggestions", suggestions)}</div>',
            f'<div style="{SIDE}"><p><b>Chosen before, newest first</b></p>'
            f"{_list('Chosen before', history) + left_out if history else _nothing(one)}</div>",
            "</div>\n</details>",
        ]
    )


def _nothing(one: Customer) -> str:
    """Why there is nothing that was chosen before, and what else the shop knows."""
    if one.kind == COLD:
        returned = f"only returned products ({one.n_returned:,}), whose sale is not in the data"
        why = returned if one.n_returned else "has no event yet"
        return f"<p>Nothing: the customer {why}, and gets the default list.</p>"
    return f"<p>Nothing yet; the customer looked at {plural(one.n_seen, 'product')}.</p>"


def _list(name: str, entries: Iterable[str]) -> str:
    return "\n".join([f'<ol aria-label="{name}">', *(f"<li>{entry}</li>" for entry in entries), "</ol>"])


def _suggestion(row: dict[str, Any], currency: str) -> str:
    """The product with its category and price, and the reason below."""
    price = None if row["price"] is None else f"{row['price']:,.2f} {currency}"
    facts = [row["category"] if row["category"] != UNKNOWN else None, price]
    known = "".join(f", {_escaped(fact)}" for fact in facts if fact)
    reason = _escaped(row["reason"] or "No reason is known.")
    return f"<b>{_escaped(row['name'] or row['item_id'])}</b>{known}<br><small>{reason}</small>"


def _chosen(row: dict[str, Any]) -> str:
    times = "once" if row["n_orders"] == 1 else f"{row['n_orders']:,} times"
    return f"{_escaped(row['name'] or row['item_id'])}<br><small>{times}, last on {row['last']}</small>"


def _escaped(value: object) -> str:
    return html.escape(" ".join(str(value).split()))
