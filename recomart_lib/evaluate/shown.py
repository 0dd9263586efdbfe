"""The tables of 07 as people read them: verdict in the second column, the chosen model first, intervals as text.

Models keep their technical names in the cells: the report shows the plain ones (see core/model_names).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from recomart_lib.core import text
from recomart_lib.core.model_names import plain
from recomart_lib.core.protocol_names import title
from recomart_lib.core.text import interval, p_value, percent, score, signed
from recomart_lib.evaluate.answer_takeaways import SIGNIFICANT
from recomart_lib.evaluate.diagnostics import HOLDOUT

INTERVAL = "ndcg@10 (95 % interval)"
HOLDOUT_NAME = "what users chose"


def leaderboard(board: pl.DataFrame, test: pl.DataFrame | None, answer: Mapping[str, Any] | None) -> pl.DataFrame:
    """One row per model, the chosen one first, then by ndcg@10: its verdict, then its metrics.

    Parameters
    ----------
    board
        See `evaluation.leaderboard`.
    test, answer
        Of its protocol: see `comparison.compare`, `answer.answer`. None without users to evaluate.
    """
    if answer is None or test is None:
        return board.clear().select("model")
    verdicts = {row["model"]: verdict(row) for row in test.to_dicts()} | {answer["model"]: "chosen"}
    if answer["rival"]:
        verdicts[answer["rival"]] += ", strongest simple list"
    rows = [_leaderboard_row(row, verdicts[row["model"]]) for row in board.iter_rows(named=True)]
    return pl.DataFrame(first(rows, answer["model"]))


def _leaderboard_row(row: dict[str, Any], verdict: str) -> dict[str, str]:
    return {
        "model": row["model"],
        "verdict": verdict,
        INTERVAL: interval(row["ndcg@10"], *row["ndcg@10_ci"]),
        "hits of ten": f"{10 * row['precision@10']:.2f}",
        "recall@10": score(row["recall@10"]),
        "hit rate": percent(row["hit_rate@10"]),
        "coverage": percent(row["coverage@10"]),
        "mrr": score(row["mrr@10"]),
        "map": score(row["map@10"]),
        "novelty": None if row["novelty@10"] is None else f"{row['novelty@10']:.2f}",
        "diversity": _score(row["diversity@10"]),
    }


def first(rows: Sequence[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """The rows of a model before the others, each in their order."""
    return sorted(rows, key=lambda row: row["model"] != model)


def verdict(row: Mapping[str, Any]) -> str:
    """What a paired test says of the other model. `row`: of `comparison.compare`."""
    if row["p_holm"] >= SIGNIFICANT:
        return "no clear difference"
    return "significantly worse" if row["difference"] > 0 else "significantly better"


def tests(table: pl.DataFrame) -> pl.DataFrame:
    """The paired tests, chosen minus other: a plus is good. `table`: `Report.comparison_table`."""
    rows = [
        {
            "other model": row["model"],
            "verdict": verdict(row),
            "chosen minus other (95 % interval)": _difference(row),
            "p-value (Holm)": p_value(row["p_holm"]).removeprefix("p = ").removeprefix("p "),
            "ndcg@10 of the other": score(row["mean"]),
            "users": row["n"],
            "protocol": title(row["protocol"]),
            "chosen model": row["reference"],
        }
        for row in table.iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


def target_card(
    card: pl.DataFrame, answers: Mapping[str, Mapping[str, Any] | None], scores: Mapping[str, Any]
) -> pl.DataFrame:
    """The target card, with the strongest simple list. `card`: `target_card.target_card`; `scores`: `Report.scores`."""
    rows = []
    for row in card.iter_rows(named=True):
        rival = (answers[row["protocol"]] or {}).get("rival")
        rows.append(
            {
                "target": f"{row['target']} at least {row['threshold']:g}",
                "verdict": row["verdict"],
                "protocol": title(row["protocol"]),
                "value (95 % interval)": interval(row["value"], row["low"], row["high"]),
                "strongest simple list": _named_score(rival, scores[row["protocol"]], row["target"]),
                "bestsellers": _score(row["floor_popularity"]),
                "best possible (ceiling)": score(row["ceiling"]),
                "model": row["model"],
                "random products": _score(row["floor_random"]),
            }
        )
    return pl.DataFrame(rows)


def _difference(row: Mapping[str, Any]) -> str:
    return f"{signed(row['difference'])} ({signed(row['low'])} to {signed(row['high'])})"


def _named_score(model: str | None, models: Mapping[str, Any], metric: str) -> str | None:
    return f"{score(models[model][metric])}, {plain(model)}" if model else None


def _score(value: float | None) -> str | None:
    return None if value is None else score(value)


def spread(table: pl.DataFrame, protocol: str, chosen: str) -> pl.DataFrame:
    """How ndcg@10 varies from cut to cut. `table`: `diagnostics.over_cuts`."""
    rows = table.filter(pl.col("protocol") == protocol, pl.col("metric") == "ndcg@10").to_dicts()
    return pl.DataFrame(
        [
            {
                "model": row["model"],
                "cuts": row["cuts"],
                "ndcg@10, mean": score(row["mean"]),
                "lowest": score(row["lowest"]),
                "highest": score(row["highest"]),
                "standard deviation": _score(row["sd"]),
            }
            for row in first(rows, chosen)
        ]
    )


def by_split(table: pl.DataFrame) -> pl.DataFrame:
    """One row per model and metric: its score on both splits. `table`: `Report.by_split`."""
    rows = {(row["model"], row["metric"], row["split"]): row for row in table.iter_rows(named=True)}
    keys = dict.fromkeys((model, metric) for model, metric, _ in rows)
    return pl.DataFrame(
        [
            {
                "model": model,
                "metric": metric.replace("_", " "),
                **{
                    f"{split} split (95 % interval)": _mean(rows.get((model, metric, split)))
                    for split in ("time", "random")
                },
                "users": max(row["n"] for key, row in rows.items() if key[:2] == (model, metric)),
            }
            for model, metric in keys
        ]
    )


def _mean(row: Mapping[str, Any] | None) -> str | None:
    return interval(row["mean"], row["low"], row["high"]) if row else None


def cold_users(table: pl.DataFrame) -> pl.DataFrame:
    """The default lists. `table`: `Report.cold_means`."""
    return pl.DataFrame(
        [
            {
                "model": row["model"],
                "cold users": row["users"],
                "ndcg@10": score(row["ndcg@10"]),
                "hits of ten": f"{10 * row['precision@10']:.2f}",
                "recall@10": score(row["recall@10"]),
                "hit rate": percent(row["hit_rate@10"]),
            }
            for row in table.sort("ndcg@10", "model", descending=[True, False]).iter_rows(named=True)
        ]
    )


def catalogue(table: pl.DataFrame, chosen: str) -> pl.DataFrame:
    """How popular the listed products are: the chosen model, what users chose, then the others by popularity.

    `table`: `diagnostics.catalogue_use`.
    """
    rows = table.sort("popularity@10", "model", descending=[True, False], nulls_last=True).to_dicts()
    rows = first(first(rows, HOLDOUT), chosen)
    return pl.DataFrame(
        [
            {
                "model": HOLDOUT_NAME if row["model"] == HOLDOUT else row["model"],
                "popularity percentile": _percent(row["popularity@10"]),
                "of the catalogue shown": percent(row["shown@10"]),
                "gini": f"{row['gini@10']:.2f}",
            }
            for row in rows
        ]
    )


def _percent(value: float | None) -> str | None:
    return None if value is None else percent(value)


def rule_costs(table: pl.DataFrame) -> pl.DataFrame:
    """What each rule changes: with minus without, a plus is good. `table`: `rule_costs.costs`."""
    changes = {(row["protocol"], row["rule"], row["metric"]): row for row in table.iter_rows(named=True)}
    rows = []
    for row in table.filter(pl.col("metric") == "ndcg@10").iter_rows(named=True):
        others = {
            f"{name.replace('_', ' ')}, change": signed(changes[row["protocol"], row["rule"], name]["difference"])
            for name in ("precision@10", "recall@10", "hit_rate@10")
        }
        rows.append(
            {
                "rule": row["rule"],
                "verdict": _effect(row),
                "protocol": title(row["protocol"]),
                "ndcg@10, change (95 % interval)": _difference(row),
                "without": score(row["without"]),
                "with": score(row["with"]),
                "users": row["n"],
                **others,
            }
        )
    return pl.DataFrame(rows)


def _effect(row: Mapping[str, Any]) -> str:
    return "costs" if row["high"] < 0 else "gains" if row["low"] > 0 else "no clear change"


def rule_effects(table: pl.DataFrame) -> pl.DataFrame:
    """What the lists under each rule look like. `table`: `RuleReport.effects`."""
    return pl.DataFrame(
        [
            {
                "rule": row["rule"],
                "protocol": title(row["protocol"]),
                "short lists": row["short"],
                "places filled": percent(row["filled"]),
                "coverage": _percent(row["coverage@10"]),
                "diversity": _score(row["diversity@10"]),
                "long tail": percent(row["long_tail"]),
                "users shown the top product": percent(row["top_share"]),
            }
            for row in table.iter_rows(named=True)
        ]
    )


def diversity(curve: pl.DataFrame) -> pl.DataFrame:
    """ndcg@10 and diversity at each value of the knob. `curve`: `rule_costs.curve`."""
    return pl.DataFrame(
        [
            {
                "lists.diversity": row["knob"],
                "protocol": title(row["protocol"]),
                "ndcg@10": score(row["ndcg@10"]),
                "diversity": _score(row["diversity@10"]),
                "coverage": percent(row["coverage@10"]),
                "users": row["n"],
            }
            for row in curve.iter_rows(named=True)
        ]
    )


def hits(answers: Mapping[str, Mapping[str, Any] | None]) -> pl.DataFrame:
    """Of ten products shown, how many were chosen: the chosen model, then simple lists. `answers`: `Report.answers`."""
    rows = []
    for protocol, found in answers.items():
        own = found["hits"][found["model"]]["value"] if found else 0
        for model, values in (found["hits"] if found else {}).items():
            row = {
                "list": model,
                "verdict": _role(model, found),
                "hits of ten (95 % interval)": _with_interval(values),
                "the chosen model has": _times(own, values["value"]) if model != found["model"] else None,
                "protocol": title(protocol),
            }
            rows.append(row)
    return pl.DataFrame(rows)


def _with_interval(hits: Mapping[str, float]) -> str:
    return f"{text.hits(hits['value'])} ({text.hits(hits['low'])} to {text.hits(hits['high'])})"


def _times(own: float, other: float) -> str | None:
    """`1.12 times as many`; `as many` where both are written alike."""
    if not other:
        return None
    return "as many" if text.hits(own) == text.hits(other) else f"{text.times(own, other)} as many"


def _role(model: str, found: Mapping[str, Any]) -> str:
    if model == found["model"]:
        return "chosen"
    return "strongest simple list" if model == found["rival"] else "simple list"
