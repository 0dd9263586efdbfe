"""The signs of currencies in the words of a column, and the currencies that they stand for."""

from __future__ import annotations

import re

import polars as pl

from recomart_lib.core import currency_signs
from recomart_lib.core.currency_signs import CODES, NUMBER, WORDS

MIN_SHARE = 0.005  # of the cells of a column that have a sign
MAX_SIGNS = 5
SYMBOL = r"\pL{0,3}\p{Sc}\pL{0,3}"
LETTERS = "|".join(map(re.escape, sorted((*CODES, *WORDS), key=len, reverse=True)))
# Letters beside a whole number without a blank may belong to an id, as in TL100.
FORMS = (
    rf"^[+-]?\s*({SYMBOL})\s*[+-]?{NUMBER}$",
    rf"^[+-]?{NUMBER}({SYMBOL})$",
    rf"^[+-]?\s*({LETTERS})\s+[+-]?{NUMBER}$",
    rf"^[+-]?\s*({LETTERS})[+-]?\d[\d.,'\u2019]*[.,]\d\d$",
    rf"^[+-]?{NUMBER}\s({LETTERS})$",
    rf"^[+-]?\d[\d.,'\u2019]*[.,]\d\d({LETTERS})$",
)
# The currencies of a sign, the most usual first.
CURRENCIES: dict[str, tuple[str, ...]] = {
    "$": ("USD", "CAD", "AUD", "MXN", "NZD", "SGD", "HKD", "CLP", "COP", "ARS"),
    "€": ("EUR",),
    "£": ("GBP",),
    "¥": ("JPY", "CNY"),
    "₺": ("TRY",),
    "TL": ("TRY",),
    "₹": ("INR",),
    "Rs": ("INR", "PKR"),
    "Rs.": ("INR", "PKR"),
    "₽": ("RUB",),
    "₴": ("UAH",),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "฿": ("THB",),
    "₫": ("VND",),
    "₱": ("PHP",),
    "R$": ("BRL",),
    "US$": ("USD",),
    "C$": ("CAD",),
    "CA$": ("CAD",),
    "A$": ("AUD",),
    "AU$": ("AUD",),
    "NZ$": ("NZD",),
    "S$": ("SGD",),
    "HK$": ("HKD",),
    "MX$": ("MXN",),
    "zł": ("PLN",),
    "Kč": ("CZK",),
    "Ft": ("HUF",),
    "lei": ("RON",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("DKK", "SEK", "NOK", "ISK"),
    "Fr": ("CHF",),
    "Fr.": ("CHF",),
    "SFr.": ("CHF",),
    "RM": ("MYR",),
    "Rp": ("IDR",),
    "S/": ("PEN",),
    "S/.": ("PEN",),
}


def stripped(words: pl.Series, counts: pl.Series) -> tuple[pl.Series, dict[str, int]]:
    """The words without the signs of currencies, and the signs with the number of their cells, the most frequent first.

    Columns in which hardly a cell has a sign stay as they are.
    """
    frame = pl.DataFrame({"word": words, "n": counts})
    signs = pl.coalesce(pl.col("word").str.extract(form) for form in FORMS)
    frame = frame.with_columns(sign=signs)
    found = (
        frame.drop_nulls("sign").group_by("sign").agg(pl.col("n").sum()).sort(["n", "sign"], descending=[True, False])
    )
    if found.get_column("n").sum() < max(1, MIN_SHARE * counts.sum()):
        return words, {}
    usual = dict(found.head(MAX_SIGNS).iter_rows())
    word = pl.col("word")
    for sign in usual:
        word = pl.when(pl.col("sign") == sign).then(currency_signs.without(pl.col("word"), sign)).otherwise(word)
    return frame.select(word).to_series(), usual


def currencies(sign: str) -> tuple[str, ...]:
    """The currencies that a sign may stand for; none for an unknown one."""
    return (sign.upper(),) if sign.upper() in CODES else CURRENCIES.get(sign, ())
