"""`recomart shop check --rules`: what the dry run of a shop says, as tables and sentences."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recomart.cli import document
from recomart.cli.output import echo, show_table, warn
from recomart.dry_run import resources, result
from recomart.dry_run.result import Result
from recomart.project.params import Params
from recomart_lib.core import model_names
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import percent, quality

WINDOWS = {
    "users_in_window": "users",
    "cold_users": "of them new",
    "evaluated_all": "evaluable",
    "evaluated_novel": "evaluable, new products",
}


def show(shop: Shop, source: Path, parameters: Params) -> None:
    """Print what the stages will say about a shop's files.

    Raises
    ------
    UserError
        If a stage would stop: its sentence, after everything was printed.
    """
    found = result.run(shop, source, parameters)
    _show_sample(found)
    if found.sample.tables:
        for part in (_show_scores, _show_findings, _show_windows, _show_models, _show_estimate):
            part(found)
    document.record("stops", found.stops)
    if found.stops:
        (stage, sentence), *others = found.stops.items()
        for other, reason in others:
            warn(f"{other} would stop, too. {reason}")
        document.complete()
        raise UserError(f"{stage} would stop. {sentence}")


def _show_sample(found: Result) -> None:
    rows = [
        {
            "table": table,
            "files": reading.n_files,
            "lines": reading.estimated,
            "read": reading.delivered,
            "unreadable": reading.n_rejects,
            "in_sample": found.sample.tables[table].rows.height,
        }
        for table, reading in found.sample.readings.items()
    ]
    document.record_table("sample", rows)
    problems = [problem._asdict() for problem in found.sample.problems]
    document.record_table("problems", problems)
    for problem in found.sample.problems:
        warn(f"{problem.table}: {problem.message}")
    if not document.is_open():
        echo("")
    for row in rows:
        part = "all" if row["in_sample"] == row["lines"] - row["unreadable"] else f"{row['in_sample']:,} of"
        echo(f"{row['table']}: the rules check {part} {row['lines']:,} lines{_how(found, row['table'])}.")


def _how(found: Result, table: str) -> str:
    reading = found.sample.readings[table]
    parts = []
    if table == "events" and reading.share < 1:
        parts.append(f"all events of {percent(reading.share)} of the users")
    if not reading.is_complete:
        parts.append(
            f"{reading.delivered:,} were read; the number of all lines is estimated from the size of the files"
        )
    return f" ({'; '.join(parts)})" if parts else ""


def _show_scores(found: Result) -> None:
    shown = found.scores.with_columns(pl.col("score").map_elements(quality, pl.String).alias("predicted score")).drop(
        "score"
    )
    if not document.is_open():
        echo("")
    show_table("scores", shown, numbers=["predicted score"], raw=found.scores)
    passes = "02_validate" not in found.stops
    gate = {"score": found.score, "min_score": found.min_score, "passes": passes}
    if not document.record("gate", gate):
        verdict = "passes" if passes else "stops here"
        echo(
            f"The gate of 02 ({quality(found.min_score)}): {verdict}, with a predicted score of {quality(found.score)}."
        )


def _show_findings(found: Result) -> None:
    rows = [one._asdict() for one in found.findings]
    if not document.is_open():
        echo("\nWhat costs rows, or could be read otherwise, and the key that changes it:" if rows else "")
    shown = [
        {
            "finding": one.finding,
            "rows": one.rows or None,
            "score then": None if one.score_then is None else quality(one.score_then),
            "key of the shop file": one.advice,
        }
        for one in found.findings
    ]
    schema = {"finding": pl.String, "rows": pl.Int64, "score then": pl.String, "key of the shop file": pl.String}
    table = pl.DataFrame(shown, schema=schema)
    show_table("findings", table, numbers=["score then"], raw=rows, empty="No row breaks a rule of severity error.")


def _show_windows(found: Result) -> None:
    document.record_table("windows", found.windows)
    document.record("notes", found.notes)
    if document.is_open():
        return
    echo("")
    if not found.windows:
        echo(f"Windows: not known; {found.no_windows.rstrip('.')}.")
        return
    about = "" if found.sample.is_whole else ", estimated from the sample"
    echo(f"The windows of 04, and the users that each can evaluate{about}:")
    show_table("windows", pl.DataFrame(found.windows).rename(WINDOWS))
    for note in found.notes:
        echo(note)


def _show_models(found: Result) -> None:
    document.record("catalogue", found.catalogue)
    document.record_table("left_out", [{"model": name, "reason": reason} for name, reason in found.left_out.items()])
    if document.is_open() or not found.catalogue:
        return
    all_products, before, users = found.catalogue.values()
    echo(
        f"\nThe catalogue: {all_products:,} products. Models are fitted on the {before:,} products and {users:,} users "
        "before the test window."
    )
    for name, reason in found.left_out.items():
        echo(f"{model_names.plain(name)} ({name}) will be left out: {reason}.")
    if not found.left_out:
        echo("No model will be left out.")


def _show_estimate(found: Result) -> None:
    if found.estimate is None:
        return
    estimate = found.estimate
    (low_s, high_s), (low_gib, high_gib) = estimate.seconds, estimate.memory
    fields = {"seconds_low": low_s, "seconds_high": high_s, "gib_low": low_gib, "gib_high": high_gib}
    if document.record("full_run", {**fields, "rows_per_s": estimate.rows_per_s}):
        return
    time, memory = resources.duration(low_s, high_s), resources.size(low_gib, high_gib)
    echo(
        f"\nA full run takes {time} and {memory} of memory on two cores (from the measured runs of docs/benchmarks.md; "
        f"reading: {estimate.rows_per_s:,.0f} lines per second here)."
    )
