"""Section `lists` of a shop file: keys, defaults, files of ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from recomart_lib.core.config import validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_lists import Lists, Products, with_files


def lists(**content: object) -> Lists:
    return validated(Lists, content, Path("shop.yaml"))


def test_without_keys_there_are_no_rules():
    assert lists().is_empty and lists(block={}, diversity=0, max_share_of_users=1).is_empty
    assert lists().alone() == {}


def test_each_rule_alone_has_the_name_of_people():
    alone = lists(block={"items": ["POST"]}, max_per_category=2).alone()
    assert {name: rules.names for name, rules in alone.items()} == {
        "blocked products": ["block"],
        "products per category": ["max_per_category"],
    }


def test_a_number_of_days_holds_for_every_category():
    assert lists(not_bought_within_days=30) == lists(not_bought_within_days={"default": 30})


def test_what_json_holds_is_the_same():
    rules = lists(pinned={"1": "A"}, not_bought_within_days={"category": {"tea": 3}})
    assert Lists.model_validate(rules.model_dump(mode="json")) == rules and rules.pinned == {1: "A"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"blok": {}}, "Did you mean 'block'?"),
        ({"pinned": {"0": "A"}}, "greater than or equal to 1"),
        ({"pinned": {"first": "A"}}, "valid integer"),
        ({"pinned": {"1": "A", "2": "A"}}, "'A' is pinned to two places"),
        ({"diversity": 2}, "less than or equal to 1"),
        ({"max_share_of_users": 0}, "greater than 0"),
        ({"not_bought_within_days": -1}, "greater than 0"),
    ],
)
def test_a_mistake_is_named(content, message):
    with pytest.raises(UserError, match=r"(?s)1 mistake.*" + message.replace("?", r"\?")):
        lists(**content)


@pytest.mark.parametrize("text", ["A\nB\n\n", "\ufeffitem_id,why\nA,x\nB,\n", "why,item_id\nx,A\ny,B\n"])
def test_ids_come_from_a_file(tmp_path, text):
    (tmp_path / "ids.csv").write_text(text)
    rules = with_files(Lists(block=Products(items=["B", "C"], items_file="ids.csv")), tmp_path / "shop.yaml")
    assert rules.block.items == ["B", "C", "A"]


def test_files_outside_the_folder_or_without_ids_are_refused(tmp_path):
    (tmp_path / "shops").mkdir()
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "shops/link").symlink_to(tmp_path / "secret")
    (tmp_path / "shops/empty").write_text("\n")
    (tmp_path / "shops/wide").write_text("A\nB,C\n")
    for name, message in {
        "../secret": "is not in the folder",
        "link": "is not in the folder",
        "none": "there is no such file",
        "empty": "has no ids",
        "wide": "row 2: more than one column",
    }.items():
        with pytest.raises(UserError, match=message):
            with_files(Lists(allow=Products(items_file=name)), tmp_path / "shops/shop.yaml")
