"""`recomart recommend`: a table for terminals and pipes; `tests/recommend/test_explain.py` tests the reasons."""

from __future__ import annotations

import polars as pl
import pytest

NASTY = "\x1b[31mAxe\x1b[0m\r [bold]new[/bold]"


@pytest.mark.parametrize("flag", ["-k", "--k"])
def test_the_number_of_products(finished, call, flag):
    status, output, _ = call("recommend", "--user", "u0", flag, "1")
    head, *rows = output.splitlines()
    assert (status, head.split()) == (0, ["rank", "item_id", "name", "model", "reason"])
    assert [row.split() for row in rows] == [["1", "c", "Cup", "ease", "x"]]


def test_a_shorter_list_says_how_to_get_more(finished, call):
    output = call("recommend", "--user", "u0", "-k", "3")[1]
    assert output.endswith("The list has 2 products; increase recommend.k in params.yaml for more.\n")
    assert "recommend.k" not in call("recommend", "--user", "u0", "-k", "2")[1]


def test_an_unknown_user_gets_the_default_list(finished, call):
    status, output, _ = call("recommend", "--user", "nobody\x1b[2J", "-k", "1")
    message, head, row = output.splitlines()
    assert (status, message) == (0, "Unknown user 'nobody\\u001b[2J'. The default list for new users:")
    assert (head.split(), row.split()) == (["rank", "item_id", "name"], ["1", "b", "Bow"])


def test_long_names_with_control_characters(finished, call):
    items = pl.read_parquet(finished / "data/prepared/items.parquet")
    items.with_columns(name=pl.lit(NASTY + "z" * 300)).write_parquet(finished / "data/prepared/items.parquet")
    output = call("recommend", "--user", "u0", "--why")[1]
    assert output.count("[bold]new[/bold]" + "z" * 300) >= 4, "the list, the history, the contributions to each score"
    assert all(letter.isprintable() or letter == "\n" for letter in output)
    assert len({line.index("ease") for line in output.splitlines()[1:3]}) == 1, "aligned"
