"""How old the data of a page is, and whether the page is older than its inputs: one line below the header of all pages.

The page of a stage is written once, when the stage ends, with the same bytes for the same data: it names the newest
event, its script adds how long ago that was for whoever reads it, and it leads to the index for what came after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path

import polars as pl

from recomart.project.sidecars import Metadata
from recomart.project.stored_metrics import read_metrics
from recomart.reports.answer import data_age, duration_of
from recomart.reports.formats import utc
from recomart_lib.core import paths

VALIDATED = ("02_validate", "03_explore")  # run before 04 has written reports/metrics/data.json
RAW = ("01_ingest", "09_stream")  # read what was delivered, whose times are not checked yet
UP_TO_DATE = ("index.html#stages", "Is this page up to date?")
HOW_OLD = ("index.html#age", "How old is the data?")


def line(last: str | None, started: str | None) -> str:
    """`Data up to 2011-12-09 12:50 UTC, 5,467 days (15 years) before this run of 2026-11-27 23:14 UTC.`

    Parameters
    ----------
    last
        The time of the newest event; None: unknown.
    started
        When the run started; None: unknown.
    """
    if not started:
        return ""
    days = data_age({"last": last}, started)
    if days is None:
        return f"Run of {utc(started)} UTC."
    before = "after" if days < 0 else f"{duration_of(days)} before" if days else "less than a day before"
    return f"Data up to {utc(last)} UTC, {before} this run of {utc(started)} UTC."


def of_project(root: Path, stages: list[Metadata]) -> Metadata:
    """The line of a page that is built last. `stages`: see `sidecars.stages`."""
    last = read_metrics(root, "data").get("last")
    started = max((stage["started"] for stage in stages if stage.get("started")), default=None)
    return {"age_line": line(last, started), "age_link": None, "older": older(stages)}


def older(stages: Iterable[Metadata]) -> str:
    """The stages whose pages are older than their inputs: `04 Prepare, 05 Features`."""
    return ", ".join(stage["title"] for stage in stages if stage["state"] == "stale")


def of_stage(root: Path, name: str) -> Metadata:
    """The line of the page of a stage that has just ended: the same for the same data, whenever it runs."""
    last = last_event(root, name)
    return {"data_until": last and (last, utc(last)), "age_link": UP_TO_DATE if last else HOW_OLD}


def last_event(root: Path, name: str) -> str | None:
    """The time of the newest event that a stage has read; None if it is unknown, as before the times are checked."""
    if name in RAW:
        return None
    if name not in VALIDATED:
        return read_metrics(root, "data").get("last")
    path = root / paths.VALIDATED / "events.parquet"
    if not path.exists():
        return None
    moment = pl.scan_parquet(path, glob=False).select(pl.col("timestamp").max()).collect().item()
    return moment and moment.astimezone(UTC).isoformat()
