"""Can the data be trusted? The score, what it is made of, and the gate."""

from __future__ import annotations

from typing import Any

import polars as pl

from recomart_lib.core.errors import GateError, UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import Landed
from recomart_lib.validate import quality_rules
from recomart_lib.validate.quality_rules import DIMENSIONS
from recomart_lib.validate.row_checks import LABEL, PLACES, Counts
from recomart_lib.validate.settings import Validate

ASKED = {"table": pl.String, "kind": pl.String, "name": pl.String, "meaning": pl.String, "rows": pl.Int64}
ASKED |= dict.fromkeys(PLACES, pl.Int64) | {"became": pl.String}


def report(counts: dict[str, Counts], landed: dict[str, Landed], params: Validate) -> dict[str, Any]:
    """The quality report (reports/metrics/quality.json).

    The score of a table is 100 x rows that pass every error rule / rows judged; judged are all delivered rows but
    excluded ones and duplicates, and a line that could not be read is judged and fails. Overall: the lowest table.
    Beside it stand the scores of `rulebook.DIMENSIONS`, for which warnings count as well.

    Raises
    ------
    UserError
        If landed is not good + quarantined + duplicates + excluded in some table: rows were lost or doubled.
    """
    tables = {table: _table_report(table, counts[table], landed[table], params) for table in landed}
    dimensions = {
        name: min((row["dimensions"][name] for row in tables.values() if name in row["dimensions"]), default=None)
        for name in DIMENSIONS
    }
    return {
        "score": min(row["score"] for row in tables.values()),
        "min_score": 100 * params.min_quality,
        "dimensions": dimensions,
        "tables": tables,
        "rules": _rule_counts(counts, params),
    }


def _table_report(table: str, counts: Counts, landed: Landed, params: Validate) -> dict[str, Any]:
    row: dict[str, Any] = {"delivered": landed.height + landed.n_rejected, "rejected": landed.n_rejected}
    row |= {"landed": landed.height, "repaired": landed.repairs.height, **{place: counts[place] for place in PLACES}}
    n_placed = sum(row[place] for place in PLACES)
    if row["landed"] != n_placed:
        raise UserError(
            f"{table}: {row['landed']} rows landed, but {n_placed} are accounted for. Rows were lost or doubled."
        )
    n_judged = row["good"] + row["quarantined"] + row["rejected"]
    row["score"] = 100 * row["good"] / n_judged if n_judged else 100.0
    row["dimensions"] = _dimension_scores(table, counts, row, params)
    excluded = counts.ledger.filter(pl.col("place") == "excluded").group_by(LABEL).agg(pl.col("n").sum()).sort(LABEL)
    return row | {"exclusions": dict(excluded.iter_rows()), "groups": counts.groups.to_dicts()}


def _dimension_scores(table: str, counts: Counts, row: dict[str, Any], params: Validate) -> dict[str, float]:
    """Dimension -> its score (see `rulebook.DIMENSIONS`), for those that some rule of the table speaks of."""
    failed = dict(counts.touched.iter_rows())
    scores = {}
    for name in {rule.dimension: None for rule in quality_rules.rules(params, table)}:
        n_failed = failed.get(name, 0) + {"validity": row["rejected"], "uniqueness": row["duplicates"]}.get(name, 0)
        n_judged = (
            row["good"] + row["quarantined"] + row["rejected"] + (row["duplicates"] if name == "uniqueness" else 0)
        )
        scores[name] = 100 * (1 - n_failed / n_judged) if n_judged else 100.0
    return {name: scores[name] for name in DIMENSIONS if name in scores}


def _rule_counts(counts: dict[str, Counts], params: Validate) -> list[dict[str, Any]]:
    found = {table: dict(some.broken.iter_rows()) for table, some in counts.items()}
    return [
        {
            "table": rule.table,
            "rule": rule.name,
            "dimension": rule.dimension,
            "severity": rule.severity,
            "sentence": rule.sentence,
            "n_failed": found[rule.table].get(rule.name, 0),
        }
        for rule in quality_rules.rules(params)
        if rule.table in found
    ]


def by_drop(counts: Counts, landed: Landed) -> pl.DataFrame:
    """The score of each daily drop of a table.

    Returns
    -------
    DataFrame
        One row per day: day, n (rows judged, unreadable lines among them), score (0 to 100).
    """
    lines = (
        landed.files.filter(pl.col("n_rejected") > 0)
        .select("day", n="n_rejected")
        .with_columns(place=pl.lit("rejected"))
    )
    rows = counts.ledger.filter(pl.col("place").is_in(["good", "quarantined"])).select(
        pl.col("drop_day").alias("day"), "n", "place"
    )
    together = pl.concat([rows, lines.select(rows.columns)]).drop_nulls("day")
    good = pl.col("n").filter(pl.col("place") == "good").sum()
    days = together.group_by("day").agg(pl.col("n").sum(), score=100 * good / pl.col("n").sum())
    return days.sort("day")


def sides(report: dict[str, Any]) -> pl.DataFrame:
    """One row per dimension: what it means, and its score (0 to 100) in each table and overall (the lowest)."""
    rows = [
        {"side": name, "overall": report["dimensions"][name]}
        | {table: row["dimensions"].get(name) for table, row in report["tables"].items()}
        | {"meaning": meaning}
        for name, meaning in DIMENSIONS.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def asked_about(shop: Shop, report: dict[str, Any]) -> pl.DataFrame:
    """What became of the rows that the shop file speaks of.

    Returns
    -------
    DataFrame
        One row per exclusion or group: table, kind (exclusion or group), name, meaning, rows, good, quarantined,
        duplicates, excluded, became (the event types of its good rows, with their numbers).
    """
    found = []
    for table, row in report["tables"].items():
        for name, rule in shop.table(table).exclude.items():
            n = row["exclusions"].get(name, 0)
            places = {**dict.fromkeys(PLACES, 0), "excluded": n}
            found.append(
                {
                    "table": table,
                    "kind": "exclusion",
                    "name": name,
                    "meaning": rule.reason,
                    "rows": n,
                    **places,
                    "became": "",
                }
            )
        for name, group in shop.table(table).groups.items():
            parts = [part for part in row["groups"] if part["group"] == name]
            places = {place: sum(p["n"] for p in parts if p["place"] == place) for place in PLACES}
            became = [f"{part['n']:,} {part['event_type']}" for part in parts if part["place"] == "good"]
            found.append(
                {
                    "table": table,
                    "kind": "group",
                    "name": name,
                    "meaning": group.meaning,
                    "rows": sum(places.values()),
                    **places,
                    "became": ", ".join(became),
                }
            )
    return pl.DataFrame(found, schema=ASKED)


def gate(quality: dict[str, Any]) -> None:
    """Stop the pipeline if the data is not good enough.

    Raises
    ------
    GateError
        If the score is below validate.min_quality, or a table has no good row; the rules that cost most are named.
    """
    for table, row in quality["tables"].items():
        if not row["good"]:
            raise GateError(f"{table}: none of {row['delivered']} delivered rows is good; {_costliest(quality)}.")
    if quality["score"] < quality["min_score"]:
        raise GateError(
            f"The quality score is {quality['score']:.2f} %, below validate.min_quality = "
            f"{quality['min_score']:.1f} %; {_costliest(quality)}. "
            "Mend the feed (`recomart quarantine show` says which rows), or the rule in params.yaml."
        )


def _costliest(quality: dict[str, Any]) -> str:
    failed = [
        (rule["n_failed"], f"{rule['table']}.{rule['rule']}")
        for rule in quality["rules"]
        if rule["severity"] == "error"
    ]
    failed += [(row["rejected"], f"{table}.unreadable lines") for table, row in quality["tables"].items()]
    worst = [f"{name} ({count} rows)" for count, name in sorted(failed, reverse=True)[:3] if count]
    return f"it fails most in: {', '.join(worst)}" if worst else "no row was judged"
