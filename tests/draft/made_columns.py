"""The columns that exports of shops have, each under a word for its kind.

A kind is one of our columns (`quantity`), `total` (the price of the whole line), or a column of a derived table
(`items.name`). Kinds that begin with `!` are columns that no shop file should map.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from draft.locales import LOCALES
from draft.made_shop import MadeShop

PRIVATE = ("!first", "!last", "!full_name", "!email", "!phone", "!street", "!iban", "!ip", "!birthday")
BANDS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")


def users(shop: MadeShop, kinds: dict[str, str]) -> pl.DataFrame:
    """The users who have a row: delivered name -> kind gives the columns and their order."""
    all_users = pl.DataFrame({delivered: _user(shop, kind) for delivered, kind in kinds.items()})
    return all_users.filter(pl.Series(shop.rng(6).random(shop.n_users) < shop.known)) if shop.known < 1 else all_users


def items(shop: MadeShop, kinds: dict[str, str]) -> pl.DataFrame:
    """The catalogue."""
    return pl.DataFrame({delivered: _item(shop, kind) for delivered, kind in kinds.items()})


def events(shop: MadeShop, kinds: dict[str, str], words: dict[str, str]) -> pl.DataFrame:
    """The events, by time; `words`: our event type -> the shop's word."""
    return pl.DataFrame({delivered: _event(shop, kind, words) for delivered, kind in kinds.items()})


def _text(form: str, numbers: pl.Series) -> pl.Series:
    """Ids as text, or as whole numbers if they are only that."""
    if form == "{}":
        return numbers.cast(pl.Int64)
    return pl.Series([None if n is None else form.format(n) for n in numbers.to_list()], dtype=pl.String)


def _some(shop: MadeShop, stream: int, values: list | tuple | str, n: int) -> pl.Series:
    values = values.split(",") if isinstance(values, str) else list(values)
    return pl.Series([values[place] for place in shop.rng(stream).integers(0, len(values), n)])


def _user(shop: MadeShop, kind: str) -> pl.Series:
    n, words = shop.n_users, LOCALES[shop.locale]
    number = pl.Series(np.arange(n) + 10_000)
    first, last = _some(shop, 11, words.first, n), _some(shop, 12, words.last, n)
    joined = pl.Series([shop.start.date() + timedelta(days=int(day)) for day in shop.joined])
    age = pl.Series(shop.rng(13).normal(44, 15, n).clip(18, 92).astype(int))
    place = shop.rng(14).integers(0, 6, n)
    made = {
        "user_id": lambda: _text(shop.ids.user, number),
        "signup_date": lambda: joined,
        "age": lambda: age,
        "age_band": lambda: pl.Series(
            [BANDS[min(int(np.searchsorted([25, 35, 45, 55, 65], a, "right")), 5)] for a in age]
        ),
        "gender": lambda: _some(shop, 15, shop.genders, n),
        "country": lambda: _some(shop, 16, (words.countries.split(",")[0],) * 6 + tuple(words.countries.split(",")), n),
        "city": lambda: pl.Series([words.cities.split(",")[p] for p in place]),
        "!first": lambda: first,
        "!last": lambda: last,
        "!full_name": lambda: first + " " + last,
        "!email": lambda: emails(shop),
        "!phone": lambda: pl.Series(
            [f"+{p[0]} {p[1:4]} {p[4:]}" for p in map(str, shop.rng(17).integers(10**10, 10**11, n))]
        ),
        "!street": lambda: _some(shop, 18, words.streets, n),
        "!zip": lambda: pl.Series([f"{10_000 + 7_919 * p:05}" for p in place]),
        "!birthday": lambda: pl.Series([shop.start.date() - timedelta(days=int(a) * 365 + 91) for a in age]),
        "!iban": lambda: pl.Series([f"DE{d}" for d in shop.rng(19).integers(10**17, 9 * 10**17, n) * 10]),
        "!newsletter": lambda: pl.Series(shop.rng(20).integers(0, 2, n)),
        "!points": lambda: pl.Series(shop.rng(21).gamma(1.2, 300, n).astype(int)),
        "!segment": lambda: _some(shop, 22, "A,B,C", n),
        "!one": lambda: pl.Series([None if n % 3 else 1 for n in range(n)], dtype=pl.Int64),
        "!status": lambda: _some(shop, 23, "ACTIVE,ACTIVE,ACTIVE,PRE-CREATE", n),
        "!household": lambda: _some(shop, 24, "1,2,2,3,4,5+", n),
        "!income": lambda: _some(shop, 25, "Under 15K,15-24K,25-34K,35-49K,50-74K,75-99K", n),
    }
    return made[kind]()


def emails(shop: MadeShop) -> pl.Series:
    """One address per user, at domains that nobody has."""
    names = _some(shop, 12, LOCALES["en"].last, shop.n_users).str.to_lowercase()
    return pl.Series([f"{name}.{n}@mail.example" for n, name in enumerate(names)])


def _item(shop: MadeShop, kind: str) -> pl.Series:
    n, catalogue = shop.n_items, shop.catalogue
    price = catalogue["list_price"]
    rng = shop.rng(30)
    made = {
        "item_id": lambda: _text(shop.ids.item, catalogue["item"] + 100),
        "name": lambda: catalogue["name"],
        "category": lambda: catalogue["category"],
        "brand": lambda: catalogue["brand"],
        "price": lambda: price,
        "available": lambda: pl.Series((rng.random(n) < 0.9).astype(int)),
        "stock": lambda: pl.Series(rng.poisson(25, n)),
        "!ean": lambda: pl.Series([f"40{d}" for d in rng.integers(10**10, 10**11, n)]),
        "!cost": lambda: (price * pl.Series(rng.uniform(0.4, 0.7, n))).round(2),
        "!weight": lambda: pl.Series(rng.gamma(2, 0.6, n)).round(3),
        "!supplier": lambda: pl.Series(rng.integers(70_001, 70_009, n)),
        "!vat": lambda: pl.Series(np.where(rng.random(n) < 0.6, 19, 7)),
        "!noun": lambda: catalogue["name"].str.split(" ").list.first(),
        "!variant": lambda: catalogue["name"].str.split(" ").list.last(),
        "!url": lambda: "https://shop.example/p/" + catalogue["item"].cast(pl.String),
        "!description": lambda: pl.Series(
            [f"{name}: {words}" for name, words in zip(catalogue["name"], _prose(shop, n), strict=True)]
        ),
        "!listed": lambda: pl.Series([shop.start.date() - timedelta(days=int(d)) for d in rng.integers(30, 900, n)]),
    }
    return made[kind]()


def _prose(shop: MadeShop, n: int) -> list[str]:
    """Sentences with commas, quotation marks and separators of all kinds."""
    parts = [
        'very "solid"',
        "made by hand; please order in time",
        "soft, warm and light",
        "a gift\tfor everyone",
        "5 | 7 | 9",
    ]
    return [", ".join(str(shop.rng(31 + row).choice(parts)) for _ in range(3)) for row in range(n)]


def _event(shop: MadeShop, kind: str, words: dict[str, str]) -> pl.Series:
    rows = shop.events
    n, user, item, order = rows.height, rows["user"], rows["item"], rows["order"]
    if kind.startswith("items."):
        return _item(shop, kind.removeprefix("items.")).gather(item)
    if kind.startswith("users."):
        return _user(shop, kind.removeprefix("users.")).gather(user)
    rng, visit = shop.rng(40), rows["visit"].to_numpy()
    made = {
        "event_id": lambda: _text(shop.ids.event, pl.Series(np.arange(n) + 400_000)),
        "user_id": lambda: _text(shop.ids.user, user + 10_000),
        "item_id": lambda: _text(shop.ids.item, item + 100),
        "order_id": lambda: _text(shop.ids.order, order + 536_000),
        "event_type": lambda: rows["type"].replace(words),
        "timestamp": lambda: rows["moment"],
        "quantity": lambda: rows["quantity"],
        "price": lambda: rows["price"],
        "rating": lambda: rows["rating"],
        "total": lambda: (rows["price"] * rows["quantity"]).round(2),
        "!total": lambda: (rows["price"] * rows["quantity"]).round(2),
        "user_email": lambda: emails(shop).gather(user),
        "!line": lambda: rows.select(pl.int_range(pl.len()).over("order") + 1).to_series(),
        "!store": lambda: pl.Series(
            [f"F{s:02}" for s in 1 + (user.fill_null(3).to_numpy() * 7 + rng.integers(0, 9, n) // 8) % 6]
        ),
        "!till": lambda: pl.Series(shop.rng(41).integers(1, 7, visit.max() + 1)[visit]),
        "!cashier": lambda: pl.Series(shop.rng(42).integers(101, 119, visit.max() + 1)[visit]),
        "!payment": lambda: pl.Series(
            np.array(["card", "cash", "voucher"])[shop.rng(43).choice(3, visit.max() + 1, p=[0.7, 0.27, 0.03])[visit]]
        ),
        "!vat": lambda: pl.Series(np.where(item.to_numpy() % 3 == 0, 7, 19)),
        "!week": lambda: (rows["second"] // (7 * 86_400)).cast(pl.Int64) + 1,
        "!channel": lambda: pl.Series(1 + visit % 2),
        "!currency": lambda: pl.repeat("EUR", n, eager=True),
        "!reduction": lambda: (shop.catalogue["list_price"].gather(item) - rows["price"]).round(2),
        "!session": lambda: pl.Series([f"{(o + 1) * 2_654_435_761 % 2**32:08x}" for o in visit]),
        "!agent": lambda: pl.Series(
            np.array(["Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (iPhone)", "okhttp/4.9"])[visit % 3]
        ),
        "!email": lambda: emails(shop).gather(user),
        "!full_name": lambda: _user(shop, "!full_name").gather(user),
        "!phone": lambda: _user(shop, "!phone").gather(user),
        "!street": lambda: _user(shop, "!street").gather(user),
        "!ip": lambda: pl.Series([f"192.0.2.{o * 37 % 251}" for o in visit]),
        "!note": lambda: pl.Series([None if r > 0.02 else "please ring" for r in rng.random(n)], dtype=pl.String),
    }
    return made[kind]()
