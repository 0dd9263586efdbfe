"""Lists for all users, their reasons, and the gallery of customers with what they chose before."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import INTERACTIONS, RECOMMENDATIONS
from recomart_lib.recommend import customer_gallery, customer_gallery_html, reasons, suggestions, takeaways
from recomart_lib.train import train_data

CUT = datetime(2024, 3, 1, tzinfo=UTC)
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "name": ["Apple", "Bread", "<b>Cheese</b>", "Dates"],
        "category": ["fruit", "bakery", "dairy", "fruit"],
        "price": [1.0, 2.0, 3.0, 4.0],
    }
)
USERS = pl.DataFrame({"user_id": ["u", "v", "w", "x"]})
PURCHASES = [("u", "a", 1), ("u", "b", 9), ("u", "d", 5), ("v", "a", 2), ("v", "d", 3), ("w", "a", 4)]


def window() -> dict[str, pl.DataFrame]:
    users = pl.DataFrame({"user_id": ["u", "v", "w"], "user_idx": pl.Series([0, 1, 2], dtype=pl.Int32)})
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "item_idx": pl.Series([0, 1, 2, 3], dtype=pl.Int32)})
    rows = []
    for user, item, day in PURCHASES:
        moment = datetime(2024, 2, day, tzinfo=UTC)
        rows.append(
            {
                "user_id": user,
                "item_id": item,
                "n_events": 1,
                "n_relevant": 1,
                "n_orders": 1,
                "weight": 1.0,
                "quantity": 1.0,
                "first_timestamp": moment,
                "last_timestamp": moment,
                "last_relevant_timestamp": moment,
                "rating": None,
            }
        )
    pairs = pl.DataFrame(rows).join(users, on="user_id").join(items, on="item_id")
    schema = {name: dtype for name, dtype in INTERACTIONS.items() if name in pairs.columns}
    return {"users": users, "items": items, "interactions": pairs.cast(schema)}


def recommended(k: int = 3, protocol: str = "all") -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    tables = window()
    data = train_data.from_window(tables, CUT)
    popular = models.create("popularity").fit(data)
    model = models.create("own_history").fit(data)
    lists = suggestions.lists_for_all_users(model, popular, data, tables, USERS, protocol, k)
    named = reasons.with_reasons(lists, data, tables, ITEMS, protocol).join(ITEMS, on="item_id", maintain_order="left")
    return named, tables


def test_every_user_gets_a_list_and_every_recommendation_a_reason():
    named, _ = recommended()
    assert named.group_by("user_id").len().sort("user_id").rows() == [("u", 3), ("v", 3), ("w", 3), ("x", 3)]
    sentences = {(row["user_id"], row["item_id"]): row["reason"] for row in named.iter_rows(named=True)}
    kinds = {(row["user_id"], row["item_id"]): row["reason_kind"] for row in named.iter_rows(named=True)}
    assert (kinds["u", "b"], kinds["w", "d"], kinds["x", "a"]) == (
        reasons.CHOSEN_BEFORE,
        reasons.CHOSEN_TOGETHER,
        reasons.POPULAR,
    )
    assert sentences["u", "b"] == "You chose this once before, last on 2024-02-09."
    assert sentences["w", "d"] == "2 customers who chose Apple chose this too."
    assert sentences["x", "a"] == "Popular in the shop: 3 customers chose it."


def test_who_has_every_product_gets_what_to_choose_again(monkeypatch):
    monkeypatch.setattr(f"{__name__}.PURCHASES", [*PURCHASES, ("u", "c", 8)])
    named, _ = recommended(protocol="novel")
    assert named.group_by("user_id").len().sort("user_id").rows() == [("u", 3), ("v", 2), ("w", 3), ("x", 3)]
    again = named.filter(user_id="u").row(0, named=True)
    assert again["reason"] == "You have chosen every product: this one once, last on 2024-02-01."
    assert set(named.filter(reason_kind=reasons.NOTHING_NEW)["user_id"]) == {"u"}
    assert reasons.CHOSEN_BEFORE not in named["reason_kind"].to_list()


def test_history_is_most_recent_first():
    rows = suggestions.purchase_history("u", window(), ITEMS)
    assert rows.select("name", "n_orders", "last").rows() == [
        ("Bread", 1, "2024-02-09"),
        ("Dates", 1, "2024-02-05"),
        ("Apple", 1, "2024-02-01"),
    ]
    assert suggestions.purchase_history("x", window(), ITEMS).height == 0


RETURNS = [("u", "b", "return"), ("x", "b", "view")]


def gallery(show_ids: bool = False, price: float | None = 3.0) -> list[customer_gallery.Customer]:
    named, tables = recommended(4)
    items = ITEMS.with_columns(pl.when(item_id="c").then(price).otherwise("price").alias("price"))
    names = pl.DataFrame(
        {"user_id": ["u", "v", "w", "x"], "segment": ["champions", "champions", "at risk", "no order"]}
    )
    events = pl.DataFrame(RETURNS, schema=["user_id", "item_id", "event_type"], orient="row")
    return customer_gallery.customers(named.select(*RECOMMENDATIONS), tables, items, names, events, show_ids)


def test_the_gallery_has_customers_of_every_kind_under_a_number():
    shown = gallery()
    assert [one.name for one in shown] == [
        "Customer 1 (heavy, champions)",
        "Customer 2 (medium, champions)",
        "Customer 3 (light, at risk)",
        "Customer 4 (cold)",
    ]
    assert [one.user_id for one in shown] == ["u", "v", "w", "x"]
    assert [one.n_history for one in shown] == [3, 2, 1, 0]
    assert gallery(show_ids=True)[0].name == "Customer 1 (heavy, champions, id u)"


def test_a_large_shop_shows_every_segment():
    users = [f"u{n:03}" for n in range(90)]
    segments = ["champions", "at risk", "hibernating"]
    rows = pl.DataFrame({"user_id": users, "segment": [segments[n % 3] for n in range(90)], "n": range(1, 91)})
    kinds = pl.when(pl.col("n") > 60).then(pl.lit("heavy")).otherwise(pl.lit("light")).alias("kind")
    chosen = customer_gallery._choose(rows.with_columns(kinds))
    assert chosen.height == customer_gallery.N_CUSTOMERS
    assert chosen["user_id"].head(6).to_list() == ["u089", "u088", "u087", "u000", "u001", "u002"]
    assert set(chosen["segment"].tail(14).value_counts().get_column("count")) <= {4, 5}


def test_the_gallery_as_html_has_two_lists_and_reasons_and_no_ids():
    page = customer_gallery_html.show(gallery(), "EUR").data
    assert page.count("<details") == 5  # and one by product
    assert page.count('<details class="customer" open>') == 1
    assert page.count('<ol aria-label="Suggestions">') == 4
    assert "<b>Apple</b>, fruit, 1.00 EUR<br><small>You chose this once before, last on 2024-02-01.</small>" in page
    assert "Bread<br><small>once, last on 2024-02-09</small>" in page
    assert "Nothing: the customer has no event yet, and gets the default list." in page
    assert "<b>Cheese" not in page and "&lt;b&gt;Cheese&lt;/b&gt;" in page
    assert ">u<" not in page
    assert "EUR" in page and "None" not in customer_gallery_html.show(gallery(price=None), "EUR").data


def test_who_only_looked_is_not_unknown(monkeypatch):
    everything = window
    looked = pl.when(user_id="w").then(0).otherwise("n_relevant").cast(pl.Int32).alias("n_relevant")
    monkeypatch.setattr(
        f"{__name__}.window",
        lambda: (shop := everything()) | {"interactions": shop["interactions"].with_columns(looked)},
    )
    shown = gallery()
    assert [customer_gallery.history_of(one) for one in shown[2:]] == [
        "nothing chosen yet, looked at 1 product",
        "no event yet",
    ]
    page = customer_gallery_html.show(shown, "EUR").data
    assert page.count("Nothing yet; the customer looked at 1 product.") == 1
    assert page.count("the customer has no event yet") == 1
    assert "for the 3 warm customers (1 only looked, and chose nothing yet)" in takeaways.gallery(shown)


def test_who_only_returned_is_cold_and_not_unknown(monkeypatch):
    monkeypatch.setattr(f"{__name__}.RETURNS", [("x", "b", "return"), ("x", "b", "return"), ("x", "a", "return")])
    shown = gallery()
    assert customer_gallery.history_of(shown[3]) == "only returned 2 products"
    page = customer_gallery_html.show(shown, "EUR").data
    assert "Nothing: the customer only returned products (2), whose sale is not in the data, and gets" in page
    assert takeaways.gallery(shown).endswith(" 1 cold customer (1 only returned products): the default list.")


def test_an_empty_gallery_is_one_sentence():
    assert "No customer has a list." in customer_gallery_html.show([], "EUR").data
    assert customer_gallery.by_product([]).height == 0


def test_takeaway_counts_repeat_recommendations():
    text = takeaways.gallery(gallery())
    assert text.startswith("**50 % of the suggestions for the 3 warm customers are products that they chose before.**")
    assert text.endswith("1 cold customer: the default list.")
    assert takeaways.gallery(gallery()[3:]).startswith("*Not applicable: all customers are cold")
    assert takeaways.gallery([]).startswith("*Not applicable")
