"""Made-up rows under the columns of real shop software and of public data sets, as their exports name and write them.

The names of columns, their order and the formats are those of the exports. The right answers were written before the
draft was run on any of these folders: docs/benchmarks.md has the results at first sight.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer, Place
from draft.made_files import Format
from draft.made_folder import Delivered, dialect, make
from draft.made_shop import Ids, MadeShop

KEYS = {"currency": "USD", "time_zone": "UTC"}
ITEM_ID = ("tables", "events", "columns", "item_id")
USER_ID = ("tables", "events", "columns", "user_id")
PLACE: dict[Place, set[str | None]] = {("users", "city"): {None}, ("users", "country"): {None}}


def only_first(table: pl.DataFrame, key: str, columns: list[str]) -> pl.DataFrame:
    """The columns hold a value in the first line of each key only."""
    first = pl.int_range(pl.len()).over(key) == 0
    return table.with_columns(pl.when(first).then(pl.col(columns)))


def constant(**values: Any) -> list[pl.Expr]:
    return [pl.lit(value).alias(name) for name, value in values.items()]


def shopify(folder: Path) -> Answer:
    """Orders, products and customers of Shopify.

    Later lines of an order have only its number, e-mail address and time; those of a product only its variant, or an
    image. Customers have an id of their own, which no order has.
    """
    shop = MadeShop(seed=201, ids=Ids("{}", "TEE-{:04}", "#{}"))
    _shopify_orders(folder, shop)
    _shopify_products(folder, shop)
    users = {"Customer ID": "user_id", "First Name": "!first", "Last Name": "!last", "Email": "user_email"}
    users |= {"Accepts Email Marketing": "!newsletter", "Default Address Address1": "!street"}
    users |= {"Default Address City": "city", "Default Address Country Code": "country", "Default Address Zip": "!zip"}
    users |= {"Phone": "!phone", "Total Spent": "!points"}
    kinds = {name: "!email" if kind == "user_email" else kind for name, kind in users.items()}
    customers = made_columns.users(shop, kinds).with_columns(pl.format("'65432{}", "Customer ID").alias("Customer ID"))
    made_files.write(customers, folder / "customers_export.csv", Format())
    events = {"user_id": "Email", "item_id": "Lineitem sku", "timestamp": "Created at", "order_id": "Name"}
    events |= {"quantity": "Lineitem quantity", "price": "Lineitem price"}
    items = {"item_id": "Variant SKU", "name": "Title", "category": "Type", "brand": "Vendor"}
    items |= {"price": "Variant Price", "stock": "Variant Inventory Qty"}
    place = {"user_id": "Email", "city": "Default Address City", "country": "Default Address Country Code"}
    return Answer(
        {
            "users": {"kind": "csv", "path": "customers_export.csv", "columns": place},
            "items": {
                "kind": "csv",
                "path": "products_export.csv",
                "columns": items,
                "exclude": {"images": {"missing": "item_id", "reason": "lines of images"}},
            },
            "events": {
                "kind": "csv",
                "path": "orders_export.csv",
                "event_type": "purchase",
                "timestamp_format": "%Y-%m-%d %H:%M:%S %z",
                "columns": events,
            },
        },
        either={
            ("items", "name"): {"Handle"},
            ("items", "available"): {None, "Published", "Status"},
            ("items", "category"): {"Product Category"},
        },
        private=tuple(("users", name) for name in ("First Name", "Last Name", "Default Address Address1", "Phone"))
        + tuple(("events", f"Billing {name}") for name in ("Name", "Street", "Phone")),
        keys=KEYS,
    )


def _shopify_orders(folder: Path, shop: MadeShop) -> None:
    kinds = {"Name": "order_id", "Email": "!email", "Lineitem quantity": "quantity", "Lineitem name": "items.name"}
    kinds |= {"Lineitem price": "price", "Lineitem sku": "item_id", "Created at": "timestamp", "Vendor": "items.brand"}
    kinds |= {"Subtotal": "!total", "Billing Name": "!full_name", "Billing Street": "!street"}
    kinds |= {"Billing Phone": "!phone", "Billing City": "users.city", "Billing Country": "users.country"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.col("Subtotal").sum().over("Name"),
        pl.col("Created at").dt.strftime("%Y-%m-%d %H:%M:%S -0500"),
        pl.col("Created at").dt.offset_by("2m").dt.strftime("%Y-%m-%d %H:%M:%S -0500").alias("Paid at"),
        (pl.col("Name").rank("dense") + 5_550_000_000_000).cast(pl.Int64).alias("Id"),
        *constant(**{"Financial Status": "paid", "Fulfillment Status": "fulfilled", "Accepts Marketing": "no"}),
        *constant(
            Currency="USD", Shipping="5.00", **{"Lineitem requires shipping": "true", "Lineitem taxable": "true"}
        ),
        *constant(**{"Lineitem compare at price": None, "Lineitem fulfillment status": "fulfilled", "Tags": None}),
    )
    head = ["Financial Status", "Paid at", "Fulfillment Status", "Accepts Marketing", "Currency", "Subtotal"]
    head += ["Shipping"]
    tail = ["Billing Name", "Billing Street", "Billing City", "Billing Country", "Billing Phone", "Id", "Tags"]
    lines = ["quantity", "name", "price", "compare at price", "sku", "requires shipping", "taxable"]
    order = ["Name", "Email", *head, "Created at", *(f"Lineitem {name}" for name in lines)]
    table = only_first(table, "Name", head + tail).select(*order, "Lineitem fulfillment status", *tail, "Vendor")
    made_files.write(table, folder / "orders_export.csv", Format())


def _shopify_products(folder: Path, shop: MadeShop) -> None:
    kinds = {"Variant SKU": "item_id", "Title": "name", "Type": "category", "Vendor": "brand", "Variant Price": "price"}
    kinds |= {
        "Variant Inventory Qty": "stock",
        "Noun": "!noun",
        "Option1 Value": "!variant",
        "Body (HTML)": "!description",
    }
    table = made_columns.items(shop, kinds).with_columns(
        pl.format("{}-{}", pl.col("Noun").str.to_lowercase(), pl.int_range(pl.len()) // 2).alias("Handle"),
        pl.format("<p>{}</p>", "Body (HTML)").alias("Body (HTML)"),
        pl.lit("Style").alias("Option1 Name"),
        pl.format("https://cdn.shopify.example/{}.jpg", "Variant SKU").alias("Image Src"),
        *constant(Published="true", Status="active", **{"Product Category": None, "Tags": "summer, gift"}),
        *constant(**{"Variant Grams": "0.0", "Variant Inventory Policy": "deny", "Variant Taxable": "true"}),
        *constant(**{"Gift Card": "false", "Image Position": 1, "Variant Weight Unit": "kg"}),
    )
    once = ["Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Gift Card", "Status"]
    variant = ["Option1 Value", "Variant SKU", "Variant Grams", "Variant Inventory Qty", "Variant Inventory Policy"]
    variant += ["Variant Price", "Variant Taxable"]
    order = ["Handle", *once[:4], "Product Category", *once[4:7], *variant, "Image Src", "Image Position"]
    order += ["Gift Card", "Variant Weight Unit", "Status"]
    table = only_first(table, "Handle", once).select(order)
    images = table.gather_every(5).select("Handle", "Image Src", (pl.col("Image Position") + 1))
    table = pl.concat([table, images], how="diagonal").sort("Handle", maintain_order=True)
    made_files.write(table, folder / "products_export.csv", Format())


def woocommerce(folder: Path) -> Answer:
    """The order export of WooCommerce: one row per line, with states of orders; customers are e-mail addresses."""
    shop = MadeShop("fr", seed=202, ids=Ids("{}", "woo-{:04}", "{}"))
    events = {
        "Order Number": "order_id",
        "Order Status": "!payment",
        "Order Date": "timestamp",
        "Customer Note": "!note",
    }
    events |= {"First Name (Billing)": "!full_name", "Address 1&2 (Billing)": "!street", "City (Billing)": "users.city"}
    events |= {"Country Code (Billing)": "users.country", "Email (Billing)": "user_email"}
    events |= {"Phone (Billing)": "!phone", "Payment Method Title": "!channel", "Order Total Amount": "!total"}
    events |= {"SKU": "item_id", "Item #": "!line", "Item Name": "items.name", "Quantity (- Refund)": "quantity"}
    events |= {"Item Cost": "price", "Coupon Code": "!note", "Discount Amount": "!reduction"}
    delivered = Delivered("orders-2025.csv", events, Format(times="%Y-%m-%d %H:%M", quoted=True))
    answer = make(folder, shop, delivered, either=PLACE, currency="EUR")
    path = folder / "orders-2025.csv"
    words = {"card": "Completed", "cash": "Processing", "voucher": "Refunded"}
    table = pl.read_csv(path, infer_schema=False).with_columns(
        pl.col("Order Status").replace(words),
        pl.col("Payment Method Title").replace({"1": "Carte bancaire", "2": "PayPal"}),
        (pl.col("Order Total Amount").cast(pl.Float64).sum().over("Order Number") + 4.9).round(2),
    )
    made_files.write(table, path, delivered.form)
    return answer


def amazon_orders(folder: Path) -> Answer:
    """A seller's order report of Amazon: tabs, names with hyphens, prices of whole lines, buyers' e-mail addresses."""
    shop = MadeShop("de", seed=203, ids=Ids("{}", "KB-{:04}-DE", "304-{:07}-1234567", "{:014}"))
    events = {"order-id": "order_id", "order-item-id": "event_id", "purchase-date": "timestamp"}
    events |= {"payments-date": "!week", "buyer-email": "user_email", "buyer-name": "!full_name"}
    events |= {"buyer-phone-number": "!phone", "sku": "item_id", "product-name": "items.name"}
    events |= {"quantity-purchased": "quantity", "currency": "!currency", "item-price": "total", "item-tax": "!vat"}
    events |= {"shipping-price": "!till", "ship-service-level": "!payment", "recipient-name": "!full_name"}
    events |= {"ship-address-1": "!street", "ship-city": "users.city", "ship-country": "users.country"}
    form = Format(separator="\t", encoding="cp1252", times="%Y-%m-%dT%H:%M:%S+01:00")
    either: dict[Place, set[str | None]] = {("events", "event_id"): {None}, **PLACE}
    answer = make(folder, shop, Delivered("orders.txt", events, form), either=either)
    table = pl.read_csv((folder / "orders.txt").read_text("cp1252").encode(), separator="\t", infer_schema=False)
    table = table.with_columns(
        pl.col("purchase-date").str.replace("+01:00", "+00:00", literal=True),
        pl.col("purchase-date").str.replace("+01:00", "+00:00", literal=True).alias("payments-date"),
        (pl.col("item-price").cast(pl.Float64) * 0.19).round(2).alias("item-tax"),
        pl.col("shipping-price").replace_strict({str(n): f"{n % 2 * 3.99:.2f}" for n in range(9)}),
        pl.col("ship-service-level").replace_strict({"card": "Standard", "cash": "Expedited", "voucher": "SameDay"}),
    )
    made_files.write(table, folder / "orders.txt", form)
    return answer


def etsy(folder: Path) -> Answer:
    """Sold order items of Etsy: years of two digits, names of buyers that they chose, two prices, three days."""
    shop = MadeShop(seed=204, ids=Ids("maker{}", "{}", "{}", "{}"))
    kinds = {"Sale Date": "timestamp", "Item Name": "items.name", "Buyer": "user_id", "Quantity": "quantity"}
    kinds |= {"Price": "price", "Discount Amount": "!reduction", "Item Total": "!total", "Transaction ID": "event_id"}
    kinds |= {"Listing ID": "item_id", "Ship Name": "!full_name", "Ship Address1": "!street", "Ship City": "users.city"}
    kinds |= {"Ship Country": "users.country", "Order ID": "order_id"}
    day = "%m/%d/%y"
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.col("Sale Date").dt.strftime(day),
        pl.col("Sale Date").dt.strftime(day).alias("Date Paid"),
        pl.col("Sale Date").dt.offset_by("3d").dt.strftime(day).alias("Date Shipped"),
        pl.col("Listing ID").cast(pl.Int64) * 7_919 + 1_200_000_000,
        pl.col("Order ID").cast(pl.Int64) * 3 + 3_100_000_000,
        pl.format("ET-{}", pl.col("Listing ID").cast(pl.Int64) % 70).alias("SKU"),
        *constant(Currency="USD", Variations="Style: Matte", **{"Coupon Code": None, "Coupon Details": None}),
        *constant(
            **{"Shipping Discount": "0", "Order Shipping": "4.5", "Order Sales Tax": "0", "Order Type": "online"}
        ),
        *constant(**{"Ship Address2": None, "Listings Type": "listing", "Payment Type": "online_cc"}),
        pl.lit(None).alias("VAT Paid by Buyer"),
    )
    order = ["Sale Date", "Item Name", "Buyer", "Quantity", "Price", "Coupon Code", "Coupon Details", "Discount Amount"]
    order += ["Shipping Discount", "Order Shipping", "Order Sales Tax", "Item Total", "Currency", "Transaction ID"]
    order += ["Listing ID", "Date Paid", "Date Shipped", "Ship Name", "Ship Address1", "Ship Address2", "Ship City"]
    order += ["Ship Country", "Order ID", "Variations", "Order Type", "Listings Type", "Payment Type"]
    table = table.reverse().select(*order, "VAT Paid by Buyer", "SKU")
    made_files.write(table, folder / "EtsySoldOrderItems2025.csv", Format())
    events = {"user_id": "Buyer", "item_id": "Listing ID", "timestamp": "Sale Date", "quantity": "Quantity"}
    events |= {"price": "Price", "order_id": "Order ID", "event_id": "Transaction ID"}
    declared = {"kind": "csv", "path": "EtsySoldOrderItems2025.csv", "event_type": "purchase", "timestamp_format": day}
    return Answer(
        {
            "events": declared | {"columns": events},
            "items": {"kind": "derived", "columns": {"name": "Item Name"}},
            "users": {"kind": "derived", "columns": {"city": "Ship City", "country": "Ship Country"}},
        },
        either={("events", "event_id"): {None}, ("events", "timestamp"): {"Date Paid"}, **PLACE},
        private=(("events", "Ship Name"), ("events", "Ship Address1")),
        keys=KEYS,
    )


def odoo(folder: Path) -> Answer:
    """Sales orders of Odoo with their lines: number, day and customer are in the first line of an order only.

    No shop file can carry a value down, so that later lines would be lost.
    """
    shop = MadeShop("it", seed=205, ids=Ids("{}", "FURN_{:04}", "S{:05}"))
    kinds = {"Order Reference": "order_id", "Order Date": "timestamp", "Customer/ID": "user_id"}
    kinds |= {"Order Lines/Product": "item_id", "Name": "items.name", "Order Lines/Quantity": "quantity"}
    kinds |= {"Order Lines/Unit Price": "price", "Order Lines/Subtotal": "!total"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.format("[{}] {}", "Order Lines/Product", "Name").alias("Order Lines/Product"),
        pl.format("__export__.res_partner_{}_a1b2", "Customer/ID").alias("Customer/ID"),
        pl.col("Order Lines/Quantity").cast(pl.Float64),
    )
    head = ["Order Reference", "Order Date", "Customer/ID"]
    table = table.with_columns(key=pl.col("Order Reference"))
    table = only_first(table, "key", head).drop("key", "Name")
    made_files.write(table, folder / "Sales Order (sale.order).xlsx", Format(kind="xlsx"))
    return Answer(refused="user|first line|empty", asks=(USER_ID,))


def jtl(folder: Path) -> Answer:
    """Orders, articles and customers of JTL-Wawi: lines for shipping have no article, prices are net and gross."""
    shop = MadeShop("de", seed=206, ids=Ids("{}", "AR{:05}", "AU-{:06}"), genders=("Frau", "Herr"))
    form = dialect(encoding="cp1252", times="%d.%m.%Y %H:%M:%S", dates="%d.%m.%Y")
    kinds = {"Auftragsnummer": "order_id", "Erstelldatum": "timestamp", "Kundennummer": "user_id"}
    kinds |= {"Artikelnummer": "item_id", "Artikelname": "items.name", "Menge": "quantity", "VK Brutto": "price"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        (pl.col("VK Brutto") / 1.19).round(2).alias("VK Netto"),
        *constant(Positionstyp="Artikel", Zahlungsart="PayPal", **{"MwSt.-Satz": "19", "Rabatt": "0"}),
    )
    shipping = (
        table.unique("Auftragsnummer", keep="first", maintain_order=True)
        .gather_every(2)
        .with_columns(
            *constant(Artikelnummer=None, Artikelname="DHL Paket", Positionstyp="Versandposition", Menge=1),
            *constant(**{"VK Brutto": 5.9, "VK Netto": 4.96}),
        )
    )
    table = pl.concat([table, shipping], how="diagonal_relaxed").sort("Auftragsnummer", maintain_order=True)
    order = ["Auftragsnummer", "Erstelldatum", "Kundennummer", "Positionstyp", "Artikelnummer", "Artikelname", "Menge"]
    table = table.select(*order, "MwSt.-Satz", "VK Netto", "VK Brutto", "Rabatt", "Zahlungsart")
    made_files.write(table, folder / "JTL-Export-Auftragsdaten.csv", form)
    items = {"Artikelnummer": "item_id", "Artikelname": "name", "Kategorie Ebene 1": "category", "Hersteller": "brand"}
    items |= {
        "GTIN": "!ean",
        "Std. VK Brutto": "price",
        "Durchschnittlicher EK Netto": "!cost",
        "Artikelgewicht": "!weight",
    }
    items |= {"Lagerbestand gesamt": "stock", "Beschreibung": "!description"}
    made_files.write(made_columns.items(shop, items), folder / "JTL-Export-Artikeldaten.csv", form)
    users = {
        "Kundennummer": "user_id",
        "Anrede": "gender",
        "Vorname": "!first",
        "Nachname": "!last",
        "Straße": "!street",
    }
    users |= {"PLZ": "!zip", "Ort": "city", "Land": "country", "Tel": "!phone", "E-Mail": "!email"}
    users |= {"Kundengruppe": "!segment", "Kunde seit": "signup_date", "Geburtstag": "!birthday"}
    made_files.write(made_columns.users(shop, users), folder / "JTL-Export-Kundendaten.csv", form)
    events = {"user_id": "Kundennummer", "item_id": "Artikelnummer", "timestamp": "Erstelldatum", "quantity": "Menge"}
    events |= {"price": "VK Brutto", "order_id": "Auftragsnummer"}
    written = {"kind": "csv", "separator": ";", "encoding": "cp1252", "decimal": ","}
    catalogue = {kind: name for name, kind in items.items() if kind[0] != "!"}
    people = {kind: name for name, kind in users.items() if kind[0] != "!"}
    return Answer(
        {
            "users": written
            | {"path": "JTL-Export-Kundendaten.csv", "timestamp_format": "%d.%m.%Y", "columns": people}
            | {"values": {"gender": {"Frau": "female", "Herr": "male"}}},
            "items": written | {"path": "JTL-Export-Artikeldaten.csv", "columns": catalogue},
            "events": written
            | {"path": "JTL-Export-Auftragsdaten.csv", "timestamp_format": form.times, "event_type": "purchase"}
            | {"exclude": {"shipping": {"missing": "item_id", "reason": "lines for shipping"}}, "columns": events},
        },
        either={("events", "price"): {"VK Netto"}, ("users", "gender"): {None}},
        private=tuple(("users", name) for name in ("Vorname", "Nachname", "Straße", "Tel", "E-Mail", "Geburtstag")),
        keys={"currency": "EUR", "time_zone": "Europe/Berlin"},
    )


def superstore(folder: Path) -> Answer:
    """The sample sales of Tableau: months first without zeros, two days, totals of lines, latin-1, customers' names."""
    shop = MadeShop(seed=207, ids=Ids("CG-{}", "FUR-BO-{:08}", "CA-2025-{}", "{}"), whole_days=True)
    kinds = {"Row ID": "event_id", "Order ID": "order_id", "Order Date": "timestamp", "Ship Mode": "!payment"}
    kinds |= {"Customer ID": "user_id", "Customer Name": "!full_name", "Segment": "users.!segment"}
    kinds |= {"Country": "!currency", "City": "users.city", "State": "users.!zip", "Product ID": "item_id"}
    kinds |= {"Category": "items.category", "Sub-Category": "items.!noun", "Product Name": "items.name"}
    kinds |= {"Sales": "total", "Quantity": "quantity", "Profit": "!reduction"}
    day = pl.col("Order Date")
    table = made_columns.events(shop, kinds, {}).with_columns(
        day.dt.strftime("%-m/%-d/%Y"),
        day.dt.offset_by("4d").dt.strftime("%-m/%-d/%Y").alias("Ship Date"),
        pl.col("Ship Mode").replace({"card": "Standard Class", "cash": "Second Class", "voucher": "Same Day"}),
        pl.col("Segment").replace({"A": "Consumer", "B": "Corporate", "C": "Home Office"}),
        pl.col("Product Name").str.replace("e", "é"),
        *constant(Country="United States", Region="West", Discount="0.2", State="California"),
        pl.col("State").alias("Postal Code"),
    )
    order = ["Row ID", "Order ID", "Order Date", "Ship Date", "Ship Mode", "Customer ID", "Customer Name", "Segment"]
    order += ["Country", "City", "State", "Postal Code", "Region", "Product ID", "Category", "Sub-Category"]
    table = table.select(*order, "Product Name", "Sales", "Quantity", "Discount", "Profit")
    made_files.write(table, folder / "Sample - Superstore.csv", Format(encoding="latin-1", digits=4))
    events = {"user_id": "Customer ID", "item_id": "Product ID", "timestamp": "Order Date", "order_id": "Order ID"}
    events |= {"event_id": "Row ID", "quantity": "Quantity", "price": {"total": "Sales"}}
    declared = {"kind": "csv", "path": "Sample - Superstore.csv", "encoding": "latin-1", "event_type": "purchase"}
    items = {"name": "Product Name", "category": "Category"}
    return Answer(
        {
            "events": declared | {"timestamp_format": "%m/%d/%Y", "columns": events},
            "items": {"kind": "derived", "columns": items},
            "users": {"kind": "derived", "columns": {"country": "Country", "city": "City"}},
        },
        either={("events", "event_id"): {None}, ("items", "category"): {"Sub-Category"}, **PLACE},
        private=(("events", "Customer Name"),),
        keys=KEYS,
    )


def open_e_commerce(folder: Path) -> Answer:
    """Purchases and a survey of their customers: questions as names of columns, bands of ages, quantities with .00."""
    shop = MadeShop(seed=208, ids=Ids("R_{:05}xYz", "B0{:08}"), whole_days=True, genders=("Female", "Male"))
    kinds = {"Order Date": "timestamp", "Purchase Price Per Unit": "price", "Quantity": "quantity"}
    kinds |= {"Shipping Address State": "!store", "Title": "items.name", "ASIN/ISBN (Product Code)": "item_id"}
    kinds |= {"Category": "items.category", "Survey ResponseID": "user_id"}
    table = made_columns.events(shop, kinds, {}).with_columns(
        pl.col("Order Date").dt.date(),
        pl.col("Quantity").cast(pl.Float64),
        pl.col("Shipping Address State").replace({"F01": "NJ", "F02": "CA", "F03": "NY", "F04": "TX", "F05": "WA"}),
        pl.col("Category").str.to_uppercase().str.replace_all(" ", "_"),
    )
    made_files.write(table.sort("Survey ResponseID", maintain_order=True), folder / "amazon-purchases.csv", Format())
    kinds = {"Survey ResponseID": "user_id", "Q-demos-age": "age_band", "Q-demos-race": "!segment"}
    kinds |= {"Q-demos-income": "!income", "Q-demos-gender": "gender", "Q-amazon-use-hh-size": "!household"}
    bands = {band: f"{band.replace('-', ' - ')} years" for band in made_columns.BANDS} | {"65+": "65 and older"}
    survey = made_columns.users(shop, kinds).with_columns(
        pl.col("Q-demos-age").replace(bands),
        pl.col("Q-demos-race").replace({"A": "White or Caucasian", "B": "Asian", "C": "Black or African American"}),
        *constant(**{"Q-demos-hispanic": "No", "Q-amazon-use-howmany": "1 (just me!)", "Q-life-changes": None}),
        pl.Series("Q-demos-state", np.resize(["New Jersey", "California", "Texas"], shop.n_users)),
    )
    order = ["Survey ResponseID", "Q-demos-age", "Q-demos-hispanic", "Q-demos-race", "Q-demos-income", "Q-demos-gender"]
    survey = survey.select(*order, "Q-demos-state", "Q-amazon-use-howmany", "Q-amazon-use-hh-size", "Q-life-changes")
    made_files.write(survey, folder / "survey.csv", Format())
    texts = pl.DataFrame({"field name": survey.columns, "field text": [f"What is your {n}?" for n in survey.columns]})
    made_files.write(texts, folder / "fields.csv", Format())
    events = {"user_id": "Survey ResponseID", "item_id": "ASIN/ISBN (Product Code)", "timestamp": "Order Date"}
    events |= {"quantity": "Quantity", "price": "Purchase Price Per Unit"}
    users = {"user_id": "Survey ResponseID", "age": "Q-demos-age", "gender": "Q-demos-gender"}
    return Answer(
        {
            "users": {"kind": "csv", "path": "survey.csv", "columns": users},
            "items": {"kind": "derived", "columns": {"name": "Title", "category": "Category"}},
            "events": {"kind": "csv", "path": "amazon-purchases.csv", "event_type": "purchase", "columns": events},
        },
        keys=KEYS,
    )


def _write_lines(path: Path, records: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


TRACKED = {"u": "user_id", "i": "item_id", "t": "timestamp", "e": "event_type", "q": "quantity", "p": "price"}
TRACKED |= {"o": "order_id", "n": "items.name", "c": "items.category", "b": "items.brand", "s": "!session"}
TRACKED |= {"l": "items.price", "city": "users.city", "land": "users.country", "mail": "!email"}


def analytics_events(folder: Path) -> Answer:
    """Google Analytics 4 in BigQuery: microseconds as text, and the products of an event in a list."""
    shop = MadeShop(seed=209, types=("view", "cart"), ids=Ids("{}.1736121600", "SKU{:04}", "T{}"))
    words = {"view": "view_item", "cart": "add_to_cart", "purchase": "purchase"}
    rows = made_columns.events(shop, TRACKED, words)
    for month in (1, 2, 3):
        part = rows.filter(pl.col("t").dt.month() == month)
        _write_lines(folder / f"events_20250{month}.jsonl", _analytics(part))
    events = {"user_id": "user_pseudo_id", "item_id": "items.item_id", "timestamp": "event_timestamp"}
    events |= {"event_type": "event_name", "quantity": "items.quantity", "price": "items.price"}
    events |= {"order_id": "ecommerce.transaction_id"}
    declared = {"kind": "jsonl", "path": "events_*.jsonl", "explode": "items", "timestamp_format": "epoch_us"}
    declared["columns"] = events
    items = {"name": "items.item_name", "category": "items.item_category", "brand": "items.item_brand"}
    return Answer(
        {
            "events": declared
            | {"event_values": {"view_item": "view", "add_to_cart": "cart"}, "nulls": ["(not set)"]}
            | {"exclude": {"pages": {"missing": "item_id", "reason": "events without a product"}}},
            "items": {"kind": "derived", "columns": items},
            "users": {"kind": "derived", "columns": {"country": "geo.country", "city": "geo.city"}},
        },
        either={("events", "order_id"): {None}, **PLACE},
        keys=KEYS,
    )


def _analytics(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for place, (key, lines) in enumerate(rows.group_by("u", "t", "e", maintain_order=True)):
        first = lines.row(0, named=True)
        head = {"event_date": f"{first['t']:%Y%m%d}", "event_timestamp": str(int(first["t"].timestamp() * 1e6) + place)}
        user = {"user_id": None, "user_pseudo_id": key[0], "is_active_user": True, "platform": "WEB"}
        user |= {"device": {"category": "mobile", "operating_system": "iOS", "language": "en-us"}}
        user |= {"geo": {"continent": "Europe", "country": first["land"], "region": "(not set)", "city": first["city"]}}
        user |= {"traffic_source": {"name": "(direct)", "medium": "(none)", "source": "(direct)"}}
        page = [{"key": "page_location", "value": {"string_value": f"https://shop.example/p/{first['i']}"}}]
        page += [{"key": "ga_session_id", "value": {"int_value": str(place)}}]
        if place % 3 == 0:
            none = {"total_item_quantity": None, "transaction_id": None}
            yield head | {"event_name": "page_view", "event_params": page} | user | {"ecommerce": none, "items": []}
        sold = {"total_item_quantity": str(lines.height), "transaction_id": first["o"] or "(not set)"}
        items = [
            {"item_id": line["i"], "item_name": line["n"], "item_brand": line["b"], "item_category": line["c"]}
            | {"price": line["p"], "quantity": line["q"] and str(line["q"]), "coupon": "(not set)"}
            for line in lines.iter_rows(named=True)
        ]
        yield head | {"event_name": key[2], "event_params": page} | user | {"ecommerce": sold, "items": items}


def tracking_calls(folder: Path) -> Answer:
    """Tracking calls of RudderStack: objects in objects, visitors and users, four times each.

    Purchases have their products in a list, and no event of the file has a second place for a product.
    """
    shop = MadeShop(seed=210, types=("view", "cart"), ids=Ids("user-{}", "prod_{}", "order-{}"))
    words = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}
    _write_lines(folder / "tracks.jsonl", _calls(made_columns.events(shop, TRACKED, words)))
    events = {"user_id": "userId", "item_id": "properties.product_id", "timestamp": "timestamp", "event_type": "event"}
    events |= {"event_id": "messageId", "quantity": "properties.quantity", "price": "properties.price"}
    events |= {"order_id": "properties.order_id"}
    items = {name: f"properties.{name}" for name in ("name", "category", "brand")}
    values = {"Product Viewed": "view", "Product Added": "cart", "Order Completed": "purchase"}
    exclude = {"guests": {"missing": "user_id", "reason": "visitors who are not signed in"}}
    exclude["orders"] = {"missing": "item_id", "reason": "products in a list"}
    declared = {"kind": "jsonl", "path": "tracks.jsonl", "event_values": values, "exclude": exclude}
    return Answer(
        {"events": declared | {"columns": events}, "items": {"kind": "derived", "columns": items}},
        either={
            ("events", "user_id"): {"anonymousId"},
            ("events", "timestamp"): {"originalTimestamp"},
            ("events", "event_id"): {None},
            ("events", "order_id"): {None},
            ("events", "item_id"): {"properties.sku"},
        },
        asks=(ITEM_ID,),
        private=(("events", "context.ip"), ("events", "context.traits.email")),
        keys=KEYS | {"relevant_events": ["cart"]},
    )


def _calls(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    stamp = "%Y-%m-%dT%H:%M:%S.417Z"
    for place, (key, lines) in enumerate(rows.group_by("u", "t", "e", maintain_order=True)):
        first = lines.row(0, named=True)
        for number, line in enumerate(lines.iter_rows(named=True)):
            product = {"product_id": line["i"], "sku": f"SKU-{line['i'][5:]}", "name": line["n"], "category": line["c"]}
            product |= {"brand": line["b"], "price": line["p"] or line["l"], "quantity": line["q"] or 1}
            if key[2] == "Order Completed":
                if number:
                    continue
                products = [{"product_id": i, "price": p} for i, p in lines.select("i", "p").iter_rows()]
                product = {"order_id": first["o"], "revenue": lines["p"].sum(), "products": products}
            signed_in = first["u"] if key[2] == "Order Completed" or place % 4 else None
            context = {"ip": f"192.0.2.{place % 250}", "library": {"name": "RudderLabs JavaScript SDK"}}
            context |= {"traits": {"email": first["mail"]} if signed_in else {}, "locale": "en-GB"}
            yield {
                "type": "track",
                "channel": "web",
                "event": key[2],
                "messageId": f"{place:08x}-{number:04x}-4000-8000-000000000000",
                "anonymousId": f"anon-{first['s']}",
                "userId": signed_in,
                "originalTimestamp": first["t"].strftime(stamp),
                "sentAt": (first["t"] + timedelta(seconds=1)).strftime(stamp),
                "receivedAt": (first["t"] + timedelta(seconds=2)).strftime(stamp),
                "timestamp": first["t"].strftime(stamp),
                "context": context,
                "properties": product | {"currency": "USD"},
            }


def retailrocket(folder: Path) -> Answer:
    """Events of a shop in milliseconds, with properties of products as rows of key and value, and a tree."""
    shop = MadeShop(seed=211, types=("view", "cart"), ids=Ids("{}", "{}", "{}"))
    kinds = {"timestamp": "timestamp", "visitorid": "user_id", "event": "event_type", "itemid": "item_id"}
    words = {"view": "view", "cart": "addtocart", "purchase": "transaction"}
    table = made_columns.events(shop, kinds | {"transactionid": "order_id"}, words)
    order = np.random.default_rng(211).permutation(table.height)  # the file is not sorted
    made_files.write(table[order], folder / "events.csv", Format(unit="epoch_ms"))
    rng = shop.rng(212)
    n = 4_000
    properties = pl.DataFrame(
        {
            "timestamp": 1_735_689_600_000 + rng.integers(0, 18, n) * 604_800_000,
            "itemid": 100 + rng.integers(0, shop.n_items + 40, n),
            "property": rng.choice(["categoryid", "available", "790", "888", "112"], n),
            "value": [f"n{v}.000 {v * 7}" if v % 2 else str(v) for v in rng.integers(0, 1_600, n)],
        }
    )
    flag = pl.when(pl.col("property") == "available").then((pl.col("itemid") % 2).cast(pl.String))
    properties = properties.with_columns(flag.otherwise("value").alias("value"))
    made_files.write(properties[:2_500], folder / "item_properties_part1.csv", Format())
    made_files.write(properties[2_500:], folder / "item_properties_part2.csv", Format())
    tree = pl.DataFrame({"categoryid": range(300), "parentid": rng.integers(0, 300, 300)})
    made_files.write(tree, folder / "category_tree.csv", Format())
    events = {"user_id": "visitorid", "item_id": "itemid", "timestamp": "timestamp", "event_type": "event"}
    declared = {"kind": "csv", "path": "events.csv", "timestamp_format": "epoch_ms"}
    values = {"addtocart": "cart", "transaction": "purchase"}
    return Answer(
        {"events": declared | {"event_values": values, "columns": events | {"order_id": "transactionid"}}}, keys=KEYS
    )


def user_behaviour(folder: Path) -> Answer:
    """Taobao: no header line; user, product, category, pv, buy, cart or fav, seconds. A favourite is like a cart."""
    shop = MadeShop(seed=213, types=("view", "cart", "rating"), ids=Ids("{}", "{}"))
    words = {"view": "pv", "cart": "cart", "purchase": "buy", "rating": "fav"}
    kinds = {
        "user": "user_id",
        "item": "item_id",
        "category": "items.category",
        "type": "event_type",
        "at": "timestamp",
    }
    table = made_columns.events(shop, kinds, words)
    table = table.with_columns((pl.col("category").rank("dense") * 464_116).cast(pl.Int64)).sort("user")
    made_files.write(table, folder / "UserBehavior.csv", Format(unit="epoch_s", header=False))
    events = {"user_id": "user", "item_id": "item", "event_type": "type", "timestamp": "at"}
    declared = {"kind": "csv", "path": "UserBehavior.csv", "header": list(kinds), "timestamp_format": "epoch_s"}
    values = {"pv": "view", "buy": "purchase", "fav": "cart"}
    return Answer(
        {
            "events": declared | {"event_values": values, "columns": events},
            "items": {"kind": "derived", "columns": {"category": "category"}},
        },
        either={("items", "category"): {None}},
        keys=KEYS,
    )


def movielens_25m(folder: Path) -> Answer:
    """Ratings of half stars, films with lists of genres, and tags with the same ids and times; scores, links."""
    shop = MadeShop(seed=214, types=("rating",), n_orders=2_500, ids=Ids("{}", "{}"))
    rows = shop.events.filter(pl.col("type") == "rating").select(
        userId=pl.col("user") + 1,
        movieId=pl.col("item") * 37 % 2_003 + 1,
        rating=pl.col("rating") - 0.5 * (pl.col("second") % 2),
        timestamp="moment",
    )
    form = Format(unit="epoch_s", digits=1)
    made_files.write(rows.sort("userId", "movieId"), folder / "ratings.csv", form)
    genres = np.array(
        ["Adventure|Animation|Children", "Comedy", "Drama|Romance", "(no genres listed)", "Horror|Sci-Fi"]
    )
    films = pl.DataFrame({"movieId": sorted({n * 37 % 2_003 + 1 for n in range(shop.n_items)})}).with_columns(
        title=pl.format("Film, The {} ({})", "movieId", pl.col("movieId") % 60 + 1950),
        genres=pl.Series(np.resize(genres, shop.n_items)),
    )
    made_files.write(films, folder / "movies.csv", form)
    tags = rows.gather_every(4).select("userId", "movieId", tag=pl.lit("dark hero"), timestamp="timestamp")
    tags = tags.with_columns(
        pl.Series("tag", np.resize(["sci-fi", "dark hero", "funny", "based on a book"], tags.height))
    )
    made_files.write(tags, folder / "tags.csv", form)
    links = films.select(
        "movieId", imdbId=pl.format("01{}", pl.col("movieId") + 10_000), tmdbId=pl.col("movieId") * 3 + 5
    )
    made_files.write(links, folder / "links.csv", form)
    scores = films.select("movieId").join(pl.DataFrame({"tagId": range(1, 21)}), how="cross")
    scores = scores.with_columns(relevance=pl.Series(shop.rng(215).random(scores.height).round(4).astype(str)))
    made_files.write(scores, folder / "genome-scores.csv", form)
    names = pl.DataFrame({"tagId": range(1, 21), "tag": [f"tag {n}" for n in range(1, 21)]})
    made_files.write(names, folder / "genome-tags.csv", form)
    events = {"user_id": "userId", "item_id": "movieId", "rating": "rating", "timestamp": "timestamp"}
    declared = {"kind": "csv", "path": "ratings.csv", "event_type": "rating", "timestamp_format": "epoch_s"}
    items = {"item_id": "movieId", "name": "title", "category": "genres"}
    return Answer(
        {"events": declared | {"columns": events}, "items": {"kind": "csv", "path": "movies.csv", "columns": items}},
        either={("items", "category"): {None}},
        keys=KEYS | {"relevant_events": ["rating"]},
    )


def check_ins(folder: Path) -> Answer:
    """Foursquare in New York: no header line, tabs, latin-1, places as hashes, times that begin with a weekday."""
    shop = MadeShop("en", seed=216, ids=Ids("{}", "{:024x}"))
    kinds = {"user": "user_id", "venue": "item_id", "category": "items.category", "time": "timestamp"}
    table = made_columns.events(shop, kinds, {})
    item = shop.events["item"]
    table = table.with_columns(
        pl.col("category").str.replace("[aeiou]", "é"),
        category_id=pl.format("4bf58dd8d48988d1{}941735", (pl.col("category").rank("dense") + 10).cast(pl.Int64)),
        latitude=(40.55 + item.cast(pl.Float64) * 0.0037).round(6).cast(pl.String),
        longitude=(-74.27 + (item * 61 % 97).cast(pl.Float64) * 0.0058).round(6).cast(pl.String),
        offset=pl.when(pl.col("time").dt.month().is_between(4, 10)).then(-240).otherwise(-300),
        time=pl.col("time").dt.strftime("%a %b %d %H:%M:%S +0000 %Y"),
    )
    order = ["user", "venue", "category_id", "category", "latitude", "longitude", "offset", "time"]
    form = Format(separator="\t", header=False, encoding="latin-1")
    made_files.write(table.select(order), folder / "dataset_TSMC2014_NYC.txt", form)
    declared = {"kind": "csv", "path": "dataset_TSMC2014_NYC.txt", "separator": "\t", "encoding": "latin-1"}
    declared |= {"header": order, "event_type": "view", "timestamp_format": "%a %b %d %H:%M:%S %z %Y"}
    return Answer(
        {
            "events": declared | {"columns": {"user_id": "user", "item_id": "venue", "timestamp": "time"}},
            "items": {"kind": "derived", "columns": {"category": "category"}},
        },
        keys=KEYS,
    )


def steam_200k(folder: Path) -> Answer:
    """Users of Steam, names of games, purchase or play, hours, and a column of zeros: no header line, and no time."""
    shop = MadeShop(seed=217, types=("view",), ids=Ids("{}", "{}"))
    kinds = {"user": "user_id", "game": "items.name", "type": "event_type"}
    table = made_columns.events(shop, kinds, {"purchase": "purchase", "view": "play"}).sort("user", maintain_order=True)
    hours = pl.Series(shop.rng(218).gamma(0.6, 30, table.height).round(1))
    table = table.with_columns(
        pl.when(pl.col("type") == "play").then(hours).otherwise(1.0).alias("hours"), zero=pl.lit(0)
    )
    made_files.write(table, folder / "steam-200k.csv", Format(header=False, digits=1))
    return Answer(refused="time")


FOLDERS = (
    shopify,
    woocommerce,
    amazon_orders,
    etsy,
    odoo,
    jtl,
    superstore,
    open_e_commerce,
    analytics_events,
    tracking_calls,
    retailrocket,
    user_behaviour,
    movielens_25m,
    check_ins,
    steam_200k,
)
