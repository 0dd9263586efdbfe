"""YAML files: every mistake is one sentence that names the file, the key and the fix."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from recomart_lib.core.config import read_yaml, suggestion, validated
from recomart_lib.core.errors import UserError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    colour: str = "red"
    number: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"a: [1", "not valid YAML"),
        (b"a: \xff", "not valid YAML"),
        (b"", "found NoneType"),
        (b"- a", "found list"),
    ],
)
def test_a_file_without_a_mapping_is_named(tmp_path, content, complaint):
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"inner": {"number": 1, "color": "blue"}}, "inner.color: unknown key. Did you mean 'colour'?"),
        ({"iner": {}}, "iner: unknown key. Did you mean 'inner'?"),
        ({"inner": {"number": 1, "zzz": 0}}, "inner.zzz: unknown key. Known: colour, number."),
        ({"inner": {}}, "inner.number: this key is required and missing."),
        ({"inner": {"number": "7"}}, "inner.number: Input should be a valid integer; found '7'."),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, content, sentence):
    with pytest.raises(UserError) as caught:
        validated(Outer, content, tmp_path / "x.yaml")
    assert str(caught.value).splitlines() == [f"{tmp_path / 'x.yaml'}: 1 mistake(s)", f"  {sentence}"]


def test_all_mistakes_are_reported_together(tmp_path):
    with pytest.raises(UserError, match=r"2 mistake\(s\)"):
        validated(Outer, {"inner": {"color": "blue"}}, tmp_path / "x.yaml")


def test_suggestions_accept_values_that_are_not_text():
    assert suggestion(5, ["five"]) == "Known: five."
