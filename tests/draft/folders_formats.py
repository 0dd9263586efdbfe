"""Shops whose files come in other forms: JSON, Parquet, workbooks, packed, many files, no header line, odd times."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import Delivered, dialect, make
from draft.made_shop import Ids, MadeShop

USERS = {"customer_id": "user_id", "created_at": "signup_date", "gender": "gender", "age": "age", "country": "country"}
ITEMS = {"sku": "item_id", "title": "name", "category": "category", "brand": "brand", "price": "price"}
EVENTS = {"order_id": "order_id", "customer_id": "user_id", "sku": "item_id", "ordered_at": "timestamp"}
EVENTS |= {"quantity": "quantity", "unit_price": "price"}


def nested_clickstream(folder: Path) -> Answer:
    """JSON Lines of a web shop's tracker: objects, epoch milliseconds, words of its own for events."""
    form = Format(kind="jsonl", unit="epoch_ms")
    shop = MadeShop(seed=21, types=("view", "cart"), ids=Ids("u-{}", "SKU{}", "o{}", "{:012x}"))
    events = {"id": "event_id", "event": "event_type", "ts": "timestamp", "user.id": "user_id", "user.ip": "!ip"}
    events |= {"context.session": "!session", "context.agent": "!agent", "product.sku": "item_id"}
    events |= {"product.price": "price", "product.qty": "quantity", "order": "order_id"}
    items = {"sku": "item_id", "name": "name", "department": "category", "vendor": "brand", "list_price": "price"}
    return make(
        folder,
        shop,
        Delivered("events-*.jsonl", events, form, split="%Y-%m"),
        items=Delivered("catalog.json", items, Format(kind="json")),
        words={"purchase": "order_completed", "view": "product_viewed", "cart": "product_added"},
        currency="USD",
    )


def ratings_only(folder: Path) -> Answer:
    """Stars for films, nothing else: epoch seconds, no catalogue."""
    shop = MadeShop(seed=22, n_orders=2_400, types=("rating",), ids=Ids("{}", "{}"))
    rated = shop.events.filter(pl.col("type") == "rating").unique(["user", "item"], maintain_order=True)
    table = rated.select(
        userId=pl.col("user") + 1, movieId=pl.col("item") + 1, rating=pl.col("rating") - 0.5, timestamp="moment"
    )
    form = Format(unit="epoch_s", digits=1)
    made_files.write(table, folder / "ratings.csv", form)
    columns = {"user_id": "userId", "item_id": "movieId", "rating": "rating", "timestamp": "timestamp"}
    events = {"kind": "csv", "path": "ratings.csv", "timestamp_format": "epoch_s", "event_type": "rating"}
    return Answer({"events": events | {"columns": columns}}, keys={"time_zone": "UTC", "currency": "EUR"})


def till_with_guests(folder: Path) -> Answer:
    """Loyalty cards on two thirds of the receipts; returns are lines with a negative quantity."""
    shop = MadeShop(seed=23, n_orders=2_200, guests=0.35, negative=0.03, ids=Ids("{}", "{}", "R{:07}"))
    events = {"receipt": "order_id", "store": "!store", "till": "!till", "time": "timestamp", "card": "user_id"}
    events |= {"plu": "item_id", "article": "items.name", "qty": "quantity", "price": "price"}
    return make(folder, shop, Delivered("receipts.csv", events, Format(times="%Y-%m-%d %H:%M:%S")))


def parquet_export(folder: Path) -> Answer:
    """A warehouse's export: typed columns, a folder per month, two of which hold the same columns."""
    form = Format(kind="parquet")
    shop = MadeShop(seed=24, types=("return",))
    return make(
        folder,
        shop,
        Delivered("orders/month=*/part-0.parquet", {**EVENTS, "kind": "event_type"}, form, split="%Y-%m"),
        Delivered("customers.parquet", {**USERS, "email": "!email"}, form),
        Delivered("products.parquet", ITEMS, form),
        words={"purchase": "sale", "return": "refund"},
    )


def workbook(folder: Path) -> Answer:
    """One workbook with three sheets and a fourth of notes, as an office sends it."""
    shop = MadeShop(seed=25, n_orders=600, n_users=120, ids=Ids("C{:04}", "A-{:04}", "SO-{:05}"))
    columns = {"users": {"Customer": "user_id", "Name": "!full_name", "Phone": "!phone", "City": "city"}}
    columns["items"] = {"Article": "item_id", "Name": "name", "Group": "category", "Price": "price"}
    columns["events"] = {"Order": "order_id", "Date": "timestamp", "Customer": "user_id", "Article": "item_id"}
    columns["events"] |= {"Qty": "quantity", "Price": "price"}
    sheets = {"users": "Customers", "items": "Articles", "events": "Orders"}
    tables = {
        "Orders": made_columns.events(shop, columns["events"], {"purchase": "purchase"}),
        "Customers": made_columns.users(shop, columns["users"]),
        "Articles": made_columns.items(shop, columns["items"]),
        "Notes": pl.DataFrame({"Please note": ["prices are net", "old orders are archived"]}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "export.xlsx").write_bytes(made_files.workbook(tables))
    ours = {table: {kind: name for name, kind in kinds.items() if kind[0] != "!"} for table, kinds in columns.items()}
    declared = {
        table: {"kind": "xlsx", "path": "export.xlsx", "sheet": sheets[table], "columns": ours[table]} for table in ours
    }
    declared["events"]["event_type"] = "purchase"
    secrets = tuple(tables["Customers"]["Name"].head(40)) + tuple(tables["Customers"]["Phone"].head(40))
    keys = {"currency": "EUR", "time_zone": "UTC"}
    return Answer(declared, private=(("users", "Phone"), ("users", "Name")), secrets=secrets, keys=keys)


def packed_files(folder: Path) -> Answer:
    """Gzipped and zipped CSV files, one per month."""
    shop = MadeShop(seed=26, types=("view",))
    events = {"event": "event_type", **EVENTS}
    return make(
        folder,
        shop,
        Delivered("log_*.csv.gz", events, split="%Y%m"),
        Delivered("customers.csv.zip", USERS),
        Delivered("products.csv.gz", ITEMS),
    )


def epoch_milliseconds(folder: Path) -> Answer:
    """Views and purchases with times in milliseconds; quantity, price and order only for purchases."""
    form = Format(unit="epoch_ms")
    shop = MadeShop(seed=27, types=("view", "cart"))
    events = {"timestamp": "timestamp", "visitorid": "user_id", "event": "event_type", "itemid": "item_id"}
    events |= {"transactionid": "order_id"}
    return make(
        folder,
        shop,
        Delivered("events.csv", events, form),
        words={"purchase": "transaction", "view": "view", "cart": "addtocart"},
    )


def times_with_offsets(folder: Path) -> Answer:
    """ISO 8601 with an offset, tabs, and a dump's word for null."""
    form = Format(separator="\t", times="%Y-%m-%dT%H:%M:%S+01:00", mark="\\N")
    shop = MadeShop(seed=28, types=("view",))
    return make(
        folder,
        shop,
        Delivered("dump/events.tsv", {"id": "event_id", **EVENTS, "action": "event_type"}, form),
        Delivered("dump/users.tsv", USERS, form),
        Delivered("dump/items.tsv", ITEMS, form),
        words={"purchase": "buy", "view": "view"},
        time_zone="Europe/Berlin",
    )


def file_per_month(folder: Path) -> Answer:
    """Sales of each month in a file of its own, under folders of years."""
    shop = MadeShop(seed=29, start=MadeShop.start.replace(month=9), ids=Ids("{}", "{}", "{}"))
    events = {"txn_time": "timestamp", "basket": "order_id", "cust": "user_id", "prod": "item_id"}
    events |= {"units": "quantity", "spend": "total"}
    return make(
        folder,
        shop,
        Delivered("*/sales.csv", events, split="%Y/%m", keys={"path": "*/*/sales.csv"}),
        Delivered("customers.csv", {"cust": "user_id", "joined": "signup_date", "segment": "!segment"}),
        Delivered("products.csv", {"prod": "item_id", "desc": "name", "dept": "category", "manufacturer": "brand"}),
    )


def monthly_catalogue(folder: Path) -> Answer:
    """The whole catalogue on the first of each month, with prices that rise."""
    shop = MadeShop(seed=30, n_days=150)
    answer = make(folder, shop, Delivered("orders.csv", EVENTS), Delivered("customers.csv", USERS))
    catalogue = made_columns.items(shop, ITEMS)
    for month in range(1, 6):
        rows = catalogue.with_columns((pl.col("price") * 1.01**month).round(2)).sample(fraction=0.95, seed=month)
        made_files.write(rows, folder / f"catalogue_{date(2025, month, 1)}.csv", Format())
    columns = {ours: name for name, ours in ITEMS.items()}
    tables = answer.tables | {"items": {"kind": "csv", "path": "catalogue_*.csv", "columns": columns}}
    return Answer(tables, keys=answer.keys)


def no_header_lines(folder: Path) -> Answer:
    """Three files without a header line, separated by bars."""
    form = Format(separator="|", header=False)
    shop = MadeShop(seed=31, types=("view",), ids=Ids("{}", "P{:04}", "{}"))
    users = {"user": "user_id", "gender": "gender", "age": "age", "joined": "signup_date", "mail": "!email"}
    return make(
        folder,
        shop,
        Delivered("log.txt", {"who": "user_id", "what": "item_id", "act": "event_type", "at": "timestamp"}, form),
        Delivered("members.txt", users, form),
        Delivered("goods.txt", {"code": "item_id", "title": "name", "group": "category", "price": "price"}, form),
    )


def swiss_shop(folder: Path) -> Answer:
    """Apostrophes between thousands, points as decimal marks, semicolons."""
    form = Format(separator=";", thousands="'", encoding="cp1252", times="%d.%m.%Y %H:%M:%S", dates="%d.%m.%Y")
    shop = MadeShop("de", seed=32, ids=Ids("{}", "{}", "{}"))
    events = {"Auftrag": "order_id", "Datum": "timestamp", "Kunde": "user_id", "Artikel": "item_id"}
    events |= {"Anzahl": "quantity", "Preis CHF": "price", "Rabatt CHF": "!reduction"}
    items = {"Artikel": "item_id", "Text": "name", "Gruppe": "category", "Preis CHF": "price"}
    return make(
        folder,
        shop,
        Delivered("auftraege.csv", events, form),
        items=Delivered("artikel.csv", items, form),
        currency="CHF",
        time_zone="Europe/Zurich",
    )


def order_lines_with_addresses(folder: Path) -> Answer:
    """One wide export of a web shop: the customer is an e-mail address, and each line has names, streets and phones."""
    form = Format(times="%Y-%m-%d %H:%M:%S", quoted=True)
    shop = MadeShop(seed=33, ids=Ids("{}", "SKU-{:04}", "#{}"))
    events = {"Name": "order_id", "Email": "user_email", "Created at": "timestamp", "Currency": "!currency"}
    events |= {"Lineitem quantity": "quantity", "Lineitem name": "items.name", "Lineitem price": "price"}
    events |= {"Lineitem sku": "item_id", "Billing Name": "!full_name", "Billing Street": "!street"}
    events |= {"Billing Phone": "!phone", "Payment Method": "!payment", "Notes": "!note"}
    return make(folder, shop, Delivered("orders_export.csv", events, form))


def decoys(folder: Path) -> Answer:
    """The three tables among files of all kinds that are none of them."""
    shop = MadeShop(seed=34, types=("view", "cart", "rating"))
    form = Format()
    events = {"event_id": "event_id", **EVENTS, "event_type": "event_type", "stars": "rating"}
    answer = make(
        folder,
        shop,
        Delivered("exports/events.csv", events, form),
        Delivered("exports/customers.csv", {**USERS, "points": "!points", "newsletter": "!newsletter"}, form),
        Delivered("exports/products.csv", {**ITEMS, "ean": "!ean", "cost": "!cost", "url": "!url"}, form),
    )
    write_decoys(folder, shop)
    return answer


def write_decoys(folder: Path, shop: MadeShop) -> None:
    """Notes, prices of suppliers, opening hours, a log, a picture, a PDF, and monthly totals."""
    (folder / "README.md").write_text("# Exports\n\nMade every night; ask Ada (ada@shop.example), if one is missing.\n")
    suppliers = made_columns.items(shop, {"supplier": "!supplier", "ean": "!ean", "list_price": "!cost", "vat": "!vat"})
    made_files.write(suppliers, folder / "supplier_prices.csv", Format())
    hours = [("London", day, "09:00", "18:00") for day in ("Mon", "Tue", "Wed", "Thu", "Fri")]
    made_files.write(
        pl.DataFrame(hours, schema=["branch", "day", "opens", "closes"], orient="row"), folder / "hours.csv", Format()
    )
    lines = [f"2025-03-0{1 + n // 40} 02:00:{n % 60:02} INFO export: wrote {n * 37} rows\n" for n in range(200)]
    (folder / "export.log").write_text("".join(lines))
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (folder / "terms.pdf").write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n")
    totals = shop.events.group_by(pl.col("moment").dt.strftime("%Y-%m").alias("month"), maintain_order=True).agg(
        orders=pl.col("order").n_unique(), turnover=(pl.col("price") * pl.col("quantity")).sum().round(2)
    )
    made_files.write(totals, folder / "totals.csv", Format())


def catalogue_with_states(folder: Path) -> Answer:
    """A JSON catalogue with stock and availability, descriptions of several lines, and event words in capitals."""
    shop = MadeShop(seed=35, types=("view", "cart", "return", "rating"))
    items = {"id": "item_id", "name": "name", "description": "!description", "type": "category", "maker": "brand"}
    items |= {"price": "price", "weight_kg": "!weight", "in_stock": "available", "stock": "stock", "listed": "!listed"}
    events = {"uuid": "event_id", "type": "event_type", "when": "timestamp", "user": "user_id", "item": "item_id"}
    events |= {"order": "order_id", "n": "quantity", "amount": "price", "score": "rating"}
    return make(
        folder,
        shop,
        Delivered("activity.csv", events, Format(times="%Y-%m-%dT%H:%M:%SZ")),
        Delivered(
            "accounts.csv", {"user": "user_id", "first_seen": "signup_date", "sex": "gender", "nation": "country"}
        ),
        Delivered("catalogue.json", items, Format(kind="json")),
        words={"purchase": "PURCHASE", "view": "VIEW", "cart": "ADD_TO_CART", "return": "REFUND", "rating": "REVIEW"},
    )


def days_only(folder: Path) -> Answer:
    """A till that knows days, but neither times nor receipts; amounts are those of lines."""
    form = dialect(times="%d/%m/%y")
    shop = MadeShop("fr", seed=36, whole_days=True, ids=Ids("{}", "{}"))
    events = {"jour": "timestamp", "carte": "user_id", "article": "item_id", "qté": "quantity", "montant": "total"}
    return make(folder, shop, Delivered("caisse.csv", events, form), time_zone="Europe/Paris")


FOLDERS = (
    nested_clickstream,
    ratings_only,
    till_with_guests,
    parquet_export,
    workbook,
    packed_files,
    epoch_milliseconds,
    times_with_offsets,
    file_per_month,
    monthly_catalogue,
    no_header_lines,
    swiss_shop,
    order_lines_with_addresses,
    decoys,
    catalogue_with_states,
    days_only,
)
