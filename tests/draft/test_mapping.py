"""Assignments, event types, cuts, hints and questions."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from recomart.draft import column_profile, cut, drafting, event_columns, keys
from recomart.draft.assignment import Evidence, assign
from recomart.draft.questions import Question, take_default
from recomart_lib.core.errors import UserError

EVENTS = "kunde;ware;wann;menge;{price}\n"


def test_each_column_is_one_of_ours_at_most():
    scores = {
        "price": {"a": Evidence(0.8, 1.0), "b": Evidence(0.8, 0.0)},
        "stock": {"a": Evidence(0.9, 0.0), "b": Evidence(0.6, 0.5)},
        "brand": {"a": Evidence(0.0, 1.0)},
    }
    chosen = {choice.ours: choice for choice in assign(scores)}
    assert {ours: choice.theirs for ours, choice in chosen.items()} == {"price": "a", "stock": "b"}
    assert chosen["price"].confidence == "high"


def test_two_equal_columns_are_in_doubt():
    choice = assign({"name": {"a": Evidence(0.8, 0.0), "b": Evidence(0.8, 0.0)}})[0]
    assert (choice.confidence, choice.others) == ("low", ["b"])
    assert assign({"name": {}}) == assign({}) == []


@pytest.mark.parametrize(
    ("words", "translated"),
    [
        (["w", "m", "d"], {"w": "female", "m": "male", "d": "diverse"}),
        (["H", "M"], {"H": "male", "M": "female"}),
        (["K", "E"], {"K": "female", "E": "male"}),
        (["F", "M"], {}),
        (["Frau", "Herr"], {"Frau": "female", "Herr": "male"}),
    ],
)
def test_words_for_genders(words, translated):
    column = column_profile.of_cells(pl.Series("x", words * 5), 0)
    assert keys._translations(column, "gender") == translated


def events(n_days: int, per_day: int = 20, n_users: int = 400, first: datetime = datetime(2025, 1, 1)) -> pl.DataFrame:
    n = n_days * per_day
    times = [first + timedelta(days=place // per_day) for place in range(n)]
    return pl.DataFrame({"user": [f"u{place * 7 % n_users}" for place in range(n)], "time": times})


def test_the_window_is_the_usual_one_if_it_evaluates_enough_users():
    found = cut.propose(events(300), ["purchase"])
    assert (found.best.days, min(found.best.validation, found.best.test) >= cut.ENOUGH) == (30, True)
    assert cut.propose(events(300).clear(), ["purchase"]) is None


def test_a_short_feed_has_a_short_window():
    assert cut.propose(events(20), ["purchase"]).best.days < 14
    assert cut.propose(events(1), ["purchase"]).best.days == 1


def test_the_end_of_a_feed_that_thins_out():
    tail = events(60, per_day=1, first=datetime(2025, 10, 28))
    found = cut.propose(pl.concat([events(300), tail]), ["purchase"])
    assert found.thin_since.date() >= datetime(2025, 10, 20).date()
    assert cut.propose(events(300), ["purchase"]).thin_since is None


def rows(folder, price: str = "preis", n: int = 400) -> None:
    """Orders with one to three units of products whose prices differ; `summe` is the total of the line."""
    lines = []
    for place in range(n):
        item, quantity = place * 13 % 40, place % 3 + 1
        cost = 1.5 + item * 0.25
        time = datetime(2025, 1, 1) + timedelta(hours=5 * (place // 2))
        value = cost * quantity if price == "summe" else cost
        lines.append(
            f"k{place // 2 * 7 % 60};w{item};{time:%d.%m.%Y %H:%M};{quantity};{value:.2f}".replace(".", ",", 0)
        )
    (folder / "verkauf.csv").write_text(EVENTS.format(price=price) + "\n".join(lines) + "\n")


@pytest.mark.parametrize(("name", "ours"), [("preis", "price"), ("summe", "total"), ("x", "price")])
def test_unit_prices_and_line_totals(tmp_path, name, ours):
    rows(tmp_path, name)
    table = drafting.make(tmp_path, "x").mapping.events
    assert {choice.ours for choice in table.choices} >= {"user_id", "item_id", "timestamp", "quantity", ours}


def test_a_total_without_a_name_is_found_by_content(tmp_path):
    rows(tmp_path, "summe")
    content = (tmp_path / "verkauf.csv").read_text().replace("summe", "x")
    (tmp_path / "verkauf.csv").write_text(content)
    assert drafting.make(tmp_path, "x").mapping.events.choice("total").theirs == "x"


def test_a_person_decides_between_equal_files(tmp_path):
    rows(tmp_path)
    (tmp_path / "alt.csv").write_text((tmp_path / "verkauf.csv").read_text())
    asked: list[Question] = []

    def answer(question: Question) -> str:
        asked.append(question)
        return question.options[-1]

    by_default = drafting.make(tmp_path, "x", take_default).mapping.events
    chosen = drafting.make(tmp_path, "x", answer).mapping.events
    assert "events" in asked[0].text
    assert by_default.others and chosen.delivery.label != by_default.delivery.label


def test_without_events_the_message_says_what_there_is(tmp_path):
    (tmp_path / "preise.csv").write_text("artikel;preis\n1;2,50\n2;3,75\n")
    with pytest.raises(UserError, match=r"no file of events.*(\n.*)*preise\.csv: 2 columns, only 2 rows"):
        drafting.make(tmp_path, "x")


def test_small_numbers_are_quantities_and_high_ones_are_ratings():
    quantity = column_profile.of_cells(pl.Series("a", ["1"] * 60 + ["2"] * 25 + ["3"] * 15), 0)
    rating = column_profile.of_cells(pl.Series("b", ["5"] * 50 + ["4"] * 30 + ["3"] * 15 + ["1"] * 5), 1)
    assert event_columns._quantity(quantity)[0] > event_columns._rating(quantity)[0]
    assert event_columns._rating(rating)[0] > event_columns._quantity(rating)[0]


def orders(folder, lines: list[str]) -> None:
    (folder / "orders.csv").write_text("order,customer,when,state,sku,qty\n" + "\n".join(lines) + "\n")


def line(place: int, sku: str = "", state: str = "completed") -> str:
    when = datetime(2025, 1, 1) + timedelta(hours=7 * (place // 2))
    return f"o{place // 2},c{place // 2 * 7 % 40},{when:%Y-%m-%d %H:%M},{state},{sku or f's{place * 13 % 30}'},1"


def test_lines_without_a_product_are_left_out_with_a_question(tmp_path):
    lines = [line(place) for place in range(300)]
    shipping = [line(place).replace(f",s{place * 13 % 30},", ",,") for place in range(0, 300, 10)]
    orders(tmp_path, [*lines, *shipping])
    key = drafting.make(tmp_path, "x").tables["events"].values["exclude"]
    assert key.value["no_product"]["missing"] == "item_id"
    assert "9.1 % of the lines have no product" in key.doubt


def test_states_of_orders_are_a_question(tmp_path):
    orders(tmp_path, [line(place, state="refunded" if place % 20 < 2 else "completed") for place in range(300)])
    key = drafting.make(tmp_path, "x").tables["events"].values["event_values"]
    assert key.value == {"completed": "purchase", "refunded": "return"}
    assert "states of orders" in key.doubt


def first_lines_only(n_lines: int) -> list[str]:
    """Orders of which only the first of so many lines has the order, the customer, the time and the state."""
    return [line(place) if place % n_lines == 0 else f",,,,s{place * 13 % 30},1" for place in range(300)]


def test_orders_whose_first_line_alone_has_the_customer(tmp_path):
    orders(tmp_path, first_lines_only(2))
    key = drafting.make(tmp_path, "x").tables["events"].values["exclude"]
    assert "order, customer, when, state are empty in the same 50 % of the rows" in key.doubt
    orders(tmp_path, first_lines_only(3))
    with pytest.raises(UserError, match="order, customer, when, state are empty in the same 67 % of the rows"):
        drafting.make(tmp_path, "x")


def test_a_list_of_numbers_is_no_table_of_products(tmp_path):
    lines = [f"c{n % 50},{100 + n * 13 % 60},{datetime(2025, 1, 1) + timedelta(hours=n)}" for n in range(400)]
    (tmp_path / "events.csv").write_text("visitor,item,when\n" + "\n".join(lines) + "\n")
    (tmp_path / "tree.csv").write_text("branch,parent\n" + "".join(f"{n},{n * 7 % 300}\n" for n in range(300)))
    assert drafting.make(tmp_path, "x").mapping.items.delivery is None
