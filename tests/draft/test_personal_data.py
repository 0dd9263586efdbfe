"""Which columns hold data of persons or secrets, in nine languages, by their values or their names."""

from __future__ import annotations

import random

import polars as pl
import pytest
from draft.locales import LOCALES

from recomart.draft import personal_data

RNG = random.Random(1)
N = 60


def series(form: str) -> pl.Series:
    """Texts of a form, in which each # is a random digit."""
    texts = {"".join(RNG.choice("0123456789") if c == "#" else c for c in form) for _ in range(N)}
    return pl.Series(sorted(texts))


def cards() -> pl.Series:
    """Card numbers with their check digits."""
    numbers = []
    for _ in range(N):
        digits = [4, *(RNG.randrange(10) for _ in range(14))]
        doubled = [sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits)]
        numbers.append("".join(map(str, digits)) + str(-sum(doubled) % 10))
    return pl.Series(numbers)


def people(locale: str) -> list[tuple[str, str]]:
    words = LOCALES[locale]
    return [(RNG.choice(words.first.split(",")), RNG.choice(words.last.split(","))) for _ in range(N)]


@pytest.mark.parametrize(
    "form",
    [
        *(
            "+49 30 ######",
            "+49#########",
            "0# ## ## ## ##",
            "0###/#######",
            "### ### ###",
            "###-###-###",
            "(###) ###-####",
        ),
        *("###.###.####", "(##) 9####-####", "05## ### ## ##", "0044 20 #### ####"),
    ],
)
def test_phone_numbers(form):
    assert personal_data.kind("c1", series(form)) == "phone"


@pytest.mark.parametrize("form", ["DE####################", "DE## #### #### #### #### ##", "#### #### #### ####"])
def test_numbers_of_accounts_and_cards(form):
    assert personal_data.kind("c1", series(form)) == "card"


def test_card_numbers_have_check_digits():
    assert personal_data.kind("c1", cards()) == "card"
    assert personal_data.kind("c1", series("4###############")) is None


@pytest.mark.parametrize("locale", LOCALES)
def test_names_and_streets(locale):
    names = people(locale)
    for form in ("{0} {1}", "{1}, {0}", "Dr. {0} {1}"):
        assert personal_data.kind("c1", pl.Series([form.format(*name) for name in names]).unique()) == "person_name"
    assert personal_data.kind("c1", pl.Series([f"{a} {b}".upper() for a, b in names]).unique()) == "person_name"
    assert personal_data.kind("c1", pl.Series(LOCALES[locale].streets.split(","))) == "street"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("Vorname", "person_name"), ("prénom", "person_name"), ("apellidos", "person_name")),
        *(("cognome", "person_name"), ("sobrenome", "person_name"), ("achternaam", "person_name")),
        *(("nazwisko", "person_name"), ("ad soyad", "person_name"), ("Billing Name", "person_name")),
        *(("password_hash", "secret"), ("api_key", "secret"), ("Straße", "street"), ("PLZ", "postcode")),
    ],
)
def test_by_name(name, kind):
    assert personal_data.kind(name, pl.Series(["Anna", "Berta", "Carla"])) == kind


@pytest.mark.parametrize("locale", LOCALES)
def test_products_categories_and_cities_are_not_personal(locale):
    words = LOCALES[locale]
    nouns = [noun for nouns, _ in words.groups.values() for noun in nouns.split(",")]
    products = [f"{noun} {variant}" for noun in nouns for variant in words.variants.split(",")]
    for texts in (products, list(words.groups), words.cities.split(","), words.brands.split(",")):
        assert personal_data.kind("c1", pl.Series(texts)) is None


@pytest.mark.parametrize(
    "form",
    ["A-####", "40###########", "53####", "17########", "17###########", "2025-0#-1#", "1#:0#:00", "1.#.3", "# ###,##"],
)
def test_ids_times_and_numbers_are_not_personal(form):
    assert personal_data.kind("c1", series(form)) is None


def test_what_may_be_shown_of_columns_that_are_not_mapped():
    def harmless(words: list[str], n: int, **kinds: bool) -> bool:
        return personal_data.is_harmless(
            pl.Series(words), n, kinds.get("is_time", False), kinds.get("is_number", False)
        )

    assert harmless(["card", "cash"], 100)
    assert harmless(["2025-01-01"], 1, is_time=True)
    assert harmless(["12.5", "700"], 2, is_number=True)
    assert not harmless([str(49_171_234_000 + n) for n in range(50)], 50, is_number=True)
    assert not harmless([f"{n:032x}" for n in range(90)], 900)
    assert not harmless(["the only note"], 1)
