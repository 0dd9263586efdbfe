"""Folders in which lines and their orders are two files, or lines are lists in their orders, as shops export them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer, Place
from draft.made_files import Format
from draft.made_shop import Ids, MadeShop

KEYS = {"currency": "EUR", "time_zone": "UTC"}


def in_two_files(table: pl.DataFrame, by: str, of_orders: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines without the columns of their orders; and one row per order, with those columns."""
    orders = table.select(by, *of_orders).unique(by, keep="first", maintain_order=True)
    return table.drop(of_orders), orders


def purchases(shop: MadeShop, **kinds: str) -> pl.DataFrame:
    """Lines of orders: name -> kind of a column."""
    return made_columns.events(shop, kinds, {})


def positions_of_orders(folder: Path) -> Answer:
    """German: semicolons, decimal commas, customers with addresses; the orders have a sum, which is no price."""
    form = Format(separator=";", encoding="cp1252", decimal=",", times="%d.%m.%Y %H:%M", dates="%d.%m.%Y")
    shop = MadeShop("de", seed=201, ids=Ids("K{:05}", "A{:04}", "B{:06}"), genders=("w", "m"))
    kinds = {"Auftragsnr": "order_id", "Pos": "!line", "Artikelnr": "item_id", "Menge": "quantity"}
    kinds |= {"Einzelpreis": "price", "Kundennr": "user_id", "Auftragsdatum": "timestamp", "Zahlart": "!payment"}
    lines, orders = in_two_files(purchases(shop, **kinds), "Auftragsnr", ["Kundennr", "Auftragsdatum", "Zahlart"])
    sums = lines.group_by("Auftragsnr").agg(Summe=(pl.col("Menge") * pl.col("Einzelpreis")).sum())
    made_files.write(lines, folder / "positionen.csv", form)
    made_files.write(orders.join(sums, on="Auftragsnr", maintain_order="left"), folder / "auftraege.csv", form)
    kinds = {"Kundennr": "user_id", "Name": "!full_name", "Ort": "city", "Geschlecht": "gender", "Alter": "age"}
    made_files.write(made_columns.users(shop, kinds), folder / "kunden.csv", form)
    kinds = {"Artikelnr": "item_id", "Bezeichnung": "name", "Warengruppe": "category", "Preis": "price"}
    made_files.write(made_columns.items(shop, kinds), folder / "artikel.csv", form)
    how = {"kind": "csv", "separator": ";", "encoding": "cp1252", "decimal": ","}
    columns = {"user_id": "auftraege.Kundennr", "item_id": "Artikelnr", "timestamp": "auftraege.Auftragsdatum"}
    columns |= {"quantity": "Menge", "price": "Einzelpreis", "order_id": "Auftragsnr"}
    events = {"path": "positionen.csv", "joins": {"auftraege": {"path": "auftraege.csv", "by": "Auftragsnr"}}}
    events |= {"timestamp_format": "%d.%m.%Y %H:%M", "event_type": "purchase", "columns": columns}
    users = {"user_id": "Kundennr", "city": "Ort", "gender": "Geschlecht", "age": "Alter"}
    items = {"item_id": "Artikelnr", "name": "Bezeichnung", "category": "Warengruppe", "price": "Preis"}
    tables = {
        "users": how | {"path": "kunden.csv", "columns": users},
        "items": how | {"path": "artikel.csv", "columns": items},
        "events": how | events,
    }
    return Answer(tables, private=(("users", "Name"),), keys=KEYS | {"time_zone": "Europe/Berlin"})


def orders_of_a_web_shop(folder: Path) -> Answer:
    """Tables of a database: ids named id, two creation times, a status, payments that name the orders as well."""
    shop = MadeShop(seed=202, ids=Ids("{}", "{}", "{}"))
    kinds = {"order_id": "order_id", "product_id": "item_id", "qty_ordered": "quantity", "price": "price"}
    kinds |= {"customer_id": "user_id", "created_at": "timestamp", "store_id": "!channel"}
    table = purchases(shop, **kinds).with_columns(
        updated_at=pl.col("created_at") + timedelta(days=2), status=pl.lit("complete")
    )
    lines, orders = in_two_files(table, "order_id", ["customer_id", "created_at", "updated_at", "status", "store_id"])
    lines = lines.with_row_index("item_id", 9_001).with_columns(pl.col("item_id").cast(pl.Int64))
    orders = orders.rename({"order_id": "entity_id"})
    payments = orders.select(
        pl.int_range(pl.len()).alias("entity_id") + 70_001,
        pl.col("entity_id").alias("parent_id"),
        pl.Series("method", shop.rng(71).choice(["card", "invoice"], orders.height)),
    )
    for name, part in {"sales_order": orders, "sales_order_item": lines, "sales_order_payment": payments}.items():
        made_files.write(part, folder / f"{name}.csv", Format(quoted=True))
    kinds = {"entity_id": "item_id", "sku": "!ean", "name": "name", "price": "price"}
    made_files.write(made_columns.items(shop, kinds), folder / "catalog_product.csv", Format(quoted=True))
    columns = {"user_id": "sales_order.customer_id", "item_id": "product_id", "quantity": "qty_ordered"}
    columns |= {"timestamp": "sales_order.created_at", "price": "price", "order_id": "order_id", "event_id": "item_id"}
    join = {"path": "sales_order.csv", "by": {"order_id": "entity_id"}}
    events = {"kind": "csv", "path": "sales_order_item.csv", "joins": {"sales_order": join}}
    items = {"item_id": "entity_id", "name": "name", "price": "price"}
    return Answer(
        {
            "items": {"kind": "csv", "path": "catalog_product.csv", "columns": items},
            "events": events | {"event_type": "purchase", "columns": columns},
        },
        either={("events", "event_id"): {None}, ("events", "event_type"): {"sales_order.status"}},
        keys=KEYS,
    )


def customers_of_a_marketplace(folder: Path) -> Answer:
    """Each order has a customer id of its own; a third file says whose it is. Lines have a time of their own."""
    shop = MadeShop("pt", seed=203, ids=Ids("{:032x}", "{:032x}", "{:032x}"))
    kinds = {"order_id": "order_id", "order_item_id": "!line", "product_id": "item_id", "price": "price"}
    kinds |= {"customer_unique_id": "user_id", "order_purchase_timestamp": "timestamp"}
    table = purchases(shop, **kinds).with_columns(
        shipping_limit_date=pl.col("order_purchase_timestamp") + timedelta(days=4),
        order_approved_at=pl.col("order_purchase_timestamp") + timedelta(minutes=21),
        seller_id=pl.Series([f"{s:032x}" for s in shop.rng(71).integers(0, 25, shop.events.height)]),
        freight_value=pl.Series(shop.rng(72).gamma(4, 5, shop.events.height)).round(2),
    )
    of_orders = ["customer_unique_id", "order_purchase_timestamp", "order_approved_at"]
    lines, orders = in_two_files(table, "order_id", of_orders)
    numbers = pl.Series("customer_id", [f"{n:032x}" for n in shop.rng(73).integers(2**60, 2**62, orders.height)])
    customers = orders.select(numbers, "customer_unique_id")
    customers = customers.with_columns(customer_state=pl.Series(shop.rng(74).choice(["SP", "RJ", "MG"], orders.height)))
    orders = orders.with_columns(numbers).drop("customer_unique_id")
    for name, part in {"orders": orders, "order_items": lines, "customers": customers.sort("customer_id")}.items():
        made_files.write(part, folder / f"{name}_dataset.csv", Format(quoted=True))
    columns = {"user_id": "customers_dataset.customer_unique_id", "item_id": "product_id", "price": "price"}
    columns |= {"timestamp": "orders_dataset.order_purchase_timestamp", "order_id": "order_id"}
    joins = {
        "orders_dataset": {"path": "orders_dataset.csv", "by": "order_id"},
        "customers_dataset": {"path": "customers_dataset.csv", "by": {"orders_dataset.customer_id": "customer_id"}},
    }
    events = {"kind": "csv", "path": "order_items_dataset.csv", "joins": joins, "event_type": "purchase"}
    return Answer({"events": events | {"columns": columns}}, keys=KEYS | {"currency": "BRL"})


def receipts_with_other_separators(folder: Path) -> Answer:
    """Receipts as JSON Lines, one file; their lines per month, with tabs; guests; names that say nothing."""
    shop = MadeShop(seed=204, ids=Ids("{}", "P{:04}", "R{:07}"), guests=0.2)
    kinds = {"c1": "order_id", "c2": "item_id", "c3": "quantity", "c4": "price", "f2": "user_id", "f3": "timestamp"}
    kinds |= {"f4": "!store"}
    table = purchases(shop, **kinds)
    lines, receipts = in_two_files(table, "c1", ["f2", "f3", "f4"])
    months = table["f3"].dt.strftime("%Y-%m")
    for month in months.unique():
        made_files.write(lines.filter(months == month), folder / f"part_{month}.tsv", Format(separator="\t"))
    receipts = receipts.rename({"c1": "f1"}).with_columns(pl.col("f2").cast(pl.String))
    made_files.write(receipts, folder / "heads.jsonl", Format(kind="jsonl"))
    columns = {"user_id": "heads.f2", "item_id": "c2", "timestamp": "heads.f3", "quantity": "c3", "price": "c4"}
    join = {"path": "heads.jsonl", "by": {"c1": "f1"}, "kind": "jsonl"}
    events = {"kind": "csv", "path": "part_*.tsv", "separator": "\t", "joins": {"heads": join}}
    events |= {"event_type": "purchase", "columns": columns | {"order_id": "c1"}}
    events |= {"exclude": {"guest": {"missing": "user_id", "reason": "a guest"}}}
    return Answer({"events": events}, keys=KEYS)


def sheets_of_orders_and_lines(folder: Path) -> Answer:
    """One workbook: a sheet of orders, and one of their lines."""
    shop = MadeShop(seed=205, n_orders=500, ids=Ids("C{:05}", "P{:04}", "{}"))
    kinds = {"Order ID": "order_id", "Product ID": "item_id", "Units": "quantity", "Unit Price": "price"}
    kinds |= {"Customer ID": "user_id", "Order Date": "timestamp"}
    lines, orders = in_two_files(purchases(shop, **kinds), "Order ID", ["Customer ID", "Order Date"])
    book = made_files.workbook({"Orders": orders, "Order lines": lines})
    (folder / "sales.xlsx").write_bytes(book)
    columns = {"user_id": "orders.Customer ID", "item_id": "Product ID", "timestamp": "orders.Order Date"}
    columns |= {"quantity": "Units", "price": "Unit Price", "order_id": "Order ID"}
    join = {"path": "sales.xlsx", "sheet": "Orders", "by": "Order ID"}
    events = {"kind": "xlsx", "path": "sales.xlsx", "sheet": "Order lines", "joins": {"orders": join}}
    return Answer({"events": events | {"event_type": "purchase", "columns": columns}}, keys=KEYS)


def sessions_beside_events(folder: Path) -> Answer:
    """Events that have all they need, and a file of sessions whose ids they name: no join is needed."""
    shop = MadeShop(seed=206, types=("view",), ids=Ids("{}", "{}", "{}"))
    kinds = {"session_id": "!session", "user_id": "user_id", "item_id": "item_id", "event_type": "event_type"}
    table = purchases(shop, **kinds, timestamp="timestamp")
    made_files.write(table, folder / "events.csv", Format())
    first = table.group_by("session_id", maintain_order=True).agg(
        pl.col("user_id").first(), start=pl.col("timestamp").min(), n=pl.len()
    )
    devices = pl.Series("device", np.where(shop.rng(71).random(first.height) < 0.6, "mobile", "desktop"))
    made_files.write(first.with_columns(devices), folder / "sessions.csv", Format())
    columns = {"user_id": "user_id", "item_id": "item_id", "event_type": "event_type", "timestamp": "timestamp"}
    events = {"kind": "csv", "path": "events.csv", "columns": columns}
    return Answer({"events": events}, either={("events", "order_id"): {None, "session_id"}}, keys=KEYS)


def with_lists(table: pl.DataFrame, by: str, of_lines: list[str], name: str) -> pl.DataFrame:
    """One row per order, with its lines as a list of objects."""
    others = [column for column in table.columns if column not in (by, *of_lines)]
    lines = pl.struct(pl.col(column).alias(column.removeprefix(f"{name}.")) for column in of_lines)
    return table.group_by(by, maintain_order=True).agg(pl.col(others).first(), lines.alias(name))


def lines_in_a_list(folder: Path) -> Answer:
    """Orders of a web shop's API, one object each: customer and lines are inside; amounts are text."""
    shop = MadeShop(seed=207, ids=Ids("{}", "{}", "{}"))
    kinds = {"id": "order_id", "created_at": "timestamp", "customer.id": "user_id", "customer.email": "!email"}
    kinds |= {"line_items.product_id": "item_id", "line_items.quantity": "quantity", "line_items.name": "items.name"}
    table = purchases(shop, **kinds, **{"line_items.price": "price"})
    table = table.with_columns(pl.col("line_items.price").round(2).cast(pl.String))
    orders = with_lists(table, "id", [name for name in table.columns if name.startswith("line_items.")], "line_items")
    sums = pl.Series("total_price", shop.rng(71).uniform(5, 400, orders.height)).round(2).cast(pl.String)
    made_files.write(orders.with_columns(sums), folder / "orders.jsonl", Format(kind="jsonl"))
    columns = {"user_id": "customer.id", "item_id": "line_items.product_id", "timestamp": "created_at"}
    columns |= {"quantity": "line_items.quantity", "price": "line_items.price", "order_id": "id"}
    events = {"kind": "jsonl", "path": "orders.jsonl", "explode": "line_items", "event_type": "purchase"}
    items = {"kind": "derived", "columns": {"name": "line_items.name"}}
    either: dict[Place, set[str | None]] = {("items", "price"): {None, "line_items.price"}}
    tables = {"events": events | {"columns": columns}, "items": items}
    return Answer(tables, either=either, private=(("events", "customer.email"),), keys=KEYS)


def baskets_in_parquet(folder: Path) -> Answer:
    """Baskets with a list of lines in Parquet; the catalogue is another file."""
    shop = MadeShop(seed=208, ids=Ids("{}", "P{:04}", "{}"))
    kinds = {"basket": "order_id", "card": "user_id", "sold": "timestamp", "lines.article": "item_id"}
    table = purchases(shop, **kinds, **{"lines.units": "quantity", "lines.amount": "total"})
    baskets = with_lists(table, "basket", ["lines.article", "lines.units", "lines.amount"], "lines")
    made_files.write(baskets, folder / "baskets.parquet", Format(kind="parquet"))
    kinds = {"article": "item_id", "description": "name", "group": "category"}
    made_files.write(made_columns.items(shop, kinds), folder / "articles.parquet", Format(kind="parquet"))
    columns: dict[str, object] = {"user_id": "card", "item_id": "lines.article", "timestamp": "sold"}
    columns |= {"quantity": "lines.units", "order_id": "basket", "price": {"total": "lines.amount"}}
    events = {"kind": "parquet", "path": "baskets.parquet", "explode": "lines", "event_type": "purchase"}
    items = {"item_id": "article", "name": "description", "category": "group"}
    return Answer(
        {
            "items": {"kind": "parquet", "path": "articles.parquet", "columns": items},
            "events": events | {"columns": columns},
        },
        keys=KEYS,
    )


def answers_of_an_api(folder: Path) -> Answer:
    """The saved answer of an API: one object with a count and the list of orders, with their lines inside."""
    shop = MadeShop(seed=209, n_orders=900, ids=Ids("{}", "SKU-{:04}", "{}"))
    kinds = {"number": "order_id", "date_created": "timestamp", "customer_id": "user_id", "line_items.sku": "item_id"}
    table = purchases(shop, **kinds, **{"line_items.quantity": "quantity", "line_items.price": "price"})
    orders = with_lists(table, "number", [f"line_items.{name}" for name in ("sku", "quantity", "price")], "line_items")
    orders = orders.with_columns(pl.col("date_created").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    content = {"count": orders.height, "links": {"next": None}, "data": {"orders": orders.to_dicts()}}
    (folder / "orders.json").write_text(json.dumps(content))
    columns = {"user_id": "customer_id", "item_id": "line_items.sku", "timestamp": "date_created"}
    columns |= {"quantity": "line_items.quantity", "price": "line_items.price", "order_id": "number"}
    events = {"kind": "json", "path": "orders.json", "records": "data.orders", "explode": "line_items"}
    return Answer({"events": events | {"event_type": "purchase", "columns": columns}}, keys=KEYS)


FOLDERS = (
    positions_of_orders,
    orders_of_a_web_shop,
    customers_of_a_marketplace,
    receipts_with_other_separators,
    sheets_of_orders_and_lines,
    sessions_beside_events,
    lines_in_a_list,
    baskets_in_parquet,
    answers_of_an_api,
)
