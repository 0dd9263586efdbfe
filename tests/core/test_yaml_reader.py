"""YAML as people write it: words keep their letters, and every mistake is a sentence with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import Place, read_yaml


def read(folder: Path, content: str | bytes):
    path = folder / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a: 1", 1),
        ("a: +1_000", 1000),
        ("a: .5", 0.5),
        ("a: 1e-3", 0.001),
        ("a: on", True),
        ("a: No", False),
        ("a: NULL", None),
        ("a:", None),
        ("a: NORWAY", "NORWAY"),
        ("a: 010", "010"),
        ("a: 0x1F", "0x1F"),
        ("a: 12:30", "12:30"),
        ("a: 2025-11-01", "2025-11-01"),
        ("a: 2025-11-01 10:00:00", "2025-11-01 10:00:00"),
        ("a: !!str 5", "5"),
        ('a: "1"', "1"),
        (r'{"a": "\ud83d\ude00 and \u00e9"}', "\U0001f600 and é"),  # as JSON writes it
    ],
)
def test_values_are_what_people_read(tmp_path, written, value):
    content = read(tmp_path, written)
    assert content == {"a": value}
    assert type(content["a"]) is type(value)


def test_keys_are_text(tmp_path):
    content = read(tmp_path, "{NO: a, 1: b, null: c, 2025-11-01: d, 1.10: e}")
    assert content == {"NO": "a", "1": "b", "null": "c", "2025-11-01": "d", "1.10": "e"}


def test_each_value_has_its_line_and_its_text(tmp_path):
    content = read(tmp_path, "a:\n  NO: 1.10\n\n  b:\n    - NULL\n    - '0'\n")
    assert content.places == {
        (): Place(1, None),
        ("a",): Place(1, None),
        ("a", "NO"): Place(2, "1.10"),
        ("a", "b"): Place(4, None),
        ("a", "b", 0): Place(5, "NULL"),
        ("a", "b", 1): Place(6, None),
    }


def test_anchors_are_shared_and_merged(tmp_path):
    content = read(tmp_path, "a: &one {x: 1, y: 2}\nb: {<<: *one, x: 3}\nc: {<<: *one}\nd: *one\n")
    assert content == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 1, "y": 2}, "d": {"x": 1, "y": 2}}


@pytest.mark.parametrize("content", ["a: 1\r\nb: ü\r\n", "\ufeffa: 1\nb: ü\n", "---\na: 1\nb: ü\n...\n"])
def test_line_ends_and_marks_of_other_editors_do_no_harm(tmp_path, content):
    assert read(tmp_path, content) == {"a": 1, "b": "ü"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key a is also in line 1. Keep one of them."),
        ("a:\n  1: x\n  '1': y\n", "line 3: the key a.1 is also in line 2. Keep one of them."),
        ("a:\n\tb: 1\n", "is not valid YAML, line 2: a tab; indent with spaces."),
        ("a: 1\nb 2\nc: 3\n", "line 2: no `key: value`; the colon, or the space after it, is missing."),
        ("a 1\nb: 2\n", "line 2: a colon that does not belong here; "),
        ("a: x: y\n", "line 1: a colon that does not belong here; put text with a colon in quotes"),
        ("a: [#N/A]\nb: 1\n", "line 3 (of what begins in line 1): a comma is missing, or the closing bracket"),
        ("a: 'b\n", "line 2 (of what begins in line 1): a quote that is not closed."),
        ("a: 'it's'\n", "line 1: text behind a closing quote; inside '...', write ' twice."),
        ('a: "\\d"\n', "line 1: a backslash that YAML does not know; use single quotes."),
        ("a: %Y\n", "line 1: put a text that begins with this character in quotes."),
        ("a:\n  b: 1\n c: 2\n", "line 3 (of what begins in line 1): wrong indentation;"),
        ("a: &x 1\nb: &x 2\n", "line 2 (of what begins in line 1): an anchor (&) of this name is in the file already."),
        ("a: *.csv\n", "line 1: an alias (*) without its anchor (&); put text that begins with * in quotes."),
        ("a: &x [*x]\n", "line 1: an anchor (&) that contains itself (*)."),
        ("a: 1\n---\nb: 2\n", "line 2 (of what begins in line 1): a second document (---); keep one."),
        ("? [a]\n: 1\n", "line 1: a key must be a word, not a list or a mapping."),
        ("a: !secret x\n", "line 1: the tag !secret is not supported."),
        ("a: !!int x\n", "line 1: 'x' is not what its tag says."),
        ('a: 1\nb: [x, "\\N"]\n', "line 2: YAML reads \\N in double quotes as an end of line; write '\\N'."),
        ("a: 1\nb: \x01\n", "line 2: the character U+0001 is not allowed."),
        ("a: 1\nb: ü\n".encode("latin-1"), "line 2: the byte 0xfc is not UTF-8. Save the file as UTF-8."),
        ("a: 1\n".encode("utf-16"), "is UTF-16, or no text. Save it as UTF-8."),
        ("a: 1\n".encode("utf-16-le"), "is UTF-16, or no text. Save it as UTF-8."),
        (
            "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> theirs\n",
            "line 2 is a mark of a merge conflict (<<<<<<< HEAD). Resolve the conflict.",
        ),
        ("just text", "expected `key: value` lines, found a text."),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path, content, sentence):
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "x.yaml"))
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [r'a: "\ud83d"', r'"\ude00": 1'])
def test_half_of_a_character_is_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"x\.yaml, line 1: half of a character; write the character itself"):
        read(tmp_path, content)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (LAUGHS, r"line 1: aliases \(\*\) repeat more than 100,000 values"),
        ("a: &a 1\nb: [" + "*a, " * 101 + "*a]", r"line 2: more than 100 aliases \(\*\)"),
        ("a:\n  " + "[" * 10_000, "line 2: mappings or lists in each other on more than 50 levels"),
        ("a: " + "{a: " * 10_000, "line 1: mappings or lists in each other on more than 50 levels"),
        ("a:\n  " + "- " * 10_000 + "1", "line 2: mappings or lists in each other on more than 50 levels"),
        ("a: 1\nb: " + "1" * 5_000, "line 2: '1{100}' is not what its tag says"),
        ("a: 1\nb: {<<: {? [c]\n   : d}}", "line 2: a key must be a word, not a list or a mapping"),
        ("a: !!python/object/apply:os.system [id]", "the tag .*os.system is not supported"),
        ("a: 1\n" * 100_000, "has more than 250,000 bytes"),
    ],
    ids=["laughs", "aliases", "lists", "mappings", "dashes", "digits", "merged key", "tag", "size"],
)
def test_a_file_that_stands_for_more_than_people_write_is_refused(tmp_path, content, problem):
    with pytest.raises(UserError, match=problem):
        read(tmp_path, content)


def test_mappings_that_are_merged_repeatedly_do_not_double_with_each_level(tmp_path):
    levels = "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}], k{n}: {n}}}\n" for n in range(40))
    content = read(tmp_path, "a0: &a0 {k: 1}\n" + levels)
    assert content["a40"] == {"k": 1} | {f"k{n}": n for n in range(40)}
