"""Profiling reports: any table has one, and nothing in the data becomes markup or a script of the page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import polars as pl
import pytest
from bs4 import BeautifulSoup
from conftest import rows

from recomart_lib.core.page_policy import policy
from recomart_lib.validate import profiling

ATTACK = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>"


def test_a_table_without_rows_has_a_report_that_says_so(tmp_path):
    rows("users").write_parquet(tmp_path / "users.parquet")
    page = tmp_path / "profiles" / "users.html"
    assert profiling.profile(tmp_path / "users.parquet", "<Tiny>: users", page, 100, 1) == "<Tiny>: users: no rows"
    assert "<h1>&lt;Tiny&gt;: users: no rows</h1>" in page.read_text()
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy()}">' in page.read_text()


@pytest.mark.parametrize(
    ("moment", "unit"),
    [
        (datetime(2024, 2, 29, 12, tzinfo=UTC), "ns"),
        (date(2024, 2, 29), "ns"),
        (date(9999, 12, 31), "us"),
        (datetime(1, 1, 1, tzinfo=UTC), "us"),
        (None, "ns"),
    ],
)
def test_the_library_gets_moments_in_the_unit_that_it_expects(moment, unit):
    """It divides by a thousand million, whatever the unit: its time axis would be in 1970."""
    dtype = pl.Datetime("us", "UTC") if isinstance(moment, datetime) else pl.Date
    shown = profiling._nanoseconds(pl.Series([moment, None], dtype=dtype))
    assert shown.dtype == pl.Datetime(unit)
    assert shown.null_count() == (2 if moment is None else 1)
    if moment is not None:
        assert f"{shown[0]:%Y-%m-%d}" == f"{moment:%Y-%m-%d}"
        if unit == "ns":
            assert f"{datetime.fromtimestamp(shown.to_physical()[0] // 10**9, UTC):%Y-%m-%d}" == "2024-02-29"


@pytest.mark.slow  # the library alone takes four seconds to import
@pytest.mark.parametrize("n", [3, 40], ids=["few values", "many values"])
def test_titles_names_and_values_are_text_and_only_the_library_s_scripts_may_run(tmp_path, n):
    values = [f"{ATTACK}{number}" for number in range(n)]
    table = {"name": values, "category": [ATTACK] * n, "brand": [f'">{ATTACK}'] * n, ATTACK: list(range(n))}
    pl.DataFrame(table).write_parquet(tmp_path / "items.parquet")
    path = tmp_path / "items.html"
    profiling.profile(tmp_path / "items.parquet", f"{ATTACK}: items", path, 100, 1)
    text = path.read_text()
    page = BeautifulSoup(text, "html.parser")
    assert page.title.text == f"{ATTACK}: items"
    assert not page.select("img[src=x], [onerror]")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == len(page.find_all("script")) == 2
    assert page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"] == policy(*scripts)
    first_script = text.index("<script")
    assert text.index("Content-Security-Policy") < text.index("<title>") < first_script
