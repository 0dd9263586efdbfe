"""The simulated RecoMart shop: generates a year of customers, products and events, and writes the shop's files.

The pipeline reads these files like those of any shop. Customers and products share a latent taste space; the data also
has a long tail, seasons, refills and complements (habits.py), promotions (promotions.py), and the errors of real feeds.
Nothing is tuned to a metric. Three random streams (structure, gaps, errors) keep the correct rows equal at any
`dirt_rate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.random import Generator
from tqdm.auto import tqdm

from recomart.simulator import habits, promotions
from recomart_lib.core import files
from recomart_lib.core.errors import UserError


class Category(NamedTuple):
    """A category: median price (EUR), days until a product is used up (0: durable), month of peak demand.

    `variety` is the chance that a customer who has bought a product of a noun wants another one of it: a reader buys
    many crime novels, and hardly anyone a second desk chair.
    """

    name: str
    price: float
    interval: int
    variety: float
    peak_month: int
    swing: float  # 0: constant; 0.5: 50 % more at the peak, 50 % less half a year later
    nouns: tuple[str, ...]


CATEGORIES = (
    Category("Coffee & Tea", 9, 28, 0.3, 1, 0.2, ("Espresso", "Filter Coffee", "Green Tea", "Chai", "Cold Brew")),
    Category("Pantry", 5, 21, 0.2, 11, 0.1, ("Olive Oil", "Pasta", "Basmati Rice", "Tomato Sauce", "Honey", "Flour")),
    Category("Snacks", 4, 14, 0.5, 12, 0.2, ("Crackers", "Dark Chocolate", "Trail Mix", "Popcorn", "Granola Bars")),
    Category("Pet Supplies", 15, 30, 0.1, 6, 0.0, ("Cat Food", "Dog Treats", "Litter", "Bird Seed", "Chew Toy")),
    Category(
        "Baby Care", 14, 21, 0.1, 6, 0.0, ("Nappies", "Wet Wipes", "Baby Lotion", "Oat Porridge", "Teething Ring")
    ),
    Category("Household", 7, 35, 0.1, 4, 0.2, ("Dish Soap", "Laundry Liquid", "Paper Towels", "Sponges", "Bin Bags")),
    Category(
        "Personal Care", 8, 40, 0.2, 6, 0.1, ("Shampoo", "Toothpaste", "Hand Cream", "Razor Blades", "Sun Lotion")
    ),
    Category("Vitamins", 16, 45, 0.1, 1, 0.4, ("Vitamin C", "Magnesium", "Omega 3", "Zinc", "Protein Powder")),
    Category("Books", 14, 0, 1.0, 12, 0.4, ("Crime Novel", "Cook Book", "Travel Guide", "Atlas", "Poetry Collection")),
    Category("Toys", 22, 0, 0.8, 12, 0.8, ("Puzzle", "Building Blocks", "Board Game", "Teddy Bear", "Race Track")),
    Category("Garden", 25, 0, 0.4, 5, 0.8, ("Watering Can", "Pruning Shears", "Planter", "Seed Kit", "Garden Hose")),
    Category("Outdoor", 55, 0, 0.2, 7, 0.6, ("Tent", "Sleeping Bag", "Hiking Backpack", "Camping Stove", "Head Torch")),
    Category("Sports", 38, 0, 0.2, 1, 0.4, ("Yoga Mat", "Dumbbells", "Skipping Rope", "Football", "Foam Roller")),
    Category(
        "Kitchen", 32, 0, 0.3, 11, 0.3, ("Chef Knife", "Frying Pan", "Mixing Bowl", "Kettle", "Baking Tray", "Mug")
    ),
    Category("Furniture", 140, 0, 0.1, 9, 0.2, ("Bookshelf", "Desk Chair", "Side Table", "Wardrobe", "Footstool")),
    Category("Lighting", 45, 0, 0.4, 11, 0.4, ("Desk Lamp", "Floor Lamp", "String Lights", "Wall Light", "Lantern")),
    Category("Electronics", 120, 0, 0.1, 12, 0.4, ("Tablet", "Power Bank", "Webcam", "Keyboard", "Smart Plug")),
    Category("Audio", 85, 0, 0.1, 12, 0.4, ("Headphones", "Bluetooth Speaker", "Turntable", "Microphone", "Radio")),
    Category("Fashion", 40, 0, 0.8, 10, 0.3, ("Wool Jumper", "Linen Shirt", "Rain Jacket", "Scarf", "Jeans", "Dress")),
    Category("Shoes", 65, 0, 0.5, 4, 0.3, ("Trainers", "Ankle Boots", "Sandals", "Loafers", "Slippers")),
)
COMPLEMENTS = (  # nouns that are bought together: whoever buys the first often adds the second
    ("Filter Coffee", "Mug"),
    ("Green Tea", "Kettle"),
    ("Chai", "Honey"),
    ("Pasta", "Tomato Sauce"),
    ("Flour", "Baking Tray"),
    ("Cat Food", "Litter"),
    ("Dog Treats", "Chew Toy"),
    ("Nappies", "Wet Wipes"),
    ("Dish Soap", "Sponges"),
    ("Shampoo", "Hand Cream"),
    ("Cook Book", "Mixing Bowl"),
    ("Travel Guide", "Hiking Backpack"),
    ("Planter", "Seed Kit"),
    ("Tent", "Sleeping Bag"),
    ("Hiking Backpack", "Head Torch"),
    ("Yoga Mat", "Foam Roller"),
    ("Dumbbells", "Protein Powder"),
    ("Desk Chair", "Desk Lamp"),
    ("Side Table", "Floor Lamp"),
    ("Tablet", "Keyboard"),
    ("Webcam", "Microphone"),
    ("Turntable", "Bluetooth Speaker"),
    ("Wool Jumper", "Scarf"),
    ("Linen Shirt", "Sandals"),
    ("Rain Jacket", "Ankle Boots"),
)
ADJECTIVES = (
    "Classic",
    "Organic",
    "Compact",
    "Premium",
    "Everyday",
    "Nordic",
    "Vintage",
    "Light",
    "Soft",
    "Bold",
    "Pure",
    "Urban",
    "Handmade",
    "Eco",
    "Essential",
    "Deluxe",
    "Mini",
    "Family",
    "Royal",
    "Fresh",
    "Golden",
    "Quiet",
    "Modern",
    "Rustic",
    "Travel",
    "Original",
    "Bright",
    "Natural",
    "Alpine",
    "Coastal",
)
BRANDS = (
    "Alderwick",
    "Bramhall",
    "Corvane",
    "Dunmoor",
    "Elowen",
    "Fjordal",
    "Greyfinch",
    "Halden",
    "Ivarra",
    "Juniper",
    "Kestrel",
    "Lumora",
    "Marlow",
    "Norvik",
    "Oakhurst",
    "Pellham",
    "Quillon",
    "Rosedale",
    "Solvay",
    "Tamarin",
    "Umbra",
    "Valen",
    "Westmere",
    "Xanthe",
    "Yarrow",
    "Zephyr",
    "Ashcombe",
    "Brightwell",
    "Cobalt",
    "Drift",
)
BRANDS_PER_CATEGORY = 6
MAX_NOUNS = max(len(category.nouns) for category in CATEGORIES)
AWKWARD = (  # real catalogues have such titles; reports and CSV files must handle them
    "{} & Friends",
    '{} "Limited"',
    "<b>bold</b> {}",
    "{} · édition spéciale",
    "{} ☕ 日本",
    "{}, 3-pack; 20 % off",
    "{} | 2-in-1",
    "O'Hara's {}",
)
CITIES = {
    "Germany": ("Berlin", "Hamburg", "München", "Köln", "Leipzig"),
    "France": ("Paris", "Lyon", "Marseille", "Lille", "Nantes"),
    "Netherlands": ("Amsterdam", "Utrecht", "Rotterdam", "Eindhoven", "Groningen"),
    "Spain": ("Madrid", "Barcelona", "Valencia", "Sevilla", "Bilbao"),
    "Italy": ("Roma", "Milano", "Torino", "Napoli", "Bologna"),
    "Austria": ("Wien", "Graz", "Linz", "Salzburg", "Innsbruck"),
    "Ireland": ("Dublin", "Cork", "Galway", "Limerick", "Waterford"),
}
COUNTRY_SHARE = (0.32, 0.22, 0.14, 0.11, 0.10, 0.07, 0.04)
CITY_SHARE = (0.40, 0.22, 0.17, 0.12, 0.09)

N_TASTES = 12
WEEKDAY = (1.05, 0.95, 0.95, 1.0, 0.95, 1.0, 1.2)  # Monday first: demand peaks on Sundays
HOUR = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 14, 12, 11, 11, 12, 14, 16, 19, 21, 19, 12, 6)
SECOND = 1_000_000  # in microseconds, as all times of day in this module
DAY = 86_400 * SECOND
SHARE_FIRST = 0.7  # of orders that are visits, not refills
TRIES = 4  # products that somebody considers per line
BROWSING = 1.25  # visits without an order, per order
NEVER_BUY = 0.12  # share of customers who only browse
RETURNED, RATED = 0.03, 0.20  # of purchase lines
GAPS_USERS = {"gender": 0.05, "age": 0.06, "country": 0.01, "city": 0.04}  # missing values that are normal, not errors
GAPS_PRODUCTS = {"category": 0.01, "brand": 0.05}
DISCONTINUED, SOLD_OUT = 0.02, 0.04  # shares of the products: not sold any more; sold, but none is left
MEAN_STOCK = 40
TRANSACTION = (
    "transaction_id",
    "customer_id",
    "product_id",
    "action",
    "timestamp",
    "quantity",
    "unit_price",
    "rating",
    "order_id",
)


@dataclass(frozen=True)
class ShopSize:
    """The size of a shop; `simulate` takes any object with these attributes (such as `params.Simulate`).

    `n_orders` is a maximum: in a short period, refills may not reach their share. The period is the days
    `[start, start + n_days)`, UTC. `dirt_rate` is the share of erroneous rows in each of the three tables.
    """

    n_users: int = 10_000
    n_items: int = 5_000
    n_orders: int = 35_000
    start: str = "2025-01-01"
    n_days: int = 365
    dirt_rate: float = 0.02


@dataclass(frozen=True)
class Calendar:
    """The days of the simulated period and their demand, overall and by category."""

    dates: np.ndarray  # (n_days,) datetime64[D]
    demand: np.ndarray  # (n_days,) sums to 1
    season: np.ndarray  # (n_days, n_categories) factors around 1
    sale: np.ndarray  # (n_days,) bool: Friday to Monday of the Black Friday sale


@dataclass(frozen=True)
class Catalogue:
    """The products, sorted by category: those of category c are `[first[c], first[c + 1])`."""

    category: np.ndarray  # (n_items,)
    first: np.ndarray  # (n_categories + 1,)
    brand: np.ndarray  # (n_items,) index into BRANDS
    adjective: np.ndarray  # (n_items,)
    noun: np.ndarray  # (n_items,) index into the category's nouns
    tastes: np.ndarray  # (n_items, N_TASTES)
    centres: np.ndarray  # (n_categories, N_TASTES)
    quality: np.ndarray  # (n_items,) standard normal: affects ratings only
    log_popularity: np.ndarray  # (n_items,)
    price: np.ndarray  # (n_items,) EUR, list price
    price_level: np.ndarray  # (n_items,) log of price over its category's median
    interval: np.ndarray  # (n_items,) days until it is used up, 0 if durable
    kind: np.ndarray  # (n_items,) number of its noun, over all categories
    variety: np.ndarray  # (n_items,) chance that a customer wants another product of this kind
    companion: np.ndarray  # (n_items,) the product that is often bought with it, -1: none
    discount: np.ndarray  # (n_items, n_days) per cent off the list price
    launch: np.ndarray  # (n_items,) first day on sale; one item of each category starts on day 0
    number: np.ndarray  # (n_items,) the number in the product id, independent of the category


@dataclass(frozen=True)
class People:
    """The customers. `signup` is a day of the period, negative if they signed up before it."""

    tastes: np.ndarray  # (n_users, N_TASTES)
    activity: np.ndarray  # (n_users,) heavy-tailed
    buys: np.ndarray  # (n_users,) bool
    price_level: np.ndarray  # (n_users,) their preferred log price level
    signup: np.ndarray  # (n_users,)
    gender: np.ndarray
    age: np.ndarray
    country: np.ndarray  # (n_users,) index into CITIES
    city: np.ndarray  # (n_users,) index into the country's cities


def simulate(size: ShopSize, seed: int, folder: Path) -> dict[str, int]:
    """Write the files that the shop would deliver, for all days of the period.

    Parameters
    ----------
    size
        Sizes, first day, number of days and share of erroneous rows; any object with the attributes of `ShopSize`.
    seed
        The same size and seed give the same bytes.
    folder
        Receives users.csv, products.json and transactions/transactions_YYYY-MM-DD.csv. Files with other names
        are kept; files whose content would not change are not rewritten.

    Returns
    -------
    dict
        Rows written (`users`, `products`, `transactions`) and, as `<file>.<kind>`, how many of them have simulated
        errors; `transactions.late` counts rows in a later day's file, which is not an error.

    Raises
    ------
    UserError
        If a size is below 1, `dirt_rate` outside `[0, 1)` or `start` not a date.
    """
    _check(size)
    structure, gaps, dirt = (np.random.default_rng([seed, stream]) for stream in range(3))
    calendar = _calendar(size)
    catalogue = _catalogue(size, calendar, structure)
    people = _people(size, catalogue.centres, structure)
    lines = _lines(size, people, catalogue, calendar, structure)
    events = _events(lines, people, catalogue, calendar, structure)

    users = _with_gaps(_users(people, calendar), GAPS_USERS, gaps)
    products = _with_gaps(_products(catalogue, gaps), GAPS_PRODUCTS, gaps)
    products = _with_stock(products, np.random.default_rng([seed, 3]))  # the other columns do not depend on it
    users, users_errors = _damaged(users, USER_FAULTS, size.dirt_rate, dirt)
    products, products_errors = _damaged(products, PRODUCT_FAULTS, size.dirt_rate, dirt)
    events, events_errors = _damaged(events, TRANSACTION_FAULTS, size.dirt_rate, dirt)
    events, events_errors["late"] = _delayed(events, size, dirt)

    _deliver(folder, calendar, users, products, events)
    tables = {"users": users, "products": products, "transactions": events}
    n_errors = {"users": users_errors, "products": products_errors, "transactions": events_errors}
    counts = {name: table.height for name, table in tables.items()}
    return counts | {f"{name}.{kind}": n for name, kinds in n_errors.items() for kind, n in kinds.items()}


def _check(size: ShopSize) -> None:
    for name in ("n_users", "n_items", "n_orders", "n_days"):
        value = getattr(size, name)
        if value < 1:
            raise UserError(f"simulate.{name}: {value} is too small; it must be at least 1.")
    if not 0 <= size.dirt_rate < 1:
        raise UserError(f"simulate.dirt_rate: {size.dirt_rate} is not a share in [0, 1).")
    try:
        date.fromisoformat(size.start) + timedelta(days=size.n_days)
    except (ValueError, OverflowError):
        raise UserError(f"simulate.start: '{size.start}' is not a date such as 2025-01-01.") from None


def _calendar(size: ShopSize) -> Calendar:
    dates = np.datetime64(date.fromisoformat(size.start), "D") + np.arange(size.n_days)
    weekday = (dates.astype(int) + 3) % 7  # 1970-01-01 was a Thursday
    month = dates.astype("datetime64[M]")
    month_number = month.astype(int) % 12 + 1
    day_of_month = (dates - month.astype("datetime64[D]")).astype(int) + 1
    black_friday = (weekday == 4) & (month_number == 11) & (day_of_month >= 23) & (day_of_month < 30)
    sale = np.convolve(black_friday, np.ones(4))[: size.n_days]  # Friday to Cyber Monday
    gifts = (month_number == 12) & (day_of_month <= 20)
    demand = np.asarray(WEEKDAY)[weekday] * (1 + 1.5 * sale) * (1 + 0.5 * gifts)

    peak = np.array([category.peak_month for category in CATEGORIES]) - 0.5
    swing = np.array([category.swing for category in CATEGORIES])
    months = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(float) / 365.25 * 12
    season = 1 + swing * np.cos(2 * np.pi * (months[:, None] - peak) / 12)
    return Calendar(dates, demand / demand.sum(), season, sale > 0)


def _catalogue(size: ShopSize, calendar: Calendar, rng: Generator) -> Catalogue:
    n, n_categories = size.n_items, len(CATEGORIES)
    category = np.sort(rng.choice(n_categories, n, p=rng.dirichlet(np.full(n_categories, 8.0))))
    first = np.searchsorted(category, np.arange(n_categories + 1))
    own_brand = np.minimum(rng.geometric(0.35, n) - 1, BRANDS_PER_CATEGORY - 1)  # each category has a leading brand
    brand = (category * 4 + own_brand) % len(BRANDS)
    adjective, noun = _distinct_words(category * len(BRANDS) + brand, category, rng)
    centres = _directions(rng, n_categories)
    tastes = (
        centres[category]
        + 0.5 * _directions(rng, n_categories * 10)[category * 10 + noun]
        + 0.4 * _directions(rng, len(BRANDS))[brand]
        + 0.3 * _directions(rng, n)
    )
    price_level = rng.normal(0, 0.5, n)
    median = np.array([shelf.price for shelf in CATEGORIES])[category]
    launch = np.where(rng.random(n) < 0.75, 0, rng.integers(0, size.n_days, n))
    launch[first[:-1][np.diff(first) > 0]] = 0  # so that no category is ever empty
    log_popularity = -0.9 * np.log(1 + rng.permutation(n))  # Zipf
    kind = category * MAX_NOUNS + noun
    return Catalogue(
        category,
        first,
        brand,
        adjective,
        noun,
        tastes,
        centres,
        quality=rng.normal(size=n),
        log_popularity=log_popularity,
        price=np.maximum(np.round(median * np.exp(price_level)) - 0.01, 0.49),
        price_level=price_level,
        interval=np.array([shelf.interval for shelf in CATEGORIES])[category],
        kind=kind,
        variety=np.array([shelf.variety for shelf in CATEGORIES])[category],
        companion=_companions(kind, np.exp(log_popularity), rng),
        discount=promotions.discounts(n, calendar.sale, rng),
        launch=launch,
        number=1 + rng.permutation(n),
    )


def _companions(kind: np.ndarray, popularity: np.ndarray, rng: Generator) -> np.ndarray:
    """Per item: a popular product of the noun that complements its own, -1 if there is none."""
    nouns = {noun: c * MAX_NOUNS + n for c, shelf in enumerate(CATEGORIES) for n, noun in enumerate(shelf.nouns)}
    complement = np.full(len(CATEGORIES) * MAX_NOUNS, -1)
    for noun, other in COMPLEMENTS:
        complement[nouns[noun]] = nouns[other]
    return habits.drawn(complement[kind], kind, popularity, rng)


def _distinct_words(group: np.ndarray, category: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """An adjective and a noun per item; no pair repeats in a group (a brand in a category) until all are used."""
    n_nouns = np.array([len(shelf.nouns) for shelf in CATEGORIES])[category]
    order = np.lexsort((rng.random(len(group)), group))
    rank = np.empty(len(group), dtype=int)
    rank[order] = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    pair = (rank * 37 + group * 11) % (n_nouns * len(ADJECTIVES))  # 37 is coprime to 150 and 180: all pairs are used
    return pair // n_nouns, pair % n_nouns


def _directions(rng: Generator, n: int) -> np.ndarray:
    """`(n, N_TASTES)` random vectors of length 1."""
    vectors = rng.normal(size=(n, N_TASTES))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _people(size: ShopSize, centres: np.ndarray, rng: Generator) -> People:
    n = size.n_users
    gender = rng.choice(["F", "M", "X"], n, p=[0.50, 0.47, 0.03])
    age = np.clip(rng.normal(41, 14, n), 18, 90).astype(int)
    by_gender, by_age = _directions(rng, 2)
    favourites = rng.dirichlet(np.full(len(CATEGORIES), 0.2), n) @ centres  # a few categories each
    favourites /= np.linalg.norm(favourites, axis=1, keepdims=True)
    lean = ((gender == "F").astype(float) - (gender == "M"))[:, None] * by_gender + (age[:, None] - 41) / 14 * by_age
    activity = rng.lognormal(0, 1.3, n)
    return People(
        tastes=favourites + 0.25 * lean + 0.3 * _directions(rng, n),
        activity=activity,
        buys=(rng.random(n) >= NEVER_BUY) | (activity == activity.max()),  # someone buys, even in the smallest shop
        price_level=rng.normal(0, 0.5, n),
        signup=np.where(rng.random(n) < 0.6, rng.integers(-1_095, 1, n), rng.integers(0, size.n_days, n)),
        gender=gender,
        age=age,
        country=rng.choice(len(CITIES), n, p=COUNTRY_SHARE),
        city=rng.choice(len(CITY_SHARE), n, p=CITY_SHARE),
    )


def _lines(size: ShopSize, people: People, catalogue: Catalogue, calendar: Calendar, rng: Generator) -> pl.DataFrame:
    """All viewed products: one row is one product in one visit (session, user, item, day, bought)."""
    visits = _visits(size, people, calendar, rng)
    visited = _visited(visits, people, catalogue, calendar, rng)
    lines = pl.concat([visited, _refilled(visited, size, catalogue, rng)])
    lines = lines.sort(
        "bought", descending=True, maintain_order=True
    )  # a product both bought and viewed counts as bought
    lines = lines.unique(["session", "item"], keep="first", maintain_order=True)
    shuffled = pl.Series("shuffled", rng.random(lines.height))  # purchases are not always viewed first
    return lines.with_columns(shuffled).sort("session", "shuffled").drop("shuffled")


def _visits(size: ShopSize, people: People, calendar: Calendar, rng: Generator) -> pl.DataFrame:
    """One row is one visit (user, day, orders), sorted by user and day; all buyers order once before any reorders."""
    n_first = max(1, round(SHARE_FIRST * size.n_orders))
    passed = np.concatenate([[0.0], np.cumsum(calendar.demand)])
    before = passed[np.maximum(people.signup, 0)]  # share of total demand before the sign-up
    weight = people.activity * (1 - before)
    buying, looking = weight * people.buys, weight
    once = rng.permutation(np.flatnonzero(people.buys))[:n_first]
    more = rng.choice(size.n_users, n_first - len(once), p=buying / buying.sum())
    browse = rng.choice(size.n_users, round(BROWSING * size.n_orders), p=looking / looking.sum())
    user = np.concatenate([once, more, browse])
    share = before[user] + (1 - before[user]) * rng.random(len(user))
    day = np.searchsorted(passed, share, side="right") - 1
    day = np.clip(day, np.maximum(people.signup[user], 0), size.n_days - 1)
    orders = np.arange(len(user)) < n_first
    return pl.DataFrame({"user": user, "day": day, "orders": orders}).sort("user", "day", maintain_order=True)


def _visited(
    visits: pl.DataFrame, people: People, catalogue: Catalogue, calendar: Calendar, rng: Generator
) -> pl.DataFrame:
    """The products of these visits, viewed or also bought, and those that they bring along."""
    n, orders = visits.height, visits["orders"].to_numpy()
    n_bought = np.where(orders, 1 + rng.poisson(1.3, n), 0)
    n_lines = n_bought + np.where(orders, rng.poisson(2.0, n), 1 + rng.poisson(2.5, n))
    session = np.repeat(np.arange(n), n_lines)
    start = np.repeat(np.cumsum(n_lines) - n_lines, n_lines)
    bought = np.arange(len(session)) - start < n_bought[session]
    user, day = visits["user"].to_numpy()[session], visits["day"].to_numpy()[session]
    category = _draw_categories(user, day, people, catalogue, calendar, rng)
    category = np.where(rng.random(len(session)) < 0.45, category[start], category)  # visits have a theme
    tries = _draw_items(user, day, category, people, catalogue, rng)
    wish = promotions.waiting(catalogue.discount[tries[:, 0], day], rng)
    bought[np.lexsort((wish, session))] = bought.copy()  # of what is viewed, reduced products tend to be bought
    mood = rng.random(len(user))
    item = tries[:, 0].copy()
    item[bought] = habits.settled(user[bought], tries[bought], catalogue.kind, catalogue.variety, mood[bought])
    lines = pl.DataFrame({"session": session, "user": user, "item": item, "day": day, "bought": bought, "mood": mood})
    return _without_owned(pl.concat([lines, _added(lines, catalogue, rng)]), catalogue)


def _added(lines: pl.DataFrame, catalogue: Catalogue, rng: Generator) -> pl.DataFrame:
    """The companions that bought products bring into the same order, as further lines."""
    bought = lines.filter("bought")
    companion = catalogue.companion[bought["item"].to_numpy()]
    on_sale = (companion >= 0) & (catalogue.launch[companion] <= bought["day"].to_numpy())
    brought = pl.Series(on_sale & (rng.random(len(companion)) < habits.TOGETHER))
    bought = bought.with_columns(item=pl.Series(companion), mood=pl.Series(rng.random(len(companion))))
    return bought.filter(brought)


def _without_owned(lines: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """The lines in which what the customer has already is looked at, and not bought."""
    lines = lines.sort("session", maintain_order=True)  # sessions are numbered by user and day
    bought = lines["bought"].to_numpy().copy()
    user, item, mood = (lines[name].to_numpy()[bought] for name in ("user", "item", "mood"))
    bought[bought] = ~habits.owned(user, item, catalogue.kind, catalogue.variety, mood)
    return lines.with_columns(bought=pl.Series(bought)).drop("mood")


def _draw_categories(
    user: np.ndarray, day: np.ndarray, people: People, catalogue: Catalogue, calendar: Calendar, rng: Generator
) -> np.ndarray:
    """A category per line: by taste, season and size of the category (an empty one is never drawn)."""
    affinity = np.exp(3.5 * people.tastes @ catalogue.centres.T) * np.sqrt(np.diff(catalogue.first))
    cumulative = np.cumsum(affinity.astype(np.float32)[user] * calendar.season.astype(np.float32)[day], axis=1)
    target = (cumulative[:, -1] * rng.random(len(user), dtype=np.float32))[:, None]
    drawn = (cumulative <= target).sum(axis=1)
    last = np.flatnonzero(np.diff(catalogue.first))[-1]  # float32 may round a target up to the total
    return np.minimum(drawn, last)


def _draw_items(
    user: np.ndarray, day: np.ndarray, category: np.ndarray, people: People, catalogue: Catalogue, rng: Generator
) -> np.ndarray:
    """`(lines, TRIES)` items of the category, by taste, popularity and price; reduced ones tend to be first.

    An item that is not on sale yet gives way to the line's others; without any, the category's first item, always on
    sale, is used. `user` must be sorted: preferences are computed for blocks of users, since the full matrix would
    take a gigabyte.
    """
    tries = np.empty((len(user), TRIES), dtype=int)
    uniform = rng.random(tries.shape)
    for users, rows in _blocks(user, size=256):
        cumulative = np.cumsum(np.exp(_preference(users, people, catalogue)), axis=1, dtype=np.float64)
        edges = np.concatenate([np.zeros((len(users), 1)), cumulative], axis=1)
        own = user[rows] - users[0]
        low, high = edges[own, catalogue.first[category[rows]]], edges[own, catalogue.first[category[rows] + 1]]
        target = low[:, None] + (high - low)[:, None] * uniform[rows]
        offset = (
            2.0 * cumulative.max() * np.arange(len(users))
        )  # one increasing array, so that one search serves all users
        positions = np.searchsorted((cumulative + offset[:, None]).ravel(), target + offset[own, None], side="right")
        tries[rows] = positions - own[:, None] * cumulative.shape[1]
    start, stop = catalogue.first[category][:, None], catalogue.first[category + 1][:, None]
    tries = np.clip(tries, start, stop - 1)  # rounding of sums may cross into the next category
    tries = promotions.preferred(tries, catalogue.discount[tries, day[:, None]], rng)
    waits = catalogue.launch[tries] > day[:, None]
    tries = np.take_along_axis(tries, waits.argsort(axis=1, kind="stable"), axis=1)
    best = np.where(waits.all(axis=1), start[:, 0], tries[:, 0])
    return np.where(np.sort(waits, axis=1), best[:, None], tries)


def _blocks(user: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, slice]]:
    """The distinct users in runs of `size` ids, each with the rows (of the sorted `user`) that belong to it."""
    for low in range(0, int(user[-1]) + 1, size):
        high = min(low + size, int(user[-1]) + 1)
        first, last = np.searchsorted(user, [low, high])
        if first < last:
            yield np.arange(low, high), slice(first, last)


def _preference(users: np.ndarray, people: People, catalogue: Catalogue) -> np.ndarray:
    """`(users, n_items)` log weights: taste, popularity, and distance of the price from the preferred level."""
    taste = (2.5 * people.tastes[users]).astype(np.float32) @ catalogue.tastes.T.astype(np.float32)
    gap = (people.price_level[users, None] - catalogue.price_level).astype(np.float32)
    return taste + catalogue.log_popularity.astype(np.float32) - gap * gap


def _refilled(lines: pl.DataFrame, size: ShopSize, catalogue: Catalogue, rng: Generator) -> pl.DataFrame:
    """The lines of refill orders; with those of visits, at most `n_orders` orders in all."""
    bought = lines.filter("bought")
    item = bought["item"].to_numpy()
    first = bought.with_columns(kind=pl.Series(catalogue.kind[item])).filter(pl.Series(catalogue.interval[item] > 0))
    first = first.unique(["user", "kind"], keep="first", maintain_order=True)
    groups = catalogue.kind, catalogue.kind * len(BRANDS) + catalogue.brand
    refill = habits.refills(first, catalogue.interval, groups, np.exp(catalogue.log_popularity), rng)
    out = catalogue.launch[refill["item"].to_numpy()] <= refill["day"].to_numpy()
    refill = refill.filter(pl.Series(out) & (pl.col("day") < size.n_days))
    refill = habits.as_orders(refill, size.n_orders - bought["session"].n_unique(), rng)
    session = lines["session"].max() + 1 + pl.col("order")
    return refill.select(session.alias("session"), "user", "item", "day", bought=pl.lit(True))


def _events(
    lines: pl.DataFrame, people: People, catalogue: Catalogue, calendar: Calendar, rng: Generator
) -> pl.DataFrame:
    """The clean transactions: the funnel of every line, then returns and ratings, in the order of time.

    One row is one transaction as the shop delivers it, with `at` (UTC, microseconds) and `delivered` (the day
    whose file contains it) besides the columns of the file.
    """
    lines = _with_times(lines, rng).with_columns(_quantity(lines, catalogue, rng), _unit_price(lines, catalogue))
    bought = lines.filter("bought")
    events = pl.concat(
        [
            _action("view", lines.with_columns(at="viewed", quantity=None, session=None)),
            _action("add_to_cart", lines.filter("carted").with_columns(at="cart", session=None)),
            _action("purchase", bought.with_columns(at="checkout")),
            _action("return", _returns(bought, rng)),
            _action("rating", _ratings(bought, people, catalogue, rng)),
        ]
    )
    events = events.filter(pl.col("at") < len(calendar.dates) * DAY)  # events after the last day are in the future
    return _named(events.sort("at", "user", "item", maintain_order=True), people, catalogue, calendar)


def _with_times(lines: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    """Adds `carted` and, in microseconds since the first day, `viewed`, `cart` and `checkout` (one for the order)."""
    n = lines.height
    hour = np.repeat(np.arange(24), HOUR)[rng.integers(0, sum(HOUR), n)]
    visit = pl.Series("start", hour * 3_600 * SECOND + rng.integers(0, 3_600 * SECOND, n))
    pause = pl.Series("pause", (rng.exponential(60 * SECOND, n)).astype(np.int64) + SECOND)
    hesitation = pl.Series("hesitation", rng.integers(10 * SECOND, 180 * SECOND, n))
    paying = pl.Series("paying", rng.integers(60 * SECOND, 300 * SECOND, n))
    carted = pl.Series("carted", rng.random(n) < 0.15)  # added to the cart, not bought
    return (
        lines.with_columns(visit, pause, hesitation, paying, carted)
        .with_columns(
            viewed=pl.col("day") * DAY + (pl.col("start").first() + pl.col("pause").cum_sum()).over("session"),
            carted=pl.col("carted") | pl.col("bought"),
        )
        .with_columns(cart=pl.col("viewed") + pl.col("hesitation"))
        .with_columns(checkout=(pl.col("cart").max() + pl.col("paying").first()).over("session"))
        .select("session", "user", "item", "day", "bought", "carted", "viewed", "cart", "checkout")
    )


def _quantity(lines: pl.DataFrame, catalogue: Catalogue, rng: Generator) -> pl.Series:
    used_up = catalogue.interval[lines["item"].to_numpy()] > 0
    return pl.Series("quantity", 1 + rng.poisson(np.where(used_up, 0.7, 0.1)))


def _unit_price(lines: pl.DataFrame, catalogue: Catalogue) -> pl.Series:
    """The list price, less the day's discount."""
    item, day = lines["item"].to_numpy(), lines["day"].to_numpy()
    return pl.Series("unit_price", np.round(catalogue.price[item] * (1 - catalogue.discount[item, day] / 100), 2))


def _returns(bought: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    chosen = bought.filter(pl.Series(rng.random(bought.height) < RETURNED))
    wait = pl.Series(rng.integers(2 * DAY, 20 * DAY, chosen.height))
    return chosen.with_columns(at=pl.col("checkout") + wait)


def _ratings(bought: pl.DataFrame, people: People, catalogue: Catalogue, rng: Generator) -> pl.DataFrame:
    """At most one rating per pair, days after a purchase: mostly positive, more so where tastes match."""
    chosen = bought.filter(pl.Series(rng.random(bought.height) < RATED))
    chosen = chosen.unique(["user", "item"], keep="first", maintain_order=True)
    user, item = chosen["user"].to_numpy(), chosen["item"].to_numpy()
    affinity = (people.tastes[user] * catalogue.tastes[item]).sum(axis=1)
    opinion = 3.5 + 0.9 * affinity + 0.5 * catalogue.quality[item] + rng.normal(0, 0.7, chosen.height)
    rating = pl.Series("rating", np.clip(np.round(opinion), 1, 5).astype(np.int64))
    wait = pl.Series((DAY * np.clip(rng.lognormal(1.5, 0.6, chosen.height), 0.5, 40)).astype(np.int64))
    return chosen.with_columns(rating, at=pl.col("checkout") + wait, quantity=None, unit_price=None, session=None)


def _action(name: str, lines: pl.DataFrame) -> pl.DataFrame:
    rating = pl.col("rating") if "rating" in lines.columns else pl.lit(None)
    return lines.select(
        "user",
        "item",
        pl.col("at").cast(pl.Int64),
        pl.col("quantity").cast(pl.Int64),
        pl.col("unit_price").cast(pl.Float64),
        rating.cast(pl.Int64).alias("rating"),
        pl.col("session").cast(pl.Int64),
        action=pl.lit(name),
    )


def _named(events: pl.DataFrame, people: People, catalogue: Catalogue, calendar: Calendar) -> pl.DataFrame:
    """The events in the shop's format: ids, timestamps as text, and the day of the file that delivers them."""
    number = pl.Series(catalogue.number[events["item"].to_numpy()])
    signup_day = pl.Series(people.signup[events["user"].to_numpy()])
    at = pl.lit(calendar.dates[0].astype("datetime64[us]").item()) + pl.duration(microseconds="at")
    return (
        events.with_row_index("row", offset=1)
        .with_columns(number=number, order=pl.col("session").rank("dense"), signup_day=signup_day)
        .with_columns(delivered=pl.col("at") // DAY, since_signup=pl.col("at") - pl.col("signup_day") * DAY, at=at)
        .select(
            _id("T", pl.col("row"), 8).alias("transaction_id"),
            _id("C", pl.col("user") + 1, 6).alias("customer_id"),
            _id("P", pl.col("number"), 5).alias("product_id"),
            "action",
            _text(pl.col("at")).alias("timestamp"),
            "quantity",
            "unit_price",
            "rating",
            _id("O", pl.col("order"), 7).alias("order_id"),
            "at",
            "delivered",
            "signup_day",
            "since_signup",
        )
    )


def _id(letter: str, number: pl.Expr, width: int) -> pl.Expr:
    return pl.lit(letter) + number.cast(pl.String).str.zfill(width)


def _text(at: pl.Expr) -> pl.Expr:
    return at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def _users(people: People, calendar: Calendar) -> pl.DataFrame:
    countries = list(CITIES)
    cities = np.array(list(CITIES.values()))
    return pl.DataFrame(
        {
            "user": np.arange(len(people.age)),
            "signup_date": (calendar.dates[0] + people.signup).astype("datetime64[ms]"),
            "gender": people.gender,
            "age": people.age,
            "country": np.array(countries)[people.country],
            "city": cities[people.country, people.city],
        }
    ).select(
        _id("C", pl.col("user") + 1, 6).alias("customer_id"),
        pl.col("signup_date").cast(pl.Date),
        pl.col("gender", "age", "country", "city"),
    )


def _products(catalogue: Catalogue, rng: Generator) -> pl.DataFrame:
    shelves = [CATEGORIES[category] for category in catalogue.category]
    words = zip(catalogue.brand, catalogue.adjective, shelves, catalogue.noun, strict=True)
    titles = [f"{BRANDS[brand]} {ADJECTIVES[adjective]} {shelf.nouns[noun]}" for brand, adjective, shelf, noun in words]
    n_awkward = min(2 * len(AWKWARD), len(titles) // 8)
    for n, item in enumerate(rng.permutation(len(titles))[:n_awkward]):
        titles[item] = AWKWARD[n % len(AWKWARD)].format(titles[item])
    return (
        pl.DataFrame(
            {
                "number": catalogue.number,
                "title": titles,
                "category": [shelf.name for shelf in shelves],
                "brand": [BRANDS[brand] for brand in catalogue.brand],
                "price": np.round(catalogue.price, 2),
            }
        )
        .sort("number")
        .select(_id("P", pl.col("number"), 5).alias("product_id"), "title", "category", "brand", "price")
    )


def _with_stock(products: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    """Whether each product is still sold, and how many pieces are left at the end of the simulated period."""
    fate = rng.random(products.height)
    left = rng.geometric(1 / MEAN_STOCK, products.height)
    return products.with_columns(
        available=pl.Series(fate >= DISCONTINUED),
        stock=pl.Series(np.where(fate < DISCONTINUED + SOLD_OUT, 0, left)),
    )


def _with_gaps(table: pl.DataFrame, shares: dict[str, float], rng: Generator) -> pl.DataFrame:
    gaps = {name: pl.Series(rng.random(table.height) < share) for name, share in shares.items()}
    return table.with_columns(pl.when(~gap).then(pl.col(name)).alias(name) for name, gap in gaps.items())


class Fault(NamedTuple):
    """A kind of error: the rows that can have it, the column it changes, and the erroneous values."""

    eligible: pl.Expr
    column: str
    values: Callable[[pl.DataFrame, Generator], pl.Series]


def _any_of(*values: object) -> Callable[[pl.DataFrame, Generator], pl.Series]:
    return lambda rows, rng: pl.Series([values[n] for n in rng.integers(0, len(values), rows.height)])


def _free_or_negative(rows: pl.DataFrame, rng: Generator) -> pl.Series:
    return 0.0 - rows["unit_price"] * rng.integers(0, 2, rows.height)  # a unary minus would write -0.00


def _far_ahead(rows: pl.DataFrame, rng: Generator) -> pl.Series:
    return rows.select(_text(pl.col("at") + timedelta(days=27_028))).to_series()  # 74 years: 2099 for 2025


def _too_early(rows: pl.DataFrame, rng: Generator) -> pl.Series:
    """Up to 30 days before the customer's sign-up, and within the simulated period."""
    early = pl.Series("early", DAY * rng.uniform(0.05, 1, rows.height)) * rows["signup_day"].clip(upper_bound=30)
    moment = pl.col("at") - pl.duration(microseconds="since_signup") - pl.duration(microseconds="early")
    return rows.with_columns(early.cast(pl.Int64)).select(_text(moment)).to_series()


ALWAYS = pl.first().is_not_null()  # the first column is an id, so: any row
NO_TIMES = ("not a date", "2025-02-30T12:00:00.000000Z", "0000-00-00")
PURCHASE = pl.col("action") == "purchase"
USER_FAULTS = {"impossible_age": Fault(ALWAYS, "age", _any_of(-3, 230))}
PRODUCT_FAULTS = {"negative_price": Fault(ALWAYS, "price", lambda rows, rng: -rows["price"])}
TRANSACTION_FAULTS = {
    "orphan_customer": Fault(ALWAYS, "customer_id", lambda rows, rng: rows["customer_id"].str.replace("C", "CX")),
    "orphan_product": Fault(ALWAYS, "product_id", lambda rows, rng: rows["product_id"].str.replace("P", "PX")),
    "missing_customer": Fault(ALWAYS, "customer_id", _any_of(None)),
    "unknown_action": Fault(ALWAYS, "action", _any_of("wishlist", "PURCHSE", "?")),
    "impossible_price": Fault(PURCHASE, "unit_price", _free_or_negative),
    "impossible_quantity": Fault(PURCHASE, "quantity", _any_of(0)),
    "impossible_rating": Fault(pl.col("action") == "rating", "rating", _any_of(-1, 0, 6, 10)),
    "unparsable_timestamp": Fault(ALWAYS, "timestamp", _any_of(*NO_TIMES)),
    "future_timestamp": Fault(ALWAYS, "timestamp", _far_ahead),
    "before_signup": Fault(PURCHASE & (pl.col("signup_day") > 0), "timestamp", _too_early),
}


def _damaged(
    table: pl.DataFrame, faults: dict[str, Fault], rate: float, rng: Generator
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The table with errors in `rate` of its rows, and how many of each kind.

    A third of the errors are intact rows delivered again, unchanged, as `duplicate`; the rest is distributed evenly
    over the faults, at most one per row (fewer if too few rows are eligible). Adds the column `state`: intact,
    damaged or resent.
    """
    n_damaged = round(rate * table.height)
    n_resent = round(n_damaged / 3)
    shares = np.diff(np.linspace(0, n_damaged - n_resent, len(faults) + 1).astype(int))
    changed = np.zeros(table.height, dtype=bool)
    table = table.with_row_index("line")
    damaged, counts = [], {}
    for (kind, fault), share in zip(faults.items(), shares, strict=True):
        eligible = np.flatnonzero(table.select(fault.eligible).to_series().to_numpy() & ~changed)
        lines = np.sort(rng.permutation(eligible)[:share])
        erroneous = fault.values(table[lines], rng).cast(table.schema[fault.column]).alias(fault.column)
        damaged.append(table[lines].with_columns(erroneous))
        changed[lines] = True
        counts[kind] = len(lines)
    intact = np.flatnonzero(~changed)
    resent = np.sort(rng.permutation(intact)[:n_resent])
    states = {"intact": [table[intact]], "damaged": damaged, "resent": [table[resent]]}
    parts = [part.with_columns(state=pl.lit(state)) for state, tables in states.items() for part in tables]
    result = pl.concat(parts).sort(pl.col("state") == "resent", "line").drop("line")
    return result, counts | {"duplicate": len(resent)}


def _delayed(events: pl.DataFrame, size: ShopSize, rng: Generator) -> tuple[pl.DataFrame, int]:
    """Deliver some rows 1-3 days late, half as many as have errors, and a third of the duplicates a day later."""
    last = size.n_days - 1
    n_late = round(size.dirt_rate / 2 * events.height)
    punctual = np.flatnonzero((events["state"] == "intact") & (events["delivered"] < last))
    delay = np.zeros(events.height, dtype=np.int64)
    late = rng.permutation(punctual)[:n_late]
    delay[late] = rng.integers(1, 4, len(late))
    delay[(events["state"] == "resent").to_numpy() & (rng.random(events.height) < 1 / 3)] = 1
    delivered = (pl.col("delivered") + pl.Series(delay)).clip(upper_bound=last)
    events = events.with_columns(delivered=delivered)
    return events.sort("delivered", "at", "transaction_id", "state", maintain_order=True), len(late)


def _deliver(
    folder: Path, calendar: Calendar, users: pl.DataFrame, products: pl.DataFrame, events: pl.DataFrame
) -> None:
    """Write the shop's files; for a day without transactions, a file with only a header."""
    (folder / "transactions").mkdir(parents=True, exist_ok=True)
    _write(folder / "users.csv", users.drop("state").write_csv())
    objects = ",\n".join(json.dumps(row, ensure_ascii=False) for row in products.drop("state").iter_rows(named=True))
    _write(folder / "products.json", f"[\n{objects}\n]\n")
    edges = events["delivered"].search_sorted(np.arange(len(calendar.dates) + 1))
    for number, day in enumerate(tqdm(calendar.dates, desc="Writing files", unit="file", disable=None)):
        rows = events.select(TRANSACTION)[edges[number] : edges[number + 1]]
        _write(folder / "transactions" / f"transactions_{day}.csv", rows.write_csv(float_precision=2))


def _write(path: Path, text: str) -> None:
    """Write atomically, and only if the content changed."""
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return
    with files.complete(path) as unfinished:
        unfinished.write_bytes(content)
