"""Tiny shops through all stages: a stage succeeds, or it fails with a sentence for the user; never with a traceback."""

from __future__ import annotations

import pytest
import tiny_shops
from tiny_shops import TinyShop, declare

from recomart.reports import index
from recomart_lib.validate import profiling

SEEDS = range(200, 224)


@pytest.fixture
def in_project(tmp_path, monkeypatch):
    """`in_project(shop)` writes a shop as a project and makes it the current one."""

    def enter(shop: TinyShop) -> None:
        tiny_shops.write(tmp_path, shop)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
        monkeypatch.setenv("TQDM_DISABLE", "1")

    return enter


def rating(day: int, user: str = "u", item: str = "a", **cells: str) -> dict[str, str]:
    """A rating of five stars on a day of January 2025."""
    return {
        "event_id": f"{user}-{item}-{day}",
        "user_id": user,
        "item_id": item,
        "event_type": "rating",
        "timestamp": f"2025-01-{day:02} 10:00:00",
        "rating": "5",
        **cells,
    }


ONE_OF_EACH = {
    "users": [{"user_id": "u", "country": ""}],
    "items": [{"item_id": "a", "category": "food", "price": "2"}],
    "events": [rating(day) for day in range(1, 31)],
}


def test_one_user_one_product_one_price_and_one_rating_are_a_shop(in_project, monkeypatch):
    monkeypatch.setattr(profiling, "profile", lambda *_: "")  # seconds to import
    in_project(TinyShop(declare(ONE_OF_EACH, horizon_days=7, relevant_events=["rating"]), ONE_OF_EACH))
    assert tiny_shops.run(["01_ingest", "02_validate", "03_explore", "04_prepare"]) is None


def test_a_shop_of_one_day_is_told_what_it_lacks(in_project, monkeypatch):
    monkeypatch.setattr(profiling, "profile", lambda *_: "")
    rows = ONE_OF_EACH | {"events": [rating(1, item=item) for item in "abc"]}
    del rows["items"]
    in_project(TinyShop(declare(rows, relevant_events=["rating"]), rows))
    assert "04_prepare: There is no view, cart, purchase or rating before" in (tiny_shops.run() or "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_tiny_shop_has_no_traceback(in_project, seed, tmp_path, call):
    shop = tiny_shops.draw(seed)
    in_project(shop)
    if tiny_shops.run() is None:
        index.build(tmp_path)
        for user in {event["user_id"] for event in shop.rows["events"]} | {"nobody"}:
            assert call("recommend", "--user", user)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["all", "novel"])
def test_one_who_has_everything_gets_a_list(in_project, protocol, call):
    """In protocol novel, too: what to choose again, with a reason that says so."""
    users = [f"u{n}" for n in range(6)]
    events = [rating(day, "all", item) for day in range(1, 29) for item in "abcde"]
    events += [rating(day, user, item) for day in range(1, 29, 9) for user, item in zip(users, "abcdea", strict=True)]
    rows = {"events": events}
    in_project(TinyShop(declare(rows, horizon_days=5, relevant_events=["rating"]), rows, protocol))
    assert tiny_shops.run() is None
    _, output, _ = call("recommend", "--user", "all")
    assert "Unknown user" not in output
    assert ("You have chosen every product" in output) == (protocol == "novel")
