"""From lists of every model to the verdict: reads tables, knows no model.

`recommendations` has one row per suggestion: model, protocol, user_id, item_id, rank. `relevant` maps a protocol to
its distinct pairs (user_id, item_id); in *novel* the pairs that the user already had are left out by the caller, and
so are the same suggestions. Tables of users hold one row per model and user, of one protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib import metrics, parallel
from recomart_lib.errors import UserError

WITH_INTERVAL = ("ndcg", "precision", "recall")
UNKNOWN = "unknown"
BOARD = [f"{name}@10" for name in (*metrics.NAMES, "coverage", "novelty", "diversity")]  # shown to people
CARD = {
    "target": pl.String,
    "threshold": pl.Float64,
    "protocol": pl.String,
    "model": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "floor_random": pl.Float64,
    "floor_popularity": pl.Float64,
    "ceiling": pl.Float64,
    "verdict": pl.String,
}


def per_user(recommendations: pl.DataFrame, relevant: Mapping[str, pl.DataFrame], ks: Sequence[int]) -> pl.DataFrame:
    """One row per protocol, model and judged user: the columns of `metrics.per_user` behind protocol and model.

    Every model that has a list under a protocol is judged by all its users; no list counts as zeros.
    """
    parts = []
    for protocol, pairs in relevant.items():
        for model, lists in _by_model(recommendations, protocol):
            judged = metrics.per_user(lists, pairs, ks)
            parts.append(judged.select(pl.lit(protocol).alias("protocol"), pl.lit(model).alias("model"), pl.all()))
    if not parts:
        nobody = metrics.per_user(recommendations.clear(), recommendations.select("user_id", "item_id").clear(), ks)
        parts = [nobody.select(protocol=pl.lit(""), model=pl.lit("")).clear().hstack(nobody)]
    return pl.concat(parts)


def evaluate(
    recommendations: pl.DataFrame,
    relevant: Mapping[str, pl.DataFrame],
    train_pairs: pl.DataFrame,
    ks: Sequence[int],
    n_bootstrap: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Protocol -> model -> metric -> value: reports/metrics/evaluation.json.

    Parameters
    ----------
    train_pairs
        One row per pair known before the cut (user_id, item_id, and n_relevant if there is): its items are the
        catalogue; novelty and diversity look at its relevant pairs.

    Returns
    -------
    dict
        For every k: the means over users of `metrics.NAMES`, coverage, novelty and diversity, and <name>@<k>_ci =
        [low, high] for ndcg, precision and recall (95 % bootstrap; all models see the same draws). Values that do not
        exist are None. A protocol under which nobody can be judged is empty.
    """
    table = per_user(recommendations, relevant, ks)
    context, groups = _Context(train_pairs), dict(table.group_by("protocol", "model", maintain_order=True))

    def judged(group: tuple[str, str]) -> dict[str, Any]:
        lists = _lists(recommendations, *group)
        return _summary(groups[group], ks, n_bootstrap, seed) | context.beyond(lists, ks)

    found: dict[str, dict[str, dict[str, Any]]] = {protocol: {} for protocol in relevant}
    for (protocol, model), values in zip(groups, parallel.each(judged, groups, "judging lists", "model"), strict=True):
        found[protocol][model] = values
    return found


def target_card(
    evaluated: Mapping[str, Mapping[str, Mapping[str, Any]]],
    chosen: Mapping[str, str],
    relevant: Mapping[str, pl.DataFrame],
    targets: Mapping[str, float],
) -> pl.DataFrame:
    """One row per protocol and target, columns `CARD`: is it met, and what could be reached at all?

    Parameters
    ----------
    evaluated
        What `evaluate` returns.
    chosen
        Protocol -> the model that was chosen on valid; a protocol that nobody can be judged by has no rows.
    targets
        Metric -> threshold, such as {"ndcg@10": 0.2}; precision, recall and ndcg only, as they have intervals.

    Returns
    -------
    DataFrame
        The verdict is "surely met" if the interval's lower bound reaches the threshold, "met" if the value does, else
        "missed". The floors are null where no such model was evaluated.

    Raises
    ------
    UserError
        If a chosen model or a target was not evaluated.
    """
    rows = []
    for protocol, model in chosen.items():
        models = evaluated.get(protocol) or {}
        if models and model not in models:
            raise UserError(f"Model {model!r} has no lists in protocol {protocol!r}; there are: {', '.join(models)}.")
        rows += [
            (target, threshold, protocol, model, *_judged(models, model, target, threshold, relevant[protocol]))
            for target, threshold in (targets.items() if models else ())
        ]
    return pl.DataFrame(rows, schema=CARD, orient="row")


def compare(table: pl.DataFrame, reference: str, metric: str) -> pl.DataFrame:
    """Test every model against the reference, paired over users.

    Returns
    -------
    DataFrame
        One row per other model, by falling mean: model, reference, metric, n (users), mean, difference (model minus
        reference), low, high (95 % t-interval of the difference), p_value, p_holm (corrected for the number of models).
    """
    values = _wide(table, metric)
    names = [name for name in values if name != reference]
    tests = [metrics.paired_test(values[name], _model(values, reference)) for name in names]
    columns = {
        "model": pl.Series(names, dtype=pl.String),
        "reference": pl.Series([reference] * len(names), dtype=pl.String),
        "metric": pl.Series([metric] * len(names), dtype=pl.String),
        "n": pl.Series([test.n for test in tests], dtype=pl.Int64),
        "mean": pl.Series([float(values[name].mean()) for name in names], dtype=pl.Float64),
        **{key: pl.Series([getattr(test, key) for test in tests], dtype=pl.Float64)
           for key in ("difference", "low", "high", "p_value")},
        "p_holm": pl.Series(metrics.holm([test.p_value for test in tests]), dtype=pl.Float64),
    }  # fmt: skip
    return pl.DataFrame(columns).sort("mean", "model", descending=[True, False])


def slices(table: pl.DataFrame, users: pl.DataFrame, by: str, metric: str, n_bootstrap: int, seed: int) -> pl.DataFrame:
    """The mean per slice of users, with its 95 % bootstrap interval.

    Parameters
    ----------
    users
        One row per user: user_id and the column `by`. Users that it lacks, and nulls, are the slice "unknown".

    Returns
    -------
    DataFrame
        One row per slice and model, in the slices' order (unknown last): `by` (String), model, mean, low, high, n.
    """
    _one_protocol(table)
    if by not in users.columns:
        raise UserError(f"There is no user column {by!r} to slice by; there are: {', '.join(users.columns)}.")
    joined = table.join(users.select("user_id", slice=pl.col(by)), on="user_id", how="left", validate="m:1")
    joined = joined.sort("slice", "model", "user_id", nulls_last=True)
    rows = []
    for (value, model), part in joined.group_by("slice", "model", maintain_order=True):
        scores = part[metric].to_numpy()
        low, high = metrics.group_ci(scores, n_bootstrap, seed)
        rows.append((UNKNOWN if value is None else str(value), model, float(scores.mean()), low, high, part.height))
    numbers = {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    return pl.DataFrame(rows, schema={by: pl.String, "model": pl.String, **numbers}, orient="row")


def losers(table: pl.DataFrame, model: str, against: str, metric: str = "ndcg@10") -> dict[str, float]:
    """Shares of users whom `model` serves worse than, equal to and better than `against`; zeros for no users."""
    values = _wide(table, metric)
    difference = _model(values, model) - _model(values, against)
    n = max(len(difference), 1)
    signs = {"worse": difference < 0, "equal": difference == 0, "better": difference > 0}
    return {word: int(share.sum()) / n for word, share in signs.items()}


def calibration(probability: np.ndarray, label: np.ndarray, n_bins: int = 10) -> pl.DataFrame:
    """Do things happen as often as was foretold? The reliability diagram's points.

    Parameters
    ----------
    probability, label
        (n,) each: the estimate in [0, 1], and 1 if it happened, else 0.
    n_bins
        Bins of about equal size, in the order of the estimate: chances are small and crowded, so that bins of equal
        width would put all into the first. Equal estimates share a bin.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: bin (1 = lowest), estimate (mean), observed (share), low, high (its 95 %
        Wilson interval), n. None for no estimates. See `calibration_error`.

    Raises
    ------
    ValueError
        If an estimate is not in [0, 1], a label is neither 0 nor 1, or n_bins is below 1.

    Source
    ------
    Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning, ICML 2005.
    """
    probability, label = np.asarray(probability, dtype=np.float64), np.asarray(label, dtype=np.float64)
    if n_bins < 1 or not (np.isin(label, (0, 1)).all() and ((probability >= 0) & (probability <= 1)).all()):
        raise ValueError("expected at least one bin, estimates in [0, 1], and labels that are 0 or 1")
    pairs = pl.DataFrame({"estimate": probability, "label": label}).with_columns(
        bin=((pl.col("estimate").rank("average") - 0.5) / pl.len() * n_bins).floor().cast(pl.Int64) + 1
    )
    bins = pairs.sort("bin", "estimate", "label").group_by("bin", maintain_order=True)
    found = bins.agg(pl.col("estimate").mean(), observed=pl.col("label").mean(), n=pl.len().cast(pl.Int64))
    n = found["n"].to_numpy()
    low, high = metrics.wilson(found["observed"].to_numpy() * n, n)
    found = found.with_columns(low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64))
    return found.select("bin", "estimate", "observed", "low", "high", "n")


def calibration_error(bins: pl.DataFrame) -> float | None:
    """The expected calibration error: mean over cases of |observed - estimate| of their bin; None for no bins.

    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    if not bins.height:
        return None
    gap = np.abs(bins["observed"].to_numpy() - bins["estimate"].to_numpy())
    return float(np.average(gap, weights=bins["n"].to_numpy()))


def calibrated(chances: pl.DataFrame, n_bins: int = 10) -> pl.DataFrame:
    """`calibration` of every model of data/models/calibration.parquet, the model's name in front."""
    parts = [pl.DataFrame({"model": []}, {"model": pl.String}).hstack(calibration([], [], n_bins))]
    for (model,), part in chances.sort("model").group_by("model", maintain_order=True):
        bins = calibration(part["probability"].to_numpy(), part["label"].to_numpy(), n_bins)
        parts.append(bins.select(pl.lit(model).alias("model"), pl.all()))
    return pl.concat(parts)


def leaderboard(models: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per model of one protocol (a value of `evaluate`), by falling ndcg@10; none if nobody can be judged."""
    rows = [{"model": model, **scores} for model, scores in models.items()]
    if not rows:
        return pl.DataFrame(schema={"model": pl.String, **dict.fromkeys(BOARD, pl.Float64)})
    return pl.DataFrame(rows, infer_schema_length=None).sort("ndcg@10", "model", descending=[True, False])


def by_length(recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """One row per model and list length in protocol *all*: model, k, and the mean ndcg and recall over users."""
    judged = per_user(recommendations, {"all": relevant}, ks)
    rows = [
        (model, k, part[f"ndcg@{k}"].mean(), part[f"recall@{k}"].mean())
        for (model,), part in judged.group_by("model", maintain_order=True)
        for k in ks
    ]
    return pl.DataFrame(
        rows, schema={"model": pl.String, "k": pl.Int64, "ndcg": pl.Float64, "recall": pl.Float64}, orient="row"
    )


def counts(described: Mapping[str, int]) -> dict[str, int]:
    """How many users were in the window, known, cold, and judged in each protocol (from reports/metrics/data.json)."""
    names = {"test_users": "users_in_window", "warm": "warm_users", "cold": "cold_users",
             "evaluated_all": "evaluated_all", "evaluated_novel": "evaluated_novel"}  # fmt: skip
    return {name: described[theirs] for name, theirs in names.items()}


def headline(evaluated: Mapping[str, Mapping[str, Mapping[str, Any]]], chosen: Mapping[str, str]) -> dict[str, Any]:
    """The few numbers of reports/metrics/headline.json: protocol -> the chosen model and its metrics at 10.

    Metrics with an interval also have _low and _high. A protocol under which nobody can be judged has no numbers.
    """
    facts: dict[str, Any] = {"model": chosen["all"]}
    for protocol, model in chosen.items():
        scores = evaluated[protocol].get(model, {})
        numbers = {f"{name}@10": scores[f"{name}@10"] for name in metrics.NAMES if scores}
        for name in WITH_INTERVAL if scores else ():
            low, high = scores[f"{name}@10_ci"]
            numbers |= {f"{name}@10_low": low, f"{name}@10_high": high}
        facts[protocol] = {"model": model, **dict(sorted(numbers.items()))}
    return facts


def user_groups(users: pl.DataFrame, judged: pl.DataFrame, top_n: int = 5) -> pl.DataFrame:
    """One row per judged user: user_id, and the groups activity, tenure, country, category (null: unknown).

    Activity (events) and tenure (days) are cut into thirds of the judged users; of countries and categories the
    `top_n` largest are kept, the others are "other". `users` has one row per user: features as of one moment.
    """
    known = judged.select("user_id").unique().join(users, on="user_id", how="left", validate="1:1").sort("user_id")
    return known.select(
        "user_id",
        activity=_thirds(known["activity_count"], "events"),
        tenure=_thirds(known["tenure_days"], "days"),
        country=_largest(known["country"], top_n),
        category=_largest(known["preferred_category"], top_n),
    )


def _thirds(values: pl.Series, unit: str) -> pl.Series:
    """Each value's third, named by its range, so that names sort as the thirds do."""
    known = values.drop_nulls()
    if not len(known):
        return pl.Series([None] * len(values), dtype=pl.String)
    low, high = known.quantile(1 / 3, "lower"), known.quantile(2 / 3, "lower")
    value = pl.lit(values)
    ranges = (f"up to {low:,.0f}", f"up to {high:,.0f}", f"over {high:,.0f}")
    first, second, third = (f"{n}: {text} {unit}" for n, text in enumerate(ranges, 1))
    named = pl.when(value <= low).then(pl.lit(first)).when(value <= high).then(pl.lit(second)).otherwise(pl.lit(third))
    return pl.select(pl.when(value.is_not_null()).then(named)).to_series()


def _largest(values: pl.Series, top_n: int) -> pl.Series:
    sizes = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])
    kept = sizes[values.name].head(top_n)
    value = pl.lit(values)
    named = pl.when(value.is_in(kept.implode())).then(value).otherwise(pl.lit("other"))
    return pl.select(pl.when(value.is_not_null()).then(named)).to_series()


class _Context:
    """What lists are compared with beyond hits: the catalogue, and who had what before the cut."""

    def __init__(self, train_pairs: pl.DataFrame) -> None:
        self.items = train_pairs.select(pl.col("item_id").unique().sort()).with_row_index("col")
        relevant = pl.col("n_relevant") > 0 if "n_relevant" in train_pairs.columns else pl.lit(True)
        self.had = train_pairs.filter(relevant).select("user_id", "item_id").unique()
        self.matrix = self.binary(self.had)

    def binary(self, pairs: pl.DataFrame) -> sparse.csr_matrix:
        """(n users of `pairs`, n_items), 1 where there is a row; items outside the catalogue are left out."""
        users = pairs.select(pl.col("user_id").unique().sort()).with_row_index("row")
        found = pairs.join(users, on="user_id").join(self.items, on="item_id")
        where = (found["row"].to_numpy(), found["col"].to_numpy())
        return sparse.csr_matrix((np.ones(found.height), where), shape=(users.height, self.items.height))

    def beyond(self, lists: pl.DataFrame, ks: Sequence[int]) -> dict[str, float | None]:
        """Coverage, novelty and diversity of one model's lists."""
        result = {}
        for k in ks:
            top = lists.filter(pl.col("rank") <= k)
            result[f"coverage@{k}"] = metrics.coverage(top, self.items.height)
            result[f"novelty@{k}"] = _finite(metrics.novelty(top, self.had))
            result[f"diversity@{k}"] = _finite(metrics.diversity(self.binary(top), self.matrix))
        return result


def _summary(rows: pl.DataFrame, ks: Sequence[int], n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Means and intervals of one model under one protocol."""
    means = {f"{name}@{k}": rows[f"{name}@{k}"].to_numpy().mean() for k in ks for name in metrics.NAMES}
    judged = [f"{name}@{k}" for k in ks for name in WITH_INTERVAL]
    low, high = metrics.bootstrap_ci(rows.select(judged).to_numpy(), n_bootstrap, seed)
    intervals = {f"{name}_ci": [float(low[i]), float(high[i])] for i, name in enumerate(judged)}
    return {name: float(mean) for name, mean in means.items()} | intervals


def _judged(models: Mapping[str, Any], model: str, target: str, threshold: float, relevant: pl.DataFrame) -> tuple:
    """value, low, high, floor_random, floor_popularity, ceiling, verdict."""
    if f"{target}_ci" not in models[model]:
        known = [name.removesuffix("_ci") for name in models[model] if name.endswith("_ci")]
        raise UserError(f"Target {target!r} was not evaluated; there are: {', '.join(known)}.")
    value, (low, high) = models[model][target], models[model][f"{target}_ci"]
    floors = (models.get(name, {}).get(target) for name in ("random", "popularity"))
    ceiling = metrics.ceilings(relevant, int(target.rpartition("@")[2]))[target]
    verdict = "surely met" if low >= threshold else "met" if value >= threshold else "missed"
    return value, low, high, *floors, ceiling, verdict


def _by_model(recommendations: pl.DataFrame, protocol: str) -> list[tuple[str, pl.DataFrame]]:
    names = recommendations.filter(pl.col("protocol") == protocol)["model"].unique().sort()
    return [(name, _lists(recommendations, protocol, name)) for name in names]


def _lists(recommendations: pl.DataFrame, protocol: str, model: str) -> pl.DataFrame:
    return recommendations.filter(pl.col("protocol") == protocol, pl.col("model") == model)


def _wide(table: pl.DataFrame, metric: str) -> dict[str, np.ndarray]:
    """Model -> its values, all in the same order of users."""
    _one_protocol(table)
    ordered = table.sort("model", "user_id")
    parts = {name: part for (name,), part in ordered.group_by("model", maintain_order=True)}
    users = [part["user_id"] for part in parts.values()]
    if not all(one.equals(users[0]) for one in users):
        raise ValueError("the models were not judged by the same users, each once")
    return {name: part[metric].to_numpy() for name, part in parts.items()}


def _model(values: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in values:
        raise UserError(f"Model {name!r} was not evaluated; there are: {', '.join(values) or 'none'}.")
    return values[name]


def _one_protocol(table: pl.DataFrame) -> None:
    if "protocol" in table.columns and table["protocol"].n_unique() > 1:
        raise ValueError(f"protocol has several values: {table['protocol'].unique().sort().to_list()}; choose one")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
