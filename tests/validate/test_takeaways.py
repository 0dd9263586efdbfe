"""Takeaways of stage 02: their sentences, and how they follow the numbers."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from drift_data import drift_table
from takeaway_data import report

from recomart_lib.validate import quality_report, takeaways


def test_exclusions_and_groups_are_counted_and_escaped():
    guests = {"table": "events", "kind": "exclusion", "name": "guest", "meaning": "no <id>", "rows": 2, "excluded": 2}
    places = {"good": 3, "quarantined": 1, "duplicates": 0, "excluded": 2, "event_types": "3 return"}
    group = {"table": "events", "kind": "group", "name": "cancelled", "meaning": "C", "rows": 6, **places}
    takeaway = takeaways.exclusions_and_groups(
        pl.DataFrame([guests, group], schema=quality_report.DECLARED)
    ).splitlines()
    assert takeaway[0] == (
        "- **guest: 2 rows of events**, excluded by the shop file, counted but not checked: no &lt;id&gt;."
    )
    assert takeaway[1] == "- **cancelled: 6 rows of events**, 3 good (3 return); 1 quarantined; 2 excluded: C."
    assert "no exclusions and no groups" in takeaways.exclusions_and_groups(
        pl.DataFrame(schema=quality_report.DECLARED)
    )


def test_repaired_rows_are_reported():
    assert "repaired" not in takeaways.reconciliation(report(1))
    assert "2 of the rows were repaired" in takeaways.reconciliation(report(1, delivered=2, landed=2, repaired=2))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([90.0], "*Not applicable: this is the first validated state"),
        ([90.0, 91.5], "1.50 points above"),
        ([91.0, 90.0], "1.00 points below"),
        ([90.0, 90.001], "the same as"),
    ],
)
def test_scores_of_runs_are_compared_in_the_right_direction(scores, expected):
    assert expected in takeaways.score_by_run(pl.DataFrame({"score": scores}))


def test_skipped_lines_of_the_history_are_said():
    scores = pl.DataFrame({"score": [90.0, 91.0]})
    assert "damaged" not in takeaways.score_by_run(scores)
    assert "1 line of data/history/quality.jsonl is damaged" in takeaways.score_by_run(scores, 1)
    assert "2 lines of data/history/quality.jsonl are damaged" in takeaways.score_by_run(scores[:1], 2)


def test_all_rows_are_accounted_for():
    takeaway = takeaways.reconciliation(
        report(1, delivered=10, rejected=1, landed=9, good=5, quarantined=2, duplicates=1, excluded=1)
    )
    assert "All 9 ingested rows are accounted for**: 5 good + 2 quarantined + 1 duplicates + 1 excluded" in takeaway
    assert "1 of 10 delivered rows could not be read" in takeaway
    assert takeaways.reconciliation(report(1)).endswith("Every delivered row could be read.")


def test_deliveries_below_the_gate_are_counted_and_the_lowest_named():
    schema = {"day": pl.Date, "n": pl.Int64, "score": pl.Float64}
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    history = pl.DataFrame({"day": days, "n": [10, 1, 30], "score": [100.0, 94.99, 95.0]}, schema)
    assert takeaways.score_by_delivery(history, 95.0) == (
        "**1 of 3 daily deliveries is below the gate of 95 %.** "
        "The lowest score is that of 2024-01-02: 94.9 % of 1 row."
    )
    assert takeaways.score_by_delivery(history, 96.0).startswith(
        "**2 of 3 daily deliveries are below the gate of 96 %.**"
    )
    assert takeaways.score_by_delivery(history, 90.0).startswith("**None of 3 daily deliveries is below")
    assert (
        takeaways.score_by_delivery(history.clear(), 95.0)
        == "*Not applicable: no daily delivery was checked, so there is no score by day.*"
    )


def test_equal_scores_have_no_lowest():
    scores = pl.DataFrame({"day": [date(2024, 1, 1), date(2024, 1, 2)], "n": [3, 4], "score": [100.0, 100.0]})
    assert takeaways.score_by_delivery(scores, 95.0).endswith(" All have the score 100 %.")


PARTLY = {"delivered": 10, "landed": 9, "rejected": 1, "good": 5, "quarantined": 2, "duplicates": 1, "excluded": 1}


def test_the_score_says_which_rows_it_counts():
    assert takeaways.quality(report(62.5, **PARTLY)) == (
        "**The quality score is 62.5 %** (gate of 95 %: missed, the pipeline stops here): 5 of 8 checked rows of users "
        "break no rule of severity error. 80 % of the delivered rows were checked: all but repeats and what the "
        "shop file leaves out; an unreadable line counts as a failed row."
    )
    assert "is at least 95.5 %**" in takeaways.quality(report(95.57, **PARTLY))
    assert "(gate of 95 %: passed): 100 of 100 checked rows" in takeaways.quality(report(100.0))
    assert takeaways.quality(report(100.0)).endswith("100 % of the delivered rows were checked.")


def test_used_rows_and_the_others_are_those_delivered():
    assert takeaways.used(report(62.5, **PARTLY)) == (
        "**5 of 10 delivered rows (50 %) are used**. The others: 1 left out by the shop file, 1 repeats of other rows, "
        "2 in quarantine, 1 unreadable."
    )
    assert takeaways.used(report(100.0)) == "**100 of 100 delivered rows (100 %) are used**."


@pytest.mark.parametrize(
    ("score", "counts", "flags", "expected"),
    [
        (100.0, {}, (), ""),
        (96.0, {}, (), ""),
        (95.9, {}, (), "The quality score of 95.9 % is less than a point above the gate of 95 %."),
        (94.99, {}, (), "The quality score of 94.9 % is below the gate of 95 %."),
        (100.0, {"delivered": 10, "good": 9, "excluded": 1}, (), ""),
        (100.0, {"delivered": 10, "good": 8, "excluded": 2}, (), "20 % of the delivered rows are not used."),
        (100.0, {"delivered": 0}, (), ""),
        (100.0, {}, (4.0,), "1 daily delivery differs clearly from those before."),
        (100.0, {}, (4.0, 5.0), "2 daily deliveries differ clearly from those before."),
        (100.0, {}, (1.0,), ""),
    ],
)
def test_what_warns_of_the_data(score, counts, flags, expected):
    table = drift_table(*((9 + n, "volume", value, 3.0, "x") for n, value in enumerate(flags)))
    assert takeaways.warning(report(score, **counts), table) == expected


def test_the_first_fix_is_that_of_most_rows_and_escaped():
    absent = {"problem": "There is no sale.", "rows": 0, "effect": "E."}
    assert takeaways.first_fix({"fixes": []}) == takeaways.first_fix({"fixes": [absent]}) == ""
    fixes = [{"problem": "3 rows <b>.", "rows": 3, "effect": "They are lost."}, absent]
    assert takeaways.first_fix({"fixes": fixes}) == "**To fix first**: 3 rows &lt;b&gt;. They are lost."


def test_only_a_simulated_shop_has_planted_faults():
    assert takeaways.planted(False) == ""
    assert "faults are planted in its data on purpose" in takeaways.planted(True)


NO_ROWS = {"delivered": 0}
NO_RULES = report(100.0) | {"rules": []}


@pytest.mark.parametrize(
    "sentence",
    [
        takeaways.quality(report(100.0, **NO_ROWS)),
        takeaways.used(report(100.0, **NO_ROWS)),
        takeaways.reconciliation(report(100.0, **NO_ROWS)),
        takeaways.most_failed_rules(report(100.0, **NO_ROWS)),
        takeaways.most_failed_rules(NO_RULES),
        takeaways.most_failed_rules(report(100.0), "warning"),
        takeaways.score_by_run(pl.DataFrame({"score": []}, {"score": pl.Float64})),
    ],
)
def test_without_a_base_there_is_no_statement(sentence):
    assert sentence.startswith("*Not applicable: ")
