"""The sample: whole keys, the same in every table, and not more rows than wanted."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recomart.dry_run.sampler import Sampler


def rows(keys: list[str | None], first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": keys, "n": range(first, first + len(keys))}, schema={"user_id": pl.String, "n": pl.Int64}
    )


@given(st.lists(st.sampled_from([None, *"abcdefghijkl"]), min_size=1, max_size=200), st.integers(1, 100))
def test_a_key_is_kept_with_all_its_rows_or_not_at_all(keys, max_rows):
    sampler, everything = Sampler("user_id", ["n"], max_rows), rows(keys)
    for start in range(0, len(keys), 37):
        sampler.add(everything.slice(start, 37))
    kept = sampler.rows()
    whole = everything.filter(pl.col("user_id").is_in(kept["user_id"].drop_nulls().implode()))
    assert kept.drop_nulls("user_id").equals(whole)
    assert sampler.n_seen == len(keys)
    if len(keys) <= max_rows:
        assert (sampler.share, kept.height) == (1.0, len(keys))


def test_the_share_shrinks_until_the_rows_fit_and_says_how_many_keys_are_kept():
    sampler = Sampler("user_id", ["n"], max_rows=2_000)
    for start in range(0, 20_000, 1_000):
        sampler.add(rows([f"u{n % 5_000}" for n in range(start, start + 1_000)], start))
    kept = sampler.rows()
    assert 1_200 < kept.height <= 2_000
    assert abs(kept["user_id"].n_unique() / 5_000 - sampler.share) < 0.02


def test_one_key_with_most_rows_does_not_empty_the_sample():
    sampler = Sampler("user_id", ["n"], max_rows=100)
    sampler.add(rows(["all"] * 10_000 + [f"u{n}" for n in range(100)]))
    assert sampler.share > 0.001


def test_keys_that_are_needed_are_always_kept_and_users_never_fewer_than_those_of_the_events():
    always = Sampler("user_id", ["n"], max_rows=1, always=pl.Series(["u7"]))
    always.add(rows([f"u{n}" for n in range(100)]))
    assert "u7" in always.rows()["user_id"]
    users = Sampler("user_id", ["n"], max_rows=10, min_share=0.5)
    users.add(rows([f"u{n}" for n in range(1_000)]))
    assert users.share == 0.5
