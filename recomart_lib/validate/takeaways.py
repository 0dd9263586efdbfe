"""Takeaways of 02_validate: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from recomart_lib.core.text import bullets, number, plural, safe


def quality(report: dict[str, Any]) -> str:
    """The score against the gate."""
    score, gate = report["score"], report["min_score"]
    lowest = min(report["tables"], key=lambda table: report["tables"][table]["score"])
    verdict = "the gate is open" if score >= gate else "**the pipeline stops here**"
    return (
        f"**The quality score is {_floored(score)} %** (lowest table: {lowest}); the gate asks for {gate:.1f} %: {verdict}. "
        f"The score is the share of judged rows that pass every error rule."
    )


def _floored(score: float) -> str:
    """A score with one digit, rounded down: 94.99 must not look like a passed gate."""
    return f"{math.floor(score * 10 + 1e-6) / 10:.1f}"


def asked_about(asked: pl.DataFrame) -> str:
    """What the shop file sets aside or asks about: `asked` has table, kind, name, meaning, rows, the places, became."""
    if not asked.height:
        return "The shop file excludes nothing, and asks about no group of rows."
    sentences = []
    for row in asked.iter_rows(named=True):
        if row["kind"] == "exclusion":
            fate = "excluded by the shop file, counted and not judged"
        else:
            places = [
                f"{number(row[place])} {place}" for place in ("quarantined", "duplicates", "excluded") if row[place]
            ]
            fate = "; ".join([f"{number(row['good'])} good ({row['became']})" if row["good"] else "none good", *places])
        sentences.append(
            f"**{safe(row['name'])}: {plural(row['rows'], 'row')} of {row['table']}**, {fate}: {safe(row['meaning'])}."
        )
    return bullets(*sentences)


def score_by_run(known: pl.DataFrame) -> str:
    """The score of this state of lake and rules beside the one before it."""
    if known.height < 2:
        return "This is the first state of lake and rules that was judged: there is nothing to compare with yet."
    change = known.get_column("score")[-1] - known.get_column("score")[-2]
    how = "as high as" if abs(change) < 0.005 else f"{abs(change):.2f} points {'above' if change > 0 else 'below'}"
    return f"**The newest of {known.height} judged states of lake and rules scores {how} the one before it.**"


def score_by_drop(history: pl.DataFrame, gate: float) -> str:
    """How many daily drops lie below the gate: `history` has day, score (0 to 100) and n (rows judged)."""
    if not history.height:
        return "No daily drop was judged: there is no score by day."
    below = history.filter(pl.col("score") < gate).height
    worst = history.sort("score", "day").row(0, named=True)
    share = (
        f"{plural(below, 'drop')} of {history.height:,} {'lies' if below == 1 else 'lie'}"
        if below
        else (f"None of {plural(history.height, 'daily drop')} lies")
    )
    return (
        f"**{share} below the gate of {gate:.1f} %.** The lowest is that of {worst['day']}: {_floored(worst['score'])} % of "
        f"{plural(worst['n'], 'row')}."
    )


def drifted(table: pl.DataFrame) -> str:
    """Which daily drops differ from those before them; `table` is that of `drift.drifts`."""
    if not table.height:
        return "Drift was not judged: a drop is compared with those before it, and there must be seven at least."
    flagged = table.filter("flagged")
    n_judged = table.get_column("day").n_unique()
    measures = ", ".join(table.get_column("measure").unique(maintain_order=True))
    if not flagged.height:
        return f"**None of {plural(n_judged, 'judged drop')} differs much from those before it** ({measures})."
    n_flagged = flagged.get_column("day").n_unique()
    counts = ", ".join(
        f"{measure} {n:,}" for measure, n in flagged.group_by("measure", maintain_order=True).len("n").iter_rows()
    )
    worst = "; ".join(
        f"{row['day']} {row['measure']} {row['value']:.2f} (threshold {row['threshold']:.2f}; {safe(row['detail'][:80])})"
        for row in flagged.sort("severity", "day", descending=[True, False]).head(3).iter_rows(named=True)
    )
    return (
        f"**{n_flagged:,} of {plural(n_judged, 'judged drop')} {'differs' if n_flagged == 1 else 'differ'} much from those "
        f"before {'it' if n_flagged == 1 else 'them'}**, by measure: {counts}. The worst: {worst}."
    )


def costliest(report: dict[str, Any], severity: str = "error") -> str:
    """Which rules cost most rows."""
    failed = [rule for rule in report["rules"] if rule["severity"] == severity and rule["n_failed"]]
    if not failed:
        return f"No rule of severity {severity} is broken."
    worst = sorted(failed, key=lambda rule: (-rule["n_failed"], rule["rule"]))[:3]
    named = "; ".join(f"{rule['table']}.{rule['rule']} ({number(rule['n_failed'])} rows)" for rule in worst)
    return f"**{plural(len(failed), 'rule')} of severity {severity} {'is' if len(failed) == 1 else 'are'} broken**, most often: {named}."


def reconciled(report: dict[str, Any]) -> str:
    """Where all rows went."""
    sums = {
        key: sum(row[key] for row in report["tables"].values())
        for key in ("delivered", "rejected", "landed", "repaired", "good", "quarantined", "duplicates", "excluded")
    }
    repaired = f" {number(sums['repaired'])} of the rows were repaired and landed again." if sums["repaired"] else ""
    return (
        f"**All {number(sums['landed'])} landed rows are accounted for**: {number(sums['good'])} good + "
        f"{number(sums['quarantined'])} quarantined + {number(sums['duplicates'])} duplicates + "
        f"{number(sums['excluded'])} excluded. {number(sums['rejected'])} of {number(sums['delivered'])} delivered rows "
        f"could not be read.{repaired}"
    )
