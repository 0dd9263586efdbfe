"""What the shop's rules cost, by hand: differences are paired, and rules that change nothing cost nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from metrics_data import lists, pairs

from recomart_lib.core.shop_lists import Lists, Products
from recomart_lib.evaluate import rule_costs
from recomart_lib.evaluate.rule_costs import TOGETHER, WITHOUT
from recomart_lib.metrics import by_model

BLOCK = Lists(block=Products(items=["b"]))


def ranked(variant: str, protocol: str = "all", **shown: str) -> pl.DataFrame:
    """Lists of a variant, as `rule_costs.apply_each` returns them; a capital letter is a filled place."""
    filled = pl.col("item_id").str.to_uppercase() == pl.col("item_id")
    return lists(**shown).select(
        pl.lit(variant).alias("model"),
        pl.lit(protocol).alias("protocol"),
        "user_id",
        "item_id",
        "rank",
        source=pl.when(filled).then(pl.lit("fill")).otherwise(pl.lit("ease")),
    )


def costs_of(tables: list[pl.DataFrame], relevant: pl.DataFrame, *rules: str) -> pl.DataFrame:
    users = by_model.per_user(pl.concat(tables), {"all": relevant}, [10])
    return rule_costs.costs(users, rules, 200, 1)


def row(costs: pl.DataFrame, rule: str, metric: str) -> dict:
    return costs.row(by_predicate=(pl.col("rule") == rule) & (pl.col("metric") == metric), named=True)


def test_a_block_that_takes_one_hit_costs_exactly_that_hit():
    relevant = pairs(u="b", v="c")
    tables = [ranked(WITHOUT, u="abc", v="abc"), ranked("block", u="acd", v="acd")]
    costs = costs_of(tables, relevant, "block")
    # u: b at rank 2 -> no hit; v: c moves from rank 3 to rank 2
    ndcg = row(costs, "block", "ndcg@10")
    assert ndcg["without"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(4)) / 2)
    assert ndcg["with"] == pytest.approx(1 / np.log2(3) / 2)
    assert ndcg["difference"] == pytest.approx(ndcg["with"] - ndcg["without"])
    recall = row(costs, "block", "recall@10")
    assert (recall["without"], recall["with"], recall["difference"], recall["n"]) == (1.0, 0.5, -0.5, 2)
    assert row(costs, "block", "precision@10")["difference"] == pytest.approx(-0.05)
    assert row(costs, "block", "hit_rate@10")["difference"] == -0.5


def test_a_rule_that_changes_nothing_costs_nothing():
    relevant, same = pairs(u="b", v="c", w="x"), {"u": "abc", "v": "abc", "w": "abc"}
    costs = costs_of([ranked(WITHOUT, **same), ranked("cap", **same)], relevant, "cap")
    assert costs.select("difference", "low", "high").unique().rows() == [(0.0, 0.0, 0.0)]


def test_differences_are_paired():
    """Users differ a lot, the rule costs each of them the same: the interval is a point."""
    users = [f"u{i:02}" for i in range(30)]
    relevant = pl.concat([pairs(**{user: "ab" if i % 2 else "a"}) for i, user in enumerate(users)])
    before = ranked(WITHOUT, **dict.fromkeys(users, "xa"))
    after = ranked("block", **dict.fromkeys(users, "xy"))
    hits = row(costs_of([before, after], relevant, "block"), "block", "hit_rate@10")
    assert (hits["difference"], hits["low"], hits["high"]) == (-1.0, -1.0, -1.0)


def test_a_user_whose_list_the_rules_emptied_counts_as_zero():
    costs = costs_of([ranked(WITHOUT, u="a", v="a"), ranked("block", v="a")], pairs(u="a", v="a"), "block")
    assert row(costs, "block", "recall@10")["difference"] == -0.5


def test_without_users_there_are_no_costs():
    users = by_model.per_user(pl.concat([ranked(WITHOUT, u="a")]), {"all": pairs(u="a")}, [10]).clear()
    assert rule_costs.costs(users, ["block"], 100, 1).equals(pl.DataFrame(schema=rule_costs.COSTS))


def test_variants_are_none_each_alone_and_all_together():
    rules = Lists(block=Products(items=["b"]), max_per_category=2, only_available=True, only_in_stock=True)
    variants = rule_costs.variants(rules)
    assert next(iter(variants)) == WITHOUT
    assert list(variants)[-1] == TOGETHER
    assert variants[WITHOUT].is_empty
    assert variants[TOGETHER] == Lists(block=Products(items=["b"]), max_per_category=2)
    assert len(variants) == 4
    assert rule_costs.not_priced(rules) == ["only_available", "only_in_stock"]


def test_one_rule_needs_no_row_for_all_and_no_rule_none():
    assert len(rule_costs.variants(BLOCK)) == 2
    assert rule_costs.variants(Lists()) == {}
    assert rule_costs.variants(Lists(only_in_stock=True)) == {}
    assert rule_costs.not_priced(BLOCK) == []


def test_effects_of_lists():
    table = pl.concat([ranked(WITHOUT, u="abcdefghij", v="a"), ranked("cap", u="abXY", v="Yb")])
    effects = rule_costs.effects(table, pl.Series(["b", "X"]), "fill")
    expected = [("all", WITHOUT, 1.0, 1 / 11, 0.0, 1), ("all", "cap", 1.0, 3 / 6, 3 / 6, 2)]
    assert effects.columns == ["protocol", "rule", "top_share", "long_tail", "filled", "short"]
    for found, wanted in zip(effects.rows(), expected, strict=True):
        assert found == pytest.approx(wanted)


def test_apply_each_names_the_variant_and_says_where_products_come_from():
    def block(rules: Lists) -> pl.DataFrame:
        kept = lists(u="abc", v="abc").filter(~pl.col("item_id").is_in(rules.block.items))
        return kept.with_columns(model=pl.lit("ease"), score=1.0)

    table = rule_costs.apply_each({WITHOUT: Lists(), "block": BLOCK}, "all", block)
    assert table.columns == ["model", "protocol", "user_id", "item_id", "rank", "source"]
    assert table.group_by("model", maintain_order=True).len().rows() == [(WITHOUT, 6), ("block", 4)]
    assert table.select("protocol", "source").unique().rows() == [("all", "ease")]


def test_the_curve_has_one_row_per_value_of_the_knob():
    names = list(rule_costs.diversities())
    table = pl.concat([ranked(name, u="ab" if name == "0" else "ba") for name in names])
    users = by_model.per_user(table, {"all": pairs(u="a")}, [10])
    beyond = {"all": {name: {"diversity@10": float(name), "coverage@10": 0.5} for name in names}}
    curve = rule_costs.curve(users, beyond)
    assert curve["knob"].to_list() == sorted(rule_costs.DIVERSITIES)
    assert curve["ndcg@10"].to_list() == pytest.approx([1.0] + [1 / np.log2(3)] * 5)
    assert curve["diversity@10"].to_list() == list(rule_costs.DIVERSITIES)


def test_the_sample_of_users_is_seeded_and_ascending():
    users = pl.Series([f"u{i:03}" for i in range(100)] * 2)
    sample = rule_costs.sample_users(users, 10, 7)
    assert (len(sample), sample.is_sorted(), sample.n_unique()) == (10, True, 10)
    assert sample.equals(rule_costs.sample_users(users.reverse(), 10, 7))
    assert len(rule_costs.sample_users(users, 1_000, 7)) == 100
