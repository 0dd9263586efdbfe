"""A JSON array is read element by element, with the same content and the same mistakes as at once."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import json_array, objects
from recomart_lib.ingest.sources.json_array import JsonArray


def elements(text: str, max_element: int = 10**6) -> list:
    return list(JsonArray(io.StringIO(text), Path("f.json"), ".", max_element).elements())


@pytest.fixture(params=[1, 3, 50, 10**6])
def block(request, monkeypatch):
    """Characters that are read at once."""
    monkeypatch.setattr(json_array, "BLOCK", request.param)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(VALUES, max_size=6), st.sampled_from([None, 1]), st.sampled_from([1, 2, 7, 1_000]))
def test_elements_are_those_of_the_whole_text(values, indent, size):
    text = f" \n{json.dumps(values, indent=indent)}\n "
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK", size)
        assert elements(text) == objects.loads(text, ".")


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}\n {"a": 2}]',
        '[{"a": 1},]',
        '[{"a": 1}, {"a" 2}]',
        '[{"a": 1}, {"a": 2}',
        '[\n{"a": 1},\n\n {"a": tru}]',
        '[{"a": "\n"}]',
        '[{"a": "b]',
        "[",
        '[{"a": 1}] []',
        '{"a": 1}\n{"a": 2}',
        "[1}",
        "nonsense",
    ],
)
def test_mistakes_are_those_of_the_whole_text(text):
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(UserError, match=r"f\.json is not valid JSON: ") as found:
        elements(text)
    assert str(expected.value) in str(found.value)


def test_a_mistake_is_found_without_reading_on(monkeypatch):
    monkeypatch.setattr(json_array, "BLOCK", 1_000)
    text = io.StringIO('[{"a": 1} {"a": 2}, ' + '{"a": 1}, ' * 10_000 + "]")
    with pytest.raises(UserError, match=r"Expecting ',' delimiter: line 1 column 11 \(char 10\)"):
        list(JsonArray(text, Path("f"), ".", 10**6).elements())
    assert text.tell() <= 2_000


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("element", ['"' + "a" * 5_000 + '"', '{"a": [' + "1," * 5_000 + "1]}"])
def test_an_element_without_end_is_not_read_to_its_end(element):
    text = io.StringIO(f"[1, {element}, " + "2, " * 10**6 + "3]")
    with pytest.raises(UserError, match=r"the element that starts at character 5 is longer than ingest\.max_line"):
        list(JsonArray(text, Path("f"), ".", 2_000).elements())
    assert text.tell() < 3 * 10**6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "objects or lists are in each other on more than 100 levels"),
        ("[" + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]", "in each other on more than 100 levels"),
        ("[" + "[" * 101 + "]" * 101 + "]", "in each other on more than 100 levels"),
        ("[" + "1" * 5_000 + "]", "a number in it has more digits than any number has"),
    ],
)
def test_nesting_and_digits_without_end_are_refused(text, problem):
    with pytest.raises(UserError, match=f"f.json could not be read as json: .*{problem}"):
        elements(text)


def test_what_is_nested_as_data_are_is_read():
    inner = json.loads("[" * 100 + "]" * 100)
    assert elements(json.dumps([inner, "[" * 500])) == [inner, "[" * 500]


def within(text: str, records: str) -> list:
    return list(JsonArray(io.StringIO(text), Path("f.json"), ".", 10**6, records).elements())


DOCUMENT = {"next": None, "n": 12.5, "meta": {"data": {"a": [1]}}, "data": {"orders": [{"id": 1}, {"id": 2}], "x": {}}}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("block", [1, 7, 10**6])
def test_the_array_may_be_in_an_object(monkeypatch, indent, block):
    monkeypatch.setattr(json_array, "BLOCK", block)
    text = json.dumps(DOCUMENT, indent=indent)
    assert within(text, "data.orders") == DOCUMENT["data"]["orders"]
    assert within(text, "meta.data.a") == [1]
    assert JsonArray(io.StringIO(text), Path("f"), ".", 10**6).list_of_objects() == "data.orders"
    assert within(" ", "data.orders") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"data": {"lines": []}}', r"records: data.orders: there is no 'orders' in the object \(lines\)"),
        ("{}", r"there is no 'data' in the object \(\)"),
        ('{"data": [1]}', "is the path of no list"),
        ('{"data": {"orders": {"a": 1}}}', "is the path of no list"),
        ("[1]", "is the path of no list"),
        ('{"data": {"orders": [1]}, "data": 1}', "'data', of records: data.orders, comes twice"),
        ('{"data": {"orders": [1]}', "Expecting ',' delimiter"),
        ('{"data": {"orders": [1]}}}', "Extra data"),
        ('{"data": {"orders": [1},', "Expecting ',' delimiter"),
        ('{"data": {"orders": [1]},}', "Expecting property name"),
        ('{"data" {"orders": [1]}}', "Expecting ':' delimiter"),
        ("{data: 1}", "Expecting property name"),
    ],
)
def test_documents_without_the_array_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        within(text, "data.orders")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": [1, 2], "b": []}', '{"a": {"b": 1}, "c": "x"}'])
def test_documents_without_a_list_of_objects(text):
    assert JsonArray(io.StringIO(text), Path("f"), ".", 10**6).list_of_objects() is None
