"""Profiling reports: any table has one."""

from __future__ import annotations

from conftest import rows

from recomart_lib.validate import profiling


def test_a_table_without_rows_has_a_report_that_says_so(tmp_path):
    rows("users").write_parquet(tmp_path / "users.parquet")
    page = tmp_path / "profiles" / "users.html"
    assert profiling.profile(tmp_path / "users.parquet", "<Tiny>: users", page, 100, 1) == "<Tiny>: users: no rows"
    assert "<h1>&lt;Tiny&gt;: users: no rows</h1>" in page.read_text()
