"""What a delivered cell may hold instead of a value, and what the shop can do about it."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a cell is not accepted as a value: `cell` follows its text, `column` the name of a column of such cells.

    `remedy` is what the shop can do about such a column.
    """

    cell: str
    column: str
    remedy: str


AS_TEXT = "Export the column as text."
OBJECT = Refusal("is an object: map one of its fields", "holds objects instead of values", "Map one of their fields")
LIST = Refusal("is a list: map one of its entries", "holds lists instead of values", "Map one of their entries")
NO_OBJECT = Refusal(
    "is a plain value without the field that the path names",
    "holds plain values without the field that the path names",
    "Map the column itself, or deliver all records in one form.",
)
REPEATED = Refusal(
    "is one of several different values of this key in one object",
    "occurs several times in one object, with different values",
    "Deliver each key once.",
)
OTHER_CASE = Refusal(
    "belongs to a key that differs from the mapped one in upper and lower case",
    "is delivered under a key that differs in upper and lower case",
    "Deliver the key in one spelling, or map the one that is used.",
)
HALF_CHARACTER = Refusal(
    "contains half of a character and is not valid text", "holds halves of characters", "Export the column as UTF-8."
)
BYTES = Refusal("is bytes that are not UTF-8 text", "holds bytes that are not UTF-8 text", AS_TEXT)
BOOLEAN = Refusal("is not an id", "holds true and false instead of ids", "Map the column that contains the ids.")
NO_FLAG = Refusal(
    "is no flag: 1, true, 0 or false",
    "holds other flags than 1, true, 0 and false",
    "Export the flags as 1 and 0.",
)
LOST_DIGITS = Refusal(
    "is a number that lost digits: export the column as text",
    "holds numbers that lost digits, as Excel and data frames write long ids",
    AS_TEXT,
)
INFINITE = Refusal("is infinity, not an id", "holds infinity instead of ids", AS_TEXT)
NESTED_TEXT = Refusal(
    "is an object or a list written as text, not an id",
    "holds objects or lists written as text instead of ids",
    "Export the field with the id as a column of its own.",
)
SHEET_ERROR = Refusal(
    "is the error of a spreadsheet formula, not an id",
    "holds errors of spreadsheet formulas instead of ids",
    "Correct the formulas and export the column again.",
)
