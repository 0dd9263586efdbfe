"""The leakage audit: clean features pass, whatever peeks is caught, and an audit that does not work is an error."""

from __future__ import annotations

import dataclasses

import narwhals as nw
import polars as pl
import pytest
from conftest import utc
from feature_data import AS_OF, BOUGHT, HISTORY, PARAMS, SHOP, prepared_tables, write_prepared

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import compute as features_compute
from recomart_lib.features import definitions, engine, leakage_audit
from recomart_lib.features.base import ANY, WHOLE, Feature, Group, Past, group, microseconds, pair_sums
from recomart_lib.prepare import versions

LATER = [("u1", "c", "purchase", AS_OF, {}), ("u9", "a", "view", utc(2024, 3, 1), {})]


def audited(events, groups=definitions.GROUPS, as_of=AS_OF) -> pl.DataFrame:
    shop = prepared_tables(events, items=SHOP)
    return leakage_audit.audit(shop, as_of, PARAMS, groups)


@pytest.mark.parametrize("events", [HISTORY, BOUGHT, [*BOUGHT, *LATER], HISTORY[:1]], ids=["a", "b", "later", "one"])
def test_our_features_do_not_leak_and_the_canary_is_caught(events):
    table = audited(events)
    leakage_audit.require_no_leak(table)
    assert table.filter("leaks")["feature"].to_list() == list(leakage_audit.CANARIES)
    assert table.height == len(definitions.DEFINITIONS) + len(leakage_audit.CANARIES)


def test_each_feature_reports_the_latest_event_that_it_received():
    latest = {
        (e, f): moment
        for e, f, moment in audited([*BOUGHT, *LATER]).select("entity", "feature", "latest_event").iter_rows()
    }
    assert latest["user", "activity_count"] == utc(2024, 1, 31, 12)  # the return
    assert latest["user", "order_count"] == utc(2024, 1, 31)
    assert latest["interaction", "view_count"] == utc(2024, 1, 25, 13)
    assert latest["user", "country"] is None
    assert latest["user", "average_rating"] is None  # there are none


def test_a_feature_that_changes_with_the_future_stops_the_pipeline():
    table = audited(BOUGHT).with_columns(leaks=pl.col("feature").is_in([*leakage_audit.CANARIES, "spend"]))
    with pytest.raises(UserError, match=r"1 feature\(s\) use later events or .*:\n  user.spend: .* 0 values change"):
        leakage_audit.require_no_leak(table)


def test_a_cut_that_lets_its_own_moment_in_is_caught(monkeypatch):
    def late(prepared, as_of):
        return prepared.events.filter(nw.col("time") <= microseconds(as_of))

    monkeypatch.setattr(leakage_audit, "events_before", late)
    monkeypatch.setattr(features_compute, "events_before", late)
    with pytest.raises(UserError, match="use later events") as error:
        leakage_audit.require_no_leak(audited([*BOUGHT, *LATER]))
    assert "user.order_count: its function received an event of 2024-02-01 00:00:00" in str(error.value)


def test_a_feature_that_bypasses_its_input_is_caught():
    shop = prepared_tables([*BOUGHT, *LATER], items=SHOP)

    @group("user", Feature("ever", WHOLE, "events ever", "events", empty=0), reads=("view",), needs=())
    def leaking(past):
        return shop.events.group_by("user_id").agg(ever=nw.len().cast(nw.Int64))

    groups = (*definitions.GROUPS, leaking)
    table = leakage_audit.audit(shop, AS_OF, PARAMS, groups)
    assert table.filter("leaks")["feature"].to_list() == ["ever", *leakage_audit.CANARIES]
    with pytest.raises(UserError, match=r"1 feature\(s\) use later events or statements:\n  user.ever: "):
        leakage_audit.require_no_leak(table)
    assert engine.collect(shop.events).height == len([*BOUGHT, *LATER]), "the events are restored"
    assert shop.items.height == len(SHOP), "the statements are restored"


def test_cuts_are_audited_as_one_by_one():
    shop = prepared_tables([*BOUGHT, *LATER], items=SHOP)
    cuts = {"test": AS_OF, "live": utc(2024, 4, 1)}
    audits = leakage_audit.audit_all(shop, cuts, PARAMS)
    assert list(audits) == list(cuts)
    for name, as_of in cuts.items():
        assert audits[name].equals(leakage_audit.audit(shop, as_of, PARAMS))
    assert engine.collect(shop.events).height == len([*BOUGHT, *LATER])


def test_an_audit_that_cannot_see_says_so(monkeypatch):
    monkeypatch.setattr(leakage_audit, "changed_future", lambda prepared, as_of: prepared.events)
    with pytest.raises(UserError, match="The leakage audit does not work"):
        leakage_audit.require_no_leak(audited([*BOUGHT, *LATER]))


def test_a_feature_that_reads_the_newest_statement_is_caught(monkeypatch):
    def newest(prepared, table, moment):
        return engine.on_same_engine(prepared, versions.as_of(getattr(prepared, table), f"{table[:-1]}_id", None))

    monkeypatch.setattr(engine.PreparedTables, "as_of", newest)
    with pytest.raises(UserError, match="use later events or statements") as error:
        leakage_audit.require_no_leak(audited(BOUGHT))
    assert "item.category: its function received no event; " in str(error.value)
    assert "user.country: its function received no event; " in str(error.value)


def test_the_false_statements_leave_those_that_held_alone():
    stated = items_stated(
        ("a", "tools", utc(2024, 1, 1)), ("a", "garden", utc(2024, 3, 1)), ("b", "food", utc(2024, 4, 1))
    )
    changed = leakage_audit.changed_statements(stated, "item_id", AS_OF)
    assert changed.rows() == [
        ("a", "tools", utc(2024, 1, 1)),
        ("a", "a future word", utc(2024, 3, 1, 0, 0, 0, 1)),
        ("b", "food", utc(2024, 4, 1)),  # the first statement about b: it counts before its moment, too
        ("b", "a future word", utc(2024, 4, 1, 0, 0, 0, 1)),
    ]


def test_an_audit_that_cannot_see_statements_says_so(monkeypatch):
    monkeypatch.setattr(leakage_audit, "changed_statements", lambda history, key, as_of: history)
    with pytest.raises(UserError, match="did not catch canary_newest_country, canary_newest_category"):
        leakage_audit.require_no_leak(audited(BOUGHT))


def items_stated(*statements: tuple) -> pl.DataFrame:
    columns = {"item_id": pl.String, "category": pl.String, "valid_from": TIMESTAMP}
    return pl.DataFrame(statements, schema=columns, orient="row")


def test_before_the_first_event_there_is_nothing_to_audit():
    with pytest.raises(UserError, match="There is no event before 2023-01-01"):
        audited(BOUGHT, as_of=utc(2023, 1, 1))


def test_the_other_future_leaves_the_past_alone():
    shop = prepared_tables([*BOUGHT, *LATER], items=SHOP)
    moment = pl.Series([AS_OF]).dt.epoch("us")[0]
    before, after = (
        engine.collect(events).sort("event_id", "time")
        for events in (shop.events, leakage_audit.changed_future(shop, AS_OF))
    )
    assert before.filter(pl.col("time") < moment).equals(after.filter(pl.col("time") < moment))
    future = after.filter(pl.col("time") >= moment)
    assert set(future["event_type"]) == {"purchase"}
    assert future.height == 3  # two that follow, and a copy of the last event of the past


def reading_all(leak: Group, shop: engine.PreparedTables) -> Group:
    """The group with a function that receives all events and the newest statements of the shop."""

    def build(past: Past) -> nw.LazyFrame:
        tables = {
            name: engine.on_same_engine(shop, versions.as_of(getattr(shop, name), key, None))
            for name, key in (("users", "user_id"), ("items", "item_id"))
        }
        sums = pair_sums(shop.events)
        everything = dataclasses.replace(past, events=shop.events, sums=sums, reads=ANY, kept={}, **tables)
        return leak.build(everything.visible(leak.reads))

    return dataclasses.replace(leak, build=build)


@pytest.mark.parametrize("group", definitions.GROUPS, ids=lambda g: f"{g.entity}.{g.features[0].name}")
def test_a_leak_in_any_group_is_caught_on_a_sample(tmp_path, monkeypatch, group):
    monkeypatch.setattr(leakage_audit, "N_USERS", 40)
    write_prepared(tmp_path)
    shop = engine.scan(tmp_path, "UTC")
    audited = leakage_audit.audit(shop, utc(2024, 1, 15), PARAMS, (reading_all(group, shop),))
    assert audited["n_users"][0] == 40 < audited["of_users"][0]
    leaks = audited.filter("leaks")["feature"].to_list()
    changing = [feature.name for feature in group.features if feature.name != "age_days"]  # the first event stays
    assert leaks == [*changing, *leakage_audit.CANARIES]
    audited = leakage_audit.audit(shop, utc(2024, 1, 15), PARAMS, (group,))
    leakage_audit.require_no_leak(audited)
    assert engine.collect(shop.events).height == 4_000, "the whole shop is restored"


def test_the_sample_is_bounded_and_half_of_it_has_later_data(monkeypatch):
    monkeypatch.setattr(leakage_audit, "N_USERS", 4)
    users = pl.DataFrame({"user_id": list("abcdefghij"), "n": [3] * 10, "both": [True] * 2 + [False] * 8})
    drawn = leakage_audit._sample(users)
    assert drawn.height == 4
    assert drawn["both"].sum() == 2
    assert drawn.equals(leakage_audit._sample(users))
    monkeypatch.setattr(leakage_audit, "N_EVENTS", 7)
    assert leakage_audit._sample(users).height == 2
    monkeypatch.setattr(leakage_audit, "N_EVENTS", 1)
    assert leakage_audit._sample(users).height == 1


def test_later_data_are_events_and_statements():
    stated = [("u1", utc(2024, 1, 1)), ("u2", utc(2024, 1, 1)), ("u2", utc(2024, 3, 1)), ("u3", utc(2024, 1, 1))]
    history = pl.DataFrame(stated, schema={"user_id": pl.String, "valid_from": TIMESTAMP}, orient="row")
    shop = prepared_tables([*BOUGHT, *LATER], items=SHOP)
    shop.users = history.with_columns(pl.col("user_id").cast(shop.users.schema["user_id"], strict=False))
    users = engine.decoded(leakage_audit._users(shop, AS_OF))
    assert dict(users.select("user_id", "both").iter_rows()) == {"u1": True, "u2": True, "u3": False, "u9": False}
    assert dict(users.select("user_id", "n").iter_rows())["u1"] == 6
