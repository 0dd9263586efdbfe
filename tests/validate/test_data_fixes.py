"""What should be fixed in the data: what is found, how it is counted, and that nothing is found in good data."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from check_data import EVENT, ITEM, USER, Result, check, good_tables
from conftest import ROOT, full_shop, rows, utc

from recomart_lib.core.shop_tables import Exclusion
from recomart_lib.core.shops import Shop
from recomart_lib.validate import data_fixes, data_gaps
from recomart_lib.validate.odd_ids import odd

FULL = {"category": "tools", "brand": "Acme", "name": "Anvil", "price": 2.0}


def validated(folder: Path, items: list[dict], events: list[dict], users: list[dict] | None = None) -> Path:
    """A folder of validated tables."""
    for name, records in (
        ("items", items),
        ("events", events),
        ("users", users or [{"user_id": "u", "country": "DE"}]),
    ):
        rows(name, *records).drop("source_file", "source_line").write_parquet(folder / f"{name}.parquet")
    return folder


def found(shop: Shop, folder: Path) -> list[data_gaps.Fix]:
    return list(data_gaps.gaps(shop, folder))


def every_day(n: int, skip: int = 0) -> list[dict]:
    """Views, carts and purchases of `n` days from a Monday on, without those of one day of the week (1: Monday)."""
    days = [date(2024, 1, 1) + timedelta(days=day) for day in range(n)]
    return [
        EVENT | {"event_id": f"{kind}{day}", "event_type": kind, "timestamp": utc(day.year, day.month, day.day, 12)}
        for day in days
        if day.isoweekday() != skip
        for kind in ("view", "cart", "purchase")
    ]


def test_good_data_need_no_fix(tmp_path):
    folder = validated(tmp_path, [ITEM | FULL], every_day(60))
    result = check(good_tables())
    assert data_fixes.fixes(full_shop(), result.report, result.counts, folder) == []
    assert data_fixes.table([]).is_empty()


def test_empty_tables_need_no_fix(tmp_path):
    assert found(full_shop(), validated(tmp_path, [], [], [])) == []


def fixes_of(result: Result, folder: Path) -> list[data_gaps.Fix]:
    return data_fixes.fixes(full_shop(), result.report, result.counts, validated(folder, [ITEM | FULL], every_day(60)))


def test_lost_rows_come_first_and_repeats_which_cost_nothing_last(tmp_path):
    bad = [EVENT | {"event_id": f"e{n}", "quantity": 0} for n in range(2, 4)]
    fixes = fixes_of(check(good_tables(events=[EVENT] * 6 + bad), n_unreadable=1), tmp_path)
    assert [fix["problem"] for fix in fixes] == [
        '2 rows of events break a rule and are not used: "A quantity is above 0 and at most validate.max_quantity".',
        "1 line of events could not be read.",
        "6 rows of events repeat another row.",
    ]
    assert [(fix["rows"], fix["lost"]) for fix in fixes] == [(2, 2), (1, 1), (6, 0)]
    assert [fix["share"] for fix in fixes] == [0.2, 0.1, 0.6]  # of ten delivered rows
    assert all(fix["how"].endswith(".") for fix in fixes)
    assert data_fixes.table(fixes)["what to do"].to_list() == [fix["how"] for fix in fixes]
    assert data_fixes.table(fixes)["share of the table"].to_list() == ["20 %", "10 %", "60 %"]


def test_all_broken_rules_of_a_table_are_one_fix_with_the_most_frequent(tmp_path):
    wrong = [{"quantity": 0}, {"quantity": 0}, {"user_id": None}, {"item_id": None}, {"event_type": "purchse"}]
    bad = [EVENT | {"event_id": f"e{n}"} | values for n, values in enumerate(wrong, 2)]
    (fix,) = fixes_of(check(good_tables(events=bad)), tmp_path)
    assert fix["problem"] == (
        "5 rows of events break a rule and are not used: most often "
        '"A quantity is above 0 and at most validate.max_quantity" (2), "An event names its product" (1), '
        '"An event is one of view, cart, purchase, return, rating" (1) and 1 other rule.'
    )
    assert fix["where"] == "02_validate.html#which-rules-fail-most-often"


def test_rows_of_users_in_quarantine_are_used_as_far_as_possible(tmp_path):
    (fix,) = fixes_of(check(good_tables(users=[USER | {"user_id": "u2", "age": 999}])), tmp_path)
    assert fix["problem"] == '1 row of users breaks a rule: "An age is between 0 and validate.max_age years".'
    assert "is kept, without the values that are wrong" in fix["effect"]


def guest_shop() -> Shop:
    shop = full_shop()
    guests = Exclusion(missing="user_id", reason="a <guest>")
    events = shop.table("events").model_copy(update={"exclude": {"guest": guests}})
    return shop.model_copy(update={"tables": shop.tables | {"events": events}})


def test_rows_without_a_user_name_their_worst_day(tmp_path):
    def day(number: int, n_guests: int) -> list[dict]:
        when = {"timestamp": utc(2024, 3, number)}
        return [
            EVENT | when | {"event_id": f"{number}-{n}", "user_id": None if n < n_guests else "u1"} for n in range(100)
        ]

    result = check(good_tables(events=[*day(1, 20), *day(2, 87), *day(3, 0)]), guest_shop())
    (fix,) = data_fixes.fixes(
        guest_shop(), result.report, result.counts, validated(tmp_path, [ITEM | FULL], every_day(60))
    )
    assert fix["problem"] == (
        "107 rows of events without a user id are left out (a <guest>); on 2024-03-02 they are 87 % of 100 rows."
    )
    assert (fix["rows"], fix["share"]) == (107, 107 / 301)
    assert "these buyers get no list" in fix["effect"]
    assert fix["how"].startswith("Record an id at each sale")
    assert "could count for bestsellers" in fix["how"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Exclusion(missing="order_id", reason="r"), "Have the order id delivered with each row, if the shop knows it."),
        (
            Exclusion(since="2000-01-01", reason="r"),
            "Nothing while the reason holds; then remove the exclusion odd from the shop file.",
        ),
    ],
)
def test_what_to_do_about_other_rows_that_are_left_out(tmp_path, rule, expected):
    shop = full_shop()
    events = shop.table("events").model_copy(update={"exclude": {"odd": rule}})
    shop = shop.model_copy(update={"tables": shop.tables | {"events": events}})
    result = check(good_tables(events=[EVENT | {"order_id": None}]), shop)
    (fix,) = data_fixes.fixes(shop, result.report, result.counts, validated(tmp_path, [ITEM | FULL], every_day(60)))
    assert fix["how"] == expected


def test_missing_attributes_are_counted_and_few_are_no_fix(tmp_path):
    items = [{"item_id": f"i{n}", "name": "x", "price": 1.0, "category": "c" if n else None} for n in range(200)]
    (fix,) = found(full_shop(), validated(tmp_path, items, every_day(60)))
    assert fix["problem"] == "No product has a brand."
    assert (fix["rows"], fix["share"]) == (200, 1.0)
    some = [item | {"category": "c" if n > 49 else None, "brand": "b"} for n, item in enumerate(items)]
    (fix,) = found(full_shop(), validated(tmp_path, some, every_day(60)))
    assert (fix["problem"], fix["rows"]) == ("50 of 200 products have no category.", 50)
    neither = [item | {"category": None} for item in items]
    (fix,) = found(full_shop(), validated(tmp_path, neither, every_day(60)))
    assert fix["problem"] == "No product has a category or brand."
    assert fix["effect"] == "Lists cannot be mixed by category; similar products are found without it."


def test_a_weekday_without_sales_is_found_only_in_enough_days(tmp_path):
    (fix,) = found(full_shop(), validated(tmp_path, [ITEM | FULL], every_day(70, skip=6)))
    assert fix["problem"] == "There is no sale on any Saturday, in 10 weeks."
    assert fix["rows"] == 0
    assert found(full_shop(), validated(tmp_path, [ITEM | FULL], every_day(31, skip=6))) == []


def test_absent_types_of_events_are_named(tmp_path):
    purchases = [event for event in every_day(60) if event["event_type"] == "purchase"]
    (fix,) = found(full_shop(), validated(tmp_path, [ITEM | FULL], purchases))
    assert fix["problem"] == "The events have no views and no carts, only purchases."


def catalogue(*codes: str) -> list[dict]:
    return [FULL | {"item_id": f"{n:05}"} for n in range(100)] + [FULL | {"item_id": code} for code in codes]


def test_ids_of_another_form_are_named_with_their_rows_and_revenue(tmp_path):
    events = [
        *every_day(60),
        *(EVENT | {"event_id": f"p{n}", "item_id": "POST", "price": 5.0, "quantity": 2} for n in range(6)),
    ]
    (fix,) = found(full_shop(), validated(tmp_path, catalogue("POST"), events))
    assert fix["problem"] == (
        "1 product id looks like postage, fees or manual entries, not like the others: POST (Anvil); 6 rows and 9.1 % "
        "of the revenue."
    )
    assert (fix["rows"], fix["share"]) == (6, 6 / 186)
    assert "may be recommended" in fix["effect"]
    assert "lists.block" in fix["how"]
    shop = full_shop()
    blocked = shop.lists.model_copy(update={"block": shop.lists.block.model_copy(update={"items": ["POST"]})})
    (fix,) = found(shop.model_copy(update={"lists": blocked}), tmp_path)
    assert "keeps all of them off the lists" in fix["effect"]
    assert "off the lists" not in fix["how"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        (["a"], []),
        (["1", "x", "2y"], []),
        ([f"P{n}" for n in range(200)], []),
        ([*(f"P{n}" for n in range(200)), "M", "BANK CHARGES"], ["M", "BANK CHARGES"]),
        ([f"{'A' * (n % 7 + 1)}1" for n in range(50)] + [f"B{'0A' * n}" for n in range(1, 60)], []),
    ],
    ids=["empty", "one", "each its own", "one form", "codes", "many forms"],
)
def test_odd_ids_are_few_among_many_of_usual_forms(ids, expected):
    assert odd(pl.DataFrame({"item_id": ids}, {"item_id": pl.String}))["item_id"].to_list() == expected


def headings(notebook: str) -> set[str]:
    """The anchors of a notebook's headings in its report."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return {re.sub(r"\W+", "-", title.lower()).strip("-") for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def test_fixes_lead_to_sections_that_exist():
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in (data_fixes, data_gaps)]
    links = re.findall(r"(\w+\.html|\{PAGE\})#([\w-]+)", "".join(sources))
    assert len(links) >= 6
    for page, anchor in links:
        notebook = page.replace("{PAGE}", data_gaps.PAGE).removesuffix(".html")
        assert anchor in headings(notebook), (page, anchor)
