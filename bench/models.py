"""Models and metrics beside other packages, in one run: seconds and peak memory.

    python bench/models.py                   # all parts
    python bench/models.py --part metrics    # ranking metrics of 100,000 users with 10 suggestions each
    python bench/models.py --part top        # top-10 from the SVD for 1,000 users and 5,000 items
    python bench/models.py --part fit        # every model on online_retail (RECOMART_DATA), a chain and a million pairs

`metrics`: recomart, ranx and Microsoft's recommenders evaluate the same lists, of 20,000 synthetic products with a
long tail; every user has 1 to 20 relevant ones. "convert" is from a table in memory (recomart: Polars, the others:
pandas) to the package's own form, "evaluate" is all that follows, also in CPU seconds. ranx, which compiles its code,
has evaluated a few users before. The fastest of several runs counts, each in a process of its own; memory is the peak
of that process. Packages that are not installed are reported: pip install ranx; pip install --no-deps recommenders
scikit-learn

`top`: lists from the same ratings by the same SVD, ours in blocks from its factors, Surprise's own way by an
anti-testset (every pair that is not rated) and one estimate each. Memory is what the lists add to the fitted process.
`fit`: seconds, and what fitting adds to the memory of the process; `chain` has 2,373 users and 19,164 items.
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
from own_process import ROOT, measured

N_USERS, N_ITEMS, K, MOST_RELEVANT = 100_000, 20_000, 10, 20
Timed = Callable[[], Any]


# metrics -------------------------------------------------------------------------------------------------------------


def make_lists(folder: Path) -> None:
    """lists (user_id, item_id, rank, score = -rank) and relevant (user_id, item_id), rows in no order."""
    rng = np.random.default_rng(0)
    shown = sample_items(rng, np.repeat(np.arange(N_USERS), 3 * K)).group_by("user", maintain_order=True).head(K)
    shown = shown.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user"))
    relevant = sample_items(rng, np.repeat(np.arange(N_USERS), rng.integers(1, MOST_RELEVANT + 1, N_USERS)))
    for name, table in (("lists", shown.with_columns(score=-pl.col("rank").cast(pl.Float64))), ("relevant", relevant)):
        ids = table.select(
            pl.format("u{}", "user").alias("user_id"),
            pl.format("i{}", "item").alias("item_id"),
            pl.exclude("user", "item"),
        )
        ids.sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / f"{name}.parquet")


def sample_items(rng: np.random.Generator, users: np.ndarray) -> pl.DataFrame:
    """Distinct products of the users, the popular ones more often."""
    items = (N_ITEMS * rng.beta(0.5, 3, len(users))).astype(int)
    return pl.DataFrame({"user": users, "item": items}).unique(maintain_order=True)


def metrics_recomart(folder: Path) -> dict[str, float]:
    from recomart_lib.metrics import ranking

    lists, relevant = (pl.read_parquet(folder / f"{name}.parquet", glob=False) for name in ("lists", "relevant"))
    lists = lists.drop("score")

    def evaluate_lists() -> dict[str, float]:
        table = ranking.per_user(lists, relevant, [K])
        return {name: table[f"{name}@{K}"].mean() for name in ranking.NAMES}

    return timed(lambda: None, lambda _: evaluate_lists())


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
    return timed(convert, lambda both: evaluate(*both, names, save_results_in_run=False))


def metrics_recommenders(folder: Path) -> dict[str, float]:
    from recommenders.evaluation import python_evaluation

    lists, relevant = pandas_tables(folder)
    relevant["rating"] = 1.0
    names = {"precision": "precision_at_k", "recall": "recall_at_k", "ndcg": "ndcg_at_k", "map": "map_at_k"}
    columns = {"col_user": "user_id", "col_item": "item_id", "col_prediction": "score", "k": K}
    return timed(
        lambda: None,
        lambda _: {
            name: getattr(python_evaluation, function)(relevant, lists, **columns) for name, function in names.items()
        },
    )


def pandas_tables(folder: Path) -> tuple[Any, Any]:
    import pandas as pd

    lists, relevant = (pd.read_parquet(folder / f"{name}.parquet") for name in ("lists", "relevant"))
    return lists.drop(columns="rank"), relevant  # both packages rank by score


def timed(convert: Timed, evaluate: Callable[[Any], dict[str, float]]) -> dict[str, float]:
    """Seconds of both steps, and the metrics."""
    started = time.perf_counter()
    own = convert()
    converted, cpu = time.perf_counter(), time.process_time()
    metrics = {name.split("@")[0]: float(value) for name, value in evaluate(own).items()}
    seconds = {"evaluate_s": time.perf_counter() - converted, "evaluate_cpu_s": time.process_time() - cpu}
    return {"convert_s": converted - started, **seconds, **metrics}


def part_metrics(repeats: int) -> None:
    packages = {"recomart": "recomart_lib", "ranx": "ranx", "recommenders": "recommenders"}
    write(f"Ranking metrics, {N_USERS:,} users x {K} suggestions\n")
    write("| with | convert s | evaluate s | evaluate, CPU s | peak MiB | metrics | ndcg@10 |")
    write("|---|---|---|---|---|---|---|")
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
    best = min(runs, key=lambda run: run["convert_s"] + run["evaluate_s"])
    n_metrics = len(best.keys() & {"precision", "recall", "ndcg", "hit_rate", "mrr", "map"})
    return (
        f"| {what} | {best['convert_s']:.2f} | {best['evaluate_s']:.2f} | {best['evaluate_cpu_s']:.2f} | "
        f"{best['peak_mib']:,.0f} | {n_metrics} | {best['ndcg']:.6f} |"
    )


# top-10 of the SVD ---------------------------------------------------------------------------------------------------


def rated() -> pl.DataFrame:
    """100 ratings of each of 1,000 users, among 5,000 items."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(1_000), 100)
    items = np.concatenate([rng.choice(5_000, 100, replace=False) for _ in range(1_000)])
    table = pl.DataFrame({"user_idx": users, "item_idx": items, "rating": rng.integers(1, 6, len(users)).astype(float)})
    return table.cast({"user_idx": pl.Int32, "item_idx": pl.Int32}).sort("user_idx", "item_idx")


def top_recomart(folder: Path) -> dict[str, float]:
    from recomart_lib import models
    from recomart_lib.models.top_k import recommend

    data = train_data(rated(), 1_000, 5_000)
    model = models.create("svd", n_factors=50, n_epochs=5).fit(data)
    return added(lambda: recommend(model, np.arange(1_000), K, data.relevant).height)


def top_surprise(folder: Path) -> dict[str, float]:
    import heapq
    from collections import defaultdict

    import surprise

    frame = rated().to_pandas()
    train = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    model = surprise.SVD(n_factors=50, n_epochs=5, random_state=42).fit(train)

    def lists() -> int:
        best = defaultdict(list)
        for guess in model.test(train.build_anti_testset()):
            best[guess.uid].append((guess.est, guess.iid))
        return sum(len(heapq.nlargest(K, estimates)) for estimates in best.values())

    return added(lists)


def train_data(pairs: pl.DataFrame, n_users: int, n_items: int) -> Any:
    """TrainData of pairs with user_idx and item_idx; a rating if there is one, else one purchase in the last year."""
    from datetime import UTC, datetime, timedelta

    from recomart_lib.models.base import TrainData

    cut = datetime(2025, 1, 1, tzinfo=UTC)
    last = pl.lit(cut - timedelta(days=1)) - pl.duration(hours=pl.int_range(pl.len()) % 8_000)
    whole = pairs.with_columns(
        weight=1.0, n_events=1, n_relevant=1, n_orders=1, last_timestamp=last, last_relevant_timestamp=last
    )
    if "rating" not in pairs.columns:
        whole = whole.with_columns(rating=pl.lit(None, pl.Float64))
    return TrainData.of(whole, n_users, n_items, cut)


def added(work: Callable[[], int]) -> dict[str, float]:
    """Seconds of the work, and the memory (MiB) by which it raised the peak of this process."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "rows": rows,
        "added_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def part_top(repeats: int) -> None:
    write("\nTop-10 from the SVD, 1,000 users x 5,000 items\n")
    write("| with | s | added MiB | rows | times faster |\n|---|---|---|---|---|")
    theirs = measured(__file__, "top_surprise", Path())
    runs = [measured(__file__, "top_recomart", Path()) for _ in range(repeats)]
    ours = min(runs, key=lambda run: run["seconds"])
    for what, run in (("Surprise's anti-testset", theirs), ("recomart", ours)):
        write(
            f"| {what} | {run['seconds']:.3f} | {run['added_mib']:,.0f} | {run['rows']:,} | "
            f"{theirs['seconds'] / run['seconds']:,.0f} |"
        )


# fit times -----------------------------------------------------------------------------------------------------------


def fit_model(folder: Path) -> dict[str, float]:
    """`folder` is data set and model, as retail/ease."""
    from recomart_lib import models

    data = {"retail": retail, "chain": chain, "million": million}[folder.parent.name]()
    return added(lambda: len(models.create(folder.name).fit(data).arrays))


def retail() -> Any:
    from recomart.reference import reproduce

    return reproduce.online_retail(data_folder() / reproduce.SALES).data


def million() -> Any:
    """1,000,000 distinct pairs of 50,000 users and 5,000 items, the popular ones more often."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 50_000, 1_400_000), 5_000 * rng.beta(0.5, 2, 1_400_000)
    return distinct_pairs(users, items, 1_000_000, 50_000, 5_000)


def chain() -> Any:
    """75,000 distinct pairs of a grocery chain's 2,373 users and 19,164 items: far more items than users."""
    rng = np.random.default_rng(0)
    users, items = 2_373 * rng.beta(0.8, 2, 225_000), 19_164 * rng.beta(0.6, 2.5, 225_000)
    return distinct_pairs(users, items, 75_000, 2_373, 19_164)


def distinct_pairs(users: np.ndarray, items: np.ndarray, n: int, n_users: int, n_items: int) -> Any:
    """TrainData of the first n distinct pairs."""
    table = pl.DataFrame({"user_idx": users.astype(np.int32), "item_idx": items.astype(np.int32)})
    return train_data(table.unique(maintain_order=True).head(n), n_users, n_items)


def data_folder() -> Path:
    return Path(os.environ.get("RECOMART_DATA", ROOT.parent / "shared" / "data"))


def part_fit(repeats: int) -> None:
    from recomart_lib import models

    sets = [*(["retail"] if (data_folder() / "online_retail").is_dir() else []), "chain", "million"]
    write(
        f"\nFit times: {', '.join(sets)}\n\n| model | " + " | ".join(f"{name}: s | added MiB" for name in sets) + " |"
    )
    write("|---|" + "---|---|" * len(sets))
    for name in (name for name in models.MODELS if name not in LEFT_OUT):
        runs = [measured(__file__, "fit_model", Path(one) / name) for one in sets]
        cells = (f"{run['seconds']:.2f} | {run['added_mib']:,.0f}" if "seconds" in run else "failed |" for run in runs)
        write(f"| {name} | " + " | ".join(cells) + " |")


# these need tables that only the pipeline makes, or (svdpp) fit derived ratings for minutes
LEFT_OUT = ("repurchase", "two_stage", "basket", "content", "segment_popularity", "svdpp")
PARTS = {"metrics": part_metrics, "top": part_top, "fit": part_fit}
RUNS = {
    function.__name__: function
    for function in (metrics_recomart, metrics_ranx, metrics_recommenders, top_recomart, top_surprise, fit_model)
}


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, nargs="*", default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3, help="number of runs; the fastest counts")
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
