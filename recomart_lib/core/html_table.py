"""A table as HTML, as pandas writes it, but without importing pandas, which would take half a second per notebook."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import time
from typing import Any

import polars as pl


def render(table: pl.DataFrame, caption: str = "") -> str:
    """All rows of a table: formatted numbers, text escaped for HTML, and an empty cell for a null or NaN."""
    names = [_element("th", name) for name in table.columns]
    cells = [[_element("td", text) for text in _texts(column)] for column in table.iter_columns()]
    rows = ["\n".join(["    <tr>", *row, "    </tr>"]) for row in zip(*cells, strict=True)]
    head = "\n".join(['    <tr style="text-align: right;">', *names, "    </tr>"])
    body = "\n".join(["  <tbody>", *rows, "  </tbody>"])
    title = f"  <caption>{html.escape(caption, quote=False)}</caption>\n" if caption else ""
    return f'<table class="dataframe">\n{title}  <thead>\n{head}\n  </thead>\n{body}\n</table>'


def _element(name: str, text: str) -> str:
    return f"      <{name}>{html.escape(text, quote=False).strip()}</{name}>"


def _texts(column: pl.Series) -> list[str]:
    values = column.to_list()
    text = _format_of(column.dtype, values)
    return ["" if value is None else text(value) for value in values]


def _format_of(dtype: pl.DataType, values: list[Any]) -> Callable[[Any], str]:
    if dtype.is_integer():
        return "{:,}".format
    if dtype.is_float():
        return _short
    if isinstance(dtype, pl.Datetime):
        whole_days = all(value.time() == time() for value in values if value)
        return (lambda value: str(value.date())) if whole_days else str
    return _printable


def _short(value: float) -> str:
    """Three significant digits, or a whole number with thousands separators."""
    if value != value:  # NaN
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}"  # never -0


def _printable(value: Any) -> str:
    return str(value).replace("\t", r"\t").replace("\r", r"\r").replace("\n", r"\n")
