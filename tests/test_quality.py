"""Rules: each catches its own damage and nothing else, and every row ends in exactly one place."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from conftest import rows, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib import quality, schemas
from recomart_lib.errors import GateError, UserError
from recomart_lib.params import Validate
from recomart_lib.shops import Exclusion, Shop, Table

NOW = datetime.now(UTC)
USER = {"user_id": "u1", "signup_date": date(2024, 1, 1), "age": 30, "gender": "f"}
ITEM = {"item_id": "a", "name": "Anvil", "price": 10.0}
EVENT = {"event_id": "e1", "user_id": "u1", "item_id": "a", "event_type": "purchase", "timestamp": utc(2024, 2, 1),
         "quantity": 1, "price": 10.0, "order_id": "o1"}  # fmt: skip


def shop(zone: str = "UTC", mapped: bool = True, **tables: Table) -> Shop:
    """A shop that delivers all columns (`mapped=False`: events without an id of their own)."""
    declared = {}
    for name, columns in schemas.TABLES.items():
        kept = {column: column for column in columns if mapped or column != "event_id"}
        declared[name] = tables.get(name) or Table(kind="csv", path="*", columns=kept)
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": zone, "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables=declared)


def landed(**more: list[dict]) -> dict[str, pl.DataFrame]:
    """A good user, item and event, with more rows of each."""
    good = {"users": USER, "items": ITEM, "events": EVENT}
    return {table: rows(table, row, *more.get(table, ())) for table, row in good.items()}


def judge(tables: dict[str, pl.DataFrame], where: Shop | None = None, **settings_: object) -> dict[str, quality.Judged]:
    return quality.judge(where or shop(), tables, Validate(**settings_), NOW)


def report(tables: dict[str, pl.DataFrame], rejected: int = 0, **settings_: object) -> dict:
    counts = dict.fromkeys(tables, 0) | {"events": rejected}
    return quality.report(judge(tables, **settings_), tables, counts, Validate(**settings_))


def broken(tables: dict[str, pl.DataFrame], **settings_: object) -> dict[str, int]:
    """Rule -> number of rows that fail it, without rules that none fails."""
    return {rule["rule"]: rule["n_failed"] for rule in report(tables, **settings_)["rules"] if rule["n_failed"]}


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


@pytest.mark.parametrize(("rule", "table", "damage"), VIOLATIONS)
def test_each_rule_catches_its_damage_and_no_other_rule_does(rule, table, damage):
    whole = {"users": USER, "items": ITEM, "events": EVENT | {"event_id": "e2"}}[table]
    tables = landed(**{"users": [{"user_id": "u9"}], table: [whole | damage]})
    assert broken(tables) == {rule: 1}
    severity = {known.name: known.severity for known in quality.RULES}[rule]
    assert judge(tables)[table].quarantined.height == (severity == "error")


def test_every_rule_has_a_violation_above():
    assert {rule for rule, _, _ in VIOLATIONS} == {rule.name for rule in quality.RULES}


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
    assert judge(tables, shop(zone))["events"].quarantined.is_empty()
    assert judge(tables)["events"].quarantined.height == 1


def test_all_reasons_of_a_row_are_told_with_its_source():
    bad = {"event_type": "steal", "user_id": "u1", "price": -1.0}
    row = judge(landed(events=[bad]))["events"].quarantined.row(0, named=True)
    assert row["reasons"] == "event_id_present; event_item_present; event_type_known; price_possible; timestamp_present"
    assert (row["source_file"], row["source_line"]) == ("f", 1)


def test_the_second_row_of_an_id_is_the_one_at_fault():
    judged = judge(landed(users=[USER | {"age": 31}, USER | {"age": 32}]))["users"]
    assert judged.good["age"].to_list() == [30]
    assert judged.quarantined["age"].to_list() == [31, 32]


def test_the_same_row_again_is_a_duplicate_and_not_judged():
    judged = judge(landed(users=[USER], events=[EVENT, EVENT]))
    assert judged["users"].counts == {"excluded": 0, "duplicates": 1, "good": 1, "quarantined": 0}
    assert judged["events"].counts == {"excluded": 0, "duplicates": 2, "good": 1, "quarantined": 0}


def test_made_up_event_ids_do_not_hide_duplicates():
    tables = landed(events=[EVENT | {"event_id": "f:2"}, EVENT | {"event_id": "f:3", "quantity": 2}])
    assert judge(tables, shop(mapped=False))["events"].counts["duplicates"] == 1
    assert judge(tables)["events"].counts["duplicates"] == 0


def test_expected_exclusions_are_counted_and_not_judged():
    columns = {column: column for column in schemas.EVENTS}
    guests = Table(
        kind="csv", path="*", columns=columns, exclude={"guest": Exclusion(missing="user_id", reason="guest")}
    )
    tables = landed(events=[EVENT | {"event_id": "e2", "user_id": None, "price": -5.0}])
    result = judge(tables, shop(events=guests))["events"]
    assert result.counts == {"excluded": 1, "duplicates": 0, "good": 1, "quarantined": 0}
    assert result.failures.is_empty()


def test_the_score_is_that_of_the_lowest_table_and_unreadable_lines_count():
    tables = landed(items=[ITEM | {"item_id": "b"}, ITEM | {"item_id": "c", "price": -1.0}], events=[EVENT])
    found = report(tables, rejected=1)
    assert found["tables"]["users"]["score"] == 100
    assert found["tables"]["items"]["score"] == pytest.approx(200 / 3)
    assert found["tables"]["events"] == {"landed": 2, "rejected": 1, "delivered": 3, "excluded": 0, "duplicates": 1,
                                         "good": 1, "quarantined": 0, "score": 50}  # fmt: skip
    assert found["score"] == 50


def test_rows_that_vanish_are_noticed():
    tables = landed()
    judged = judge(tables)
    with pytest.raises(UserError, match="events: 2 rows landed, but 1 are accounted for"):
        quality.report(judged, landed(events=[EVENT]), dict.fromkeys(tables, 0), Validate())


def test_a_rule_can_be_a_warning_or_off():
    tables = landed(users=[{"user_id": "u2", "age": 999}])
    assert judge(tables, rules={"age_possible": "warning"})["users"].quarantined.is_empty()
    assert broken(tables, rules={"age_possible": "warning"}) == {"age_possible": 1}
    assert broken(tables, rules={"age_possible": "off"}) == {}
    assert judge(tables, rules={"item_named": "error"})["items"].quarantined.is_empty()


def test_an_unknown_rule_is_told():
    with pytest.raises(UserError, match=r"validate.rules.age_posible: no such rule. Did you mean 'age_possible'\?"):
        quality.rules(Validate(rules={"age_posible": "off"}))


@pytest.mark.parametrize("rule", ["event_id_unique", "user_id_present", "event_type_known", "timestamp_present"])
def test_rules_that_later_stages_rest_on_stay_errors(rule):
    with pytest.raises(UserError, match=f"validate.rules.{rule} must be error"):
        quality.rules(Validate(rules={rule: "off"}))


def test_the_gate_opens_at_the_limit_and_names_what_costs_most_below_it():
    bad_ages = [{"user_id": f"v{n}", "age": 999} for n in range(3)]
    tables = landed(users=[*bad_ages, {"user_id": "w", "signup_date": date(2999, 1, 1)}])
    quality.gate(report(tables, min_quality=0.2))
    with pytest.raises(GateError) as caught:
        quality.gate(report(tables, min_quality=0.21))
    assert "The quality score is 20.00 %, below validate.min_quality = 21.0 %" in str(caught.value)
    assert "users.age_possible (3 rows), users.signup_not_in_future (1 rows)." in str(caught.value).replace(
        "; Mend", "."
    )


def test_the_gate_names_unreadable_lines():
    with pytest.raises(GateError, match=r"events.unreadable lines \(9 rows\)"):
        quality.gate(report(landed(), rejected=9))


def test_the_gate_stops_a_table_without_a_good_row():
    with pytest.raises(
        GateError, match=r"users: none of 0 delivered rows is good; it fails most in: events.event_user_known"
    ):
        quality.gate(report(landed() | {"users": rows("users")}, min_quality=0.0))


def test_tables_that_are_not_delivered_are_derived_from_good_events():
    extra = {"users.country": ["DE", "DE", "FR", "XX"], "items.price": [1.0, 3.0, 2.0, 99.0]}
    events = [EVENT | {"event_id": f"e{n}", "quantity": n} for n in range(1, 4)]
    bad = EVENT | {"event_id": None, "user_id": "ghost"}
    table = rows("events", *events, bad).with_columns(pl.Series(name, values) for name, values in extra.items())
    where = shop(users=Table(kind="derived"), items=Table(kind="derived"))
    valid = quality.validated(judge({"events": table}, where))
    assert valid["users"].select("user_id", "country", "age").rows() == [("u1", "DE", None)]
    assert valid["items"].select("item_id", "price", "name").rows() == [("a", 1.0, None)]
    assert valid["events"].columns == list(schemas.EVENTS)


def test_later_events_do_not_change_what_is_derived():
    names = ["Zinc", "Anvil", "Anvil"]
    later = [EVENT | {"event_id": f"e{n}", "timestamp": EVENT["timestamp"] + timedelta(days=n)} for n in (2, 3)]
    table = rows("events", EVENT, *later).with_columns(pl.Series("items.name", names))
    assert quality.derive(table.reverse(), "items")["name"].to_list() == ["Zinc"]


def test_an_id_in_quarantine_that_events_know_keeps_all_but_the_cell_to_blame():
    twice = [{"user_id": "u2", "age": 999, "country": "DE"}, {"user_id": "u2", "country": "FR"}]
    unheard_of = {"user_id": "u3", "age": -1}
    tables = landed(users=[*twice, unheard_of], events=[EVENT | {"event_id": "e2", "user_id": "u2"}])
    valid = quality.validated(judge(tables))
    assert valid["events"]["user_id"].to_list() == ["u1", "u2"]
    assert valid["users"].select("user_id", "age", "country").rows() == [("u1", 30, None), ("u2", None, "DE")]


def test_validated_tables_keep_their_contract_and_order():
    later = EVENT | {"event_id": "e0", "timestamp": utc(2024, 3, 1)}
    same_time = EVENT | {"event_id": "d"}
    valid = quality.validated(judge(landed(events=[later, same_time], users=[{"user_id": "a"}])))
    assert valid["events"]["event_id"].to_list() == ["d", "e1", "e0"]
    assert valid["users"]["user_id"].to_list() == ["a", "u1"]
    for name, table in valid.items():
        assert schemas.contract(name).validate(table).equals(table)


def test_a_shop_with_one_user_and_one_event_passes():
    quality.gate(report(landed()))


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
    where = shop(events=spec) if delivers_users else shop(events=spec, users=Table(kind="derived"))
    tables = landed() | {"events": rows("events", *events)}
    tables = tables if delivers_users else {name: table for name, table in tables.items() if name != "users"}
    judged = quality.judge(where, tables, Validate(), NOW)
    assert sum(judged["events"].counts.values()) == len(events)
    quality.report(judged, tables, dict.fromkeys(tables, 0), Validate())
    valid = quality.validated(judged)
    assert set(valid["events"]["user_id"]) <= set(valid["users"]["user_id"])
    assert valid["users"]["user_id"].is_unique().all()
    for name, table in valid.items():
        schemas.contract(name).validate(table)
