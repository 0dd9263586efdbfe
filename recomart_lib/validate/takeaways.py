"""Takeaways of 02_validate: sentences computed from numbers, with their uncertainty."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from recomart_lib.core.text import bullets, number, plural, safe


def quality(report: dict[str, Any]) -> str:
    """The score and the gate."""
    score, gate = report["score"], report["min_score"]
    lowest = min(report["tables"], key=lambda table: report["tables"][table]["score"])
    verdict = "the gate is passed" if score >= gate else "**the pipeline stops here**"
    return (
        f"**The quality score is {_rounded_down(score)} %** (lowest table: {lowest}); the gate requires {gate:.1f} %: "
        f"{verdict}. The score is the share of checked rows that pass every error rule."
    )


def _rounded_down(score: float) -> str:
    """A score with one digit, rounded down: 94.99 must not look like a passed gate."""
    return f"{math.floor(score * 10 + 1e-6) / 10:.1f}"


def exclusions_and_groups(declared: pl.DataFrame) -> str:
    """Where declared rows ended; `declared` is that of `quality_report.exclusions_and_groups`."""
    if not declared.height:
        return "The shop file declares no exclusions and no groups of rows."
    sentences = []
    for row in declared.iter_rows(named=True):
        if row["kind"] == "exclusion":
            places = "excluded by the shop file, counted but not checked"
        else:
            good = f"{number(row['good'])} good ({row['event_types']})" if row["good"] else "none good"
            others = [place for place in ("quarantined", "duplicates", "excluded") if row[place]]
            places = "; ".join([good, *(f"{number(row[place])} {place}" for place in others)])
        sentences.append(
            f"**{safe(row['name'])}: {plural(row['rows'], 'row')} of {row['table']}**, {places}: {safe(row['meaning'])}."
        )
    return bullets(*sentences)


def score_by_run(history: pl.DataFrame) -> str:
    """The score of this state of the lake and the rules, compared with the previous state."""
    if history.height < 2:
        return "This is the first validated state of the lake and the rules: there is nothing to compare with yet."
    change = history.get_column("score")[-1] - history.get_column("score")[-2]
    difference = (
        "the same as" if abs(change) < 0.005 else f"{abs(change):.2f} points {'above' if change > 0 else 'below'}"
    )
    return f"**The score of the latest of {history.height} validated states is {difference} that of the previous one.**"


def score_by_delivery(scores: pl.DataFrame, gate: float) -> str:
    """How many daily deliveries are below the gate: `scores` has day, score (0 to 100) and n (checked rows)."""
    if not scores.height:
        return "No daily delivery was checked: there is no score by day."
    below = scores.filter(pl.col("score") < gate).height
    worst = scores.sort("score", "day").row(0, named=True)
    share = (
        f"{below:,} of {plural(scores.height, 'daily delivery', 'daily deliveries')} {'is' if below == 1 else 'are'}"
        if below
        else f"None of {plural(scores.height, 'daily delivery', 'daily deliveries')} is"
    )
    return (
        f"**{share} below the gate of {gate:.1f} %.** The lowest score is that of {worst['day']}: "
        f"{_rounded_down(worst['score'])} % of {plural(worst['n'], 'row')}."
    )


def drift(table: pl.DataFrame) -> str:
    """Which daily deliveries differ from earlier ones; `table` is that of `drift.detect`."""
    if not table.height:
        return "Drift was not checked: a delivery is compared with earlier ones, of which it needs at least seven."
    flagged = table.filter("flagged")
    deliveries = plural(table.get_column("day").n_unique(), "compared delivery", "compared deliveries")
    if not flagged.height:
        measures = ", ".join(table.get_column("measure").unique(maintain_order=True))
        return f"**None of {deliveries} differs significantly from the deliveries before it** ({measures})."
    n_flagged = flagged.get_column("day").n_unique()
    verb, pronoun = ("differs", "it") if n_flagged == 1 else ("differ", "them")
    counts = ", ".join(
        f"{measure} {n:,}" for measure, n in flagged.group_by("measure", maintain_order=True).len("n").iter_rows()
    )
    worst = "; ".join(
        f"{row['day']} {row['measure']} {row['value']:.2f} (threshold {row['threshold']:.2f}; {safe(row['detail'][:80])})"
        for row in flagged.sort("severity", "day", descending=[True, False]).head(3).iter_rows(named=True)
    )
    return (
        f"**{n_flagged:,} of {deliveries} {verb} significantly from the deliveries before {pronoun}**, by measure: "
        f"{counts}. The worst: {worst}."
    )


def most_failed_rules(report: dict[str, Any], severity: str = "error") -> str:
    """Which rules of a severity most rows fail."""
    failed = [rule for rule in report["rules"] if rule["severity"] == severity and rule["n_failed"]]
    if not failed:
        return f"No row fails a rule of severity {severity}."
    worst = sorted(failed, key=lambda rule: (-rule["n_failed"], rule["rule"]))[:3]
    names = "; ".join(f"{rule['table']}.{rule['rule']} ({plural(rule['n_failed'], 'row')})" for rule in worst)
    return f"**Rows fail {plural(len(failed), 'rule')} of severity {severity}**, most often: {names}."


def reconciliation(report: dict[str, Any]) -> str:
    """Where all rows ended."""
    sums = {
        key: sum(row[key] for row in report["tables"].values())
        for key in ("delivered", "rejected", "landed", "repaired", "good", "quarantined", "duplicates", "excluded")
    }
    repaired = f" {number(sums['repaired'])} of the rows were repaired and ingested again." if sums["repaired"] else ""
    return (
        f"**All {number(sums['landed'])} ingested rows are accounted for**: {number(sums['good'])} good + "
        f"{number(sums['quarantined'])} quarantined + {number(sums['duplicates'])} duplicates + "
        f"{number(sums['excluded'])} excluded. {number(sums['rejected'])} of {number(sums['delivered'])} delivered rows "
        f"could not be read.{repaired}"
    )
