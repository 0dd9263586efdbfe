"""Made-up rows under the columns of more public data sets, as their providers named and wrote them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from draft import made_columns, made_files
from draft.answers import Answer, Place
from draft.made_files import Format
from draft.made_shop import Ids, MadeShop

KEYS = {"currency": "USD", "time_zone": "UTC"}
SPREAD = "%Y-%m-%d %H:%M:%S"


def rows_of(shop: MadeShop, **columns: str) -> pl.DataFrame:
    """Events under our names: name -> kind."""
    return made_columns.events(shop, columns, {})


def digits(shop: MadeShop, stream: int, low: int, high: int, n: int) -> pl.Series:
    return pl.Series(shop.rng(stream).integers(low, high, n))


def cosmetics_events(folder: Path) -> Answer:
    """Views, carts and purchases of a multi-category shop: times that end in UTC, sessions, categories as long ids."""
    shop = MadeShop(seed=81, types=("view", "cart"), ids=Ids("{}", "{}"))
    kinds = {"event_time": "timestamp", "event_type": "event_type", "product_id": "item_id"}
    table = rows_of(
        shop, **kinds, category_code="items.category", brand="items.brand", user_id="user_id", user_session="!session"
    )
    item = shop.events["item"]
    code = pl.Series(["kitchen.tools", "garden.plants", "office.paper", "toys.wood"])
    group = shop.catalogue["category"].unique().sort()
    place = {name: code[n] for n, name in enumerate(group)}
    table = table.with_columns(
        pl.col("event_time").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
        pl.col("category_code").replace(place),
        pl.col("brand").str.to_lowercase(),
        category_id=pl.col("category_code").rank("dense").cast(pl.Int64) + 2_053_013_555_631_882_655,
        price=shop.catalogue["list_price"].gather(item),
    )
    order = [
        "event_time",
        "event_type",
        "product_id",
        "category_id",
        "category_code",
        "brand",
        "price",
        "user_id",
        "user_session",
    ]
    made_files.write(table.filter(pl.col("event_time") < "2025-03").select(order), folder / "2025-Jan.csv", Format())
    made_files.write(table.filter(pl.col("event_time") >= "2025-03").select(order), folder / "2025-Mar.csv", Format())
    events = {"kind": "csv", "path": "*.csv", "timestamp_format": "%Y-%m-%d %H:%M:%S %Z"}
    columns = {
        "user_id": "user_id",
        "item_id": "product_id",
        "event_type": "event_type",
        "timestamp": "event_time",
        "price": "price",
    }
    items = {"kind": "derived", "columns": {"category": "category_code", "brand": "brand"}}
    return Answer({"events": events | {"columns": columns}, "items": items}, keys=KEYS)


def orders_of_a_marketplace(folder: Path) -> Answer:
    """Lines of orders of a Brazilian marketplace: hashes, freight, four times, a status and a review."""
    shop = MadeShop("pt", seed=82, ids=Ids("{:032x}", "{:032x}", "{:032x}"))
    table = rows_of(
        shop, order_id="order_id", order_item_id="!line", product_id="item_id", customer_unique_id="user_id"
    )
    events = shop.events
    n = table.height
    bought = events["moment"]
    status = pl.Series(np.where(shop.rng(71).random(n) < 0.97, "delivered", "shipped"))
    table = table.with_columns(
        seller_id=pl.Series([f"{s:032x}" for s in shop.rng(72).integers(0, 25, n)]),
        order_status=status,
        order_purchase_timestamp=bought,
        order_approved_at=bought + timedelta(minutes=17),
        order_delivered_customer_date=bought + pl.duration(days=digits(shop, 73, 3, 20, n)),
        order_estimated_delivery_date=bought.dt.truncate("1d") + timedelta(days=24),
        price=events["price"],
        freight_value=pl.Series(shop.rng(74).gamma(4, 5, n)).round(2),
        review_score=digits(shop, 75, 1, 6, n),
        customer_city=made_columns.events(shop, {"c": "users.city"}, {})["c"].str.to_lowercase(),
    )
    made_files.write(table, folder / "orders_dataset.csv", Format(quoted=True))
    columns = {"user_id": "customer_unique_id", "item_id": "product_id", "timestamp": "order_purchase_timestamp"}
    columns |= {"order_id": "order_id", "price": "price"}
    events = {"kind": "csv", "path": "orders_dataset.csv", "event_type": "purchase", "columns": columns}
    users = {"kind": "derived", "columns": {"city": "customer_city"}}
    either: dict[Place, set[str | None]] = {
        ("events", "rating"): {None, "review_score"},
        ("events", "event_type"): {None, "order_status"},
    }
    return Answer({"events": events, "users": users}, either=either, keys={**KEYS, "currency": "BRL"})


def reviews_of_places(folder: Path) -> Answer:
    """JSON Lines of reviews, places and people: many fields that look like ours and are none."""
    shop = MadeShop(seed=83, types=("rating",), ids=Ids("u_{:020x}", "b_{:020x}", "", "r_{:020x}"))
    reviews = rows_of(
        shop, review_id="event_id", user_id="user_id", business_id="item_id", stars="rating", date="timestamp"
    )
    reviews = reviews.filter(pl.col("stars").is_not_null())
    n = reviews.height
    reviews = reviews.with_columns(
        useful=digits(shop, 71, 0, 9, n), funny=digits(shop, 72, 0, 4, n), text=pl.lit("Nice, would come again.")
    )
    users = made_columns.users(shop, {"user_id": "user_id", "name": "!first", "yelping_since": "signup_date"})
    users = users.with_columns(
        review_count=digits(shop, 73, 1, 300, users.height),
        average_stars=pl.Series(shop.rng(74).uniform(1, 5, users.height)).round(2),
    )
    items = made_columns.items(shop, {"business_id": "item_id", "name": "name", "categories": "category"})
    m = items.height
    items = items.with_columns(
        city=pl.Series(shop.rng(75).choice(["Leeds", "York", "Bath"], m)),
        latitude=pl.Series(shop.rng(76).uniform(50, 55, m)),
        stars=pl.Series(shop.rng(77).integers(2, 11, m) / 2),
        review_count=digits(shop, 78, 3, 900, m),
        is_open=digits(shop, 79, 0, 2, m),
    )
    form = Format(kind="jsonl", times=SPREAD)
    for name, part in {"review": reviews, "user": users, "business": items}.items():
        made_files.write(part, folder / f"academic_dataset_{name}.json", form)
    tables = {
        "users": {
            "kind": "jsonl",
            "path": "academic_dataset_user.json",
            "columns": {"user_id": "user_id", "signup_date": "yelping_since"},
        },
        "items": {
            "kind": "jsonl",
            "path": "academic_dataset_business.json",
            "columns": {"item_id": "business_id", "name": "name", "category": "categories"},
        },
        "events": {
            "kind": "jsonl",
            "path": "academic_dataset_review.json",
            "event_type": "rating",
            "columns": {
                "event_id": "review_id",
                "user_id": "user_id",
                "item_id": "business_id",
                "rating": "stars",
                "timestamp": "date",
            },
        },
    }
    return Answer(tables, either={("items", "available"): {None, "is_open"}}, private=(("users", "name"),), keys=KEYS)


def reviews_of_products(folder: Path) -> Answer:
    """JSON Lines of product reviews and of their catalogue: two ids of a product, lists, times in milliseconds."""
    shop = MadeShop(seed=84, types=("rating",), ids=Ids("AE{:024X}", "B{:09}"))
    reviews = rows_of(shop, asin="item_id", user_id="user_id", rating="rating", timestamp="timestamp").filter(
        pl.col("rating").is_not_null()
    )
    n = reviews.height
    reviews = reviews.with_columns(
        pl.col("rating").cast(pl.Float64),
        parent_asin=pl.col("asin"),
        title=pl.Series(shop.rng(71).choice(["Great", "As expected", "Broke soon", "Love it"], n)),
        text=pl.lit("I have used this for a month now."),
        helpful_vote=digits(shop, 72, 0, 6, n),
        verified_purchase=pl.Series(shop.rng(73).random(n) < 0.9),
    )
    items = made_columns.items(
        shop,
        {"parent_asin": "item_id", "title": "name", "main_category": "category", "store": "brand", "price": "price"},
    )
    items = items.with_columns(
        average_rating=pl.Series(shop.rng(74).uniform(2, 5, items.height)).round(1),
        rating_number=digits(shop, 75, 1, 900, items.height),
    )
    made_files.write(reviews, folder / "All_Beauty.jsonl", Format(kind="jsonl", unit="epoch_ms"))
    made_files.write(items, folder / "meta_All_Beauty.jsonl", Format(kind="jsonl"))
    columns = {"user_id": "user_id", "item_id": "parent_asin", "rating": "rating", "timestamp": "timestamp"}
    tables = {
        "items": {
            "kind": "jsonl",
            "path": "meta_All_Beauty.jsonl",
            "columns": {
                "item_id": "parent_asin",
                "name": "title",
                "category": "main_category",
                "brand": "store",
                "price": "price",
            },
        },
        "events": {
            "kind": "jsonl",
            "path": "All_Beauty.jsonl",
            "timestamp_format": "epoch_ms",
            "event_type": "rating",
            "columns": columns,
        },
    }
    return Answer(tables, either={("events", "item_id"): {"asin"}}, keys=KEYS)


def grocer_with_age_groups(folder: Path) -> Answer:
    """A Taiwanese grocer's days: months first without zeros, letters for age groups, totals and costs of lines."""
    shop = MadeShop(seed=85, whole_days=True, ids=Ids("{:08}", "47{:011}"))
    table = rows_of(
        shop,
        TRANSACTION_DT="timestamp",
        CUSTOMER_ID="user_id",
        PRODUCT_ID="item_id",
        AMOUNT="quantity",
        SALES_PRICE="total",
    )
    days, user = shop.events["moment"], shop.events["user"].to_numpy()
    letters, codes = np.array(list("ABCDEFGHIJK")), np.array(["105", "106", "110", "114", "115", "221", "Others"])
    table = table.with_columns(
        TRANSACTION_DT=pl.Series([f"{d.month}/{d.day}/{d.year}" for d in days]),
        AGE_GROUP=pl.Series(letters[user % 11]),
        PIN_CODE=pl.Series(codes[user % 7]),
        PRODUCT_SUBCLASS=shop.events["item"] // 6 * 13 + 100_101,
        ASSET=(pl.col("SALES_PRICE") * 0.8).round(2),
    ).select(
        "TRANSACTION_DT",
        "CUSTOMER_ID",
        "AGE_GROUP",
        "PIN_CODE",
        "PRODUCT_SUBCLASS",
        "PRODUCT_ID",
        "AMOUNT",
        "ASSET",
        "SALES_PRICE",
    )
    made_files.write(table, folder / "ta_feng_all_months_merged.csv", Format(quoted=True))
    events = {
        "kind": "csv",
        "path": "ta_feng_all_months_merged.csv",
        "timestamp_format": "%m/%d/%Y",
        "event_type": "purchase",
    }
    columns = {"user_id": "CUSTOMER_ID", "item_id": "PRODUCT_ID", "timestamp": "TRANSACTION_DT", "quantity": "AMOUNT"}
    events["columns"] = columns | {"price": {"total": "SALES_PRICE"}}
    tables = {"events": events, "items": {"kind": "derived", "columns": {"category": "PRODUCT_SUBCLASS"}}}
    either: dict[Place, set[str | None]] = {
        ("users", "age_group"): {None, "AGE_GROUP"},
        ("users", "city"): {None, "PIN_CODE"},
        ("items", "category"): {None},
        ("events", "price"): {"ASSET"},
        ("items", "price"): {None, "ASSET", "SALES_PRICE"},
    }
    return Answer(tables, either=either, keys=KEYS)


def short_videos(folder: Path) -> Answer:
    """Plays of short videos: three columns of the same time, durations, and a ratio that is no rating."""
    shop = MadeShop(seed=86, n_orders=1_900, ids=Ids("{}", "{}"))
    table = rows_of(shop, user_id="user_id", video_id="item_id")
    n, moment = table.height, shop.events["moment"]
    duration = pl.Series(shop.rng(71).gamma(2, 5_000, shop.n_items)).cast(pl.Int64).gather(shop.events["item"])
    ratio = pl.Series(shop.rng(72).gamma(2, 0.45, n))
    table = table.with_columns(
        play_duration=(duration * ratio).cast(pl.Int64),
        video_duration=duration,
        time=moment.dt.strftime("%Y-%m-%d %H:%M:%S.125"),
        date=moment.dt.strftime("%Y%m%d"),
        timestamp=pl.Series([f"{s + 0.125:.3f}" for s in moment.dt.epoch("s")]),
        watch_ratio=ratio.round(6).cast(pl.String),
    )
    made_files.write(table, folder / "small_matrix.csv", Format())
    events = {"kind": "csv", "path": "small_matrix.csv", "timestamp_format": "epoch_s", "event_type": "view"}
    events["columns"] = {"user_id": "user_id", "item_id": "video_id", "timestamp": "timestamp"}
    return Answer({"events": events}, either={("events", "timestamp"): {"time"}}, keys=KEYS)


def loyalty_programme(folder: Path) -> Answer:
    """A Russian grocer's loyalty cards: points, sums of receipts and lines, many columns."""
    shop = MadeShop(seed=87, ids=Ids("{:010x}", "{:010x}", "t{:09x}"), genders=("F", "M", "U"))
    kinds = {
        "client_id": "user_id",
        "transaction_id": "order_id",
        "transaction_datetime": "timestamp",
        "store_id": "!store",
    }
    table = rows_of(shop, **kinds, product_id="item_id", product_quantity="quantity", trn_sum_from_iss="total")
    n = table.height
    table = table.with_columns(
        purchase_sum=pl.col("trn_sum_from_iss").sum().over("transaction_id").round(2),
        regular_points_received=pl.Series(shop.rng(71).gamma(1, 2, n)).round(1),
        express_points_spent=pl.lit(0.0),
        trn_sum_from_red=pl.when(pl.Series(shop.rng(72).random(n) < 0.05)).then(pl.col("trn_sum_from_iss") - 1),
    )
    clients = made_columns.users(
        shop, {"client_id": "user_id", "first_issue_date": "signup_date", "age": "age", "gender": "gender"}
    )
    clients = clients.with_columns(
        first_redeem_date=pl.col("first_issue_date") + pl.duration(days=digits(shop, 73, 5, 300, clients.height))
    )
    products = made_columns.items(
        shop, {"product_id": "item_id", "level_1": "category", "vendor_id": "!supplier", "netto": "!weight"}
    )
    m = products.height
    products = products.with_columns(
        level_2=pl.col("level_1") + pl.Series(shop.rng(74).choice([" A", " B", " C"], m)),
        brand_id=pl.Series([f"b{b:04}" for b in shop.rng(75).integers(0, 30, m)]),
        is_own_trademark=digits(shop, 76, 0, 2, m),
        is_alcohol=digits(shop, 77, 0, 2, m),
    )
    for name, part in {"purchases": table, "clients": clients, "products": products}.items():
        made_files.write(part, folder / f"{name}.csv", Format())
    columns = {
        "user_id": "client_id",
        "item_id": "product_id",
        "timestamp": "transaction_datetime",
        "quantity": "product_quantity",
    }
    columns |= {"price": {"total": "trn_sum_from_iss"}, "order_id": "transaction_id"}
    users = {"user_id": "client_id", "signup_date": "first_issue_date", "age": "age", "gender": "gender"}
    tables = {
        "users": {"kind": "csv", "path": "clients.csv", "columns": users},
        "items": {
            "kind": "csv",
            "path": "products.csv",
            "columns": {"item_id": "product_id", "category": "level_1", "brand": "brand_id"},
        },
        "events": {"kind": "csv", "path": "purchases.csv", "event_type": "purchase", "columns": columns},
    }
    return Answer(tables, either={("items", "category"): {"level_2"}}, keys=KEYS)


def long_times_of_a_book_site(folder: Path) -> Answer:
    """Shelves of readers as JSON Lines, with times like Sun Jul 30 07:44:10 -0700 2017; a rating of 0 is none."""
    shop = MadeShop(seed=88, types=("rating",), ids=Ids("{:032x}", "{}"))
    table = rows_of(shop, user_id="user_id", book_id="item_id", rating="rating", date_added="timestamp")
    table = table.filter(pl.col("rating").is_not_null()).with_columns(
        pl.col("date_added").dt.strftime("%a %b %d %H:%M:%S -0700 %Y"),
        date_updated=(pl.col("date_added") + timedelta(hours=30)).dt.strftime("%a %b %d %H:%M:%S -0700 %Y"),
        is_read=pl.lit(True),
        review_text=pl.lit(""),
    )
    made_files.write(table, folder / "interactions.jsonl", Format(kind="jsonl"))
    events = {
        "kind": "jsonl",
        "path": "interactions.jsonl",
        "timestamp_format": "%a %b %d %H:%M:%S %z %Y",
        "event_type": "rating",
    }
    events["columns"] = {"user_id": "user_id", "item_id": "book_id", "rating": "rating", "timestamp": "date_added"}
    return Answer({"events": events}, keys=KEYS)


def books_without_times(folder: Path) -> Answer:
    """Ratings of books with semicolons and hyphens in names, and no time at all."""
    shop = MadeShop(seed=89, types=("rating",), ids=Ids("{}", "{:010}"))
    table = rows_of(shop, a="user_id", b="item_id", c="rating").filter(pl.col("c").is_not_null())
    table = table.rename({"a": "User-ID", "b": "ISBN", "c": "Book-Rating"})
    made_files.write(table, folder / "BX-Book-Ratings.csv", Format(separator=";", encoding="latin-1", quoted=True))
    return Answer(refused="time")


FOLDERS = (
    cosmetics_events,
    orders_of_a_marketplace,
    reviews_of_places,
    reviews_of_products,
    grocer_with_age_groups,
    short_videos,
    loyalty_programme,
    long_times_of_a_book_site,
    books_without_times,
)
