"""Prices with the sign of a currency: `$1,299.00`, `12,50 €`, `EUR 12.50`, `-$5.00`."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

# Words that people write for a currency, beside its code and the signs of Unicode (€, $, R$, C$).
WORDS = ("kr", "kr.", "zł", "Kč", "Ft", "lei", "TL", "Fr", "Fr.", "SFr.", "Rs", "Rs.", "RM", "Rp", "S/", "S/.")
CODES = (
    *("AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "HKD"),
    *("HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PKR", "PLN", "RON"),
    *("RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND", "ZAR"),
)
LONGEST = 60  # characters of a price with its sign
NUMBER = r"(?:\d[\d.,'\u2019\s]*|[.,]\d+)"
# a text of up to seven letters and signs before or after a number
BEFORE = re.compile(rf"[+-]?\s*([^\W\d_][^\d\s+()-]{{0,6}}|[^\w\s.,'\u2019+()-][^\d\s+()-]{{0,6}})\s*[+-]?{NUMBER}")
AFTER = re.compile(rf"[+-]?{NUMBER}(?<!\s)\s*([^\d\s.,'\u2019+()-][^\d\s+()-]{{0,6}})")


def problem(sign: str) -> str | None:
    """Why a text is not the sign of a currency; None if it may be one."""
    if sign != sign.strip() or not sign:
        return 'write the sign as prices have it, without spaces around it, like "$", "€", "R$", "EUR" or "kr"'
    if len(sign) > 8 or any(letter.isdigit() or letter in "+-()" for letter in sign):
        return "the sign of a currency has at most eight characters, and no digit, plus, minus or bracket"
    if sign[0] in ".,'\u2019" or not any(letter.isalpha() or _is_symbol(letter) for letter in sign):
        return 'the sign of a currency is a symbol or letters, like "$", "€", "R$", "EUR" or "kr"'
    return None


def _is_symbol(letter: str) -> bool:
    return unicodedata.category(letter) == "Sc"


def without(cells: pl.Expr, sign: str) -> pl.Expr:
    """The texts without the sign before or after a number; other texts stay as they are.

    What is no number with one sign keeps something that is no digit, and cannot be converted: `$5$`, `-$-5`.
    """
    escaped = re.escape(sign)
    start = r"[\d.,]"
    before = rf"([+-]?)\s*{escaped}\s*([+-]?{start}.*)"
    after = rf"([+-]?{start}.*?)\s*{escaped}"
    return cells.str.replace(rf"^(?:{before}|{after})$", "${1}${2}${3}")


def found_in(cell: str) -> str | None:
    """The text before or after the number in a cell, as in 12,50 kr; None if there is none, or no number.

    >>> found_in("-$5.00"), found_in("12,50 kr"), found_in("12,50"), found_in("$5 (net)")
    ('$', 'kr', None, None)
    """
    cell = cell.strip()
    match = None if len(cell) > LONGEST else BEFORE.fullmatch(cell) or AFTER.fullmatch(cell)
    return match[1] if match else None


def is_usual(sign: str) -> bool:
    """Whether a text is surely the sign of a currency, and not a unit such as kg."""
    return sign in WORDS or sign.upper() in CODES or any(map(_is_symbol, sign))


def reason(cell: str, sign: str | None) -> str:
    """Why a cell with another sign than the table's is no price, as the end of a sentence."""
    found = found_in(cell)
    if found is None or found == sign or not is_usual(found):
        return "is not a number"
    if sign is None:
        return f"is not a number; it looks like currency_sign: '{found}'"
    return f"has another sign than the table's currency_sign '{sign}': '{found}'"
