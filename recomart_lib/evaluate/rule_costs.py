"""What the shop's rules cost: the chosen models' lists with and without them, evaluated for the same users.

A *variant* is the list under some of the rules: under none of them, under each rule alone, and under all of them. In
tables of lists it takes the place of the model. Availability and stock are those of today, not those of the cut: rules
on them are not priced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from recomart_lib.core.shop_lists import Lists
from recomart_lib.metrics import intervals

K = 10  # the length of the lists, as in the headline
METRICS = tuple(f"{name}@{K}" for name in ("ndcg", "precision", "recall", "hit_rate"))
WITHOUT, TOGETHER = "no rules", "all rules together"
NOT_PRICED = ("only_available", "only_in_stock")
DIVERSITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
LISTS = ("model", "protocol", "user_id", "item_id", "rank", "source")
COSTS = {
    "protocol": pl.String,
    "rule": pl.String,
    "metric": pl.String,
    **dict.fromkeys(("without", "with", "difference", "low", "high"), pl.Float64),
    "n": pl.Int64,
}


def variants(rules: Lists) -> dict[str, Lists]:
    """Variant -> its rules: none, each of the shop's rules alone, and all together if there are several.

    Rules on availability and stock are left out; without other rules there are no variants.
    """
    priced = rules.model_copy(update=dict.fromkeys(NOT_PRICED, False))
    alone = priced.alone()
    if not alone:
        return {}
    return {WITHOUT: Lists(), **alone} | ({TOGETHER: priced} if len(alone) > 1 else {})


def not_priced(rules: Lists) -> list[str]:
    """The keys of the shop's rules that have no price here."""
    return [key for key in rules.names if key in NOT_PRICED]


def diversities() -> dict[str, Lists]:
    """Variant -> its rules, for the curve of the knob `diversity`, without any other rule."""
    return {f"{value:g}": Lists(diversity=value) for value in DIVERSITIES}


def apply_each(named: Mapping[str, Lists], protocol: str, apply: Callable[[Lists], pl.DataFrame]) -> pl.DataFrame:
    """The lists of every variant under one protocol.

    Parameters
    ----------
    apply
        Applies rules to the pool of the protocol and returns `schemas.RANKED_LISTS`.

    Returns
    -------
    DataFrame
        model (the variant), protocol, user_id, item_id, rank, source (the model that the recommendation is from).
    """
    parts = []
    for name, rules in named.items():
        labels = {"model": pl.lit(name), "protocol": pl.lit(protocol), "source": pl.col("model")}
        parts.append(apply(rules).with_columns(**labels).select(*LISTS))
    return pl.concat(parts)


def costs(users: pl.DataFrame, rules: Sequence[str], n_bootstrap: int, seed: int) -> pl.DataFrame:
    """Compare the lists under each rule with the lists without rules, paired over users.

    Parameters
    ----------
    users
        `by_model.per_user` of the lists: one row per protocol, variant (`model`) and user.
    rules
        The variants to compare with `WITHOUT`, in the order of the result.

    Returns
    -------
    DataFrame
        One row per protocol, rule and metric: `COSTS`. `difference` is with minus without (negative: the rule costs),
        `low` and `high` are its 95 % bootstrap interval over the `n` users.
    """
    rows = []
    for (protocol,), of_protocol in users.group_by("protocol", maintain_order=True):
        ordered = of_protocol.sort("user_id").group_by("model", maintain_order=True)
        values = {name: part for (name,), part in ordered}
        for rule in rules:
            rows += _differences(protocol, rule, values[rule], values[WITHOUT], n_bootstrap, seed)
    return pl.DataFrame(rows, schema=COSTS, orient="row")


def _differences(
    protocol: str, rule: str, with_rule: pl.DataFrame, without: pl.DataFrame, n_bootstrap: int, seed: int
) -> list[tuple]:
    if not with_rule.get_column("user_id").equals(without.get_column("user_id")):
        raise ValueError(f"{rule}: not evaluated on the same users, each exactly once")
    before, after = (table.select(METRICS).to_numpy() for table in (without, with_rule))
    difference = after - before
    low, high = intervals.bootstrap_ci(difference, n_bootstrap, seed)
    columns = (before.mean(axis=0), after.mean(axis=0), difference.mean(axis=0), low, high)
    return [
        (protocol, rule, metric, *(float(column[i]) for column in columns), len(difference))
        for i, metric in enumerate(METRICS)
    ]


def effects(lists: pl.DataFrame, long_tail: pl.Series, fallback: str) -> pl.DataFrame:
    """What the lists of every variant look like, whether or not users chose from them.

    Parameters
    ----------
    lists
        Of `apply_each`.
    long_tail
        The ids of the products of the long tail.
    fallback
        The name of the model that fills lists.

    Returns
    -------
    DataFrame
        One row per protocol and rule, in the order of `lists`: protocol, rule, top_share (share of the users who are
        shown the most shown product), long_tail (share of the places that go to the long tail), filled (share of the
        places that are filled from the fallback), short (users whose list is shorter than `K`).
    """
    keys = ["protocol", "model"]
    n_users = pl.col("user_id").n_unique()
    shown = lists.group_by(*keys, "item_id").agg(times=pl.len())
    most = shown.group_by(keys).agg(most=pl.col("times").max())
    of_users = lists.group_by(*keys, "user_id").agg(length=pl.len())
    short = of_users.group_by(keys).agg(short=(pl.col("length") < K).sum().cast(pl.Int64))
    shares = lists.group_by(keys, maintain_order=True).agg(
        n=n_users,
        long_tail=pl.col("item_id").is_in(long_tail.implode()).mean(),
        filled=(pl.col("source") == fallback).mean(),
    )
    joined = shares.join(most, on=keys, maintain_order="left").join(short, on=keys, maintain_order="left")
    top_share = (pl.col("most") / pl.col("n")).alias("top_share")
    return joined.select("protocol", pl.col("model").alias("rule"), top_share, "long_tail", "filled", "short")


def curve(users: pl.DataFrame, beyond: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> pl.DataFrame:
    """ndcg, diversity and coverage at each value of the knob `diversity`.

    Parameters
    ----------
    users
        `by_model.per_user` of the lists of `diversities`.
    beyond
        Protocol -> variant -> metric -> value (see `evaluation.Catalogue`).

    Returns
    -------
    DataFrame
        One row per protocol and value: protocol, knob, ndcg@10, diversity@10, coverage@10, n (users).
    """
    names = (f"diversity@{K}", f"coverage@{K}")
    rows = [
        (
            protocol,
            float(name),
            part[f"ndcg@{K}"].mean(),
            *(beyond[protocol][name][metric] for metric in names),
            part.height,
        )
        for (protocol, name), part in users.group_by("protocol", "model", maintain_order=True)
    ]
    numbers = dict.fromkeys(("knob", f"ndcg@{K}", *names), pl.Float64)
    return pl.DataFrame(rows, schema={"protocol": pl.String, **numbers, "n": pl.Int64}, orient="row")


def sample_users(users: pl.Series, n: int, seed: int) -> pl.Series:
    """At most `n` of these users, drawn at random, ascending; the same for the same seed."""
    ordered = users.unique().sort()
    if len(ordered) <= n:
        return ordered
    drawn = np.random.default_rng([seed, 3]).choice(len(ordered), n, replace=False)
    return ordered.gather(np.sort(drawn))
