"""`recomart recommend` for products: similar, bought together, trending, and customers for a product or a category."""

from __future__ import annotations

import difflib

import polars as pl

from recomart.cli.output import show_table
from recomart_lib.core import paths, tables
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError


def show_item(item: str, together: bool, customers: bool, k: int) -> None:
    """Show what is similar to a product or bought together with it, or its best customers."""
    items = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    name = "customers" if customers else "bought_together" if together else "similar"
    rows = read(name).filter(item_id=item).sort("rank")
    if not rows.height:
        raise UserError(_why_none(item, name, items))
    _show(name, rows.drop("item_id"), items, k)


def show_trending(k: int) -> None:
    """Show the products that sell more than in their own past, then the new ones."""
    rows = read("trending").sort("rank")
    if not rows.height:
        raise UserError(
            "Nothing is trending: no product clearly sells more than in its own past, or the history is too short."
        )
    _show("trending", rows, tables.read(paths.PREPARED, "items.parquet").select("item_id", "name"), k)


def show_category(category: str, k: int) -> None:
    """Show the best customers for a category."""
    table = read("category_customers")
    names = table.get_column("category").unique().sort().to_list()
    if not names:
        raise UserError("No product with a purchase has a known category. Use --item ID --customers.")
    if category not in names:
        raise UserError(f"Unknown category '{category}'. {suggestion(category, names)}")
    show_table("category_customers", table.filter(category=category).sort("rank").head(k).drop("category"))


def read(name: str) -> pl.DataFrame:
    """A table of `recommend.product_tables`, as 08 stored it."""
    if not paths.place(paths.RECOMMENDATIONS, f"{name}.parquet").exists():
        raise UserError("There are no tables of products yet. Run: dvc repro 08_recommend")
    return tables.read(paths.RECOMMENDATIONS, f"{name}.parquet")


def _show(name: str, rows: pl.DataFrame, items: pl.DataFrame, k: int) -> None:
    """The first k rows of a table, with the product's name after each id."""
    key = next((column for column in ("other_item_id", "item_id") if column in rows.columns), None)
    if key:
        named = rows.join(items.rename({"item_id": key}), on=key, how="left", maintain_order="left")
        rows = named.select("rank", pl.col(key).alias("item_id"), "name", pl.exclude("rank", key, "name"))
    show_table(name, rows.head(k))


def _why_none(item: str, name: str, items: pl.DataFrame) -> str:
    ids = items.get_column("item_id").to_list()
    if item not in ids:
        near = difflib.get_close_matches(item, ids, n=1)
        by_name = items.filter(pl.col("name").str.to_lowercase() == item.lower()).get_column("item_id").to_list()
        found = [*by_name, *near][:1]
        return f"Unknown product '{item}'. " + (f"Did you mean '{found[0]}'?" if found else "Use an id of the shop.")
    return {
        "similar": f"No product is similar to '{item}': too few users chose both, and no description is alike.",
        "bought_together": f"No product is bought together with '{item}' in enough orders, more often than by chance.",
        "customers": f"There are no customers for '{item}': nobody chose it or a similar product, or the shop's rules "
        "take it out of every list.",
    }[name]
