"""Paths into JSON objects: what is at a path, and what a record lets nobody decide."""

from __future__ import annotations

import json

import pytest

from recomart_lib.ingest.sources import objects
from recomart_lib.ingest.sources.objects import ABSENT, IN_NULL, Odd
from recomart_lib.ingest.sources.refusals import LIST, NO_OBJECT, OTHER_CASE, REPEATED


@pytest.mark.parametrize(
    ("row", "path", "value"),
    [
        ({"a": 1}, "a", 1),
        ({"a": {"b": {"c": "x"}}}, "a.b.c", "x"),
        ({"a.b": "own name", "a": {"b": "inner"}}, "a.b", "own name"),
        ({"a": {"b.c": "x"}}, "a.b.c", "x"),
        ({"a.b": 1, "a": {"b": {"c": 2}}}, "a.b.c", Odd(NO_OBJECT, 1)),
        ({"a": None}, "a.b", IN_NULL),
        ({"a": {"b": None}}, "a.b", None),
        ({"a": {}}, "a.b", ABSENT),
        ({}, "a.b", ABSENT),
        ({"a": "x"}, "a.b", Odd(NO_OBJECT, "x")),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.1.b", 2),
        ({"a": [{"b": 1}]}, "a.1.b", None),
        ({"a": [{"b": 1}]}, "a.b", Odd(LIST, [{"b": 1}])),
        ({"a": {"0": "x"}}, "a.0", "x"),
        ({"a": {"B": "x"}}, "a.b", Odd(OTHER_CASE, "x")),
        ({"a": {"B": None}}, "a.b", ABSENT),
    ],
)
def test_the_value_at_a_path(row, path, value):
    assert objects.values([row], path) == [value]


def test_a_key_with_several_values_is_odd_and_with_one_it_is_not():
    row = json.loads('{"a": 1, "a": 2, "b": 3, "b": 3, "c": {"d": 1, "d": 2}}', object_pairs_hook=objects.from_pairs)
    assert objects.values([row], "a") == [Odd(REPEATED, 2)]
    assert objects.values([row], "b") == [3]
    assert objects.values([row], "c.d") == [Odd(REPEATED, 2)]


def test_paths_name_what_is_inside():
    row = {"a": {"b": 1, "c": {"d": 2}}, "e": [{"f": 1}, {"g": 2}]}
    assert {path for path, _ in objects.paths(row)} == {"a", "a.b", "a.c", "a.c.d", "e", "e.0", "e.0.f", "e.0.g"}
