"""Which files of a folder are one table, and the path that a shop file gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recomart.draft import groups, listing

HEAD = "order,customer,sku,when\n"
ROW = "1,c1,p1,2025-01-01 10:00:00\n"


def paths(folder: Path, **texts: str) -> dict[str, int]:
    """The paths of the groups of these files (name with + for / -> text), and how many files each has."""
    for name, text in texts.items():
        place = folder / name.replace("+", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    found, _ = groups.groups(listing.listed(folder))
    return {group.path: len(group.files) for group in found}


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["sales_2025-01.csv", "sales_2025-02.csv"], "sales_*.csv"),
        (["2025-Jan.csv", "2025-Mar.csv"], "*.csv"),
        (["Ventes février.csv", "Ventes mars.csv"], "Ventes *.csv"),
        (["2025+09+sales.csv", "2026+01+sales.csv"], "*/*/sales.csv"),
        (["orders_north.csv", "orders_south.csv", "orders_west.csv"], "orders_*.csv"),
    ],
)
def test_names_that_differ_in_days_or_branches(tmp_path, names, path):
    assert paths(tmp_path, **dict.fromkeys(names, HEAD + ROW)) == {path: len(names)}


def test_other_files_are_not_matched(tmp_path):
    others = {"sales_2025.csv": HEAD + ROW, "sales_2024.csv": HEAD + ROW, "sales_people.csv": "name,city\nAnna,Ulm\n"}
    found = paths(tmp_path, **others)
    assert found == {"sales_people.csv": 1, "sales_2024.csv": 1, "sales_2025.csv": 1} or found == {
        "sales_people.csv": 1,
        "sales_20*.csv": 2,
    }


def test_two_files_with_words_in_their_names_are_two_candidates(tmp_path):
    assert paths(tmp_path, **{"orders.csv": HEAD + ROW, "orders_old.csv": HEAD + ROW}) == {
        "orders.csv": 1,
        "orders_old.csv": 1,
    }


def test_a_column_that_came_later_is_left_out(tmp_path):
    later = "channel,order,customer,sku,when\nweb,1,c1,p1,2025-03-01 10:00:00\n"
    for name, text in {"s_2025-01.csv": HEAD + ROW, "s_2025-03.csv": later}.items():
        (tmp_path / name).write_text(text)
    (group,), _ = groups.groups(listing.listed(tmp_path))
    assert (group.path, group.layout.names) == ("s_*.csv", ["order", "customer", "sku", "when"])
    assert group.layout.is_mixed
