"""Row checks: each rule catches its own damage and nothing else, and every row ends in exactly one place."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from check_data import EVENT, ITEM, NOW, USER, check, failed_rules, good_tables
from conftest import full_shop, rows, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core import schemas
from recomart_lib.core.shop_tables import Exclusion, Group, Table
from recomart_lib.ingest import lake
from recomart_lib.validate import quality_report, quality_rules, row_checks
from recomart_lib.validate.settings import Validate

VIOLATIONS = [
    ("user_id_present", "users", {"user_id": None}),
    ("user_id_unique", "users", {"age": 31}),
    ("age_possible", "users", {"user_id": "u2", "age": -1}),
    ("age_possible", "users", {"user_id": "u2", "age": 121}),
    ("signup_plausible", "users", {"user_id": "u2", "signup_date": date(1949, 12, 31)}),
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
    ("timestamp_plausible", "events", {"user_id": "u9", "timestamp": utc(1989, 12, 31, 23, 59)}),
    ("timestamp_plausible", "events", {"user_id": "u9", "timestamp": utc(1, 1, 1)}),
    ("timestamp_not_in_future", "events", {"timestamp": NOW + timedelta(days=1)}),
    ("event_user_known", "events", {"user_id": "nobody"}),
    ("event_item_known", "events", {"item_id": "nothing"}),
    ("event_after_signup", "events", {"timestamp": utc(2023, 12, 31, 23, 59)}),
    ("quantity_possible", "events", {"quantity": 0}),
    ("quantity_possible", "events", {"quantity": -0.001}),
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


@pytest.mark.parametrize(
    ("table", "row", "keys"),
    [
        ("events", {"user_id": "u9", "timestamp": utc(1985, 6, 1)}, {"first_day": "1985-06-01"}),
        ("users", {"signup_date": date(1920, 6, 1)}, {"first_signup_day": "1920-06-01"}),
    ],
)
def test_the_first_plausible_day_is_a_setting(table, row, keys):
    whole = {"users": USER, "events": EVENT}[table]
    others = {"event_id": "e2", "user_id": "u9"} if table == "events" else {"user_id": "u2"}
    tables = good_tables(**{"users": [{"user_id": "u9"}], table: [whole | others | row]})
    assert sum(failed_rules(tables).values()) == 1
    assert not failed_rules(tables, **keys)


@pytest.mark.parametrize(("rule", "table", "damage"), VIOLATIONS)
def test_each_rule_catches_its_damage_and_no_other_rule_does(rule, table, damage):
    whole = {"users": USER, "items": ITEM, "events": EVENT | {"event_id": "e2"}}[table]
    tables = good_tables(**{"users": [{"user_id": "u9"}], table: [whole | damage]})
    assert failed_rules(tables) == {rule: 1}
    severity = {each.name: each.severity for each in quality_rules.RULES}[rule]
    assert check(tables).counts[table]["quarantined"] == (severity == "error")


def test_every_rule_has_a_violation_above():
    elsewhere = {"event_on_time", "price_usual", "user_valid_from_plausible", "item_valid_from_plausible"}
    assert {rule for rule, _, _ in VIOLATIONS} | elsewhere == {rule.name for rule in quality_rules.RULES}


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
        ("events", EVENT | {"event_id": "e2", "quantity": 0.001}),
        ("events", EVENT | {"event_id": "e2", "event_type": "view", "price": 0.0}),
        ("events", EVENT | {"event_id": "e2", "event_type": "rating", "rating": 1.0}),
        ("events", EVENT | {"event_id": "e2", "event_type": "return"}),
    ],
)
def test_rows_at_the_edge_of_a_rule_pass(table, row):
    assert failed_rules(good_tables(**{table: [row]})) == {}


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", 23), ("Pacific/Auckland", 12)])
def test_the_day_of_an_event_is_the_shops_day(zone, hour):
    early = EVENT | {"event_id": "e2", "timestamp": utc(2023, 12, 31, hour)}
    tables = good_tables(events=[early])
    assert check(tables, full_shop(zone)).quarantine["events"].is_empty()
    assert check(tables).quarantine["events"].height == 1


def test_a_quarantined_row_has_all_its_reasons_and_its_source():
    bad = {"event_type": "steal", "user_id": "u1", "price": -1.0}
    row = check(good_tables(events=[bad])).quarantine["events"].row(0, named=True)
    assert row["reasons"] == "event_id_present; event_item_present; event_type_known; price_possible; timestamp_present"
    assert (row["source_file"], row["source_line"]) == ("f", 1)


def test_the_first_row_of_an_id_is_good_and_later_ones_are_quarantined():
    result = check(good_tables(users=[USER | {"age": 31}, USER | {"age": 32}]))
    assert result.validated["users"]["age"].to_list() == [30]
    assert result.quarantine["users"]["age"].to_list() == [31, 32]


def test_the_same_row_again_is_a_duplicate_and_not_checked():
    result = check(good_tables(users=[USER], events=[EVENT, EVENT]))
    assert result.places("users") == {"duplicates": 1, "good": 1}
    assert result.places("events") == {"duplicates": 2, "good": 1}


def test_generated_event_ids_do_not_hide_duplicates():
    tables = good_tables(events=[EVENT | {"event_id": "f:2"}, EVENT | {"event_id": "f:3", "quantity": 2}])
    columns = {column: column for column in schemas.EVENTS if column != "event_id"}
    spec = Table(kind="csv", path="*", columns=columns, equal_lines="repeats")
    assert check(tables, full_shop(mapped=False, events=spec)).counts["events"]["duplicates"] == 1
    assert check(tables).counts["events"]["duplicates"] == 0


def test_a_rule_can_be_a_warning_or_off():
    tables = good_tables(users=[{"user_id": "u2", "age": 999}])
    assert check(tables, rules={"age_possible": "warning"}).quarantine["users"].is_empty()
    assert failed_rules(tables, rules={"age_possible": "warning"}) == {"age_possible": 1}
    assert failed_rules(tables, rules={"age_possible": "off"}) == {}
    assert check(tables, rules={"item_named": "error"}).quarantine["items"].is_empty()


def test_validated_tables_keep_their_contract_and_order():
    later = EVENT | {"event_id": "e0", "timestamp": utc(2024, 3, 1)}
    same_time = EVENT | {"event_id": "d"}
    validated = check(good_tables(events=[later, same_time], users=[{"user_id": "a"}])).validated
    assert validated["events"]["event_id"].to_list() == ["d", "e1", "e0"]
    assert validated["users"]["user_id"].to_list() == ["a", "u1"]
    for name in schemas.TABLES:
        assert schemas.contract(name).validate(validated[name]).equals(validated[name])


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
def test_every_row_is_good_or_quarantined_or_a_duplicate_or_excluded(events, guests, delivers_users):
    exclude = {"guest": Exclusion(missing="user_id", reason="guest")} if guests else {}
    spec = Table(kind="csv", path="*", columns={column: column for column in schemas.EVENTS}, exclude=exclude)
    shop = full_shop(events=spec) if delivers_users else full_shop(events=spec, users=Table(kind="derived"))
    tables = good_tables() | {"events": rows("events", *events)}
    tables = tables if delivers_users else {name: table for name, table in tables.items() if name != "users"}
    result = check(tables, shop)
    assert sum(result.places("events").values()) == len(events)
    quality_report.report(result.counts, result.lake_tables, Validate())
    assert set(result.validated["events"]["user_id"]) <= set(result.validated["users"]["user_id"])
    assert result.validated["users"]["user_id"].is_unique().all()
    for name in schemas.TABLES:
        schemas.contract(name).validate(result.validated[name])


@given(st.lists(EVENTS, max_size=25))
@settings(max_examples=25, deadline=None)
def test_many_small_buckets_give_the_same_result_as_one(events):
    tables = good_tables(users=[{"user_id": "u2"}]) | {"events": rows("events", *events)}
    whole = check(tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_checks, "BATCH_ROWS", 3)
        patch.setattr(lake.LakeTable.batches, "__defaults__", (None, 3))
        parts = check(tables)
    for name, table in whole.validated.items():
        assert parts.validated[name].equals(table)
    assert parts.quarantine["events"].sort("source_line").equals(whole.quarantine["events"].sort("source_line"))
    assert parts.counts["events"].placements.equals(whole.counts["events"].placements)
    assert parts.counts["events"].failed_rules.equals(whole.counts["events"].failed_rules)
    assert parts.counts["events"].failed_dimensions.equals(whole.counts["events"].failed_dimensions)


def test_groups_are_counted_by_place_and_event_type():
    columns = {column: column for column in schemas.EVENTS}
    group = Group(column="order_id", starts_with="C", meaning="cancelled")
    spec = Table(
        kind="csv",
        path="*",
        columns=columns,
        groups={"cancellation": group},
        exclude={"guest": Exclusion(missing="user_id", reason="guest")},
    )
    returned = EVENT | {"event_id": "e2", "event_type": "return", "order_id": "C1", "timestamp": utc(2024, 2, 2)}
    guest = EVENT | {"event_id": "e3", "user_id": None, "order_id": "C2"}
    negative = EVENT | {"event_id": "e4", "price": -1.0, "order_id": "C3"}
    shop = full_shop(events=spec)
    result = check(good_tables(events=[returned, returned, guest, negative]), shop)
    quality = quality_report.report(result.counts, result.lake_tables, Validate())
    declared = quality_report.exclusions_and_groups(shop, quality)
    assert declared.select("name", "rows", "good", "quarantined", "duplicates", "excluded", "event_types").rows() == [
        ("guest", 1, 0, 0, 0, 1, ""),
        ("cancellation", 4, 1, 1, 1, 1, "1 return"),
    ]
