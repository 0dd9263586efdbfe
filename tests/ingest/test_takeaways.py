"""Takeaways of stage `ingest`: what they say, and that they turn with the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.ingest import takeaways


def files(*counts: tuple[int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(
        list(counts), schema={"rows_delivered": pl.Int64, "rows_landed": pl.Int64, "state": pl.String}, orient="row"
    )


def test_an_api_that_had_to_be_asked_again_is_told():
    one = {"table": "users", "url": "u", "records": 10, "pages": 2, "requests": 3, "retries": 1, "waited_s": 0.5}
    assert "10 records in 2 pages.** 1 request had to be repeated" in takeaways.fetched(pl.DataFrame([one]))
    assert "No request had to be repeated" in takeaways.fetched(pl.DataFrame([one | {"retries": 0}]))
    assert "No API is asked" in takeaways.fetched(pl.DataFrame([one]).clear())


def test_times_that_mean_two_moments_are_told():
    files = pl.DataFrame({"times_ambiguous": [0, 3]})
    assert "3 local times in 1 file" in takeaways.ambiguous(files, "Europe/Berlin")
    assert takeaways.ambiguous(files.head(1), "UTC") == ""
