"""JSON as programs write it: marks, repeated keys, keys in other letters, halves of characters."""

from __future__ import annotations

import json

import pytest
from conftest import utc
from delivered import COLUMNS, RECORD, deliver, reasons, shop

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import reader

JSONL = shop(events={"kind": "jsonl"})
GOOD = json.dumps(RECORD)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"user": "a", "user": "b", "item": "i", "at": "2024-01-01"}', "'b' is one of several different values"),
        ('{"USER": "a", "item": "i", "at": "2024-01-01"}', "'a' belongs to a key that differs from the mapped one"),
        ('{"user": "\\ud83d", "item": "i", "at": "2024-01-01"}', "'\\ud83d' contains half of a character"),
        ('{"user": Infinity, "item": "i", "at": "2024-01-01"}', "'Infinity' is infinity"),
        ('{"user": 1e20, "item": "i", "at": "2024-01-01"}', "'1e+20' is a number that lost digits"),
        ('{"user": 1.23457E+12, "item": "i", "at": "2024-01-01"}', "'1.23457E+12' is a number that lost digits"),
        ('{"user": 1e+12, "item": "i", "at": "2024-01-01"}', "'1e+12' is a number that lost digits"),
        ('{"user": 9007199254740993.0, "item": "i", "at": "2024-01-01"}', "'9007199254740992.0' is a number that lost"),
    ],
)
def test_a_record_that_nobody_can_decide_is_rejected(tmp_path, line, reason):
    delivered = deliver(tmp_path, "\n".join([GOOD, line, GOOD]), JSONL)
    assert reasons(delivered)[2].startswith(f"user_id: {reason}")
    assert delivered.rows.height == 2


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ("\ufeff" + GOOD, "u1"),
        ('{"user": "u", "user": "u", "item": "i", "at": "2024-01-01"}', "u"),
        ('{"x": 1, "x": 2, "user": "u", "item": "i", "at": "2024-01-01"}', "u"),
        ('{"USER": "a", "user": "u", "item": "i", "at": "2024-01-01"}', "u"),
        ('{"USER": null, "item": "i", "at": "2024-01-01"}', None),
        ('{"user": NaN, "item": "i", "at": "2024-01-01"}', None),
        ('{"user": 12345678901234567890123, "item": "i", "at": "2024-01-01"}', "12345678901234567890123"),
        ('{"user": 17850.0, "item": "i", "at": "2024-01-01"}', "17850"),
        ('{"user": 1e5, "item": "i", "at": "2024-01-01"}', "100000"),
        ('{"user": 1.234567E7, "item": "i", "at": "2024-01-01"}', "12345670"),
        ('{"user": "\\ud83d\\ude00", "item": "i", "at": "2024-01-01"}', "\U0001f600"),
    ],
)
def test_what_is_clear_is_read(tmp_path, line, user):
    delivered = deliver(tmp_path, "\n".join([GOOD, line, GOOD]), JSONL)
    assert delivered.rows["user_id"].to_list() == ["u1", user, "u1"]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_moment_that_lost_digits_is_no_moment_but_a_price_is_a_price(tmp_path, kind):
    record = '{"user": "u", "item": "i", "at": %s, "price": 1.5E+2}'
    content = ("[%s, %s]" if kind == "json" else "%s\n%s") % (record % "1.73573E+9", record % "1.73573268E9")
    events = {"kind": kind, "timestamp_format": "epoch_s", "columns": COLUMNS | {"price": "price"}}
    delivered = deliver(tmp_path, content, shop(events=events))
    assert reasons(delivered)[1].startswith("timestamp: '1.73573E+9' has lost digits")
    assert delivered.rows.select("timestamp", "price").rows() == [(utc(2025, 1, 1, 11, 58), 150.0)]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_the_numbers_of_json_have_a_decimal_point_and_its_text_is_as_the_shop_writes_it(tmp_path, kind):
    weights = ["1.125", '"1.125"', '"1,5"', "2", "1e-2"]
    texts = [f'{{"user": 17850.0, "item": "i", "at": "2024-01-01", "n": {weight}}}' for weight in weights]
    content = f"[{', '.join(texts)}]" if kind == "json" else "\n".join(texts)
    events = {"kind": kind, "decimal": ",", "columns": COLUMNS | {"quantity": "n"}}
    delivered = deliver(tmp_path, content, shop(events=events))
    assert delivered.rows["quantity"].to_list() == [1.125, 1125, 1.5, 2, 0.01]
    assert delivered.rows["user_id"].unique().to_list() == ["17850"]


def test_both_spellings_of_a_key_may_be_mapped(tmp_path):
    declared = shop(events={"kind": "jsonl", "columns": COLUMNS | {"order_id": "USER"}})
    delivered = deliver(tmp_path, [RECORD | {"USER": "o1"}, {**RECORD, "user": None, "USER": "o2"}], declared)
    assert delivered.rows.select("user_id", "order_id").rows() == [("u1", "o1"), (None, "o2")]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("json", f"{GOOD}\n{GOOD}", r"f\.json is not valid JSON: Extra data: .*\. One object per line is kind: jsonl"),
        (
            "json",
            json.dumps({"data": [RECORD], "total": 1}),
            r"expected a JSON array of objects, found one object \(data",
        ),
        ("json", "5", "expected a JSON array of objects, found 5"),
    ],
)
def test_a_file_of_another_kind_says_which_kind_it_is(tmp_path, kind, content, message):
    with pytest.raises(UserError, match=message):
        deliver(tmp_path, content, shop(events={"kind": kind}))


@pytest.mark.parametrize("content", [f"[\n{GOOD},\n{GOOD}\n]", f"[{GOOD}]"])
def test_an_array_in_a_file_of_lines_suggests_the_kind(tmp_path, content):
    assert reasons(deliver(tmp_path, f"{content}\n{GOOD}", JSONL))[1].endswith("Then set kind: json")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("", []),
        (json.dumps(RECORD | {"in": {"a": 1}}), [*RECORD, "in", "in.a"]),
        (json.dumps(RECORD | {"in": None}), []),
        ("not JSON", []),
    ],
)
def test_the_header_lists_keys_and_paths_if_they_are_all_known(tmp_path, content, names):
    (tmp_path / "f.jsonl").write_text(content)
    assert reader.header(tmp_path / "f.jsonl", JSONL.table("events")) == names
