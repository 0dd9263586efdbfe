"""Made-up rows in the form of more software and public data sets, as `folders_platforms` has them.

Two more batches: does what was corrected for the ones before help with folders that nobody had looked at?

The right answers were written before the draft was run on any of these folders.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import dialect
from draft.made_shop import Ids, MadeShop

KEYS = {"currency": "USD", "time_zone": "UTC"}
ITEM_ID = ("tables", "events", "columns", "item_id")


def number(column: str, factor: int, start: int = 0) -> pl.Expr:
    """Words as numbers."""
    return (pl.col(column).rank("dense") * factor + start).cast(pl.Int64).alias(column)


def matomo(folder: Path) -> Answer:
    """The table of sold items of Matomo: visitors in hexadecimal digits, and numbers in place of all words."""
    shop = MadeShop(seed=231, ids=Ids("{:016x}", "{}", "WEB-{}"))
    kinds = {"idvisitor": "user_id", "server_time": "timestamp", "idvisit": "!session", "idorder": "order_id"}
    kinds |= {"idaction_sku": "item_id", "idaction_name": "items.name", "idaction_category": "items.category"}
    kinds |= {"price": "price", "quantity": "quantity"}
    none = {f"idaction_category{n}": 0 for n in range(2, 6)}
    table = made_columns.events(shop, kinds, {}).with_columns(
        number("idvisit", 3, 7_000), number("idaction_name", 5, 2_000), number("idaction_category", 9, 4_000)
    )
    table = table.with_columns(*(pl.lit(value).alias(name) for name, value in none.items()))
    table = table.with_columns(idsite=pl.lit(1), deleted=pl.lit(0))
    order = ["idsite", "idvisitor", "server_time", "idvisit", "idorder", "idaction_sku", "idaction_name"]
    table = table.select(*order, "idaction_category", *none, "price", "quantity", "deleted")
    made_files.write(table, folder / "matomo_log_conversion_item.csv", Format(quoted=True))
    events = {"user_id": "idvisitor", "item_id": "idaction_sku", "timestamp": "server_time", "order_id": "idorder"}
    declared = {"kind": "csv", "path": "matomo_log_conversion_item.csv", "event_type": "purchase"}
    return Answer(
        {"events": declared | {"columns": events | {"price": "price", "quantity": "quantity"}}},
        either={("events", "order_id"): {"idvisit"}, ("items", "category"): {"idaction_category"}},
        keys=KEYS,
    )


def prestashop(folder: Path) -> Answer:
    """A saved query of PrestaShop: two ids of orders and of products, prices with six decimals, states as numbers."""
    shop = MadeShop("fr", seed=232, ids=Ids("{}", "{}", "{}"))
    kinds = {"id_order": "order_id", "reference": "order_id", "id_customer": "user_id", "date_add": "timestamp"}
    kinds |= {"current_state": "!till", "product_id": "item_id", "product_name": "items.name"}
    kinds |= {"product_quantity": "quantity", "unit_price_tax_incl": "price", "total_price_tax_incl": "!total"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.format("XKB{}QZ", "reference").alias("reference"),
        product_attribute_id=pl.lit(0),
        product_reference=pl.format("demo_{}", "product_id"),
    )
    order = ["id_order", "reference", "id_customer", "date_add", "current_state", "product_id", "product_attribute_id"]
    order += ["product_reference", "product_name", "product_quantity", "unit_price_tax_incl", "total_price_tax_incl"]
    made_files.write(table.select(order), folder / "request_sql_4.csv", dialect(decimal=".", digits=6, quoted=True))
    events = {"user_id": "id_customer", "item_id": "product_id", "timestamp": "date_add", "order_id": "id_order"}
    events |= {"quantity": "product_quantity", "price": "unit_price_tax_incl"}
    declared = {"kind": "csv", "path": "request_sql_4.csv", "separator": ";", "event_type": "purchase"}
    return Answer(
        {
            "events": declared | {"columns": events},
            "items": {"kind": "derived", "columns": {"name": "product_name"}},
        },
        either={("events", "item_id"): {"product_reference"}, ("events", "order_id"): {"reference"}},
        keys={"currency": "EUR", "time_zone": "Europe/Paris"},
    )


def ratings_of_2014(folder: Path) -> Answer:
    """Amazon's ratings of 2014: no header line, ids with leading zeros, days as seconds since 1970."""
    shop = MadeShop(
        seed=233, types=("rating",), n_orders=2_000, whole_days=True, ids=Ids("A{:05}TATAQ9V", "02056{:05}")
    )
    kinds = {"user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp"}
    table = made_columns.events(shop, kinds, {}).filter(pl.col("rating").is_not_null()).sort("item")
    form = Format(header=False, unit="epoch_s", digits=1)
    made_files.write(table.with_columns(pl.col("rating").cast(pl.Float64)), folder / "ratings_Beauty.csv", form)
    events = {"kind": "csv", "path": "ratings_Beauty.csv", "header": list(kinds), "timestamp_format": "epoch_s"}
    events |= {"event_type": "rating"}
    mapped = {"user_id": "user", "item_id": "item", "rating": "rating", "timestamp": "time"}
    return Answer({"events": events | {"columns": mapped}}, keys=KEYS)


def gowalla(folder: Path) -> Answer:
    """Check-ins of Gowalla: no header line, tabs, the newest of each user first, degrees before the place."""
    shop = MadeShop(seed=234, ids=Ids("{}", "{}"))
    table = made_columns.events(shop, {"user": "user_id", "time": "timestamp", "place": "item_id"}, {})
    item = shop.events["item"].cast(pl.Float64)
    table = table.with_columns(
        latitude=(30.2359091167 + item * 0.0127613).cast(pl.String),
        longitude=(-97.7951395833 + (item * 61 % 97) * 0.0218321).cast(pl.String),
    )
    table = table.sort("user", "time", descending=[False, True]).select(
        "user", "time", "latitude", "longitude", "place"
    )
    form = Format(separator="\t", header=False, times="%Y-%m-%dT%H:%M:%SZ")
    made_files.write(table, folder / "loc-gowalla_totalCheckins.txt", form)
    events = {"kind": "csv", "path": "loc-gowalla_totalCheckins.txt", "separator": "\t", "header": table.columns}
    events |= {"event_type": "view", "columns": {"user_id": "user", "item_id": "place", "timestamp": "time"}}
    return Answer({"events": events}, keys=KEYS)


def coveo(folder: Path) -> Answer:
    """Browsing of a shop from Coveo: hashes, pages without a product, actions only for products, and vectors."""
    shop = MadeShop(seed=235, types=("view", "cart"), ids=Ids("{:032x}", "{:040x}"))
    kinds = {"session_id_hash": "user_id", "product_action": "event_type", "product_sku_hash": "item_id"}
    words = {"view": "detail", "cart": "add", "purchase": "purchase"}
    table = made_columns.events(shop, kinds | {"server_timestamp_epoch_ms": "timestamp"}, words).with_columns(
        event_type=pl.lit("event_product"), hashed_url=pl.format("f{}0", pl.col("product_sku_hash").str.slice(20))
    )
    pages = table.gather_every(2).with_columns(
        pl.lit("pageview").alias("event_type"),
        pl.lit(None, pl.String).alias("product_action"),
        pl.lit(None, pl.String).alias("product_sku_hash"),
        pl.col("server_timestamp_epoch_ms").dt.offset_by("-20s"),
    )
    order = ["session_id_hash", "event_type", "product_action", "product_sku_hash", "server_timestamp_epoch_ms"]
    table = (
        pl.concat([table, pages]).sort("server_timestamp_epoch_ms", maintain_order=True).select(*order, "hashed_url")
    )
    made_files.write(table, folder / "browsing_train.csv", Format(unit="epoch_ms"))
    items = made_columns.items(shop, {"product_sku_hash": "item_id", "category_hash": "category"}).with_columns(
        pl.format("{}/{}", number("category_hash", 10**15 + 37), number("category_hash", 10**16 + 71)),
        description_vector=pl.lit("[-0.25, 0.75, 0.125]"),
        image_vector=pl.lit("[0.5, -0.0625]"),
        price_bucket=pl.Series([float(n % 10 + 1) for n in range(shop.n_items)]),
    )
    order = ["product_sku_hash", "description_vector", "category_hash", "image_vector", "price_bucket"]
    made_files.write(items.select(order), folder / "sku_to_content.csv", Format(digits=1))
    events = {"user_id": "session_id_hash", "item_id": "product_sku_hash", "event_type": "product_action"}
    events |= {"timestamp": "server_timestamp_epoch_ms"}
    declared = {"kind": "csv", "path": "browsing_train.csv", "timestamp_format": "epoch_ms", "columns": events}
    declared |= {"event_values": {"detail": "view", "add": "cart"}}
    exclude = {"pages": {"missing": "item_id", "reason": "pages without a product"}}
    catalogue = {"item_id": "product_sku_hash", "category": "category_hash"}
    return Answer(
        {
            "events": declared | {"exclude": exclude},
            "items": {"kind": "csv", "path": "sku_to_content.csv", "columns": catalogue},
        },
        either={("items", "category"): {None}, ("items", "price"): {"price_bucket"}},
        keys=KEYS,
    )


def jewelry(folder: Path) -> Answer:
    """Purchases of a jeweller from REES46: no header line, times that end in UTC, long ids, the gender of products."""
    shop = MadeShop(seed=236, ids=Ids("15159156255{:08}", "1515966223509{:06}", "1924719191579{:06}"))
    kinds = {"time": "timestamp", "order": "order_id", "product": "item_id", "category_id": "items.category"}
    kinds |= {"alias": "items.category", "brand": "items.brand", "price": "price", "user": "user_id"}
    groups = ["jewelry.ring", "jewelry.earring", "jewelry.pendant", "jewelry.brooch"]
    item = shop.events["item"].to_numpy()
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
        number("category_id", 7, 1_806_829_201_890_738_000),
        pl.col("alias").rank("dense").cast(pl.Int64).replace_strict(dict(enumerate(groups, 1))),
        number("brand", 1, -1),
        quantity=pl.lit(1),
        gender=pl.Series(np.where(item % 3 == 0, "f", None)),
        color=pl.Series(np.array(["yellow", "white", "red"])[item % 3]),
        metal=pl.lit("gold"),
        gem=pl.Series(np.array(["diamond", "topaz", "garnet", None])[item % 4]),
    )
    order = [
        "time",
        "order",
        "product",
        "quantity",
        "category_id",
        "alias",
        "brand",
        "price",
        "user",
        "gender",
        "color",
    ]
    table = table.select(*order, "metal", "gem")
    made_files.write(table, folder / "jewelry.csv", Format(header=False))
    events = {"kind": "csv", "path": "jewelry.csv", "header": table.columns, "event_type": "purchase"}
    mapped = {"user_id": "user", "item_id": "product", "timestamp": "time", "order_id": "order", "price": "price"}
    events |= {"timestamp_format": "%Y-%m-%d %H:%M:%S %Z", "columns": mapped}
    return Answer(
        {"events": events, "items": {"kind": "derived", "columns": {"category": "alias"}}},
        either={
            ("events", "quantity"): {"quantity"},
            ("items", "category"): {"category_id"},
            ("items", "brand"): {"brand", "gem", "color"},
        },
        keys=KEYS,
    )


def tagged_artists(folder: Path) -> Answer:
    """Last.fm's listeners and the tags that they gave: three ids, milliseconds, weights, friends, links to pictures."""
    shop = MadeShop(seed=237, ids=Ids("{}", "{}"))
    kinds = {"userID": "user_id", "artistID": "item_id", "timestamp": "timestamp"}
    table = made_columns.events(shop, kinds, {})
    tag = pl.Series("tagID", shop.rng(238).zipf(1.4, table.height) % 400 + 1)
    table = (
        table.with_columns(tag).select("userID", "artistID", "tagID", "timestamp").sort("userID", maintain_order=True)
    )
    form = Format(separator="\t", unit="epoch_ms")
    made_files.write(table, folder / "user_taggedartists-timestamps.dat", form)
    weights = table.group_by("userID", "artistID", maintain_order=True).agg(weight=pl.col("tagID").sum() * 37)
    made_files.write(weights, folder / "user_artists.dat", form)
    friends = pl.DataFrame({"userID": range(10_000, 10_200), "friendID": range(10_020, 10_220)})
    made_files.write(friends, folder / "user_friends.dat", form)
    artists = made_columns.items(shop, {"id": "item_id", "name": "name", "url": "!url"})
    artists = artists.with_columns(pictureURL=pl.format("http://pictures.example/{}.jpg", "id"))
    made_files.write(artists, folder / "artists.dat", form)
    tags = pl.DataFrame({"tagID": range(1, 401), "tagValue": [f"{n % 90}s metal {n}" for n in range(1, 401)]})
    made_files.write(tags, folder / "tags.dat", form)
    events = {"kind": "csv", "path": "user_taggedartists-timestamps.dat", "separator": "\t", "event_type": "view"}
    events |= {"timestamp_format": "epoch_ms"}
    events |= {"columns": {"user_id": "userID", "item_id": "artistID", "timestamp": "timestamp"}}
    items = {"kind": "csv", "path": "artists.dat", "separator": "\t", "columns": {"item_id": "id", "name": "name"}}
    return Answer({"events": events, "items": items}, keys=KEYS)


def sessions_of_otto(folder: Path) -> Answer:
    """OTTO: a session per line, with a list of its events, which are rows."""
    shop = MadeShop(seed=239, types=("view", "cart"), ids=Ids("{}", "{}"))
    words = {"view": "clicks", "cart": "carts", "purchase": "orders"}
    kinds = {"session": "user_id", "aid": "item_id", "ts": "timestamp", "type": "event_type"}
    table = made_columns.events(shop, kinds, words).with_columns(pl.col("ts").dt.epoch("ms"))
    lines = []
    for (session,), rows in table.group_by("session", maintain_order=True):
        record = {"session": int(session), "events": rows.select("aid", "ts", "type").to_dicts()}
        lines.append(json.dumps(record) + "\n")
    (folder / "otto-recsys-train.jsonl").write_text("".join(lines))
    columns = {"user_id": "session", "item_id": "events.aid", "timestamp": "events.ts", "event_type": "events.type"}
    events = {"kind": "jsonl", "path": "otto-recsys-train.jsonl", "explode": "events", "timestamp_format": "epoch_ms"}
    events |= {"event_values": {"clicks": "view", "carts": "cart", "orders": "purchase"}, "columns": columns}
    return Answer({"events": events}, keys=KEYS)


def business_central(folder: Path) -> Answer:
    """Posted invoice lines of Business Central in German: a workbook, types of lines, line numbers in steps."""
    shop = MadeShop("de", seed=241, ids=Ids("D{:05}", "{}-S", "VR25-{}"), whole_days=True, n_users=90)
    kinds = {"Belegnr.": "order_id", "Zeilennr.": "!line", "Verk. an Deb.-Nr.": "user_id", "Buchungsdatum": "timestamp"}
    kinds |= {"Nr.": "item_id", "Beschreibung": "items.name", "Menge": "quantity", "VK-Preis": "price"}
    table = made_columns.events(shop, kinds | {"Zeilenbetrag": "!total"}, {}).with_columns(
        pl.col("Zeilennr.") * 10_000,
        pl.col("Buchungsdatum").dt.date(),
        Art=pl.lit("Artikel"),
        Mengeneinheit=pl.lit("Stück"),
        rabatt=pl.lit(0),
    )
    table = table.rename({"rabatt": "Zeilenrabatt %"})
    order = ["Belegnr.", "Zeilennr.", "Verk. an Deb.-Nr.", "Buchungsdatum", "Art", "Nr.", "Beschreibung"]
    order += ["Mengeneinheit", "Menge", "VK-Preis", "Zeilenrabatt %", "Zeilenbetrag"]
    made_files.write(table.select(order), folder / "Geb. Verkaufsrechnungszeilen.xlsx", Format(kind="xlsx"))
    events = {"user_id": "Verk. an Deb.-Nr.", "item_id": "Nr.", "timestamp": "Buchungsdatum", "order_id": "Belegnr."}
    declared = {"kind": "xlsx", "path": "Geb. Verkaufsrechnungszeilen.xlsx", "event_type": "purchase"}
    return Answer(
        {
            "events": declared | {"columns": events | {"quantity": "Menge", "price": "VK-Preis"}},
            "items": {"kind": "derived", "columns": {"name": "Beschreibung"}},
        },
        keys={"currency": "EUR", "time_zone": "Europe/Berlin"},
    )


def shopware_5(folder: Path) -> Answer:
    """Orders of Shopware 5 with their lines: sums of orders beside prices of lines, states as numbers."""
    shop = MadeShop("de", seed=242, ids=Ids("{}", "SW{}", "{}", "{}"))
    kinds = {"orderId": "order_id", "number": "order_id", "customerId": "user_id", "status": "!till"}
    kinds |= {"paymentId": "!cashier", "invoiceAmount": "!total", "orderTime": "timestamp", "comment": "!note"}
    kinds |= {"currency": "!currency", "remoteAddress": "!ip", "orderDetailId": "event_id", "articleNumber": "item_id"}
    kinds |= {"price": "price", "quantity": "quantity", "articleName": "items.name"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.col("orderId").cast(pl.Int64) - 535_000,
        pl.col("invoiceAmount").sum().over("number") + 3.9,
        (pl.col("invoiceAmount").sum().over("number") / 1.19).round(2).alias("invoiceAmountNet"),
        number("articleNumber", 1, 3).alias("articleId"),
        invoiceShipping=pl.lit(3.9),
        languageIso=pl.lit(1),
        currencyFactor=pl.lit(1),
        taxRate=pl.lit(19),
        mode=pl.lit(0),
        shipped=pl.lit(0),
    )
    order = ["orderId", "number", "customerId", "status", "paymentId", "invoiceAmount", "invoiceAmountNet"]
    order += ["invoiceShipping", "orderTime", "comment", "languageIso", "currency", "currencyFactor", "remoteAddress"]
    order += ["orderDetailId", "articleId", "articleNumber", "price", "quantity", "articleName", "taxRate", "shipped"]
    made_files.write(table.select(*order, "mode"), folder / "export.orders.csv", Format(separator=";"))
    events = {"event_id": "orderDetailId", "user_id": "customerId", "item_id": "articleNumber", "order_id": "number"}
    events |= {"timestamp": "orderTime", "quantity": "quantity", "price": "price"}
    declared = {"kind": "csv", "path": "export.orders.csv", "separator": ";", "event_type": "purchase"}
    return Answer(
        {"events": declared | {"columns": events}, "items": {"kind": "derived", "columns": {"name": "articleName"}}},
        either={
            ("events", "event_id"): {None},
            ("events", "order_id"): {"orderId"},
            ("events", "item_id"): {"articleId"},
        },
        private=(("events", "remoteAddress"),),
        keys={"currency": "EUR", "time_zone": "Europe/Berlin"},
    )


def russian_sales(folder: Path) -> Answer:
    """Sales of 1C in Russian, cp1251: letters that no list of names has, decimal commas, spaces between thousands."""
    shop = MadeShop("en", seed=243, ids=Ids("{:09}", "ЦБ-{:08}", "ЖД-{:06}"))
    kinds = {"Номер": "order_id", "Дата": "timestamp", "Код клиента": "user_id", "Клиент": "users.!segment"}
    kinds |= {"Артикул": "item_id", "Номенклатура": "items.name", "Группа": "items.category", "Количество": "quantity"}
    table = made_columns.events(shop, kinds | {"Цена": "price", "Сумма": "!total"}, {}).with_columns(
        pl.col("Клиент").replace({"A": "Розница", "B": "Опт", "C": "Интернет"})
    )
    form = Format(
        separator=";", decimal=",", thousands="\u00a0", encoding="cp1251", times="%d.%m.%Y %H:%M:%S", newline="\r\n"
    )
    made_files.write(table, folder / "Продажи.csv", form)
    events = {"user_id": "Код клиента", "item_id": "Артикул", "timestamp": "Дата", "order_id": "Номер"}
    declared = {"kind": "csv", "path": "Продажи.csv", "separator": ";", "encoding": "cp1251", "decimal": ","}
    declared |= {"thousands": "\u00a0", "timestamp_format": form.times, "event_type": "purchase"}
    return Answer(
        {
            "events": declared | {"columns": events | {"quantity": "Количество", "price": "Цена"}},
            "items": {"kind": "derived", "columns": {"name": "Номенклатура", "category": "Группа"}},
        },
        keys={"currency": "RUB", "time_zone": "Europe/Moscow"},
    )


def square_items(folder: Path) -> Answer:
    """Items of Square without signs of currencies: day and clock apart, refunds, half of the customers unknown."""
    shop = MadeShop(seed=244, guests=0.5, types=("return",), ids=Ids("CUST{:06}", "SQ{:05}", "{}"))
    kinds = {"Date": "timestamp", "Category": "items.category", "Item": "items.name", "Qty": "quantity"}
    kinds |= {"SKU": "item_id", "Gross Sales": "total", "Transaction ID": "order_id", "Device Name": "!till"}
    kinds |= {"Event Type": "event_type", "Location": "!store", "Customer ID": "user_id"}
    table = made_columns.events(shop, kinds, {"purchase": "Payment", "return": "Refund"}).with_columns(
        pl.col("Date").dt.date(),
        pl.col("Date").dt.strftime("%H:%M:%S").alias("Time"),
        pl.lit("Eastern Time (US & Canada)").alias("Time Zone"),
        pl.lit("Regular").alias("Price Point Name"),
        pl.lit(0.0).alias("Discounts"),
        pl.col("Gross Sales").alias("Net Sales"),
        (pl.col("Gross Sales") * 0.08).round(2).alias("Tax"),
        pl.format("k{}w", "Transaction ID").alias("Transaction ID"),
        pl.format("Register {}", "Device Name").alias("Device Name"),
    )
    order = ["Date", "Time", "Time Zone", "Category", "Item", "Qty", "Price Point Name", "SKU", "Gross Sales"]
    order += ["Discounts", "Net Sales", "Tax", "Transaction ID", "Device Name", "Event Type", "Location", "Customer ID"]
    made_files.write(table.select(order), folder / "items-2025-01-01-2025-09-01.csv", Format(dates="%Y-%m-%d"))
    events = {"user_id": "Customer ID", "item_id": "SKU", "timestamp": "Date", "event_type": "Event Type"}
    events |= {"order_id": "Transaction ID", "quantity": "Qty", "price": {"total": "Gross Sales"}}
    declared = {"kind": "csv", "path": "items-2025-01-01-2025-09-01.csv", "columns": events}
    declared |= {"event_values": {"Payment": "purchase", "Refund": "return"}}
    return Answer(
        {
            "events": declared | {"exclude": {"guests": {"missing": "user_id", "reason": "guests"}}},
            "items": {"kind": "derived", "columns": {"name": "Item", "category": "Category"}},
        },
        either={("events", "price"): {"Net Sales"}},
        keys=KEYS,
    )


def invoice_items(folder: Path) -> Answer:
    """Invoice items in the form of Stripe: JSON Lines, prefixes of ids, cents, seconds, the same amount twice."""
    shop = MadeShop(seed=245, ids=Ids("cus_{:014}", "prod_{:014}", "in_{}", "ii_{:014}"))
    kinds = {"id": "event_id", "object": "!currency", "amount": "!total", "currency": "!currency"}
    kinds |= {"customer": "user_id", "date": "timestamp", "description": "items.name", "invoice": "order_id"}
    kinds |= {"price.id": "item_id", "price.product": "item_id", "price.unit_amount": "price", "quantity": "quantity"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        (pl.col("amount", "price.unit_amount") * 100).round().cast(pl.Int64),
        pl.lit("invoiceitem").alias("object"),
        pl.lit("usd").alias("currency"),
        pl.lit(True).alias("livemode"),
        pl.col("price.id").str.replace("prod_", "price_"),
        pl.lit("one_time").alias("price.type"),
    )
    made_files.write(table, folder / "invoiceitems.jsonl", Format(kind="jsonl", unit="epoch_s"))
    events = {"event_id": "id", "user_id": "customer", "item_id": "price.product", "timestamp": "date"}
    events |= {"order_id": "invoice", "quantity": "quantity", "price": "price.unit_amount"}
    declared = {"kind": "jsonl", "path": "invoiceitems.jsonl", "timestamp_format": "epoch_s", "columns": events}
    return Answer(
        {
            "events": declared | {"event_type": "purchase"},
            "items": {"kind": "derived", "columns": {"name": "description"}},
        },
        either={("events", "item_id"): {"price.id"}, ("events", "event_id"): {None}},
        keys=KEYS,
    )


SECOND = (matomo, prestashop, ratings_of_2014, gowalla, coveo, jewelry, tagged_artists, sessions_of_otto)
THIRD = (business_central, shopware_5, russian_sales, square_items, invoice_items)
FOLDERS = SECOND + THIRD
