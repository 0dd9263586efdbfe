"""What should be fixed in the data, ranked by the rows that are lost: for 02_validate and the index page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core.shop_tables import Exclusion
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import percent, plural
from recomart_lib.validate import data_gaps
from recomart_lib.validate.data_gaps import PAGE, Fix, fix
from recomart_lib.validate.row_counts import LABEL, Counts

MIN_ROWS = 100  # a day with fewer rows is not named as the worst
SMALL_SHARE = 0.001  # of a table; what loses less is ranked by the rows that it touches
NAMED = 3  # broken rules in a sentence

# Table -> what becomes of its rows in quarantine (see `entities.complete`).
_IN_QUARANTINE = {
    "events": "They are in quarantine with their reasons, and the models learn nothing from them.",
    "users": "They are in quarantine; a user with valid events is kept, without the values that are wrong.",
    "items": "They are in quarantine; a product with valid events is kept, without the values that are wrong.",
}

# What to do about rows without an id of a user; what is left out for another reason is the shop's own decision.
_HOW_NO_USER = (
    "Record an id at each sale (loyalty card, e-mail receipt, account at checkout), or accept it: a row without one "
    "cannot train a personal list, but could count for bestsellers."
)
_HOW_MISSING = "Have the {column} delivered with each row, if the shop knows it."
_HOW_SINCE = "Nothing while the reason holds; then remove the exclusion {name} from the shop file."
_HOW_REPEATS = "Ask who sends the feed why rows come twice, and whether others are missing."
_HOW_WRONG = "Correct them where they come from, or here: recomart quarantine export, then replay."


def fixes(shop: Shop, report: dict[str, Any], counts: dict[str, Counts], validated: Path) -> list[Fix]:
    """All fixes (see `data_gaps.Fix`): those that lose a part of a table first, then those that touch most rows.

    Parameters
    ----------
    report
        That of `quality_report.report`.
    validated
        The folder of the validated tables.
    """
    found = [*_left_out(shop, report, counts), *_not_used(report), *_broken_rules(report)]
    return sorted([*found, *data_gaps.gaps(shop, validated)], key=_rank)


def _rank(one: Fix) -> tuple[int, int]:
    """A few lost rows weigh no more than the same number of touched ones."""
    return (-one["lost"] if one["share"] >= SMALL_SHARE else 0, -one["rows"])


def table(found: list[Fix]) -> pl.DataFrame:
    """One row per fix, for display; where something is absent, it has neither rows nor a share."""
    rows = [
        (one["problem"], one["rows"] or None, percent(one["share"]) if one["rows"] else None, one["effect"], one["how"])
        for one in found
    ]
    texts = dict.fromkeys(("share of the table", "what it costs", "what to do"), pl.String)
    return pl.DataFrame(rows, schema={"problem": pl.String, "rows": pl.Int64, **texts}, orient="row")


def _left_out(shop: Shop, report: dict[str, Any], counts: dict[str, Counts]) -> Iterator[Fix]:
    """One fix per exclusion of the shop file that applies to rows."""
    where = f"{PAGE}#which-rows-does-the-shop-file-exclude-or-count-as-a-group"
    for name_of_table, row in report["tables"].items():
        for name, rule in shop.table(name_of_table).exclude.items():
            if n := row["exclusions"].get(name, 0):
                missing = str(rule.missing).replace("_", " ")
                kind = f"without a {missing}" if rule.missing else f"from {rule.since} on"
                problem = (
                    f"{plural(n, 'row')} of {name_of_table} {kind} {'is' if n == 1 else 'are'} left out ({rule.reason})"
                    f"{_worst_day(counts[name_of_table], name)}."
                )
                effect = "The models learn nothing from them" + (
                    ", and these buyers get no list of their own." if rule.missing == "user_id" else "."
                )
                yield fix(problem, n, row["delivered"], effect, _how_left_out(name, rule), where, lost=n)


def _how_left_out(name: str, rule: Exclusion) -> str:
    """What to do about the rows of an exclusion of the shop file."""
    if rule.missing == "user_id":
        return _HOW_NO_USER
    return _HOW_MISSING.format(column=rule.missing.replace("_", " ")) if rule.missing else _HOW_SINCE.format(name=name)


def _worst_day(counts: Counts, exclusion: str) -> str:
    """The day with the largest share of rows of an exclusion, among days with enough rows; empty if there is none."""
    excluded = pl.col("n").filter(pl.col(LABEL) == exclusion).sum()
    days = counts.placements.drop_nulls("delivery_day").group_by(day="delivery_day")
    shares = days.agg(pl.col("n").sum(), share=excluded / pl.col("n").sum()).filter(pl.col("n") >= MIN_ROWS)
    if shares.height < 2 or not shares.get_column("share").max():
        return ""
    day, n, share = shares.sort("share", "day", descending=[True, False]).row(0)
    return f"; on {day} they are {percent(share)} of {plural(n, 'row')}"


def _not_used(report: dict[str, Any]) -> Iterator[Fix]:
    """Duplicates and unreadable lines of each table."""
    for name, row in report["tables"].items():
        if n := row["duplicates"]:
            problem = f"{plural(n, 'row')} of {name} {'repeats' if n == 1 else 'repeat'} another row."
            effect = "Each row counts once; but a feed that repeats rows may also leave rows out."
            yield fix(problem, n, row["delivered"], effect, _HOW_REPEATS, f"{PAGE}#is-every-row-accounted-for")
        if n := row["rejected"]:
            problem = f"{plural(n, 'line')} of {name} could not be read."
            where = "01_ingest.html#which-lines-could-not-be-read-and-why"
            effect = "Such lines are in quarantine and not used."
            yield fix(problem, n, row["delivered"], effect, _HOW_WRONG, where, lost=n)


def _broken_rules(report: dict[str, Any]) -> Iterator[Fix]:
    """One fix per table with rows in quarantine, with the rules of severity error that they break most often."""
    for table, row in report["tables"].items():
        if n := row["quarantined"]:
            breaks = "breaks a rule" if n == 1 else "break a rule"
            unused = f" and {'is' if n == 1 else 'are'} not used" if table == "events" else ""
            problem = f"{plural(n, 'row')} of {table} {breaks}{unused}: {_most_often(report, table)}."
            where = f"{PAGE}#which-rules-fail-most-often"
            yield fix(problem, n, row["delivered"], _IN_QUARANTINE[table], _HOW_WRONG, where, lost=n)


def _most_often(report: dict[str, Any], table: str) -> str:
    """The rules that most rows of a table break."""
    errors = (rule for rule in report["rules"] if rule["severity"] == "error" and rule["table"] == table)
    broken = sorted((rule for rule in errors if rule["n_failed"]), key=lambda rule: (-rule["n_failed"], rule["rule"]))
    sentences = [rule["sentence"].split(". ")[0].rstrip(".") for rule in broken]
    if len(broken) == 1:
        return f'"{sentences[0]}"'
    counted = [f'"{sentence}" ({rule["n_failed"]:,})' for sentence, rule in zip(sentences, broken, strict=True)]
    others = f" and {plural(len(broken) - NAMED, 'other rule')}" if len(broken) > NAMED else ""
    return f"most often {', '.join(counted[:NAMED])}{others}"
