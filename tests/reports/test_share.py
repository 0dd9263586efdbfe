"""The archive for others: pages without ids of users, delivered lines, and the state of the code."""

import re
import zipfile

import polars as pl
import pytest

from recomart.reports import finish, search, share
from recomart_lib.core.errors import UserError

PAGE = """<!DOCTYPE html><title>02 Validate · RecoMart</title><a href="search.html">Search</a>
<main id="main"><h1>02</h1><h2 id="quarantine">What is in the quarantine?</h2>
<p title="C000042">The user C000042 and 17841. 2011 rows, 178415 others; order 42.</p>
<table><thead><tr><th>user_id</th><th>rows</th><th>price</th></tr></thead>
<tbody><tr><td>42</td><td>42</td><td>1.5</td></tr><tr><td></td><td>user_00000_00001</td><td></td></tr></tbody></table>
<p data-private>commit abc</p><a href="02_validate.ipynb">notebook</a><a href="index.html#top">home</a>
<svg><text>C000042</text></svg></main><script>run("C000042")</script>"""


@pytest.fixture
def root(tmp_path):
    reports, prepared = tmp_path / "reports", tmp_path / "data/prepared"
    for folder in (reports / "profiles", prepared):
        folder.mkdir(parents=True)
    (reports / "index.html").write_text('<title>Shop · RecoMart</title><main id="main"><h1>Shop</h1></main>')
    (reports / "02_validate.html").write_text(finish.finish(PAGE), encoding="utf-8")
    (reports / "02_validate.ipynb").write_text("{}")
    (reports / "profiles/users.html").write_text("rows")
    pl.DataFrame({"user_id": ["C000042", "17841", "42", "2011", "user_00000_00001"]}).write_parquet(
        prepared / "users.parquet"
    )
    return tmp_path


def packed(root):
    share.pack(root, root / "out.zip")
    with zipfile.ZipFile(root / "out.zip") as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_only_pages_are_packed_and_the_rest_is_named(root):
    shared = share.pack(root, root / "out.zip")
    assert shared.pages == ["02_validate.html", "index.html"]
    assert shared.left_out == ["02_validate.ipynb", "profiles/users.html"]
    assert sorted(packed(root)) == shared.pages


def test_ids_are_masked_in_text_attributes_figures_and_their_columns(root):
    page = packed(root)["02_validate.html"]
    main = page[: page.index("<script>")]
    assert "C000042" not in main
    assert "17841." not in main
    assert "user_0" not in main
    assert 'title="•••"' in main
    assert re.search(r'<t[dh][^>]*data-label="user_id"[^>]*>•••<', main)


def test_counts_and_years_that_happen_to_be_ids_stay(root):
    page = packed(root)["02_validate.html"]
    assert "2011 rows, 178415 others; order 42." in page
    assert re.search(r'data-label="rows"[^>]*>42<', page)


def test_the_state_of_the_code_and_dead_links_are_gone(root):
    page = packed(root)["02_validate.html"]
    assert "commit abc" not in page
    assert "02_validate.ipynb" not in page
    assert 'href="index.html#top"' in page
    assert 'run("C000042")' in page  # the page's own script, which its policy admits byte by byte, is not touched


def test_equal_pages_make_equal_archives(root):
    share.pack(root, root / "a.zip")
    share.pack(root, root / "b.zip")
    assert (root / "a.zip").read_bytes() == (root / "b.zip").read_bytes()


def test_without_reports_or_ids_nothing_is_written(root):
    (root / "data/prepared/users.parquet").unlink()
    with pytest.raises(UserError, match="ids of users cannot be masked"):
        share.pack(root, root / "out.zip")
    (root / "reports/index.html").unlink()
    with pytest.raises(UserError, match="no reports yet"):
        share.pack(root, root / "out.zip")
    assert not (root / "out.zip").exists()


def test_a_page_of_an_earlier_version_is_refused_and_an_old_archive_stays(root):
    (root / "out.zip").write_text("old")
    (root / "reports/03_explore.html").write_text("<main>C000042</main>")
    with pytest.raises(UserError, match=r"03_explore\.html is of an earlier version"):
        share.pack(root, root / "out.zip")
    assert (root / "out.zip").read_text() == "old"


def test_sections_of_a_page_are_found_with_their_anchors(root):
    found = list(search.sections(root / "reports/02_validate.html"))
    assert [(section.heading, section.href) for section in found] == [
        ("What is in the quarantine?", "02_validate.html#quarantine")
    ]
    assert "178415 others" in found[-1].text
    assert "run(" not in found[-1].text


def test_the_search_page_has_all_pages_and_escapes_them(root):
    (root / "reports/03_explore.html").write_text(
        '<title>03 · RecoMart</title><main id="main"><h2 id="x">A &lt;b&gt;</h2>&lt;script&gt;</main>'
    )
    page = search.build(root).read_text(encoding="utf-8")
    assert page.index('href="index.html"') < page.index('href="02_validate.html#quarantine"')
    assert "A &lt;b&gt;" in page
    assert page.count("<script") == 1
