"""Made-up data in the form of well-known public data sets: their names of columns, ids and times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import Delivered, make
from draft.made_shop import Ids, MadeShop


@dataclass(frozen=True)
class Hashed:
    """Ids that are hashes, 64 hexadecimal digits."""

    def format(self, number: int) -> str:
        return hashlib.sha256(str(number).encode()).hexdigest()


def households(folder: Path) -> Answer:
    """A grocer's panel: baskets, line totals, discounts, weeks, and age bands of some households."""
    shop = MadeShop("en", seed=41, n_users=300, n_orders=2_000, known=0.35, ids=Ids("{}", "{}", "{}"))
    events = {"household_id": "user_id", "store_id": "!till", "basket_id": "order_id", "product_id": "item_id"}
    events |= {"quantity": "quantity", "sales_value": "total", "retail_disc": "!reduction", "week": "!week"}
    events |= {"transaction_timestamp": "timestamp"}
    users = {"household_id": "user_id", "age": "age_band", "income": "!income", "household_size": "!household"}
    items = {"product_id": "item_id", "manufacturer_id": "!supplier", "department": "category", "brand": "brand"}
    items |= {"product_type": "name", "package_size": "!weight"}
    return make(
        folder,
        shop,
        Delivered("transactions.csv", events, Format(times="%Y-%m-%dT%H:%M:%SZ")),
        Delivered("demographics.csv", users),
        Delivered("products.csv", items),
        currency="USD",
    )


def fashion_chain(folder: Path) -> Answer:
    """Hashes as customers, days without times, relative prices, a catalogue with many groups of products."""
    shop = MadeShop("it", seed=42, whole_days=True, ids=Ids(Hashed(), "{:010}"))
    events = {"t_dat": "timestamp", "customer_id": "user_id", "article_id": "item_id", "price": "price"}
    events |= {"sales_channel_id": "!channel"}
    users = {"customer_id": "user_id", "FN": "!one", "Active": "!one", "club_member_status": "!status", "age": "age"}
    items = {"article_id": "item_id", "prod_name": "name", "product_type_name": "!noun"}
    items |= {"product_group_name": "category", "colour_group_name": "!variant", "detail_desc": "!description"}
    return make(
        folder,
        shop,
        Delivered("transactions_train.csv", events),
        Delivered("customers.csv", users),
        Delivered("articles.csv", items),
        either={("items", "category"): {"product_type_name"}},
    )


def plays_of_tracks(folder: Path) -> Answer:
    """Listening events without a header line, the newest first: a user, a time, and names in each line."""
    shop = MadeShop("tr", seed=43, n_orders=1_900, ids=Ids("user_{:06}", "{:08x}"))
    columns = {"userid": "user_id", "at": "timestamp", "artist": "items.brand", "trackid": "item_id"}
    columns |= {"track": "items.name"}
    table = made_columns.events(shop, columns, {}).reverse()
    form = Format(separator="\t", header=False, times="%Y-%m-%dT%H:%M:%SZ")
    made_files.write(table, folder / "plays.tsv", form)
    events = {"kind": "csv", "path": "plays.tsv", "separator": "\t", "header": list(columns), "event_type": "view"}
    events["columns"] = {"user_id": "userid", "item_id": "trackid", "timestamp": "at"}
    items = {"kind": "derived", "columns": {"name": "track", "brand": "artist"}}
    either = {("items", "brand"): {None}, ("items", "category"): {None, "artist"}}
    return Answer({"events": events, "items": items}, either, keys={"currency": "EUR", "time_zone": "UTC"})


def ratings_without_times(folder: Path) -> Answer:
    """Users, books and stars, but no time: no shop file can read them."""
    shop = MadeShop(seed=44, types=("rating",))
    table = shop.events.filter(pl.col("type") == "rating").select(user_id="user", book_id="item", rating="rating")
    made_files.write(table.unique(["user_id", "book_id"], maintain_order=True), folder / "ratings.csv", Format())
    return Answer(refused="time")


def shop_of_a_plugin(folder: Path) -> Answer:
    """Orders as a plugin exports them: one row per line, JSON catalogue, roles of customers, local times."""
    shop = MadeShop("de", seed=45, ids=Ids("{}", "{}", "{}", "{}"), types=("return",))
    events = {"order_item_id": "event_id", "order_id": "order_id", "date_created": "timestamp"}
    events |= {"customer_id": "user_id", "product_id": "item_id", "product_qty": "quantity"}
    events |= {"product_gross_revenue": "total", "tax_rate": "!vat", "status": "event_type"}
    users = {"customer_id": "user_id", "username": "!full_name", "email": "!email", "date_registered": "signup_date"}
    users |= {"country": "country", "postcode": "!zip", "city": "city"}
    items = {"id": "item_id", "name": "name", "permalink": "!url", "price": "price", "stock_quantity": "stock"}
    items |= {"categories": "category", "weight": "!weight"}
    return make(
        folder,
        shop,
        Delivered("order_product_lookup.csv", events),
        Delivered("customer_lookup.csv", users),
        Delivered("products.json", items, Format(kind="json")),
        words={"purchase": "completed", "return": "refunded"},
        time_zone="Europe/Berlin",
    )


def numbers_only(folder: Path) -> Answer:
    """Ids that are all small whole numbers from one, in files whose names of columns say only `id`."""
    shop = MadeShop(seed=46, n_users=150, n_items=90, ids=Ids("{}", "{}", "{}", "{}"), types=("rating",))
    table = made_columns.events(shop, {"id": "event_id", "u": "user_id", "i": "item_id"}, {})
    events = shop.events
    table = table.with_columns(
        id=pl.int_range(1, pl.len() + 1),
        u=events["user"] + 1,
        i=events["item"] + 1,
        t=events["moment"],
        a=events["type"].replace({"purchase": "bought", "rating": "rated"}),
        q=events["quantity"],
        p=events["price"],
        r=events["rating"],
    )
    made_files.write(table, folder / "e.csv", Format(unit="epoch_s"))
    users = made_columns.users(shop, {"id": "user_id", "g": "gender", "y": "age"}).with_columns(
        id=pl.int_range(1, pl.len() + 1)
    )
    items = made_columns.items(shop, {"id": "item_id", "n": "name", "c": "category", "p": "price"}).with_columns(
        id=pl.int_range(1, pl.len() + 1)
    )
    made_files.write(users, folder / "u.csv", Format())
    made_files.write(items, folder / "i.csv", Format())
    columns = {"event_id": "id", "user_id": "u", "item_id": "i", "timestamp": "t", "event_type": "a", "quantity": "q"}
    tables = {
        "users": {"kind": "csv", "path": "u.csv", "columns": {"user_id": "id", "gender": "g", "age": "y"}},
        "items": {
            "kind": "csv",
            "path": "i.csv",
            "columns": {"item_id": "id", "name": "n", "category": "c", "price": "p"},
        },
        "events": {
            "kind": "csv",
            "path": "e.csv",
            "timestamp_format": "epoch_s",
            "columns": {**columns, "price": "p", "rating": "r"},
            "event_values": {"bought": "purchase", "rated": "rating"},
        },
    }
    return Answer(tables, keys={"currency": "EUR", "time_zone": "UTC"})


FOLDERS = (
    households,
    fashion_chain,
    plays_of_tracks,
    ratings_without_times,
    shop_of_a_plugin,
    numbers_only,
)
