"""How numbers, times and records are written."""

from __future__ import annotations

import polars as pl
import pytest

from recomart.draft import column_profile, delimited, entities, number_shapes, time_shapes, vocabulary


def counted(*words: str) -> tuple[pl.Series, pl.Series]:
    return pl.Series(words), pl.Series([1] * len(words))


@pytest.mark.parametrize(
    ("words", "decimal", "thousands", "numbers"),
    [
        (["1.5", "1000.25"], ".", "", [1.5, 1000.25]),
        (["1,5", "1.132,60"], ",", ".", [1.5, 1132.6]),
        (["1.5", "1,132.60"], ".", ",", [1.5, 1132.6]),
        (["1'132.60", "2.00"], ".", "'", [1132.6, 2.0]),
        (["1 132,60", "2,00"], ",", " ", [1132.6, 2.0]),
        (["7", "-12"], "", "", [7.0, -12.0]),
    ],
)
def test_marks_of_numbers(words, decimal, thousands, numbers):
    found = number_shapes.read(*counted(*words))
    assert (found.decimal, found.thousands, found.values.to_list()) == (decimal, thousands, numbers)


def test_numbers_with_another_word_and_no_numbers():
    assert number_shapes.read(*counted("1", "2", "3", "k.A.")).other_words == ["k.A."]
    assert number_shapes.read(*counted("A1", "B2", "C3")) is None
    assert number_shapes.read(*counted("1,234", "5,678", "9,012", "3,456")).is_ambiguous


@pytest.mark.parametrize(
    ("words", "form", "is_day"),
    [
        (["2025-01-31", "2025-02-01"], None, True),
        (["2025-01-31T10:00:00Z", "2025-02-01T11:00:00Z"], None, False),
        (["31.01.2025", "01.02.2025"], "%d.%m.%Y", True),
        (["31/01/2025 10:00", "01/02/2025 11:30"], "%d/%m/%Y %H:%M", False),
        (["01/31/2025 10:00 PM", "02/01/2025 11:30 AM"], "%m/%d/%Y %I:%M %p", False),
        (["881250949", "1735711080"], "epoch_s", False),
        (["1735711080000", "1735751400000"], "epoch_ms", False),
    ],
)
def test_forms_of_times(words, form, is_day):
    found = time_shapes.read(*counted(*words))
    assert (found.form, found.is_day) == (form, is_day)


def test_ids_that_are_counted_up_are_no_times():
    ids = [str(1_515_915_625_500_010_000 + number) for number in range(30)]
    assert time_shapes.read(*counted(*ids)) is None
    assert time_shapes.read(*counted(*(f"{1_735_711_080 + 3_600 * hour}" for hour in range(30)))).form == "epoch_s"


def test_two_numbers_with_a_point_are_the_id_of_a_visitor():
    visitors = column_profile.of_cells(pl.Series("cid", ["1026454.4271112504", "98123457.1612069510"] * 5), 0)
    assert (visitors.numbers, visitors.is_code) == (None, True)
    assert column_profile.of_cells(pl.Series("x", ["0.050830508", "12.5"] * 5), 0).numbers is not None


@pytest.mark.parametrize(("words", "is_country"), [(["NO", "SE"], True), (["No", "Yes"], False), (["No"], False)])
def test_yes_and_no_are_no_countries(words, is_country):
    column = column_profile.of_cells(pl.Series("x", words * 9), 0)
    assert (entities.evidence(column, "country").content > 0.9) is is_country


@pytest.mark.parametrize("words", [["1", "2"], ["A-2025-01"], ["99.99"], ["12345678901234567890"], ["hello"]])
def test_no_times(words):
    assert time_shapes.read(*counted(*words)) is None


def test_the_order_of_day_and_month_is_that_in_which_times_are_sorted():
    """No day is above 12, so that both orders read all cells."""
    cells = pl.Series([f"0{month}/0{day}/2025" for month in range(1, 8) for day in range(1, 10)])
    assert time_shapes.most_sorted(cells, ["%d/%m/%Y", "%m/%d/%Y"]) == ("%m/%d/%Y", True)


@pytest.mark.parametrize(
    ("text", "separator", "names"),
    [
        ("id;price\n1;2,50\n2;3,75\n", ";", ["id", "price"]),
        ("a,b\n1,x|y\n2,z|w\n", ",", ["a", "b"]),
        ('name\tnote\nx\t"1, 2, 3"\n', "\t", ["name", "note"]),
        ("sep=;\nid;price\n1;2,50\n", ";", ["id", "price"]),
        ("1|24|M\n2|53|F\n", "|", ["column_1", "column_2", "column_3"]),
        ("id,price,\n1,2,\n2,3,\n", ",", ["id", "price", "(column 3)"]),
    ],
)
def test_separators_and_headers(text, separator, names):
    found = delimited.of_text(text, vocabulary.is_usual)
    assert (found.separator, found.names) == (separator, names)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A note, with commas.\nAnd a second line that has none at all\nend\n", "text"),
        ("one\ntwo\nthree\n", "a list of one column"),
        ("Report of May\n\nid;price;n\n" + "1;2;3\n" * 20, "delete the lines above the header"),
    ],
)
def test_texts_that_are_no_table(text, why):
    assert why in delimited.of_text(text, vocabulary.is_usual)


def test_cells_that_say_nothing():
    cells = pl.Series("age", ["30", " 31 ", "k.A.", "", None, "unbekannt"] + ["40"] * 10)
    column = column_profile.of_cells(cells, 0)
    assert (column.n_filled, sorted(column.null_words), column.numbers.is_integer) == (12, ["k.A.", "unbekannt"], True)
    assert column_profile.of_cells(pl.Series("genre", ["none", "drama", "none"]), 0).null_words == []
