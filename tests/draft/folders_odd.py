"""Unusual shops: other languages, few customers, odd times and numbers, files that need a decision."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import Delivered, dialect, make
from draft.made_shop import Ids, MadeShop

EVENTS = ("tables", "events")
KEYS = {"currency": "EUR", "time_zone": "UTC"}


class Uuid:
    """Ids that are UUIDs."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def format(self, number: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.kind}{number}"))


def one_file(folder: Path, table: pl.DataFrame, columns: dict[str, str], form: Format, **keys: object) -> Answer:
    """A folder with events only: our column -> delivered."""
    made_files.write(table, folder / "data.csv", form)
    events = {"kind": "csv", "path": "data.csv", "event_type": "purchase", "columns": columns}
    if form.separator != ",":
        events["separator"] = form.separator
    return Answer({"events": events | keys}, keys=KEYS)


def wholesaler(folder: Path) -> Answer:
    """30 customers, 900 products: more products than customers, large quantities, and names of firms."""
    shop = MadeShop("de", seed=61, n_users=30, n_items=900, n_orders=1_500, ids=Ids("D{:04}", "{:06}", "AB-{:06}"))
    events = {"Beleg": "order_id", "Pos": "!line", "Debitor": "user_id", "Material": "item_id", "Datum": "timestamp"}
    events |= {"Menge": "quantity", "Nettopreis": "price", "Nettowert": "!total"}
    items = {"Material": "item_id", "Materialkurztext": "name", "Warengruppe": "category", "Gewicht": "!weight"}
    form = dialect(times="%d.%m.%Y %H:%M:%S")
    return make(folder, shop, Delivered("vbap.csv", events, form), items=Delivered("mara.csv", items, form))


def uuids_everywhere(folder: Path) -> Answer:
    """Customers, products, orders and events all have UUIDs as ids; two more times beside that of the order."""
    ids = Ids(Uuid("u"), Uuid("i"), Uuid("o"), Uuid("e"))
    shop = MadeShop(seed=62, ids=ids, types=("view",))
    columns = {"id": "event_id", "customer": "user_id", "product": "item_id", "order": "order_id"}
    columns |= {"kind": "event_type", "occurred_at": "timestamp", "qty": "quantity", "price": "price"}
    answer = make(
        folder,
        shop,
        Delivered("events.csv", columns),
        Delivered("customers.csv", {"id": "user_id", "registered": "signup_date", "country": "country"}),
        Delivered("products.csv", {"id": "item_id", "title": "name", "category": "category", "price": "price"}),
    )
    table = pl.read_csv(folder / "events.csv", infer_schema=False)
    later = shop.events["moment"] + pl.Series([timedelta(hours=3 + n % 60) for n in range(table.height)])
    made_files.write(table.with_columns(shipped_at=later, updated_at=later.sort()), folder / "events.csv", Format())
    return answer


def swedish_shop(folder: Path) -> Answer:
    """A language whose words nobody has listed: mostly content decides."""
    shop = MadeShop("en", seed=63, ids=Ids("K{:05}", "V{:04}", "{}"), genders=("kvinna", "man"))
    events = {"ordernr": "order_id", "kundnr": "user_id", "varunr": "item_id", "tidpunkt": "timestamp"}
    events |= {"antal": "quantity", "styckpris": "price"}
    users = {"kundnr": "user_id", "kön": "gender", "ålder": "age", "ort": "city", "registrerad": "signup_date"}
    items = {"varunr": "item_id", "benämning": "name", "varugrupp": "category", "pris": "price"}
    form = dialect()
    return make(
        folder,
        shop,
        Delivered("köp.csv", events, form),
        Delivered("kunder.csv", users, form),
        Delivered("varor.csv", items, form),
        time_zone="Europe/Stockholm",
        currency="SEK",
    )


def czech_shop(folder: Path) -> Answer:
    """Another such language, in cp1250."""
    shop = MadeShop("pl", seed=64, ids=Ids("{}", "{}", "{}"), genders=("žena", "muž"))
    events = {"číslo objednávky": "order_id", "zákazník": "user_id", "zboží": "item_id", "datum": "timestamp"}
    events |= {"množství": "quantity", "cena": "price"}
    items = {"zboží": "item_id", "název": "name", "skupina": "category", "cena": "price"}
    form = dialect(encoding="cp1250", times="%d.%m.%Y %H:%M")
    return make(
        folder,
        shop,
        Delivered("objednávky.csv", events, form),
        items=Delivered("zboží.csv", items, form),
        time_zone="Europe/Prague",
        currency="CZK",
    )


def sold_by_weight(folder: Path) -> Answer:
    """Quantities in kilograms with three decimals, prices per kilogram, totals."""
    shop = MadeShop("nl", seed=65)
    table = made_columns.events(shop, {"receipt": "order_id", "card": "user_id", "plu": "item_id"}, {})
    weight = pl.Series(shop.rng(70).gamma(3, 0.2, table.height)).round(3).clip(0.02)
    events = shop.events
    table = table.with_columns(
        sold_at=events["moment"], kg=weight.cast(pl.String), price_per_kg=events["price"], paid=events["price"] * weight
    )
    columns = {"user_id": "card", "item_id": "plu", "timestamp": "sold_at", "order_id": "receipt", "quantity": "kg"}
    return one_file(folder, table, columns | {"price": "price_per_kg"}, Format())


def prices_with_signs(folder: Path) -> Answer:
    """Prices like £12.50, of one sign."""
    shop = MadeShop(seed=66)
    columns = {"order": "order_id", "customer": "user_id", "sku": "item_id", "date": "timestamp", "qty": "quantity"}
    table = made_columns.events(shop, columns, {})
    table = table.with_columns(price=pl.format("£{}", shop.events["price"]))
    mapped = {"user_id": "customer", "item_id": "sku", "timestamp": "date", "order_id": "order", "quantity": "qty"}
    answer = one_file(folder, table, mapped | {"price": "price"}, Format())
    answer.tables["events"]["currency_sign"] = "£"
    return Answer(answer.tables, keys={**KEYS, "currency": "GBP"})


def numbers_as_types(folder: Path) -> Answer:
    """Types of events as numbers 1 to 4, hours instead of times: which number means what is a question."""
    shop = MadeShop(seed=67, types=("view", "cart"), ids=Ids("{}", "{}"))
    columns = {"user_id": "user_id", "item_id": "item_id", "behavior_type": "event_type", "time": "timestamp"}
    return make(
        folder,
        shop,
        Delivered("user_actions.csv", columns, Format(times="%Y-%m-%d %H:%M")),
        words={"purchase": "4", "view": "1", "cart": "3"},
    )


def compact_times(folder: Path) -> Answer:
    """Times like 20250301143005, without marks."""
    shop = MadeShop(seed=68)
    columns = {"cust": "user_id", "item": "item_id", "dt": "timestamp", "qty": "quantity", "amount": "price"}
    return make(folder, shop, Delivered("sales.txt", columns, Format(separator="|", times="%Y%m%d%H%M%S")))


def epoch_with_decimals(folder: Path) -> Answer:
    """Seconds since 1970 with a fraction, and the ratings 0.5 to 5."""
    shop = MadeShop(seed=69, types=("rating",))
    rated = shop.events.filter(pl.col("type") == "rating")
    seconds = rated["moment"].dt.epoch("ms") / 1_000 + 0.125
    table = rated.select(u=pl.col("user") + 1, m=pl.col("item") + 1, s=pl.col("rating") / 2)
    table = table.with_columns(t=seconds.map_elements(lambda value: f"{value:.3f}", return_dtype=pl.String))
    made_files.write(table, folder / "stars.csv", Format(digits=1))
    events = {"kind": "csv", "path": "stars.csv", "timestamp_format": "epoch_s", "event_type": "rating"}
    return Answer(
        {"events": events | {"columns": {"user_id": "u", "item_id": "m", "rating": "s", "timestamp": "t"}}}, keys=KEYS
    )


def day_and_clock_apart(folder: Path) -> Answer:
    """The day and the time of day in columns of their own: only the day can be read as a time."""
    shop = MadeShop("es", seed=70, ids=Ids("{}", "{}", "{}"))
    table = made_columns.events(shop, {"ticket": "order_id", "cliente": "user_id", "articulo": "item_id"}, {})
    events = shop.events
    table = table.with_columns(
        fecha=events["moment"].dt.date(),
        hora=events["moment"].dt.strftime("%H:%M:%S"),
        uds=events["quantity"],
        pvp=events["price"],
    )
    columns = {
        "user_id": "cliente",
        "item_id": "articulo",
        "timestamp": "fecha",
        "order_id": "ticket",
        "quantity": "uds",
    }
    form = dialect(dates="%d/%m/%Y")
    answer = one_file(folder, table, columns | {"price": "pvp"}, form, decimal=",", timestamp_format="%d/%m/%Y")
    return Answer(answer.tables, keys={**KEYS, "time_zone": "Europe/Madrid"})


def first_days_of_months(folder: Path) -> Answer:
    """Deliveries on the first days of months: day and month could be either; the order of the rows decides."""
    shop = MadeShop(seed=71, n_days=11, n_orders=900)
    columns = {"customer": "user_id", "sku": "item_id", "when": "timestamp", "qty": "quantity", "price": "price"}
    table = made_columns.events(shop, columns, {})
    day = shop.events["moment"].dt.day() - 5
    months = (day - 1) % 11 + 1
    when = pl.DataFrame({"m": months, "t": shop.events["moment"]}).sort("m", "t", maintain_order=True)
    texts = [f"{t.day % 12 + 1:02}/{m:02}/2025 {t:%H:%M}" for m, t in when.iter_rows()]
    moments = pl.Series([datetime.strptime(text, "%d/%m/%Y %H:%M") for text in texts])
    table = table.with_columns(when=pl.Series(texts)).with_columns(at=moments).sort("at").drop("at")
    mapped = {"user_id": "customer", "item_id": "sku", "timestamp": "when", "quantity": "qty", "price": "price"}
    return one_file(folder, table, mapped, Format(), timestamp_format="%d/%m/%Y %H:%M")


def total_in_the_last_line(folder: Path) -> Answer:
    """A report's footer: the last line has the sum of all prices."""
    shop = MadeShop("fr", seed=72, ids=Ids("{}", "{}", "{}"))
    columns = {"commande": "order_id", "client": "user_id", "produit": "item_id", "date": "timestamp"}
    columns |= {"quantité": "quantity", "prix": "price"}
    answer = make(folder, shop, Delivered("ventes.csv", columns, dialect(times="%d/%m/%Y %H:%M")))
    with (folder / "ventes.csv").open("a") as stream:
        stream.write("Total;;;;;98765,43\n")
    return answer


def year_sheets(folder: Path) -> Answer:
    """A workbook with one sheet per year; a table has one sheet, so which one is a question."""
    shop = MadeShop(seed=73, n_orders=500, n_users=90, start=datetime(2024, 11, 1), n_days=140)
    columns = {"Invoice": "order_id", "StockCode": "item_id", "Description": "items.name", "Quantity": "quantity"}
    columns |= {"InvoiceDate": "timestamp", "Price": "price", "Customer ID": "user_id"}
    table = made_columns.events(shop, columns, {})
    late = pl.col("InvoiceDate").dt.year() == 2025
    sheets = {"Year 2024": table.filter(~late), "Year 2025": table.filter(late)}
    (folder / "sales.xlsx").write_bytes(made_files.workbook(sheets))
    mapped = {"user_id": "Customer ID", "item_id": "StockCode", "timestamp": "InvoiceDate", "order_id": "Invoice"}
    events = {"kind": "xlsx", "path": "sales.xlsx", "sheet": "Year 2025", "event_type": "purchase"}
    events["columns"] = mapped | {"quantity": "Quantity", "price": "Price"}
    tables = {"events": events, "items": {"kind": "derived", "columns": {"name": "Description"}}}
    return Answer(tables, asks=((*EVENTS, "path"),), keys=KEYS)


def lines_inside_orders(folder: Path) -> Answer:
    """Orders as objects with a list of lines, of which each is an event."""
    shop = MadeShop(seed=74)
    table = made_columns.events(
        shop, {"o": "order_id", "c": "user_id", "t": "timestamp", "s": "item_id", "q": "quantity"}, {}
    )
    with (folder / "orders.jsonl").open("w") as stream:
        for (order,), rows in table.partition_by("o", as_dict=True, maintain_order=True).items():
            first = rows.row(0, named=True)
            lines = [{"sku": sku, "qty": qty} for sku, qty in rows.select("s", "q").iter_rows()]
            record = {"id": order, "customer": {"id": first["c"]}, "placed": first["t"].isoformat(), "lines": lines}
            stream.write(json.dumps(record) + "\n")
    columns = {"user_id": "customer.id", "item_id": "lines.sku", "timestamp": "placed", "order_id": "id"}
    events = {"kind": "jsonl", "path": "orders.jsonl", "explode": "lines", "event_type": "purchase"}
    events["columns"] = columns | {"quantity": "lines.qty"}
    return Answer(
        {"events": events},
        either={("events", "event_id"): {None}, ("events", "order_id"): {None}},
        keys=KEYS,
    )


def no_customers(folder: Path) -> Answer:
    """Sales of shops without any customer: nothing to recommend to."""
    shop = MadeShop(seed=75)
    columns = {
        "sku": "item_id",
        "store": "!store",
        "sold": "timestamp",
        "qty": "quantity",
        "price": "price",
        "till": "!till",
    }
    made_files.write(made_columns.events(shop, columns, {}), folder / "sales.csv", Format())
    return Answer(refused="user", asks=((*EVENTS, "columns", "user_id"),))


def orders_without_lines(folder: Path) -> Answer:
    """Orders with their customers and amounts, but no products."""
    shop = MadeShop(seed=76)
    columns = {"order": "order_id", "customer": "user_id", "placed": "timestamp", "payment": "!payment"}
    table = made_columns.events(shop, columns, {}).unique("order", keep="first", maintain_order=True)
    made_files.write(table, folder / "orders.csv", Format())
    return Answer(refused="product")


def rating_of_ten(folder: Path) -> Answer:
    """Books, ratings from 0 to 10 with text, and customers with a city, a country and an age, all in one file."""
    shop = MadeShop("en", seed=77, types=("rating",))
    kinds = {"isbn": "item_id", "title": "items.name", "reader": "user_id", "town": "users.city", "age": "users.age"}
    table = made_columns.events(shop, {**kinds, "at": "timestamp", "stars": "rating"}, {})
    table = table.filter(pl.col("stars").is_not_null()).with_columns(
        pl.col("stars") * 2, review=pl.lit("Liked it, mostly.")
    )
    made_files.write(table, folder / "reviews.csv", Format())
    tables = {
        "events": {
            "kind": "csv",
            "path": "reviews.csv",
            "event_type": "rating",
            "columns": {"user_id": "reader", "item_id": "isbn", "rating": "stars", "timestamp": "at"},
        },
        "items": {"kind": "derived", "columns": {"name": "title"}},
        "users": {"kind": "derived", "columns": {"city": "town", "age": "age"}},
    }
    return Answer(tables, keys=KEYS)


def more_columns_later(folder: Path) -> Answer:
    """Files per month; from March on they have one column more, and in another order."""
    shop = MadeShop(seed=78)
    columns = {
        "order": "order_id",
        "cust": "user_id",
        "sku": "item_id",
        "at": "timestamp",
        "qty": "quantity",
        "price": "price",
    }
    answer = make(folder, shop, Delivered("sales_*.csv", columns, split="%Y_%m"))
    for path in sorted(folder.glob("sales_*.csv"))[2:]:
        table = pl.read_csv(path, infer_schema=False).with_columns(channel=pl.lit("web"))
        made_files.write(table.select("channel", *reversed(columns)), path, Format())
    return answer


def plain_ids_without_catalogues(folder: Path) -> Answer:
    """Three columns of small numbers and a time, no other file: which is the user is a question, or right."""
    shop = MadeShop(seed=79, n_users=200, n_items=150)
    events = shop.events
    table = pl.DataFrame({"a": events["item"] + 1, "b": events["user"] + 1, "c": events["moment"]})
    return one_file(folder, table, {"user_id": "b", "item_id": "a", "timestamp": "c"}, Format())


FOLDERS = (
    wholesaler,
    uuids_everywhere,
    swedish_shop,
    czech_shop,
    sold_by_weight,
    prices_with_signs,
    numbers_as_types,
    compact_times,
    epoch_with_decimals,
    day_and_clock_apart,
    first_days_of_months,
    total_in_the_last_line,
    year_sheets,
    lines_inside_orders,
    no_customers,
    orders_without_lines,
    rating_of_ten,
    more_columns_later,
    plain_ids_without_catalogues,
)
