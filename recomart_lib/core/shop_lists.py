"""Section `lists` of a shop file: the shop's own rules for the lists that users see (docs/lists.md).

The rules never change what a model learns, nor its scores: they are applied to finished lists (`recomart_lib.lists`).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from recomart_lib.core.config import Strict
from recomart_lib.core.errors import UserError

MAX_BYTES = 50_000_000  # of a file of ids
ID_COLUMN = "item_id"


class Products(Strict):
    """A set of products: those with one of these ids, or of these categories or brands.

    `items_file` is a file of ids in the folder of the shop file; its ids are added to `items` when it is read.
    """

    items: list[str] = Field([])
    items_file: str | None = None
    categories: list[str] = Field([])
    brands: list[str] = Field([])

    @property
    def is_empty(self) -> bool:
        """Whether no product is named."""
        return not (self.items or self.items_file or self.categories or self.brands)


class Days(Strict):
    """A number of days per category; `default` is that of all other categories (none: the rule does not hold there)."""

    default: float | None = Field(None, gt=0)
    category: dict[str, Annotated[float, Field(gt=0)]] = Field({})


def _days(value: object) -> object:
    """A number alone is the number of days of every category."""
    return {"default": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _place(value: object) -> object:
    """Keys of YAML and JSON are text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value


Share = Annotated[float, Field(ge=0, le=1)]
Place = Annotated[int, BeforeValidator(_place), Field(ge=1, le=1000)]
# the keys, in the order in which the rules are applied -> how a person calls the rule
RULES = {
    "allow": "allowed products",
    "block": "blocked products",
    "only_available": "only available products",
    "only_in_stock": "only products in stock",
    "not_bought_within_days": "not bought recently",
    "only_new": "only products new to the user",
    "pinned": "pinned products",
    "max_share_of_users": "share of users per product",
    "max_per_category": "products per category",
    "max_per_brand": "products per brand",
    "min_long_tail_share": "share of the long tail",
    "max_cold_share": "share of products without events",
    "diversity": "diversity",
}


class Lists(Strict):
    """The shop's rules; a key that is left out is a rule that does not hold.

    `only_new`: only products that the user never chose. `max_cold_share`: the share of a list's places for products
    without any event. `max_share_of_users`: the largest share of all users who are shown the same product.
    `min_long_tail_share`: the share of a list's places that go to rarely chosen products. `pinned`: place in the list
    -> item id. `diversity`: 0 (the model's order) to 1 (products as different from each other as possible).
    """

    allow: Products = Products()
    block: Products = Products()
    only_available: bool = False
    only_in_stock: bool = False
    not_bought_within_days: Annotated[Days, BeforeValidator(_days)] = Days()
    only_new: bool = False
    pinned: dict[Place, str] = Field({})
    max_share_of_users: float = Field(1.0, gt=0, le=1)
    max_per_category: int | None = Field(None, ge=1)
    max_per_brand: int | None = Field(None, ge=1)
    min_long_tail_share: Share = 0.0
    max_cold_share: Share = 0.0
    diversity: Share = 0.0

    @field_validator("pinned")
    @classmethod
    def has_no_item_twice(cls, pinned: dict[int, str]) -> dict[int, str]:
        """A list shows a product once."""
        if twice := [item for item in pinned.values() if list(pinned.values()).count(item) > 1]:
            raise ValueError(f"'{twice[0]}' is pinned to two places; a list shows a product once")
        return pinned

    @property
    def names(self) -> list[str]:
        """The keys of the rules that are set, in the order in which they are applied."""
        return [key for key in RULES if getattr(self, key) != Lists.model_fields[key].get_default()]

    @property
    def is_empty(self) -> bool:
        """Whether no rule is set: the lists are the model's own."""
        return not self.names

    def alone(self) -> dict[str, Lists]:
        """Per rule that is set, by its name as a person says it: rules with this one only."""
        return {RULES[key]: Lists().model_copy(update={key: getattr(self, key)}) for key in self.names}


def with_files(lists: Lists, shop_file: Path) -> Lists:
    """The rules with the ids of each `items_file` among the `items`, so that a change of the file is a change of them.

    Raises
    ------
    UserError
        If a file is missing, is not in the folder of the shop file, or is not a table of ids.
    """
    changed = {}
    for key in ("allow", "block"):
        products = getattr(lists, key)
        if products.items_file is not None:
            ids = _ids(shop_file, f"lists.{key}.items_file", products.items_file)
            changed[key] = products.model_copy(update={"items": list(dict.fromkeys([*products.items, *ids]))})
    return lists.model_copy(update=changed) if changed else lists


def _ids(shop_file: Path, key: str, name: str) -> list[str]:
    """The ids in a file: one per line, or the column `item_id` of a CSV file with a header line."""
    place, folder = f"{shop_file}: {key} '{name}'", shop_file.parent.resolve()
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder):
        raise UserError(f"{place} is not in the folder {shop_file.parent}. Copy the file to it.")
    if not path.is_file():
        raise UserError(f"{place}: there is no such file in {shop_file.parent}.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{place} is larger than {MAX_BYTES / 1e6:.0f} MB: a file of ids has one id per line.")
    try:
        rows = [row for row in csv.reader(path.read_text("utf-8-sig").splitlines()) if any(row)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise UserError(f"{place} is no text in UTF-8 with one id per line: {problem}.") from None
    column = 0
    if rows and ID_COLUMN in rows[0]:
        column, rows = rows[0].index(ID_COLUMN), rows[1:]
    elif wide := next((number for number, row in enumerate(rows, 1) if len(row) > 1), None):
        raise UserError(f"{place}, row {wide}: more than one column, and none is called {ID_COLUMN} in the first line.")
    ids = [row[column].strip() for row in rows if len(row) > column]
    if not any(ids):
        raise UserError(f"{place} has no ids.")
    return [item for item in ids if item]
