"""Models and metrics beside other packages, in one run: seconds and peak memory.

    python bench/models.py                   # all parts
    python bench/models.py --part metrics    # ranking metrics of 100,000 users with 10 suggestions each

`metrics`: recomart, ranx and Microsoft's recommenders judge the same lists, of 20,000 made-up products with a long
tail; everybody has 1 to 20 relevant ones. "convert" is from a table in memory (recomart: Polars, the others: pandas) to
the package's own form, "judge" is all that follows; CPU seconds are those of all cores together. ranx, which compiles
itself, has judged a few users before. The fastest of several runs counts, each in a process of its own; memory is that
process's peak. A package that is not installed is said to be so: pip install --no-deps recommenders scikit-learn
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from own_process import measured

N_USERS, N_ITEMS, K, MOST_RELEVANT = 100_000, 20_000, 10, 20
Timed = Callable[[], Any]


# metrics -------------------------------------------------------------------------------------------------------------


def make_lists(folder: Path) -> None:
    """lists (user_id, item_id, rank, score = -rank) and relevant (user_id, item_id), rows in no order."""
    rng = np.random.default_rng(0)
    shown = drawn(rng, np.repeat(np.arange(N_USERS), 3 * K)).group_by("user", maintain_order=True).head(K)
    shown = shown.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user"))
    relevant = drawn(rng, np.repeat(np.arange(N_USERS), rng.integers(1, MOST_RELEVANT + 1, N_USERS)))
    for name, table in (("lists", shown.with_columns(score=-pl.col("rank").cast(pl.Float64))), ("relevant", relevant)):
        ids = table.select(pl.format("u{}", "user").alias("user_id"), pl.format("i{}", "item").alias("item_id"),
                           pl.exclude("user", "item"))  # fmt: skip
        ids.sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / f"{name}.parquet")


def drawn(rng: np.random.Generator, users: np.ndarray) -> pl.DataFrame:
    """Distinct products of the users, the popular ones more often."""
    items = (N_ITEMS * rng.beta(0.5, 3, len(users))).astype(int)
    return pl.DataFrame({"user": users, "item": items}).unique(maintain_order=True)


def metrics_recomart(folder: Path) -> dict[str, float]:
    from recomart_lib import metrics

    lists, relevant = (pl.read_parquet(folder / f"{name}.parquet") for name in ("lists", "relevant"))
    lists = lists.drop("score")

    def judge() -> dict[str, float]:
        table = metrics.per_user(lists, relevant, [K])
        return {name: table[f"{name}@{K}"].mean() for name in metrics.NAMES}

    return clocked(lambda: None, lambda _: judge())


def metrics_ranx(folder: Path) -> dict[str, float]:
    os.environ["IR_DATASETS_HOME"] = str(folder / "ir")  # else importing it makes a folder at home
    from ranx import Qrels, Run, evaluate

    names = [f"{name}@{K}" for name in ("precision", "recall", "ndcg", "hit_rate", "mrr", "map")]
    lists, relevant = pandas_tables(folder)
    relevant["score"] = 1

    def convert(n: int | None = None) -> tuple[Any, Any]:
        chosen = relevant["user_id"].unique()[:n]
        keys = {"q_id_col": "user_id", "doc_id_col": "item_id", "score_col": "score"}
        few, shown = (t if n is None else t[t["user_id"].isin(chosen)] for t in (relevant, lists))
        return Qrels.from_df(few, **keys), Run.from_df(shown, **keys)

    evaluate(*convert(50), names)
    return clocked(convert, lambda both: evaluate(*both, names, save_results_in_run=False))


def metrics_recommenders(folder: Path) -> dict[str, float]:
    from recommenders.evaluation import python_evaluation as judges

    lists, relevant = pandas_tables(folder)
    relevant["rating"] = 1.0
    names = {"precision": "precision_at_k", "recall": "recall_at_k", "ndcg": "ndcg_at_k", "map": "map_at_k"}
    columns = {"col_user": "user_id", "col_item": "item_id", "col_prediction": "score", "k": K}
    return clocked(
        lambda: None,
        lambda _: {name: getattr(judges, function)(relevant, lists, **columns) for name, function in names.items()},
    )


def pandas_tables(folder: Path) -> tuple[Any, Any]:
    import pandas as pd

    lists, relevant = (pd.read_parquet(folder / f"{name}.parquet") for name in ("lists", "relevant"))
    return lists.drop(columns="rank"), relevant  # both packages rank by score


def clocked(convert: Timed, judge: Callable[[Any], dict[str, float]]) -> dict[str, float]:
    """Seconds of both steps, and what was found."""
    started = time.perf_counter()
    own = convert()
    converted, cpu = time.perf_counter(), time.process_time()
    found = {name.split("@")[0]: float(value) for name, value in judge(own).items()}
    took = {"judge_s": time.perf_counter() - converted, "judge_cpu_s": time.process_time() - cpu}
    return {"convert_s": converted - started, **took, **found}


def part_metrics(repeats: int) -> None:
    packages = {"recomart": "recomart_lib", "ranx": "ranx", "recommenders": "recommenders"}
    write(f"Ranking metrics, {N_USERS:,} users x {K} suggestions\n")
    write("| with | convert s | judge s | judge, CPU s | peak MiB | metrics | ndcg@10 |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        make_lists(Path(name))
        for what, package in packages.items():
            if importlib.util.find_spec(package) is None:
                write(f"| {what} | not installed | | | | | |")
                continue
            runs = [measured(__file__, f"metrics_{what}", Path(name)) for _ in range(repeats)]
            write(metrics_line(what, runs))


def metrics_line(what: str, runs: list[dict[str, float]]) -> str:
    if failed := [run for run in runs if "error" in run]:
        return f"| {what} | failed ({failed[0]['error']}): {failed[0]['text'].splitlines()[-1]} | | | | | |"
    best = min(runs, key=lambda run: run["convert_s"] + run["judge_s"])
    n_metrics = len(best.keys() & {"precision", "recall", "ndcg", "hit_rate", "mrr", "map"})
    return (f"| {what} | {best['convert_s']:.2f} | {best['judge_s']:.2f} | {best['judge_cpu_s']:.2f} | "
            f"{best['peak_mib']:,.0f} | {n_metrics} | {best['ndcg']:.6f} |")  # fmt: skip


PARTS = {"metrics": part_metrics}
RUNS = {function.__name__: function for function in (metrics_recomart, metrics_ranx, metrics_recommenders)}


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, nargs="*", default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many runs counts")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        result = RUNS[options.run[0]](Path(options.run[1]))
        result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        write("\n" + json.dumps(result))
        return
    for part in options.part:
        PARTS[part](options.repeats)


if __name__ == "__main__":
    main()
