"""Takeaways of stage `ingest`: what they say, and that they change with the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.ingest import takeaways


def test_retries_of_an_api_are_reported():
    table = {"table": "users", "url": "u", "records": 10, "pages": 2, "requests": 3, "retries": 1, "waited_s": 0.5}
    table |= {"end": "no next page"}
    assert "10 records in 2 pages.** 1 request had to be repeated" in takeaways.fetched(pl.DataFrame([table]))
    assert "No request had to be repeated" in takeaways.fetched(pl.DataFrame([table | {"retries": 0}]))
    assert "The end" not in takeaways.fetched(pl.DataFrame([table]))
    refused = takeaways.fetched(pl.DataFrame([table | {"end": "a page with <b>"}]))
    assert "The end of users was recognised by this: a page with &lt;b&gt;." in refused
    assert "No API is used" in takeaways.fetched(pl.DataFrame([table]).clear())


def test_ambiguous_times_are_reported():
    files = pl.DataFrame({"times_ambiguous": [0, 3]})
    assert "3 local times in 1 file" in takeaways.ambiguous_times(files, "Europe/Berlin")
    assert takeaways.ambiguous_times(files.head(1), "UTC") == ""
