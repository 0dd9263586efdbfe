"""`recomart recommend`: a table that can be read and piped; `tests/recommend/test_explain.py` tests the reasons."""

from __future__ import annotations

import polars as pl
import pytest

NASTY = "\x1b[31mAxe\x1b[0m\r [bold]new[/bold]"


@pytest.mark.parametrize("flag", ["-k", "--k"])
def test_so_many_products_as_asked_for(finished, call, flag):
    status, said, _ = call("recommend", "--user", "u0", flag, "1")
    head, *rows = said.splitlines()
    assert (status, head.split()) == (0, ["rank", "item_id", "name", "model", "reason"])
    assert [row.split() for row in rows] == [["1", "c", "Cup", "ease", "x"]]


def test_a_list_that_is_shorter_says_how_to_make_it_longer(finished, call):
    said = call("recommend", "--user", "u0", "-k", "3")[1]
    assert said.endswith("The list has 2 products; params.yaml: recommend.k makes it longer.\n")
    assert "makes it longer" not in call("recommend", "--user", "u0", "-k", "2")[1]


def test_a_stranger_is_told_that_nobody_knows_him(finished, call):
    status, said, _ = call("recommend", "--user", "nobody\x1b[2J", "-k", "1")
    told, head, row = said.splitlines()
    assert (status, told) == (0, "Nobody knows 'nobody\\u001b[2J'. Strangers are shown:")
    assert (head.split(), row.split()) == (["rank", "item_id", "name"], ["1", "b", "Bow"])


def test_names_are_text_however_long(finished, call):
    items = pl.read_parquet(finished / "data/prepared/items.parquet")
    items.with_columns(name=pl.lit(NASTY + "z" * 300)).write_parquet(finished / "data/prepared/items.parquet")
    said = call("recommend", "--user", "u0", "--why")[1]
    assert said.count("[bold]new[/bold]" + "z" * 300) >= 4, "the list, the history, the parts of each score"
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert len({line.index("ease") for line in said.splitlines()[1:3]}) == 1, "aligned"
