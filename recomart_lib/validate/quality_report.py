"""The quality report: the score, its parts, and the quality gate."""

from __future__ import annotations

from typing import Any

import polars as pl

from recomart_lib.core import text
from recomart_lib.core.errors import GateError, UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import LakeTable
from recomart_lib.validate import quality_rules
from recomart_lib.validate.equal_lines import REPEAT_OF
from recomart_lib.validate.quality_rules import DIMENSIONS
from recomart_lib.validate.remedies import remedies
from recomart_lib.validate.row_counts import LABEL, PLACES, Counts
from recomart_lib.validate.settings import Validate

DECLARED = {"table": pl.String, "kind": pl.String, "name": pl.String, "meaning": pl.String, "rows": pl.Int64}
DECLARED |= dict.fromkeys(PLACES, pl.Int64) | {"event_types": pl.String}


def report(
    counts: dict[str, Counts],
    lake_tables: dict[str, LakeTable],
    settings: Validate,
    entities: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The quality report (reports/metrics/quality.json).

    The score of a table is 100 x rows that pass every error rule (good rows, and those that are history) / checked
    rows. Checked rows are all delivered rows except excluded rows and duplicates; a line that could not be read counts
    as checked and failed. The overall score is that of the lowest table. The scores of the `quality_rules.DIMENSIONS`
    count warnings as well. `entities` (see `entity_summary`) is what the page says about users and items.

    Raises
    ------
    UserError
        If the rows of a table are not the sum of those in `row_counts.PLACES`: rows were lost or duplicated.
    """
    tables = {table: _table_report(table, counts[table], lake_tables[table], settings) for table in lake_tables}
    dimensions = {
        name: min((row["dimensions"][name] for row in tables.values() if name in row["dimensions"]), default=None)
        for name in DIMENSIONS
    }
    return {
        "score": min(row["score"] for row in tables.values()),
        "min_score": 100 * settings.min_quality,
        "dimensions": dimensions,
        "tables": tables,
        "rules": _rule_counts(counts, settings),
        "entities": entities or {},
    }


def _table_report(table: str, counts: Counts, lake_table: LakeTable, settings: Validate) -> dict[str, Any]:
    row: dict[str, Any] = {"delivered": lake_table.height + lake_table.n_rejected, "rejected": lake_table.n_rejected}
    row |= {"landed": lake_table.height, "repaired": lake_table.repairs.height}
    row |= {place: counts[place] for place in PLACES}
    n_placed = sum(row[place] for place in PLACES)
    if row["landed"] != n_placed:
        raise UserError(
            f"{table}: {row['landed']} rows were ingested, but {n_placed} are accounted for. "
            "Rows were lost or duplicated."
        )
    n_passed = row["good"] + row["history"]
    n_checked = n_passed + row["quarantined"] + row["rejected"]
    row["score"] = 100 * n_passed / n_checked if n_checked else 100.0
    row["dimensions"] = _dimension_scores(table, counts, row, settings)
    excluded = (
        counts.placements.filter(pl.col("place") == "excluded").group_by(LABEL).agg(pl.col("n").sum()).sort(LABEL)
    )
    row |= {"exclusions": dict(excluded.iter_rows()), "groups": counts.groups.to_dicts()}
    return row | ({"equal_lines": _equal_lines(counts.equal_lines)} if counts.equal_lines.height else {})


def _equal_lines(counts: pl.DataFrame) -> dict[str, Any]:
    """Rows without an id that equal an earlier row: sales, repeats of the same file, repeats of other files.

    `example` (None: there is none) is the pair of files with most repeats: source_file, repeat_of, n.
    """
    repeats = counts.drop_nulls(REPEAT_OF)
    others = repeats.filter(pl.col("source_file") != pl.col(REPEAT_OF)).sort("n", descending=True, maintain_order=True)
    n_repeats, n_others = repeats.get_column("n").sum(), others.get_column("n").sum()
    return {
        "sales": counts.get_column("n").sum() - n_repeats,
        "repeats_of_same_file": n_repeats - n_others,
        "repeats_of_other_files": n_others,
        "example": others.row(0, named=True) if others.height else None,
    }


def _dimension_scores(table: str, counts: Counts, row: dict[str, Any], settings: Validate) -> dict[str, float]:
    """Dimension -> its score (see `quality_rules.DIMENSIONS`), for the dimensions of the table's rules."""
    failed = dict(counts.failed_dimensions.iter_rows())
    scores = {}
    for name in {rule.dimension: None for rule in quality_rules.rules(settings, table)}:
        n_failed = failed.get(name, 0) + {"validity": row["rejected"], "uniqueness": row["duplicates"]}.get(name, 0)
        n_checked = row["good"] + row["history"] + row["quarantined"] + row["rejected"]
        n_checked += row["duplicates"] if name == "uniqueness" else 0
        scores[name] = 100 * (1 - n_failed / n_checked) if n_checked else 100.0
    return {name: scores[name] for name in DIMENSIONS if name in scores}


def _rule_counts(counts: dict[str, Counts], settings: Validate) -> list[dict[str, Any]]:
    n_failed = {table: dict(table_counts.failed_rules.iter_rows()) for table, table_counts in counts.items()}
    return [
        {
            "table": rule.table,
            "rule": rule.name,
            "dimension": rule.dimension,
            "severity": rule.severity,
            "sentence": rule.sentence,
            "n_failed": n_failed[rule.table].get(rule.name, 0),
        }
        for rule in quality_rules.rules(settings)
        if rule.table in n_failed
    ]


def by_delivery(counts: Counts, lake_table: LakeTable) -> pl.DataFrame:
    """The score of each daily delivery of a table.

    Returns
    -------
    DataFrame
        One row per day: day, n (checked rows, unreadable lines included), score (0 to 100).
    """
    lines = (
        lake_table.files.filter(pl.col("n_rejected") > 0)
        .select("day", n="n_rejected")
        .with_columns(place=pl.lit("rejected"))
    )
    rows = counts.placements.filter(pl.col("place").is_in(["good", "quarantined"])).select(
        pl.col("delivery_day").alias("day"), "n", "place"
    )
    checked = pl.concat([rows, lines.select(rows.columns)]).drop_nulls("day")
    good = pl.col("n").filter(pl.col("place") == "good").sum()
    days = checked.group_by("day").agg(pl.col("n").sum(), score=100 * good / pl.col("n").sum())
    return days.sort("day")


def by_table(report: dict[str, Any]) -> pl.DataFrame:
    """One row per table, for display: its score (as text), the delivered rows, and the places in which they ended."""
    order = ("good", "excluded", "duplicates", "quarantined", "history")
    places = {name: name for name in order} | {"unreadable": "rejected", "ingested": "landed"}
    rows = [
        {"table": table, "quality score": text.quality(row["score"]), "delivered": row["delivered"]}
        | {name: row[key] for name, key in places.items()}
        for table, row in report["tables"].items()
    ]
    return pl.DataFrame(rows)


def dimensions(report: dict[str, Any]) -> pl.DataFrame:
    """One row per dimension: dimension, overall (the lowest table), each table (scores, as text), meaning."""
    rows = [
        {"dimension": name, "overall": _shown(report["dimensions"][name])}
        | {table: _shown(row["dimensions"].get(name)) for table, row in report["tables"].items()}
        | {"meaning": meaning}
        for name, meaning in DIMENSIONS.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _shown(score: float | None) -> str | None:
    return None if score is None else text.quality(score)


def exclusions_and_groups(shop: Shop, report: dict[str, Any]) -> pl.DataFrame:
    """Where the rows ended that the shop file declares as exclusions or groups.

    Returns
    -------
    DataFrame
        One row per exclusion or group: table, kind (exclusion or group), name, meaning, rows, good, quarantined,
        duplicates, excluded, event_types (of its good rows, with their numbers).
    """
    records = []
    for table, row in report["tables"].items():
        for name, rule in shop.table(table).exclude.items():
            places = {**dict.fromkeys(PLACES, 0), "excluded": row["exclusions"].get(name, 0)}
            records.append((table, "exclusion", name, rule.reason, places, []))
        for name, group in shop.table(table).groups.items():
            parts = [part for part in row["groups"] if part["group"] == name]
            places = {place: sum(part["n"] for part in parts if part["place"] == place) for place in PLACES}
            event_types = [f"{part['n']:,} {part['event_type']}" for part in parts if part["place"] == "good"]
            records.append((table, "group", name, group.meaning, places, event_types))
    rows = [(*record, sum(places.values()), *places.values(), ", ".join(types)) for *record, places, types in records]
    return pl.DataFrame(rows, schema=DECLARED, orient="row")


def gate(quality: dict[str, Any]) -> None:
    """Stop the pipeline if the data is not good enough.

    Raises
    ------
    GateError
        If the score is below validate.min_quality, or a table has no good row; the message names the worst rules.
    """
    for table, row in quality["tables"].items():
        if not row["good"]:
            raise GateError(
                f"{table}: none of {row['delivered']} delivered rows is good; {_worst_rules(quality)}."
                + "".join(f" {remedy}." for remedy in remedies(quality))
            )
    if quality["score"] < quality["min_score"]:
        raise GateError(
            f"The quality score is {quality['score']:.2f} %, below validate.min_quality = "
            f"{quality['min_score']:.1f} %; {_worst_rules(quality)}. "
            "Fix the feed (`recomart quarantine show` lists the rows), or change the rule: `rules` in the shop file, "
            "or validate.rules in params.yaml." + "".join(f" {remedy}." for remedy in remedies(quality))
        )


def _worst_rules(quality: dict[str, Any]) -> str:
    failed = [
        (rule["n_failed"], f"{rule['table']}.{rule['rule']}")
        for rule in quality["rules"]
        if rule["severity"] == "error"
    ]
    failed += [(row["rejected"], f"{table}.unreadable lines") for table, row in quality["tables"].items()]
    worst = [f"{name} ({count} rows)" for count, name in sorted(failed, reverse=True)[:3] if count]
    return f"most failures: {', '.join(worst)}" if worst else "no row was checked"
