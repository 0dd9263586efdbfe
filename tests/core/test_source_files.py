"""Which files of the folder SOURCE a shop file's patterns mean, and which near misses are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from recomart_lib.core import source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.core.source_files import LeftOut


def shop(pattern: str) -> Shop:
    columns = {"user_id": "who", "item_id": "what", "timestamp": "at"}
    events = {"kind": "csv", "path": pattern, "columns": columns, "event_type": "purchase"}
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables={"events": events})


@pytest.fixture
def source(tmp_path):
    """`source("a.csv", "b/c.csv")`: a folder with these files, in a folder whose name is a pattern itself."""

    def folder(*names: str) -> Path:
        for name in names:
            path = tmp_path / "Projekte [2026] *" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "Projekte [2026] *"

    return folder


def read(pattern: str, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in source_files.files(shop(pattern), "events", folder)]


@pytest.mark.parametrize(
    ("pattern", "delivered"),
    [
        ("*.csv", ["a.csv", "orders [May].csv", "ordersM.csv"]),
        ("orders [May].csv", ["orders [May].csv"]),
        ("orders[May].csv", ["ordersM.csv"]),
        ("orders [[]*.csv", ["orders [May].csv"]),
        ("**/*.csv", ["2024/b.csv", "a.csv", "orders [May].csv", "ordersM.csv"]),
    ],
)
def test_a_path_that_exists_as_written_means_itself_and_others_are_patterns(source, pattern, delivered):
    folder = source("a.csv", "orders [May].csv", "ordersM.csv", "2024/b.csv")
    assert read(pattern, folder) == delivered


def test_files_are_sorted_and_folders_are_reported(source):
    folder = source("events-2.csv", "events.csv", "events-dir.csv/part-0.csv")
    assert read("events*.csv", folder) == ["events-2.csv", "events.csv"]
    assert source_files.left_out(shop("events*.csv"), folder) == [
        LeftOut("events", "events-dir.csv", "a folder, not a file")
    ]
    assert source_files.left_out(shop("*"), folder) == []


@pytest.mark.parametrize("name", [".a.csv", "._b.csv", "~$a.csv", ".~lock.a.csv", ".hidden/a.csv"])
def test_hidden_files_and_leftovers_of_editors_are_left_out_and_reported(source, name):
    folder = source("a.csv", name)
    assert read("**/*.csv", folder) == ["a.csv"]
    assert [entry.file for entry in source_files.left_out(shop("**/*.csv"), folder)] == [name]
    assert read(name, folder) == [name], "a pattern that names it means it"


@pytest.mark.parametrize("name", ["a.csv~", "a.csv.part", "a.csv.crdownload", "#a.csv#"])
def test_incomplete_downloads_and_backups_are_left_out(source, name):
    folder = source("a.csv", name)
    assert read("*", folder) == ["a.csv"]
    assert [entry.file for entry in source_files.left_out(shop("*"), folder)] == [name]


def test_a_name_in_other_capital_letters_is_reported(source):
    folder = source("a.csv", "B.CSV", "2024/C.CSV")
    assert [(e.file, e.reason) for e in source_files.left_out(shop("*.csv"), folder)] == [
        ("B.CSV", "'*.csv' has other capital letters")
    ]


@pytest.mark.parametrize("name", ["b.csv.gz", "b.csv.ZIP", "b.csv.tar.gz"])
def test_a_packed_file_that_the_pattern_does_not_match_is_reported(source, name):
    folder = source("a.csv", name)
    assert [(entry.file, entry.reason) for entry in source_files.left_out(shop("*.csv"), folder)] == [
        (name, f"'*.csv' lacks its last suffix, {Path(name).suffix}")
    ]
    with pytest.raises(UserError, match=f"There is '{name}': 'b.csv' lacks its last suffix"):
        read("b.csv", folder)


def test_a_link_to_nowhere_is_reported(source):
    folder = source("a.csv")
    (folder / "b.csv").symlink_to(folder / "gone.csv")
    assert read("*.csv", folder) == ["a.csv"]
    assert [entry.file for entry in source_files.left_out(shop("*.csv"), folder)] == ["b.csv"]


@pytest.fixture
def linked(source) -> Path:
    """A folder with one file, and links: to a file and a folder outside, and to the file itself."""
    folder = source("a.csv", "2024/b.csv")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.csv").touch()
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "linked").symlink_to(outside)
    (folder / "inner.csv").symlink_to(Path("2024") / "b.csv")
    return folder


def test_links_that_leave_the_folder_are_left_out_and_reported(linked):
    assert read("*.csv", linked) == ["a.csv", "inner.csv"]
    assert read("*/*.csv", linked) == ["2024/b.csv"]
    entries = source_files.left_out(shop("*.csv"), linked) + source_files.left_out(shop("*/*.csv"), linked)
    assert [entry.file for entry in entries] == ["link.csv", "linked/secret.csv"]
    for entry in entries:
        assert entry.reason == (
            f"a link that leads out of the source folder, to {linked.parent / 'outside/secret.csv'}; params.yaml: "
            "ingest.follow_links: true reads it"
        )


def test_links_are_followed_where_it_is_allowed(linked):
    for pattern, n in (("*.csv", 3), ("*/*.csv", 2), ("link.csv", 1)):
        assert len(source_files.files(shop(pattern), "events", linked, follow_links=True)) == n
        assert source_files.left_out(shop(pattern), linked, follow_links=True) == []


@pytest.mark.parametrize("pattern", ["link.csv", "linked/secret.csv", "linked/*.csv"])
def test_a_table_whose_files_are_all_links_out_of_the_folder_is_refused(linked, pattern):
    with pytest.raises(UserError, match=r"is a link that leads out of the source folder, to .*secret\.csv; params"):
        read(pattern, linked)


def test_the_folder_itself_may_be_a_link(linked):
    (linked.parent / "source").symlink_to(linked)
    assert read("*.csv", linked.parent / "source") == ["a.csv", "inner.csv"]


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("orders.csv", "There is 'Orders.CSV': 'orders.csv' has other capital letters."),
        ("Order.CSV", "Did you mean 'Orders.CSV'?"),
        ("xyz", "It has: 2024/b.csv, Orders.CSV."),
        ("2024", "It is a folder: name the files in it, like '2024/*.csv'."),
        ("xyz[1].csv", "write [[] for a bracket"),
        ("**b.csv", "Invalid pattern"),
    ],
)
def test_a_path_that_matches_no_file_says_what_may_be_meant(source, pattern, advice):
    with pytest.raises(UserError) as caught:
        read(pattern, source("Orders.CSV", "2024/b.csv"))
    assert f"shops/x.yaml: tables.events.path '{pattern}'" in str(caught.value)
    assert advice in str(caught.value)


def test_missing_files_and_folders_are_reported(tmp_path):
    with pytest.raises(UserError, match=r"shops/x.yaml: tables.events.path 'e.csv' matches no file in .*has no files"):
        read("e.csv", tmp_path)
    with pytest.raises(UserError, match=r"base\.source: there is no folder"):
        read("e.csv", tmp_path / "nowhere")


def test_a_pattern_that_takes_hours_is_refused(source):
    folder = source("a.csv")
    assert read("**/**/*.csv", folder) == ["a.csv"]
    for pattern in ("**/**/**/*.csv", "*/" * 20 + "*.csv"):
        with pytest.raises(UserError, match=r"events\.path has \d+ parts, \d of them \*\*\. Write 20 parts at most"):
            read(pattern, folder)


def test_a_link_to_the_folder_itself_is_no_endless_loop(source):
    folder = source("a.csv", "b/c.csv")
    (folder / "loop").symlink_to(".")
    (folder / "b" / "up").symlink_to("..")
    assert read("**/*.csv", folder) == ["a.csv", "b/c.csv"]
    assert source_files.left_out(shop("**/*.csv"), folder) == []


def test_more_files_than_a_feed_has_are_refused(source, monkeypatch):
    folder = source("a.csv", "b.csv", "c.csv")
    monkeypatch.setattr(source_files, "MAX_FILES", 2)
    with pytest.raises(UserError, match=r"path '\*\.csv' matches more than 2 files in .*Is base\.source the right"):
        read("*.csv", folder)


def test_a_name_that_is_not_utf_8_is_refused_and_can_be_shown(source):
    folder = source("a.csv", "b\udcfccher.csv", "\udcfc.CSV")
    with pytest.raises(UserError, match=r"name of the file b\\xfccher\.csv in .* is not in UTF-8"):
        source_files.files(shop("*.csv"), "events", folder)
    assert source_files.files(shop("a.csv"), "events", folder) == [folder / "a.csv"]
    assert [entry.file for entry in source_files.left_out(shop("*.csv"), folder)] == [r"\xfc.CSV"]
