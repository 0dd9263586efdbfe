"""Takeaways of 02_validate: sentences computed from numbers, with their uncertainty."""

from __future__ import annotations

from typing import Any

import polars as pl

from recomart_lib.core import text
from recomart_lib.core.text import bullets, not_applicable, number, percent, plural, safe
from recomart_lib.validate.remedies import WORDS, remedies
from recomart_lib.validate.row_counts import PLACES

NEAR = 1  # point between the score and the gate that is a warning
MANY_UNUSED = 0.1  # of the delivered rows
NOT_USED = {
    "excluded": "left out by the shop file",
    "duplicates": "repeats of other rows",
    "quarantined": "in quarantine",
    "rejected": "unreadable",
}

PLANTED = (
    "This shop is simulated, and faults are planted in its data on purpose (simulate.dirt_rate): what is found here shows "
    "that the checks work, not how good a real shop's data is."
)


def warning(report: dict[str, Any], drift_table: pl.DataFrame) -> str:
    """What a reader has to know before relying on the data; empty if there is nothing. `drift_table`: see `drift`."""
    reasons, margin = [], report["score"] - report["min_score"]
    if margin < NEAR:
        reasons.append(
            f"The quality score of {text.quality(report['score'])} is "
            f"{'below' if margin < 0 else 'less than a point above'} the gate of {text.quality(report['min_score'])}."
        )
    delivered = _sum(report, "delivered")
    if (unused := delivered - _used(report)) > MANY_UNUSED * delivered:
        reasons.append(f"{percent(unused / delivered)} of the delivered rows are not used.")
    if n_flagged := drift_table.filter("flagged").get_column("day").n_unique():
        deliveries = plural(n_flagged, "daily delivery", "daily deliveries")
        reasons.append(f"{deliveries} {'differs' if n_flagged == 1 else 'differ'} clearly from those before.")
    return " ".join(reasons)


def quality(report: dict[str, Any]) -> str:
    """The score, which rows it counts, and the gate."""
    score, gate = report["score"], text.quality(report["min_score"])
    lowest = min(report["tables"], key=lambda table: report["tables"][table]["score"])
    row = report["tables"][lowest]
    n_passed = row["good"] + row["history"]
    n_checked = n_passed + row["quarantined"] + row["rejected"]
    if not n_checked:
        return not_applicable(f"no row of {lowest} was checked, so there is no quality score.")
    verdict = "passed" if score >= report["min_score"] else "missed, the pipeline stops here"
    name = lowest if len(report["tables"]) == 1 else f"{lowest}, the lowest table,"
    share = f"{percent(n_checked / row['delivered'])} of the delivered rows were checked"
    if n_checked < row["delivered"]:
        share += ": all but repeats and what the shop file leaves out; an unreadable line counts as a failed row"
    rounded = abs(10 * score - round(10 * score)) > 1e-6  # down
    least = "at least " if rounded and score >= report["min_score"] else ""
    return (
        f"**The quality score is {least}{text.quality(score)}** (gate of {gate}: {verdict}): {number(n_passed)} of "
        f"{number(n_checked)} checked rows of {name} break no rule of severity error. {share}."
    )


def used(report: dict[str, Any]) -> str:
    """How many of the delivered rows of all tables are used, and what became of the others."""
    delivered = _sum(report, "delivered")
    if not delivered:
        return not_applicable("no row was delivered.")
    n_used = _used(report)
    others = [f"{number(n)} {words}" for place, words in NOT_USED.items() if (n := _sum(report, place))]
    head = f"**{number(n_used)} of {number(delivered)} delivered rows ({percent(n_used / delivered)}) are used**"
    return f"{head}. The others: {', '.join(others)}." if others else f"{head}."


def _used(report: dict[str, Any]) -> int:
    return _sum(report, "good") + _sum(report, "history")


def _sum(report: dict[str, Any], key: str) -> int:
    return sum(row[key] for row in report["tables"].values())


def planted(simulated: bool) -> str:
    """That the faults of a simulated shop say nothing about real data, as plain text; empty for another shop."""
    return PLANTED if simulated else ""


def first_fix(report: dict[str, Any]) -> str:
    """The first fix that touches rows (see `data_fixes`); empty if there is none."""
    fixes = [fix for fix in report["fixes"] if fix["rows"]]
    return f"**To fix first**: {safe(fixes[0]['problem'])} {safe(fixes[0]['effect'])}" if fixes else ""


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
            others = [place for place in PLACES if row[place] and place != "good"]
            places = "; ".join([good, *(f"{number(row[place])} {place}" for place in others)])
        sentences.append(
            f"**{safe(row['name'])}: {plural(row['rows'], 'row')} of {row['table']}**, {places}: {safe(row['meaning'])}."
        )
    return bullets(*sentences)


def score_by_run(history: pl.DataFrame, n_damaged: int = 0) -> str:
    """The score of this state of the lake and the rules, compared with the previous state."""
    return " ".join(filter(None, [_score_by_run(history), _skipped_scores(n_damaged)]))


def _skipped_scores(n_damaged: int) -> str:
    """That lines of the history were skipped (see `score_history.damaged_lines`); empty if there were none."""
    if not n_damaged:
        return ""
    was = "is" if n_damaged == 1 else "are"
    return (
        f"{plural(n_damaged, 'line')} of data/history/quality.jsonl {was} damaged, as after a killed run, and {was} left "
        "out; the other states are complete."
    )


def _score_by_run(history: pl.DataFrame) -> str:
    if history.height < 2:
        return not_applicable("this is the first validated state of the lake and the rules: none is earlier.")
    change = history.get_column("score")[-1] - history.get_column("score")[-2]
    difference = (
        "the same as" if abs(change) < 0.005 else f"{abs(change):.2f} points {'above' if change > 0 else 'below'}"
    )
    return f"**The score of the latest of {history.height} validated states is {difference} that of the previous one.**"


def score_by_delivery(scores: pl.DataFrame, gate: float) -> str:
    """How many daily deliveries are below the gate: `scores` has day, score (0 to 100) and n (checked rows)."""
    if not scores.height:
        return not_applicable("no daily delivery was checked, so there is no score by day.")
    deliveries = plural(scores.height, "daily delivery", "daily deliveries")
    n_below = scores.filter(pl.col("score") < gate).height
    share = f"{n_below:,} of {deliveries} {'is' if n_below == 1 else 'are'}" if n_below else f"None of {deliveries} is"
    head = f"**{share} below the gate of {text.quality(gate)}.**"
    worst = scores.sort("score", "day").row(0, named=True)
    if scores.height > 1 and worst["score"] == scores.get_column("score").max():
        return f"{head} All have the score {text.quality(worst['score'])}."
    return f"{head} The lowest score is that of {worst['day']}: {text.quality(worst['score'])} of {plural(worst['n'], 'row')}."


def most_failed_rules(report: dict[str, Any], severity: str = "error") -> str:
    """Which rules of a severity most rows fail."""
    rules = [rule for rule in report["rules"] if rule["severity"] == severity]
    if not rules or not _sum(report, "delivered"):
        return not_applicable(f"no row was checked by a rule of severity {severity}.")
    failed = [rule for rule in rules if rule["n_failed"]]
    if not failed:
        return f"No row fails a rule of severity {severity}."
    worst = sorted(failed, key=lambda rule: (-rule["n_failed"], rule["rule"]))[:3]
    names = "; ".join(f"{rule['table']}.{rule['rule']} ({plural(rule['n_failed'], 'row')})" for rule in worst)
    return f"**Rows fail {plural(len(failed), 'rule')} of severity {severity}**, most often: {names}."


def reconciliation(report: dict[str, Any]) -> str:
    """Where all rows ended."""
    sums = {key: _sum(report, key) for key in ("delivered", "rejected", "landed", "repaired", *PLACES)}
    if not sums["delivered"]:
        return not_applicable("no row was delivered.")
    repaired = f" {number(sums['repaired'])} of the rows were repaired and ingested again." if sums["repaired"] else ""
    places = " + ".join(f"{number(sums[place])} {place}" for place in PLACES if sums[place] or place != "history")
    return f"**All {number(sums['landed'])} ingested rows are accounted for**: {places}. {_unreadable(sums)}{repaired}"


def _unreadable(sums: dict[str, int]) -> str:
    if not sums["rejected"]:
        return "Every delivered row could be read."
    return f"{number(sums['rejected'])} of {number(sums['delivered'])} delivered rows could not be read."


def equal_lines(report: dict[str, Any]) -> str:
    """Events without an id that equal an earlier one: which count as sales, which as repeats, and why."""
    events = report["tables"]["events"]
    if "equal_lines" not in events:
        return ""
    counts = events["equal_lines"]
    sentences = []
    if counts["sales"]:
        sentences.append(
            f"**{plural(counts['sales'], 'event')} ({percent(counts['sales'] / events['landed'])}) without an id "
            "equal an earlier line of their file and count as different sales**, because an export is consistent in "
            "itself. If this export writes lines twice, set tables.events.equal_lines: repeats in the shop file."
        )
    if n_repeats := counts["repeats_of_same_file"]:
        sentences.append(
            f"**{plural(n_repeats, 'event')} ({percent(n_repeats / events['landed'])}) without an id equal an earlier "
            "line of their file and are taken for repeats**, as the shop file says (equal_lines: repeats)."
        )
    if n_repeats := counts["repeats_of_other_files"]:
        example = counts["example"]
        sentences.append(
            f"**{plural(n_repeats, 'event')} without an id are repeats of lines of another file** (for example "
            f"{plural(example['n'], 'line')} of {safe(example['source_file'])} that {safe(example['repeat_of'])} has, "
            "too). A line counts as often as in the file that has it most often."
        )
    return " ".join(sentences)


def entities(report: dict[str, Any]) -> str:
    """How often users and items were delivered, what has changed, and who is in the events alone."""
    summaries = report["entities"]
    sentences = [_delivered(table, row) for table, row in summaries.items()]
    sentences += [_later(table, row) for table, row in summaries.items() if row["later"]]
    sentences += [_beside(table, row) for table, row in summaries.items() if row["only_in_events"]]
    sentences += [f"**{safe(remedy)}.**" for remedy in remedies(report)]
    return (
        bullets(*sentences) if sentences else "Users and products are built from the events: the shop delivers neither."
    )


def _delivered(table: str, row: dict[str, Any]) -> str:
    words = WORDS[table]
    if not row["ids"]:
        return not_applicable(f"there is no valid row about {words}.")
    if row["deliveries"] == 1 and not row["changed"]:
        return f"{table}: one delivery; no statement about any of {number(row['ids'])} {words} has changed."
    days = f" ({row['first_delivery']} to {row['last_delivery']})" if row["deliveries"] > 1 else ""
    head = f"**{table}: {plural(row['deliveries'], 'delivery', 'deliveries')}{days}, {number(row['changed'])} of "
    head += f"{number(row['ids'])} {words} have changed.** The newest statement counts; the history keeps "
    head += f"{plural(row['statements'], 'statement')}, for features as of an earlier moment."
    if not (example := row["example"]):
        return head
    before, after = (safe(str(example[name] or "no value")) for name in ("before", "after"))
    return f"{head} For example {safe(example['id'])}: {example['column']} {before} -> {after} on {example['day']}."


def _later(table: str, row: dict[str, Any]) -> str:
    return (
        f"**{plural(row['later'], 'row')} of {table} will hold only after the last ingestion**: they do not count before "
        "an ingestion after that moment, unless nothing else is known about the id."
    )


def _beside(table: str, row: dict[str, Any]) -> str:
    if not row["matched"]:
        return (
            f"**None of the {number(row['only_in_events'])} {WORDS[table]} of the events is in {safe(row['file'])}**, "
            "which is of no use: compare how both write the ids (leading zeros, prefixes), and which columns the shop "
            "file maps."
        )
    return (
        f"**{number(row['only_in_events'])} of {number(row['ids'])} {WORDS[table]} are not in {safe(row['file'])}, but "
        "in the events alone**: all their other columns are null."
    )
