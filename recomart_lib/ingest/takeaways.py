"""Takeaways of 01_ingest: sentences computed from the numbers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from recomart_lib.core.shops import Shop
from recomart_lib.core.source_files import LeftOut
from recomart_lib.core.text import not_applicable, number, percent, plural, safe
from recomart_lib.ingest.deliveries import day_in_name
from recomart_lib.ingest.lake import LakeTable
from recomart_lib.ingest.sources.rest_paging import CERTAIN_ENDS

FEW_REJECTED = 0.005  # of the delivered rows may be unreadable without a warning


def warning(files: pl.DataFrame, far: pl.DataFrame, gaps: str) -> str:
    """What a reader has to know before relying on the delivered data; empty if there is nothing.

    Parameters
    ----------
    files
        One row per ingested file.
    far
        See `ingestion.far_days`.
    gaps
        That of `covered_days.warning`.
    """
    reasons = [_many_rejected(files), gaps]
    if n := far.get_column("n").sum():
        reasons.append(f"{plural(n, 'row')} {'lies' if n == 1 else 'lie'} decades from all others.")
    return " ".join(filter(None, reasons))


def _many_rejected(files: pl.DataFrame) -> str:
    delivered, n_ingested = files.get_column("rows_delivered").sum(), files.get_column("rows_ingested").sum()
    rejected = delivered - n_ingested
    if rejected <= FEW_REJECTED * delivered:
        return ""
    return f"{plural(rejected, 'row')} of {delivered:,} ({percent(rejected / delivered)}) could not be read."


def ingested(files: pl.DataFrame) -> str:
    """How much was delivered, and how much of it could be read."""
    delivered, n_ingested = files.get_column("rows_delivered").sum(), files.get_column("rows_ingested").sum()
    if not delivered:
        return not_applicable("no row was delivered.") + _without_rows(files)
    new = files.filter(pl.col("state") != "unchanged").height
    rejected = delivered - n_ingested
    outcome = "every row could be read"
    if rejected:
        outcome = (
            f"{plural(rejected, 'row')} ({percent(rejected / delivered)}) could not be read and went to quarantine"
        )
    return (
        f"**{plural(files.height, 'file')} with {plural(delivered, 'row')}: {outcome}.** "
        f"New or changed since the last run: {plural(new, 'file')}.{_without_rows(files)}"
    )


def restored(files: pl.DataFrame) -> str:
    """Files that were damaged in the lake and have been ingested again."""
    names = files.filter(pl.col("state") == "restored").get_column("file").to_list()
    if not names:
        return ""
    return (
        f"**{plural(len(names), 'file')} of the lake {'was' if len(names) == 1 else 'were'} damaged** (missing, cut short "
        f"or changed), and ingested again from the source: {_first(names)}. Find out what changed the lake; the log has "
        "the details."
    )


def verified(lake_tables: Collection[LakeTable]) -> str:
    """How many files of the lake have been compared with their hashes; a difference stops the stage."""
    if not any(table.verified[0] for table in lake_tables):
        return not_applicable("the lake has no file.")
    n_files, n_bytes, n_without_hash = (sum(counts) for counts in zip(*(t.verified for t in lake_tables), strict=True))
    earlier = (
        f" {plural(n_without_hash, 'file')} of them {'has' if n_without_hash == 1 else 'have'} no hash, as an earlier "
        "version of RecoMart ingested them: of these it is only known that they are present."
        if n_without_hash
        else ""
    )
    size = f"{number(n_bytes / 1e6)} MB" if n_bytes >= 1e6 else f"{number(n_bytes / 1e3)} kB"
    return (
        f"**{plural(n_files, 'Parquet file')} of the lake verified ({size}), all that the pipeline reads: "
        "unchanged since the ingestion.** There is one for each file, and a second one where lines could not be read."
        f"{earlier}"
    )


def clock(files: pl.DataFrame) -> str:
    """Files from the future of this machine's clock: `files` is that of `clock_check.from_future`."""
    zones = [files.filter(pl.col("zone") == zone) for zone in ("lake", "source")]
    return " ".join(
        sentence(zone) for sentence, zone in zip((_ingested_later, _delivered_later), zones, strict=True) if zone.height
    )


def _ingested_later(files: pl.DataFrame) -> str:
    _, file, moment, now = files.row(0)
    return (
        f"**The clock of this machine is {_time(moment - now)} behind the last ingestion** of this shop ({safe(file)} on "
        f"{_moment(moment)}; it is {_moment(now)} now): it is wrong now, or was wrong then. Versions of a file are "
        "ordered by their numbers, so that the newest is read all the same. But 02_validate recognises events in the "
        f"future only from {_moment(moment)} on, as long as this version is read: if the clock was wrong then, delete the "
        f"{plural(files.height, 'manifest')} with such a time and run this stage again."
    )


def _delivered_later(files: pl.DataFrame) -> str:
    _, file, moment, now = files.row(0)
    return (
        f"**{plural(files.height, 'delivered file')} {'is' if files.height == 1 else 'are'} up to "
        f"{_time(moment - now)} later than the clock of this machine** ({safe(file)} was changed on {_moment(moment)}; it "
        f"is {_moment(now)} now). If the clock is behind, set it: until a file is ingested at the right time, 02_validate "
        "quarantines events after this time as events in the future."
    )


def _time(difference: timedelta) -> str:
    days = round(difference / timedelta(days=1))
    return plural(days, "day") if difference.days else f"{difference.total_seconds() / 3600:.1f} hours"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _first(names: list[str], n: int = 5) -> str:
    return ", ".join(safe(name) for name in names[:n]) + (", ..." if names[n:] else "")


def _without_rows(files: pl.DataFrame) -> str:
    """A sentence about files that are empty or have a header only, as after an export that failed."""
    names = files.filter(pl.col("rows_delivered") == 0).get_column("file").to_list()
    if not names:
        return ""
    return f" **{plural(len(names), 'file')} without a row:** {_first(names)}."


def left_out(files: list[LeftOut]) -> str:
    """Files in the source folder that look as if they were delivered, but are not read."""
    if not files:
        return ""
    shown = "; ".join(f"{safe(entry.file)} ({safe(entry.table)}: {safe(entry.reason)})" for entry in files[:5])
    return (
        f"**{plural(len(files), 'file')} in the source folder {'is' if len(files) == 1 else 'are'} not read:** {shown}"
        f"{'; ...' if files[5:] else ''}. Rename what should be read, or change `path` in the shop file."
    )


def joined(shop: Shop) -> str:
    """The files whose columns the rows of tables get; empty if the shop file joins none."""
    joins = [(table, join) for table in shop.delivered for join in shop.table(table).joins.values()]
    return " ".join(
        f"The rows of {table} get columns of {safe(join.path)}: those of the row with their {safe(join.keys[0])}."
        for table, join in joins
    )


def equal_lines(files: pl.DataFrame, shop: Shop) -> str:
    """Events without an id that equal each other, and what 02 takes them for."""
    n_equal = files.get_column("rows_equal").sum()
    if not n_equal:
        return ""
    affected = files.filter(pl.col("rows_equal") > 0)
    n_events = files.filter(pl.col("table") == "events").get_column("rows_ingested").sum()
    outcome = (
        "02 takes them for repeats, as the shop file says (tables.events.equal_lines: repeats)."
        if shop.table("events").equal_lines == "repeats"
        else "02 takes them for different sales, because an export is consistent in itself; for an export that writes "
        "lines twice, set tables.events.equal_lines: repeats in the shop file."
    )
    return (
        f"**{plural(n_equal, 'event')} ({percent(n_equal / n_events)}) in {plural(affected.height, 'file')} have no id "
        f"and equal an earlier line of the same file** (most in {safe(_with_most(affected, 'rows_equal'))}). {outcome}"
    )


def _with_most(files: pl.DataFrame, column: str) -> str:
    return files.sort(column, descending=True, maintain_order=True).get_column("file")[0]


def deliveries(files: pl.DataFrame) -> str:
    """Users and items that came more than once: each delivery states what holds from its day on."""
    entities = files.filter(pl.col("table").is_in(["users", "items"]), ~pl.col("file").str.starts_with("replay/"))
    groups = entities.partition_by("table", maintain_order=True)
    return " ".join(_deliveries(group) for group in groups if group.height > 1)


def _deliveries(files: pl.DataFrame) -> str:
    """The sentence about the files of one table."""
    days = files.get_column("valid_from")
    names_and_days = files.select("file", "valid_from").iter_rows()
    undated = [name for name, day in names_and_days if day_in_name(name, day) is None]
    without = (
        f" {plural(len(undated), 'file')} of them (the first: {safe(undated[0])}) without a day in the name: the day is "
        "that of the first ingestion."
        if undated
        else ""
    )
    return (
        f"**{files['table'][0]}: {files.height} files are {plural(days.n_unique(), 'delivery', 'deliveries')}**, from "
        f"{days.min()} to {days.max()}: each states what holds from its day on.{without}"
    )


def no_longer_delivered(names: list[str]) -> str:
    """Files that are in the lake, but no longer in the source folder."""
    if not names:
        return "Every file in the lake is still in the source folder."
    return (
        f"**The source folder no longer contains {plural(len(names), 'file')} of the lake** ({_first(names)}): the ingested data "
        "stays in the lake and is still read. If these files belong to an older data set (an earlier simulation, for "
        "example), delete the shop's folder in data/raw and run the stage again."
    )


def far_days(days: pl.DataFrame) -> str:
    """Days decades from all others: `days` is that of `ingestion.far_days`."""
    if not days.height:
        return ""
    rows, first = days.get_column("n").sum(), days.get_column("day").dt.to_string()[0]
    return (
        f"**{plural(rows, 'row')} in files of {plural(days.height, 'day')} (the first is {first}) lie decades from all "
        "others** and are not in the figure: 02_validate checks their times (validate.first_day)."
    )


def fetched(tables: pl.DataFrame) -> str:
    """What the API returned, and how many retries it took: one row per fetched table."""
    if not tables.height:
        return not_applicable("no API is used: all tables come in files.")
    records, pages, retries = (tables.get_column(name).sum() for name in ("records", "pages", "retries"))
    outcome = "No request had to be repeated."
    if retries:
        outcome = (
            f"{plural(retries, 'request')} had to be repeated, after waiting "
            f"{number(tables.get_column('waited_s').sum())} s in total."
        )
    ends = tables.filter(~pl.col("end").is_in(CERTAIN_ENDS)).select("table", "end").rows()
    unsure = "".join(f" The end of {safe(table)} was recognised by this: {safe(end)}." for table, end in ends)
    return f"**The API returned {plural(records, 'record')} in {plural(pages, 'page')}.** {outcome}{unsure}"


def ambiguous_times(files: pl.DataFrame, time_zone: str) -> str:
    """Local times that occur twice when summer time ends."""
    n_times = files.get_column("times_ambiguous").sum()
    if not n_times:
        return ""
    n_files = files.filter(pl.col("times_ambiguous") > 0).height
    return (
        f"**{plural(n_times, 'local time')} in {plural(n_files, 'file')} can mean two different moments**, because the "
        f"clocks of {safe(time_zone)} go back; `ambiguous_times` in the shop file decides which one is used."
    )
