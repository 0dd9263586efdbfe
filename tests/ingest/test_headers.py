"""The names of delivered columns: each once, and compared without what surrounds them."""

from __future__ import annotations

import pytest

from recomart_lib.ingest.sources import headers


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["id", "price"], ["id", "price"]),
        (["id", "", " "], ["id", "(column 2)", "(column 3)"]),
        (["n", "id", "n"], ["n (column 1)", "id", "n (column 3)"]),
        (["a", "a", "a (column 2)"], ["a (column 1)", "a (column 2) (column 2)", "a (column 2) (column 3)"]),
        ([" id", "id"], [" id", "id"]),
        ([], []),
    ],
)
def test_blank_and_repeated_names_get_the_number_of_their_column(names, unique):
    assert headers.unique(names) == unique
    assert len({*unique}) == len(unique)


@pytest.mark.parametrize("name", [" id", "id ", "\ufeffid", "\u200bid\u200b", "\xa0id", "\u2060 id\t"])
def test_white_space_and_invisible_characters_around_a_name_do_not_count(name):
    assert headers.aliases([name, "price"], ["id", "price"]) == {name: "id"}
    assert headers.aliases(["id"], [name]) == {"id": name}


def test_a_name_that_is_there_as_written_wins_and_two_that_are_like_it_are_none():
    assert headers.aliases(["id", "id "], ["id"]) == {}
    assert headers.aliases([" id", "id "], ["id"]) == {}
    assert headers.aliases(["ID"], ["id"]) == {}


@pytest.mark.parametrize(
    ("wanted", "columns", "explanation"),
    [
        ("id", ["ID", "who"], "'id' (for event_id). Did you mean 'ID'?"),
        ("id", ["xyz", "who"], "'id' (for event_id). Known: xyz, who."),
        ("price", ["prize"], "'price' (for event_id). Did you mean 'prize'?"),
        (
            "id",
            ["id (column 1)", "id (column 4)"],
            "'id' (for event_id): columns 1, 4 all have this name. Map one of them, for example as 'id (column 1)'.",
        ),
        ("id", ["x" * 100, "a\x00b"], f"'id' (for event_id). Known: {'x' * 60}..., a\\x00b."),
    ],
)
def test_a_missing_name_is_explained(wanted, columns, explanation):
    assert headers.explain_missing([("event_id", wanted)], columns) == explanation


def test_names_that_are_known_are_listed_once_and_not_without_end():
    columns = [f"column_of_the_feed_{n}" for n in range(100)]
    explanation = headers.explain_missing([("event_id", "id"), ("user_id", "who")], columns)
    assert explanation.startswith("'id' (for event_id); 'who' (for user_id). Known: column_of_the_feed_0, ")
    assert explanation.endswith("column_of_the_feed_29, and 70 more.")
