"""Takeaways of stage `validate`: what they say, and that they turn with the numbers."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from recomart_lib.validate import drift, quality_report, takeaways
from recomart_lib.validate.row_counts import PLACES


def report(score: float, **table: int) -> dict:
    places = dict.fromkeys(["delivered", "rejected", "landed", "repaired", *PLACES], 0)
    rule = {"table": "users", "rule": "age_possible", "severity": "error", "n_failed": table.get("quarantined", 0)}
    return {
        "score": score,
        "min_score": 95.0,
        "tables": {"users": places | table | {"score": score}},
        "rules": [rule],
    }


def days(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"day": [date(2024, 1, 1 + n) for n in range(len(counts))], "n": list(counts)})


def drift_table(*found: tuple[int, str, float, float, str]) -> pl.DataFrame:
    """What `drift.detect` gives, from (day of January, measure, value, threshold, detail)."""
    columns = ("day", "measure", "value", "threshold", "detail")
    records = [dict(zip(columns, (date(2024, 1, day), *rest), strict=True)) for day, *rest in found]
    schema = {name: dtype for name, dtype in drift.DRIFT.items() if name in columns}
    severity = pl.col("value") / pl.col("threshold")
    return pl.DataFrame(records, schema=schema).with_columns(severity=severity, flagged=severity > 1)


def test_what_people_ask_about_is_counted_and_made_harmless():
    guests = {"table": "events", "kind": "exclusion", "name": "guest", "meaning": "no <id>", "rows": 2, "excluded": 2}
    places = {"good": 3, "quarantined": 1, "duplicates": 0, "excluded": 2, "became": "3 return"}
    group = {"table": "events", "kind": "group", "name": "cancelled", "meaning": "C", "rows": 6, **places}
    said = takeaways.asked_about(pl.DataFrame([guests, group], schema=quality_report.DECLARED)).splitlines()
    assert said[0] == (
        "- **guest: 2 rows of events**, excluded by the shop file, counted and not judged: no &lt;id&gt;."
    )
    assert said[1] == "- **cancelled: 6 rows of events**, 3 good (3 return); 1 quarantined; 2 excluded: C."
    assert "excludes nothing" in takeaways.asked_about(pl.DataFrame(schema=quality_report.DECLARED))


def test_repaired_rows_are_told():
    assert "repaired" not in takeaways.reconciled(report(1))
    assert "2 of the rows were repaired" in takeaways.reconciled(report(1, repaired=2))


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([90.0], "nothing to compare"),
        ([90.0, 91.5], "1.50 points above"),
        ([91.0, 90.0], "1.00 points below"),
        ([90.0, 90.001], "as high as"),
    ],
)
def test_scores_of_runs_are_compared_and_the_sentence_turns_round(scores, said):
    assert said in takeaways.score_by_run(pl.DataFrame({"score": scores}))


def test_all_rows_are_said_to_be_somewhere():
    said = takeaways.reconciled(
        report(1, delivered=10, rejected=1, landed=9, good=5, quarantined=2, duplicates=1, excluded=1)
    )
    assert "All 9 landed rows are accounted for**: 5 good + 2 quarantined + 1 duplicates + 1 excluded" in said
    assert "1 of 10 delivered rows could not be read" in said


def test_drifted_drops_are_counted_and_the_worst_named():
    calm = [(9, "volume", 1.0, 3.0, "x"), (10, "volume", 1.0, 3.0, "x")]
    assert takeaways.drifted(drift_table(*calm)) == (
        "**None of 2 judged drops differs much from those before it** (volume)."
    )
    bad = [(9, "nulls", 0.5, 0.1, "price missing 0.0 % -> 50.0 %"), (9, "category", 0.3, 0.25, "<b>Books")]
    said = takeaways.drifted(drift_table(*calm, *bad))
    assert said.startswith(
        "**1 of 2 judged drops differs much from those before it**, by measure: nulls 1, category 1."
    )
    assert "The worst: 2024-01-09 nulls 0.50 (threshold 0.10; price missing 0.0 % -&gt; 50.0 %); 2024-01-09 cat" in said
    assert "&lt;b&gt;Books" in said
    assert "<b>" not in said
    worse = [(day, "price", day / 10, 0.25, "y") for day in (11, 14, 12, 13)]
    said = takeaways.drifted(drift_table(*calm, *worse))
    assert said.startswith("**4 of 6 judged drops differ much from those before them**, by measure: price 4.")
    assert [said.index(f"2024-01-{day}") for day in (14, 13, 12)] == sorted(
        said.index(f"2024-01-{day}") for day in (14, 13, 12)
    )
    assert "2024-01-11" not in said


def test_a_drift_that_nobody_can_judge_is_not_called_calm():
    assert drift.MIN_PRECEDING == 7
    assert "not judged" in takeaways.drifted(drift_table())
    assert "there must be seven at least" in takeaways.drifted(drift_table())


def test_drops_below_the_gate_are_counted_and_the_lowest_named():
    schema = {"day": pl.Date, "n": pl.Int64, "score": pl.Float64}
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    history = pl.DataFrame({"day": days, "n": [10, 1, 30], "score": [100.0, 94.99, 95.0]}, schema)
    assert takeaways.score_by_drop(history, 95.0) == (
        "**1 drop of 3 lies below the gate of 95.0 %.** The lowest is that of 2024-01-02: 94.9 % of 1 row."
    )
    assert takeaways.score_by_drop(history, 96.0).startswith("**2 drops of 3 lie below the gate of 96.0 %.**")
    assert takeaways.score_by_drop(history, 90.0).startswith("**None of 3 daily drops lies below")
    assert takeaways.score_by_drop(history.clear(), 95.0) == "No daily drop was judged: there is no score by day."
