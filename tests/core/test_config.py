"""YAML files: every mistake is one sentence that names the file, the key and the fix."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from recomart_lib.core.config import expand_env, suggestion, validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import read_yaml


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
        (b"a: \xff", "line 1: the byte 0xff is not UTF-8"),
        (b"", "found an empty file"),
        (b"- a", "found a list"),
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


def test_of_many_names_the_near_one_is_found_and_the_first_are_listed():
    names = [f"{n:03}" for n in range(100)] + ["garden"]
    assert suggestion("gardn", names) == "Did you mean 'garden'?"
    assert suggestion("x", names).endswith("028, 029 and 71 more.")


class Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    word: str = ""
    words: list[str] = []
    named: dict[str, str] = {}
    chosen: Literal["on", "off"] = "on"
    flag: bool = False
    number: float = 0


def texts(folder, written):
    path = folder / "x.yaml"
    path.write_text(written, encoding="utf-8")
    content = read_yaml(path)
    return validated(Texts, content, path, content.places)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("words: [NULL, ~, no, 0, 1.10, 2025-11-01, 010]", ["NULL", "~", "no", "0", "1.10", "2025-11-01", "010"]),
        ("named: {NO: Norway, 1: NO, x: 1.0}", {"NO": "Norway", "1": "NO", "x": "1.0"}),
        ("word: 007", "007"),
        ("word: 2025", "2025"),
        ("chosen: off", "off"),
        ("flag: no", False),
        ("number: 1e3", 1000.0),
    ],
)
def test_where_text_is_wanted_it_is_what_is_written(tmp_path, written, expected):
    assert getattr(texts(tmp_path, written), written.split(":")[0]) == expected


def test_an_alias_that_is_text_in_one_place_stays_a_number_in_another(tmp_path):
    read_texts = texts(tmp_path, "number: &n 1\nword: *n\nwords: &w [0]\nnamed: {}\n")
    assert (read_texts.number, read_texts.word, read_texts.words) == (1, "1", ["0"])


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("flag: true\nword:", "word: there is no value. (line 2)"),
        ("words:\n- a\n- #N/A\n", "words.1: there is no value. (line 3)"),
        (
            "named: {a: NULL}",
            'named.a: YAML reads NULL as nothing; write "NULL" in quotes if this word is meant. (line 1)',
        ),
        ("\nchosen: no", "chosen: Input should be 'on' or 'off'; found 'no'. (line 2)"),
        ("number: 012", "number: Input should be a valid number; found '012'. (line 1)"),
        ("flag: 1", "flag: Input should be a valid boolean; found 1. (line 1)"),
        ("wrod: 1", "wrod: unknown key. Did you mean 'word'? (line 1)"),
    ],
)
def test_a_mistake_in_a_file_names_its_line(tmp_path, written, sentence):
    with pytest.raises(UserError) as caught:
        texts(tmp_path, written)
    assert str(caught.value).splitlines()[1:] == [f"  {sentence}"]


def test_a_secret_may_look_like_a_variable(monkeypatch):
    monkeypatch.setenv("KAFKA_PASSWORD", "pa${ss}word")
    assert expand_env({"sasl.password": "${KAFKA_PASSWORD}"}, "params.yaml") == {"sasl.password": "pa${ss}word"}


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.setenv("HOST", "h")
    monkeypatch.delenv("PORT", raising=False)
    with pytest.raises(UserError, match=r"^params\.yaml: the environment variable PORT is not set\.$"):
        expand_env("${HOST}:${PORT}", "params.yaml")
