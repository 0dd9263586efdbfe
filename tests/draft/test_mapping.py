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
