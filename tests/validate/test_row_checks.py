"""Judging: each rule catches its own damage and nothing else, and every row ends in exactly one place."""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl
import pytest
from check_data import EVENT, ITEM, NOW, USER, judge, landed, report
from conftest import full_shop, rows, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core import schemas
from recomart_lib.core.shops import Exclusion, Group, Table
from recomart_lib.ingest import lake
from recomart_lib.validate import quality_report, quality_rules, row_checks
from recomart_lib.validate.settings import Validate


def broken(tables: dict[str, pl.DataFrame], **tuned: object) -> dict[str, int]:
    """Rule -> number of rows that fail it, without rules that none fails."""
    return {rule["rule"]: rule["n_failed"] for rule in report(tables, **tuned)["rules"] if rule["n_failed"]}


VIOLATIONS = [
    ("user_id_present", "users", {"user_id": None}),
    ("user_id_unique", "users", {"age": 31}),
    ("age_possible", "users", {"user_id": "u2", "age": -1}),
    ("age_possible", "users", {"user_id": "u2", "age": 121}),
    ("signup_not_in_future", "users", {"user_id": "u2", "signup_date": (NOW + timedelta(days=2)).date()}),
    ("item_id_present", "items", {"item_id": None}),
    ("item_id_unique", "items", {"price": 11.0}),
    ("item_price_possible", "items", {"item_id": "b", "price": 0.0}),
    ("item_price_possible", "items", {"item_id": "b", "price": 100_000.5}),
    ("item_named", "items", {"item_id": "b", "name": None}),
    ("event_id_present", "events", {"event_id": None}),
    ("event_id_unique", "events", {"event_id": "e1", "quantity": 2}),
    ("event_user_present", "events", {"user_id": None}),
    ("event_item_present", "events", {"item_id": None}),
    ("event_type_known", "events", {"event_type": "steal"}),
    ("event_type_known", "events", {"event_type": None}),
    ("timestamp_present", "events", {"timestamp": None}),
    ("timestamp_not_in_future", "events", {"timestamp": NOW + timedelta(days=1)}),
    ("event_user_known", "events", {"user_id": "nobody"}),
    ("event_item_known", "events", {"item_id": "nothing"}),
    ("event_after_signup", "events", {"timestamp": utc(2023, 12, 31, 23, 59)}),
    ("quantity_possible", "events", {"quantity": 0}),
    ("quantity_possible", "events", {"quantity": 100_001}),
    ("price_possible", "events", {"price": 0.0}),
    ("price_possible", "events", {"event_type": "view", "price": -0.01}),
    ("price_possible", "events", {"price": 100_000.5}),
    ("rating_possible", "events", {"event_type": "rating", "rating": 0.5}),
    ("rating_possible", "events", {"event_type": "rating", "rating": 5.5}),
    ("rating_given", "events", {"event_type": "rating", "rating": None}),
    ("return_after_purchase", "events", {"event_type": "return", "timestamp": utc(2024, 1, 31)}),
    ("return_after_purchase", "events", {"event_type": "return", "user_id": "u9"}),
]


USUAL = [EVENT | {"event_id": f"p{n}", "price": 10.0} for n in range(20)]


@pytest.mark.parametrize(
    ("price", "n_failed"), [(10 * math.exp(0.79), 0), (10 * math.exp(0.81), 1), (4.4, 1), (4.6, 0)]
)
def test_a_price_far_off_the_usual_one_is_an_outlier(price, n_failed):
    """The price never varies: its spread is taken for 0.1, and 8 of them are the limit."""
    tables = landed(events=[*USUAL, EVENT | {"event_id": "e2", "price": price}])
    assert broken(tables) == ({"price_usual": n_failed} if n_failed else {})


def test_of_a_few_prices_nobody_knows_which_is_usual():
    assert broken(landed(events=[*USUAL[:7], EVENT | {"event_id": "e2", "price": 99_999.0}])) == {}


def test_a_late_event_is_told_where_files_are_daily_drops():
    today = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, 5)} for n in range(4)]
    tables = landed(events=today)  # the first event is of the first of February
    assert broken(tables) == {"event_on_time": 1}
    assert broken(tables, max_late_days=4) == {}
    month = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, n + 1)} for n in range(20)]
    assert broken(landed(events=month)) == {}


@pytest.mark.parametrize(("rule", "table", "damage"), VIOLATIONS)
def test_each_rule_catches_its_damage_and_no_other_rule_does(rule, table, damage):
    whole = {"users": USER, "items": ITEM, "events": EVENT | {"event_id": "e2"}}[table]
    tables = landed(**{"users": [{"user_id": "u9"}], table: [whole | damage]})
    assert broken(tables) == {rule: 1}
    severity = {known.name: known.severity for known in quality_rules.RULES}[rule]
    assert judge(tables).counts[table]["quarantined"] == (severity == "error")


def test_every_rule_has_a_violation_above():
    by_their_neighbours = {"event_on_time", "price_usual"}
    assert {rule for rule, _, _ in VIOLATIONS} | by_their_neighbours == {rule.name for rule in quality_rules.RULES}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("users", {"user_id": "u2"}),
        ("users", {"user_id": "u2", "age": 0}),
        ("users", {"user_id": "u2", "age": 120}),
        ("users", {"user_id": "u2", "signup_date": NOW.date()}),
        ("items", {"item_id": "b", "name": "Bolt"}),
        ("items", {"item_id": "b", "name": "Bolt", "price": 100_000.0}),
        ("events", EVENT | {"event_id": "e2", "timestamp": utc(2024, 1, 1)}),
        ("events", EVENT | {"event_id": "e2", "price": None, "quantity": None}),
        ("events", EVENT | {"event_id": "e2", "event_type": "view", "price": 0.0}),
        ("events", EVENT | {"event_id": "e2", "event_type": "rating", "rating": 1.0}),
        ("events", EVENT | {"event_id": "e2", "event_type": "return"}),
    ],
)
def test_rows_at_the_edge_of_a_rule_pass(table, row):
    assert broken(landed(**{table: [row]})) == {}


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", 23), ("Pacific/Auckland", 12)])
def test_the_day_of_an_event_is_the_shops_day(zone, hour):
    early = EVENT | {"event_id": "e2", "timestamp": utc(2023, 12, 31, hour)}
    tables = landed(events=[early])
    assert judge(tables, full_shop(zone)).held["events"].is_empty()
    assert judge(tables).held["events"].height == 1


def test_all_reasons_of_a_row_are_told_with_its_source():
    bad = {"event_type": "steal", "user_id": "u1", "price": -1.0}
    row = judge(landed(events=[bad])).held["events"].row(0, named=True)
    assert row["reasons"] == "event_id_present; event_item_present; event_type_known; price_possible; timestamp_present"
    assert (row["source_file"], row["source_line"]) == ("f", 1)


def test_the_second_row_of_an_id_is_the_one_at_fault():
    judged = judge(landed(users=[USER | {"age": 31}, USER | {"age": 32}]))
    assert judged.valid["users"]["age"].to_list() == [30]
    assert judged.held["users"]["age"].to_list() == [31, 32]


def test_the_same_row_again_is_a_duplicate_and_not_judged():
    judged = judge(landed(users=[USER], events=[EVENT, EVENT]))
    assert judged.places("users") == {"excluded": 0, "duplicates": 1, "good": 1, "quarantined": 0}
    assert judged.places("events") == {"excluded": 0, "duplicates": 2, "good": 1, "quarantined": 0}


def test_made_up_event_ids_do_not_hide_duplicates():
    tables = landed(events=[EVENT | {"event_id": "f:2"}, EVENT | {"event_id": "f:3", "quantity": 2}])
    assert judge(tables, full_shop(mapped=False)).counts["events"]["duplicates"] == 1
    assert judge(tables).counts["events"]["duplicates"] == 0


def test_expected_exclusions_are_counted_and_not_judged():
    columns = {column: column for column in schemas.EVENTS}
    guests = Table(
        kind="csv", path="*", columns=columns, exclude={"guest": Exclusion(missing="user_id", reason="guest")}
    )
    tables = landed(events=[EVENT | {"event_id": "e2", "user_id": None, "price": -5.0}])
    result = judge(tables, full_shop(events=guests))
    assert result.places("events") == {"excluded": 1, "duplicates": 0, "good": 1, "quarantined": 0}
    assert result.counts["events"].broken.is_empty()
    found = quality_report.report(result.counts, result.landed, Validate())["tables"]["events"]
    assert found["exclusions"] == {"guest": 1}


@pytest.mark.parametrize(("zone", "excluded"), [("UTC", 1), ("Europe/Berlin", 2), ("America/New_York", 0)])
def test_events_from_a_local_day_on_can_be_excluded(zone, excluded):
    columns = {column: column for column in schemas.EVENTS}
    late = Exclusion(since="2024-03-01", reason="stragglers")
    where = full_shop(zone, events=Table(kind="csv", path="*", columns=columns, exclude={"late": late}))
    moments = [utc(2024, 2, 29, 22, 59), utc(2024, 2, 29, 23), utc(2024, 3, 1)]
    rows = [EVENT | {"event_id": f"x{n}", "timestamp": moment} for n, moment in enumerate(moments)]
    places = judge(landed(events=rows), where).places("events")
    assert places == {"excluded": excluded, "duplicates": 0, "good": 4 - excluded, "quarantined": 0}


def test_a_rule_can_be_a_warning_or_off():
    tables = landed(users=[{"user_id": "u2", "age": 999}])
    assert judge(tables, rules={"age_possible": "warning"}).held["users"].is_empty()
    assert broken(tables, rules={"age_possible": "warning"}) == {"age_possible": 1}
    assert broken(tables, rules={"age_possible": "off"}) == {}
    assert judge(tables, rules={"item_named": "error"}).held["items"].is_empty()


def test_tables_that_are_not_delivered_are_derived_from_good_events():
    extra = {"users.country": ["DE", "DE", "FR", "XX"], "items.price": [1.0, 3.0, 2.0, 99.0]}
    events = [EVENT | {"event_id": f"e{n}", "quantity": n} for n in range(1, 4)]
    bad = EVENT | {"event_id": None, "user_id": "ghost"}
    table = rows("events", *events, bad).with_columns(pl.Series(name, values) for name, values in extra.items())
    where = full_shop(users=Table(kind="derived"), items=Table(kind="derived"))
    valid = judge({"events": table}, where).valid
    assert valid["users"].select("user_id", "country", "age").rows() == [("u1", "DE", None)]
    assert valid["items"].select("item_id", "price", "name").rows() == [("a", 1.0, None)]
    assert valid["events"].columns == list(schemas.EVENTS)


def test_later_events_do_not_change_what_is_derived():
    names = ["Zinc", "Anvil", "Anvil"]
    later = [EVENT | {"event_id": f"e{n}", "timestamp": EVENT["timestamp"] + timedelta(days=n)} for n in (2, 3)]
    table = rows("events", EVENT, *later).with_columns(pl.Series("items.name", names))
    assert judge(
        {"events": table.reverse()}, full_shop(items=Table(kind="derived"), users=Table(kind="derived"))
    ).valid["items"]["name"].to_list() == ["Zinc"]


def test_an_id_in_quarantine_that_events_know_keeps_all_but_the_cell_to_blame():
    twice = [{"user_id": "u2", "age": 999, "country": "DE"}, {"user_id": "u2", "country": "FR"}]
    unheard_of = {"user_id": "u3", "age": -1}
    tables = landed(users=[*twice, unheard_of], events=[EVENT | {"event_id": "e2", "user_id": "u2"}])
    valid = judge(tables).valid
    assert valid["events"]["user_id"].to_list() == ["u1", "u2"]
    assert valid["users"].select("user_id", "age", "country").rows() == [("u1", 30, None), ("u2", None, "DE")]


def test_validated_tables_keep_their_contract_and_order():
    later = EVENT | {"event_id": "e0", "timestamp": utc(2024, 3, 1)}
    same_time = EVENT | {"event_id": "d"}
    valid = judge(landed(events=[later, same_time], users=[{"user_id": "a"}])).valid
    assert valid["events"]["event_id"].to_list() == ["d", "e1", "e0"]
    assert valid["users"]["user_id"].to_list() == ["a", "u1"]
    for name, table in valid.items():
        assert schemas.contract(name).validate(table).equals(table)


EVENTS = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from([None, "e1", "e2", "e3"]),
        "user_id": st.sampled_from([None, "u1", "u2", "ghost"]),
        "item_id": st.sampled_from([None, "a", "b"]),
        "event_type": st.sampled_from([None, *schemas.EVENT_TYPES, "steal"]),
        "timestamp": st.sampled_from([None, utc(2020, 1, 1), utc(2024, 2, 1), utc(2999, 1, 1)]),
        "quantity": st.sampled_from([None, 0, 1]),
        "price": st.sampled_from([None, -1.0, 0.0, 1.0]),
        "rating": st.sampled_from([None, 0.0, 5.0]),
    }
)


@given(st.lists(EVENTS, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_landed_is_good_and_quarantined_and_duplicates_and_excluded(events, guests, delivers_users):
    exclude = {"guest": Exclusion(missing="user_id", reason="guest")} if guests else {}
    spec = Table(kind="csv", path="*", columns={column: column for column in schemas.EVENTS}, exclude=exclude)
    where = full_shop(events=spec) if delivers_users else full_shop(events=spec, users=Table(kind="derived"))
    tables = landed() | {"events": rows("events", *events)}
    tables = tables if delivers_users else {name: table for name, table in tables.items() if name != "users"}
    judged = judge(tables, where)
    assert sum(judged.places("events").values()) == len(events)
    quality_report.report(judged.counts, judged.landed, Validate())
    assert set(judged.valid["events"]["user_id"]) <= set(judged.valid["users"]["user_id"])
    assert judged.valid["users"]["user_id"].is_unique().all()
    for name, table in judged.valid.items():
        schemas.contract(name).validate(table)


@given(st.lists(EVENTS, max_size=25))
@settings(max_examples=25, deadline=None)
def test_many_small_buckets_judge_as_one_does(events):
    tables = landed(users=[{"user_id": "u2"}]) | {"events": rows("events", *events)}
    whole = judge(tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_checks, "BATCH_ROWS", 3)
        patch.setattr(lake.LakeTable.batches, "__defaults__", (None, 3))
        parts = judge(tables)
    for name, table in whole.valid.items():
        assert parts.valid[name].equals(table)
    assert parts.held["events"].sort("source_line").equals(whole.held["events"].sort("source_line"))
    assert parts.counts["events"].ledger.equals(whole.counts["events"].ledger)
    assert parts.counts["events"].broken.equals(whole.counts["events"].broken)
    assert parts.counts["events"].touched.equals(whole.counts["events"].touched)


def test_groups_are_counted_by_what_became_of_them():
    columns = {column: column for column in schemas.EVENTS}
    group = Group(column="order_id", starts_with="C", meaning="cancelled")
    spec = Table(
        kind="csv",
        path="*",
        columns=columns,
        groups={"cancellation": group},
        exclude={"guest": Exclusion(missing="user_id", reason="guest")},
    )
    back = EVENT | {"event_id": "e2", "event_type": "return", "order_id": "C1", "timestamp": utc(2024, 2, 2)}
    guest = EVENT | {"event_id": "e3", "user_id": None, "order_id": "C2"}
    dear = EVENT | {"event_id": "e4", "price": -1.0, "order_id": "C3"}
    where = full_shop(events=spec)
    result = judge(landed(events=[back, back, guest, dear]), where)
    asked = quality_report.exclusions_and_groups(where, quality_report.report(result.counts, result.landed, Validate()))
    assert asked.select("name", "rows", "good", "quarantined", "duplicates", "excluded", "became").rows() == [
        ("guest", 1, 0, 0, 0, 1, ""),
        ("cancellation", 4, 1, 1, 1, 1, "1 return"),
    ]


def test_the_first_exclusion_that_holds_is_named():
    columns = {column: column for column in schemas.EVENTS}
    rules = {name: Exclusion(missing=name, reason="x") for name in ("order_id", "price")}
    where = full_shop(events=Table(kind="csv", path="*", columns=columns, exclude=rules))
    result = judge(landed(events=[EVENT | {"order_id": None, "price": None}, EVENT | {"price": None}]), where)
    found = quality_report.report(result.counts, result.landed, Validate())["tables"]["events"]
    assert found["exclusions"] == {"order_id": 1, "price": 1}
