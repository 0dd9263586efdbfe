"""What can be exported: the tables of 08, with the names of products, and what each column means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import polars.selectors as cs
from tqdm.auto import tqdm

from recomart_lib.core import paths, tables
from recomart_lib.core.errors import UserError

SOURCE_STAGE = "08_recommend"
PIECE = 200_000  # rows: memory does not grow with the table
USER = {"user_id": "the customer, as the shop writes the id"}
ITEM = {"item_id": "the product, as the shop writes the id", "name": "its name; empty if the shop has none"}
OTHER = {"other_item_id": "the other product", "other_name": "its name"}
RANK = {"rank": "1 is the best"}
REASON = {"reason": "one sentence for people"}
BOUGHT = {
    "affinity": "how well the customer's purchases fit; it orders customers and is no probability",
    "n_orders": "the customer's orders with it; 0: none yet",
    "last": "the last of these orders; empty if there is none",
}


class Export(NamedTuple):
    """A table: the file of 08 without its ending, what a row is, and the meaning of each column, in order."""

    file: str
    row: str
    columns: dict[str, str]


EXPORTS = {
    "recommendations": Export(
        "recommendations",
        "a product on a customer's list",
        {
            **USER,
            **RANK,
            **ITEM,
            "score": "the model's score, to compare within one list; empty for products that a rule of the shop adds",
            "model": "what proposed the product: a model, or the shop itself",
            "reason_kind": "the kind of reason",
            **REASON,
        },
    ),
    "new-users": Export(
        "default_list",
        "a product on the list for unknown visitors",
        {**RANK, **ITEM, "score": "the model's score; empty for products that a rule of the shop adds"},
    ),
    "similar": Export(
        "similar",
        "a product that is similar to a product",
        {
            **ITEM,
            **RANK,
            **OTHER,
            "similarity": "0 to 1; 1 is the same",
            "support": "customers who chose both",
            "model": "item_knn: by the customers who chose them; content: by name, category, brand and price",
            **REASON,
        },
    ),
    "bought-together": Export(
        "bought_together",
        "a product from the same orders as a product",
        {
            **ITEM,
            **RANK,
            **OTHER,
            "support": "orders with both",
            "n_orders": "orders with the product",
            "share": "support / n_orders",
            "lift": "support / what is expected if orders chose both independently",
            "lift_low": "the lower end of the lift's 95 % interval; the rank follows it",
            **REASON,
        },
    ),
    "trending": Export(
        "trending",
        "a product that sells more than in its own past, or is new",
        {
            **RANK,
            **ITEM,
            "recent": "its orders in the last days",
            "before": "its orders in the time before",
            "growth": "the ratio of both per day; empty for new products",
            "growth_low": "the lower end of the growth's 95 % interval",
            "growth_high": "the upper end; empty if nothing was ordered before",
            **REASON,
        },
    ),
    "customers": Export("customers", "one of the best customers for a product", {**ITEM, **RANK, **USER, **BOUGHT}),
    "category-customers": Export(
        "category_customers",
        "one of the best customers for a category",
        {"category": "the category, as the shop writes it", **RANK, **USER, **BOUGHT},
    ),
    "segments": Export(
        "segments",
        "a customer, also without an order",
        {
            **USER,
            "segment": "by recency and frequency, see below",
            "recency": "1 to 5; 5: among the fifth of the customers who ordered last",
            "frequency": "1 to 5; 5: among the fifth with the most orders",
            "monetary": "1 to 5; 5: among the fifth with the largest spend; empty without prices",
            "last_order": "the last order",
            "n_orders": "the number of orders",
            "spend": "quantity x price of all purchases, in the shop's currency; returns are not subtracted",
            "as_of": "the end of the data, the same in all rows",
        },
    ),
}


def pieces(name: str, time_zone: str) -> Iterator[pl.DataFrame]:
    """The rows of an export, with names of products and times in the shop's zone, in pieces: one at least.

    Raises
    ------
    UserError
        If 08 has not written the table yet.
    """
    export = EXPORTS[name]
    if not source(name).exists():
        raise UserError(f"The table of {name} does not exist yet. Run: dvc repro {SOURCE_STAGE}")
    rows = tables.scan(paths.RECOMMENDATIONS, f"{export.file}.parquet")
    products = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    total = rows.select(pl.len()).collect().item()
    with tqdm(total=total, unit="row", unit_scale=True, desc="export", disable=None, leave=False) as progress:
        for start in range(0, max(total, 1), PIECE):
            piece = rows.slice(start, PIECE).collect()
            yield _local_times(_named(piece, products), time_zone).select(*export.columns)
            progress.update(piece.height)


def source(name: str) -> Path:
    """The file of 08."""
    return paths.place(paths.RECOMMENDATIONS, f"{EXPORTS[name].file}.parquet")


def _named(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    for key, column in (("item_id", "name"), ("other_item_id", "other_name")):
        if key in rows.columns:
            names = products.rename({"item_id": key, "name": column})
            rows = rows.join(names, on=key, how="left", maintain_order="left")
    return rows


def _local_times(rows: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    return rows.with_columns(cs.datetime().dt.convert_time_zone(time_zone))
