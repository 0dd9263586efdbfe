"""What the figures of 07 say, in one line: plain text, computed from the table that is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recomart_lib.core.model_names import SIMPLE, plain
from recomart_lib.core.text import percent, plural, score
from recomart_lib.evaluate.calibration import calibration_error
from recomart_lib.evaluate.diagnostics import MIN_USERS


def leader(scores: Mapping[str, float], chosen: str | None = None) -> str:
    """Who leads, and the strongest simple model beside it. `scores`: model -> mean, larger is better; not empty.

    >>> leader({"two_stage": 0.383, "popularity": 0.088, "random": 0.001})
    'Two-step ranker leads, 0.383; Bestsellers 0.088'
    """
    order = sorted(scores, key=lambda model: (-scores[model], model))
    best = order[0]
    if len(scores) == 1:
        return f"Only {plain(best)} is evaluated: {score(scores[best])}"
    first = [model for model in order if scores[model] == scores[best]]
    if len(first) == len(scores):
        return f"All {len(scores)} models score {score(scores[best])}"
    if len(first) > 1:
        names = " and ".join(map(plain, first)) if len(first) == 2 else f"{len(first)} models"
        sentence = f"{names} lead, {score(scores[best])}"
    else:
        sentence = f"{plain(best)} leads, {score(scores[best])}"
    others = [chosen] if chosen in scores and chosen not in first else []
    others += [model for model in order if model in SIMPLE and model not in (*first, chosen)][:1]
    parts = [f"{plain(model)}{' (chosen)' if model == chosen else ''} {score(scores[model])}" for model in others]
    return "; ".join([sentence, *parts])


def course(rows: pl.DataFrame, by: str, metric: str, chosen: str, places: tuple[str, str]) -> str:
    """In how many places a model leads, and between which values.

    Parameters
    ----------
    rows
        One row per place and model: `by`, model and `metric`.
    places
        What `by` is, such as ("list length", "list lengths").
    """
    own = rows.filter(pl.col("model") == chosen).drop_nulls(metric)
    if not own.height:
        return f"{plain(chosen)} is not evaluated here"
    lowest, highest = own.get_column(metric).min(), own.get_column(metric).max()
    rivals = rows.drop_nulls(metric).filter(pl.col("model") != chosen)
    if own.height == 1:
        beside = rivals.join(own.select(by), on=by, how="semi").get_column(metric)
        ahead = ", more than the others" if len(beside) and (beside < lowest).all() else ""
        return f"Only one {places[0]}: {plain(chosen)} has {score(lowest)}{ahead}"
    values = f"{score(lowest)} to {score(highest)}" if lowest != highest else f"{score(lowest)} in each"
    if not rivals.height:
        return f"{plain(chosen)}: {values}"
    top = rivals.group_by(by).agg(top=pl.col(metric).max())
    leads = own.join(top, on=by, how="left").filter(pl.col(metric) > pl.col("top").fill_null(float("-inf"))).height
    return f"{plain(chosen)} leads in {leads or 'none'} of {plural(own.height, *places)}: {values}"


def groups(table: pl.DataFrame, by: str, chosen: str) -> str:
    """In how many groups of users the chosen model is ahead of the other, and where it is lowest.

    A group of a few users is not called the lowest: its mean says little.
    """
    own = table.filter(pl.col("model") == chosen).sort("mean", by)
    if not own.height:
        return f"{plain(chosen)} is not evaluated here"
    large = own.filter(pl.col("n") >= MIN_USERS)
    lowest = (large if large.height else own).row(0, named=True)
    others = table.filter(pl.col("model") != chosen)
    where = f"it is lowest for {lowest[by]}, {score(lowest['mean'])}"
    if own.get_column("mean").n_unique() == 1:
        where = f"it has {score(lowest['mean'])} in each"
    if not others.height:
        return f"{plain(chosen)}: {where.removeprefix('it is ').removeprefix('it has ')}"
    best = others.group_by(by).agg(top=pl.col("mean").max())
    ahead = own.join(best, on=by, how="left").filter(pl.col("mean") > pl.col("top").fill_null(float("-inf"))).height
    names = others.get_column("model").unique().to_list()
    rival = plain(names[0]) if len(names) == 1 else "all others"
    return f"{plain(chosen)} is ahead of {rival} in {ahead} of {own.height} groups; {where}"


def calibrated(bins: pl.DataFrame) -> str:
    """How far predictions are from what happened, on average. `bins`: see `calibration.calibration_by_model`."""
    parts = []
    for (model,), of_model in bins.group_by("model", maintain_order=True):
        gap = of_model.get_column("predicted") - of_model.get_column("observed")
        error, bias = calibration_error(of_model) or 0.0, float((gap * of_model.get_column("n")).sum())
        side = "too high" if bias > 1e-9 else "too low" if bias < -1e-9 else "off"
        parts.append(f"{plain(str(model))}: probabilities {100 * error:.2g} points {side}")
    return f"{'; '.join(parts)}, on average"


def traded(table: pl.DataFrame, x: str, y: str) -> str:
    """Which model is best in each of two metrics."""
    if table.height == 1:
        return f"Only {plain(table['model'][0])} is evaluated"
    if table.get_column(x).n_unique() == 1 and table.get_column(y).n_unique() == 1:
        return f"All {table.height} models are equal"
    best = {name: table.sort(name, "model", descending=[True, False]).row(0, named=True) for name in (y, x)}
    if best[x]["model"] == best[y]["model"]:
        return f"{plain(best[x]['model'])} is best in both, {y} {score(best[y][y])} and {x} {score(best[x][x])}"
    return "; ".join(f"{name}: {plain(row['model'])} first, {score(row[name])}" for name, row in best.items())


def popular(scores: Mapping[str, float], holdout: float | None, chosen: str) -> str:
    """How popular the products of the chosen model's lists are, beside those that users took; 1 is the most popular."""
    own = scores.get(chosen)
    if own is None or holdout is None:
        return f"{plain(chosen)}: not known"
    if percent(own) == percent(holdout):
        return f"{plain(chosen)} lists products as popular as users took: percentile {_percentile(own)}"
    more = "more" if own > holdout else "less"
    percentiles = f"percentile {_percentile(own)}, not {_percentile(holdout)}"
    return f"{plain(chosen)} lists {more} popular products than users took: {percentiles}"


def _percentile(share: float) -> str:
    """As in the tables: `93`, `99.8`."""
    return percent(share).removesuffix(" %")


def costliest(rows: pl.DataFrame, metric: str) -> str:
    """Which rule lowers a metric most. `rows`: rule, protocol and difference of that metric."""
    lowest = rows.sort("difference", "rule").row(0, named=True)
    if not (rows.get_column("difference") != 0).any():
        return f"No rule changes {metric}"
    if lowest["difference"] >= 0:
        return f"No rule lowers {metric}"
    return f"Costliest: {lowest['rule']}, {score(lowest['difference'])} {metric} ({lowest['protocol']})"


def exchanged(table: pl.DataFrame, k: int) -> str:
    """What the knob does from its lowest to its highest value, in the first protocol of the table."""
    name, rows = f"diversity@{k}", table.drop_nulls(f"diversity@{k}")
    if not rows.height:
        return "Lists of one product have no diversity"
    protocol: str = rows.get_column("protocol")[0]
    line = rows.filter(pl.col("protocol") == protocol).sort("knob")
    first, last = line.row(0, named=True), line.row(-1, named=True)
    if line.height == 1:
        return f"Only one value of the knob: diversity {score(first[name])}, ndcg@{k} {score(first[f'ndcg@{k}'])}"
    changes: Sequence[str] = [
        f"{word} {score(first[column])} to {score(last[column])}"
        for word, column in (("diversity", name), (f"ndcg@{k}", f"ndcg@{k}"))
    ]
    return f"Knob {first['knob']:g} to {last['knob']:g}, protocol {protocol}: {', '.join(changes)}"
