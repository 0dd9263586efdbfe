"""Messages and rows: there and back, and what is wrong with a message, alike at once and alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart.streaming import messages as streaming_messages
from recomart_lib.core.schemas import EVENTS
from recomart_lib.validate.settings import Validate

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD = {
    "schema_version": 1,
    "event_id": "x",
    "user_id": "u",
    "item_id": "a",
    "event_type": "view",
    "timestamp": "2026-05-01T10:00:00+02:00",
}


def read(*messages: bytes | None, key: bytes | None = b"u", rules: Validate | None = None) -> pl.DataFrame:
    return checked(messages, [key] * len(messages), rules)


def checked(
    messages: Sequence[bytes | None], keys: Sequence[bytes | None], rules: Validate | None = None
) -> pl.DataFrame:
    batch = pl.DataFrame({"key": keys, "value": messages}, schema={"key": pl.Binary, "value": pl.Binary})
    return streaming_messages.read(batch, NOW, 60, rules or Validate())


def reason(message: bytes | None, key: bytes | None = b"u") -> str | None:
    """Why a message is a dead letter; the reason is the same beside good messages."""
    alone = read(message, key=key).get_column("reason")[0]
    good = json.dumps(GOOD).encode()
    reasons = checked([good, message, good], [b"u", key, b"u"]).get_column("reason")
    assert reasons.to_list() == [None, alone, None]
    return alone


def message_of(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_message_is_a_row_with_its_time_in_utc():
    row = read(message_of(quantity=2, price=1.5, order_id="o", produced_at="2026-05-01T08:00:00.000001Z")).row(
        0, named=True
    )
    assert row["reason"] is None
    assert row["timestamp"] == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert row["produced_at"] == datetime(2026, 5, 1, 8, 0, 0, 1, tzinfo=UTC)
    assert (row["quantity"], row["price"], row["order_id"], row["rating"]) == (2, 1.5, "o", None)


# texts that may be ids: with a visible character, without control characters, and no objects
CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{[#")
TEXT = st.builds("{}x{}".format, *2 * [st.text(CHARACTERS, max_size=10)])


@given(
    ids=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1)),
    price=st.none() | st.floats(0, 1000),
    quantity=st.none() | st.integers(1, 1000) | st.floats(0.001, 1000),
)
def test_what_is_written_is_read(ids, moment, price, quantity):
    rows = [
        dict.fromkeys(EVENTS)
        | {
            "event_id": e,
            "user_id": u,
            "item_id": i,
            "event_type": "view",
            "price": price,
            "timestamp": moment.replace(tzinfo=UTC),
            "quantity": quantity,
        }
        for e, u, i in ids
    ]
    events = pl.DataFrame(rows, schema=EVENTS)
    keys = [user.encode() for _, user, _ in ids]
    rows = checked(streaming_messages.write(events, NOW), keys)
    assert rows.get_column("reason").to_list() == [None] * len(ids)
    assert rows.select(list(EVENTS)).equals(events)
    assert rows.get_column("produced_at").to_list() == [NOW] * len(ids)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (None, "no value"),
        (b"", "not a JSON"),
        (b"nonsense", "not a JSON"),
        (b"\xff\xfe", "not a JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"event_id": "x"}{"event_id": "y"}', "not a JSON"),
        (message_of(schema_version=2), "schema_version"),
        (message_of(schema_version="1"), "schema_version"),
        (message_of(schema_version=None), "schema_version"),
        (message_of(event_id=""), "event_id"),
        (message_of(event_id=7), "event_id"),
        (message_of(event_id=" \t"), "event_id: missing or blank"),
        (message_of(item_id="\u200b\u00a0"), "item_id: missing or blank"),
        (message_of(item_id="a\x00b"), "item_id: contains a control character"),
        (message_of(order_id="o\n"), "order_id: contains a control character"),
        (message_of(event_id="e" * 513), "event_id: longer than 512 characters"),
        (message_of(event_id={"id": 1}), "event_id"),
        (message_of(event_id="[object Object]"), "event_id: is an object"),
        (message_of(event_id="1.23457E+12"), "event_id: is a number that lost digits"),
        (message_of(item_id="nan"), "item_id: the word of a data frame for a missing value"),
        (message_of(user_id=None), "user_id"),
        (message_of(item_id=None), "item_id"),
        (message_of(timestamp="yesterday"), "timestamp"),
        (message_of(timestamp="2026-05-01T10:00:00"), "timestamp"),
        (message_of(timestamp="2026-13-01T10:00:00Z"), "timestamp"),
        (message_of(timestamp="2026-05-01"), "timestamp: missing, or not ISO 8601 with a zone"),
        (message_of(timestamp="2026-05-01T10:00:00+99:99"), "timestamp: missing, or not ISO 8601 with a zone"),
        (message_of(timestamp=""), "timestamp"),
        (message_of(timestamp=1777629600), "timestamp"),
        (message_of(timestamp="0001-01-01T00:00:00Z"), "timestamp: before 1990-01-01"),
        (message_of(timestamp="0000-01-01T00:00:00Z"), "timestamp: before 1990-01-01"),
        (message_of(timestamp="1970-01-21T03:00:00.5Z"), "timestamp: before 1990-01-01"),
        (message_of(timestamp="-0001-01-01T00:00:00Z"), "timestamp: before 1990-01-01"),
        (message_of(timestamp="9999-12-31T23:59:59-12:00"), "timestamp: "),
        (message_of(timestamp="+12026-05-01T10:00:00Z"), "timestamp: "),
        (message_of(produced_at="0001-01-01T00:00:00Z"), "produced_at: before 1990-01-01"),
        (message_of(produced_at=(NOW + timedelta(seconds=61)).isoformat()), "produced_at: more than 60 s in"),
        (message_of(produced_at="just now"), "produced_at: not ISO 8601 with a zone"),
        (message_of(timestamp=(NOW + timedelta(seconds=61)).isoformat()), "future"),
        (message_of(event_type="hover"), "event_type_known"),
        (message_of(event_type="purchase", price=0), "price_possible"),
        (message_of(quantity=0), "quantity_possible"),
        (message_of(quantity="1.5"), "quantity"),
        (b'{"quantity": NaN, ' + message_of()[1:], "quantity"),
        (b'{"price": -Infinity, ' + message_of()[1:], "price"),
        (b'{"price": 1e999, ' + message_of()[1:], "price"),
        (b'{"user_id": "v", ' + message_of()[1:], "user_id: occurs twice"),
        (message_of(price="cheap"), "price"),
        (message_of(event_type="rating"), "rating_given"),
        (message_of(rating=6), "rating_possible"),
    ],
)
def test_what_is_wrong_with_a_message(message, word):
    assert word in reason(message)


@pytest.mark.parametrize("key", [None, b"", b"v"])
def test_a_key_is_the_user_id(key):
    assert "key" in reason(message_of(), key)


def test_a_little_in_the_future_is_allowed():
    assert reason(message_of(timestamp=(NOW + timedelta(seconds=60)).isoformat())) is None


def test_unknown_keys_and_line_breaks_do_no_harm():
    assert reason(message_of(campaign={"name": "spring"})) is None
    assert reason(json.dumps(GOOD, indent=2).encode()) is None


def test_a_rule_that_is_off_kills_nothing():
    rules = Validate(rules={"quantity_possible": "off"})
    assert read(message_of(quantity=0), rules=rules).get_column("reason")[0] is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T08:00:00Z",
        "2026-05-01t08:00:00z",
        "2026-05-01 10:00:00+02:00",
        "2026-05-01T08:00Z",
        "2026-05-01T10:00+02",
        "20260501T100000,000+0200",
        "2026-04-30T24:00:00-08:00",
        "2026-05-01T10:00:00+0200",
        "2026-05-01T08:00:00.000Z",
    ],
)
def test_forms_of_iso_8601(text):
    row = read(message_of(timestamp=text)).row(0, named=True)
    assert (row["reason"], row["timestamp"]) == (None, datetime(2026, 5, 1, 8, tzinfo=UTC))


def test_a_quantity_may_be_fractional_and_a_whole_one_is_written_as_such():
    rows = read(message_of(quantity=0.53), message_of(quantity=3), message_of(quantity=None))
    assert rows.get_column("quantity").to_list() == [0.53, 3, None]
    events = rows.select(list(EVENTS)).with_columns(order_id=pl.lit('"quantity":9.0,'))
    written = [json.loads(text) for text in streaming_messages.write(events, NOW)]
    assert [repr(fields["quantity"]) for fields in written] == ["0.53", "3", "None"]
    assert {fields["order_id"] for fields in written} == {'"quantity":9.0,'}


@pytest.mark.parametrize("blank", [" ", "", "nan"])
def test_a_blank_order_id_is_none(blank):
    assert read(message_of(order_id=blank)).select("reason", "order_id").row(0) == (None, None)


def test_the_first_day_is_a_setting_and_its_rule_may_be_off():
    old = message_of(timestamp="1970-06-01T00:00:00Z")
    assert read(old, rules=Validate(first_day="1960-01-01")).get_column("reason")[0] is None
    rules = Validate(rules={"timestamp_plausible": "off"})
    assert read(old, rules=rules).get_column("reason")[0] is None
    zero = read(message_of(timestamp="0000-06-01T00:00:00Z"), rules=rules).get_column("reason")[0]
    assert zero == "timestamp: no day of the calendar, from year 1 to 9999"


YEARS = st.integers(0, 9999).map("{:04d}-02-28T23:59:59Z".format)
ANY_TIME = YEARS | st.sampled_from(
    ["2026-05-01T24:00:00Z", "2026-04-30T23:59:60Z", "2026-05-01T10:00:00+99:99", "2026"]
)
ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.integers(-(10**30), 10**30),
    st.floats(),
    ANY_TIME,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@given(st.lists(st.tuples(st.sampled_from([*EVENTS, "produced_at", "schema_version"]), ANY_VALUE), max_size=3))
def test_whatever_a_message_holds_it_is_a_dead_letter_or_an_event_that_later_stages_can_use(changes):
    row = read(message_of(**dict(changes)))
    if row.get_column("reason")[0] is None:
        event = row.select(list(EVENTS)).row(0, named=True)
        assert datetime(1990, 1, 1, tzinfo=UTC) <= event["timestamp"] <= NOW + timedelta(seconds=60)
        assert all(event[name] and event[name].strip() for name in ("event_id", "user_id", "item_id", "event_type"))
        assert all(event[name] is None or abs(event[name]) < 1e9 for name in ("quantity", "price", "rating"))


@given(bad=st.sets(st.integers(0, 999), max_size=5))
@settings(max_examples=20)
def test_a_bad_message_in_a_large_batch_changes_nothing_for_the_others(bad):
    messages = [b"[1]" if n in bad else message_of(event_id=f"e{n}", quantity=n + 1) for n in range(1_000)]
    rows = read(*messages)
    assert rows["reason"].is_not_null().arg_true().to_list() == sorted(bad)
    good = [n for n in range(1_000) if n not in bad]
    assert rows.filter(pl.col("reason").is_null())["event_id"].to_list() == [f"e{n}" for n in good]
    assert rows.filter(pl.col("reason").is_null())["quantity"].to_list() == [n + 1 for n in good]


DEEP, DIGITS = 100_000, 1_000_000


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"a":' * DEEP, "recursion limit exceeded"),
        (b"[" * DEEP, "recursion limit exceeded"),
        (message_of(quantity=0).replace(b"0}", b"1e400}"), "quantity: Input should be a finite number"),
        (message_of(quantity=0).replace(b"0}", b"1" * DIGITS + b"}"), "quantity: not a finite number"),
        (message_of(quantity=0).replace(b"0}", b"1e" + b"9" * DIGITS + b"}"), "quantity: Input should be a finite"),
        (message_of(schema_version=0).replace(b": 0,", b": " + b"1" * DIGITS + b","), "number out of range"),
        (message_of(event_id="e" * DIGITS), "event_id: longer than 512 characters"),
        (message_of(timestamp="2025-01-01T00:00:00." + "1" * DIGITS), "timestamp: missing, or not ISO 8601"),
    ],
    ids=["objects", "lists", "1e400", "digits", "exponent", "version", "id", "time"],
)
def test_a_message_without_measure_is_a_dead_letter_and_ends_no_consumer(message, reason):
    assert reason in reason_beside(message)


def reason_beside(message: bytes) -> str:
    """Why a message is a dead letter: the same alone, beside good messages and beside bad ones."""
    alone = reason(message)
    good, bad = json.dumps(GOOD).encode(), b'{"user_id'
    reasons = checked([good, message, bad], [b"u"] * 3).get_column("reason").to_list()
    assert (reasons[0], reasons[1]) == (None, alone)
    return alone or ""


@pytest.mark.parametrize("ignored", [b"[" * 1_500 + b"]" * 1_500, b"1" * 5_000], ids=["lists", "digits"])
def test_what_is_ignored_in_a_message_is_ignored_whatever_is_beside_it(ignored):
    assert reason_beside(message_of(more=0).replace(b"0}", ignored + b"}")) == ""
