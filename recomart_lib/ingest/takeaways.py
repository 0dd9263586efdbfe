"""Takeaways of 01_ingest: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import number, percent, plural, safe


def arrived(files: pl.DataFrame) -> str:
    """What came, and whether all of it is there."""
    delivered, landed = files.get_column("rows_delivered").sum(), files.get_column("rows_landed").sum()
    new = files.filter(pl.col("state") != "known").height
    rejected = delivered - landed
    fate = (
        "every row could be read"
        if not rejected
        else (f"{plural(rejected, 'row')} ({percent(rejected / delivered)}) could not be read and went to quarantine")
    )
    return (
        f"**{plural(files.height, 'file')} hold {plural(delivered, 'row')}: {fate}.** "
        f"{plural(new, 'file')} were new or changed since the last run."
    )


def gone(names: list[str]) -> str:
    """Files that are in the lake, but no longer in the source folder."""
    if not names:
        return "Every file in the lake is still in the source folder."
    shown = ", ".join(safe(name) for name in names[:5])
    return (
        f"**{plural(len(names), 'file')} in the lake are no longer in the source folder** ({shown}{', ...' if names[5:] else ''}): "
        "what was landed stays and is still read. If they belong to another world (a new simulation, say), "
        "delete the shop's folder in data/raw and run again."
    )


def days_covered(days: pl.DataFrame) -> str:
    """Whether the feed has holes: `days` has one row per calendar day with `n` events."""
    if not days.height:
        return "There are no events."
    empty = days.filter(pl.col("n") == 0)
    median = days.get_column("n").median()
    holes = (
        "No day is empty."
        if not empty.height
        else (
            f"{plural(empty.height, 'day')} of {days.height} without an event "
            f"({percent(empty.height / days.height)}); the first is {empty.get_column('day')[0]}."
        )
    )
    return f"**A typical day brings {number(median)} events.** {holes}"


def fetched(tables: pl.DataFrame) -> str:
    """What an API gave, and how patient one had to be: one row per fetched table."""
    if not tables.height:
        return "No API is asked: all tables come in files."
    n, retries = tables.get_column("records").sum(), tables.get_column("retries").sum()
    trouble = (
        "No request had to be repeated."
        if not retries
        else (
            f"{plural(retries, 'request')} had to be repeated, with {number(tables.get_column('waited_s').sum())} s of waiting."
        )
    )
    return f"**The API gave {plural(n, 'record')} in {plural(tables.get_column('pages').sum(), 'page')}.** {trouble}"


def ambiguous(files: pl.DataFrame, time_zone: str) -> str:
    """Local times that the end of summer time repeats."""
    n = files.get_column("times_ambiguous").sum()
    if not n:
        return ""
    return (
        f"**{plural(n, 'local time')} in {plural(files.filter(pl.col('times_ambiguous') > 0).height, 'file')} can mean two "
        f"moments**, for the clocks of {safe(time_zone)} go back; the shop file says which is meant (ambiguous_times)."
    )
