"""Takeaways of stage `evaluate` on rules and diversity: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.evaluate import rule_costs
from recomart_lib.evaluate import rule_takeaways as takeaways


def rule_cost(rule: str, difference: float, low: float, high: float, n: int = 100, protocol: str = "all") -> tuple:
    return (protocol, rule, "ndcg@10", 0.35, 0.35 + difference, difference, low, high, n)


def costs(*rows: tuple) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=rule_costs.COSTS, orient="row")


def test_rule_costs_name_all_rules_and_the_most_expensive_one():
    rows = [
        rule_cost("blocked products", -0.003, -0.004, -0.001),
        rule_cost("products per brand", -0.001, -0.002, 0.001),
    ]
    total = rule_cost("all rules together", -0.004, -0.006, -0.002)
    takeaway = takeaways.rule_costs(costs(*rows, total), "all")
    assert takeaway == (
        "**Lists as delivered (all): all rules together: -0.004 ndcg@10 (-0.006 to -0.002)**: from 0.350 to 0.346, "
        "the same 100 users. The most expensive rule is *blocked products*: alone -0.003 (-0.004 to -0.001)."
    )
    assert "No rule alone has a clear cost." in takeaways.rule_costs(costs(rows[1], total), "all")


def test_rule_costs_of_one_rule_without_change_with_gain_and_without_a_clear_difference():
    alone = takeaways.rule_costs(costs(rule_cost("blocked products", 0.0, 0.0, 0.0)), "all")
    assert "blocked products: no change of ndcg@10" in alone
    assert "most expensive" not in alone
    gain = takeaways.rule_costs(costs(rule_cost("diversity", 0.01, 0.005, 0.02, n=3)), "all")
    assert "diversity: +0.010 ndcg@10 (+0.005 to +0.020)" in gain
    assert gain.endswith("With 3 users, intervals are unreliable.")
    unclear = takeaways.rule_costs(costs(rule_cost("diversity", -0.001, -0.003, 0.001)), "all")
    assert "no clear change, -0.001 ndcg@10 (-0.003 to +0.001)" in unclear
    assert "no users to evaluate" in takeaways.rule_costs(costs(), "novel")


def test_rules_without_a_price_and_no_rules_are_said():
    nothing = pl.DataFrame(schema={"protocol": pl.String})
    assert takeaways.rules([], costs(), nothing, [])[0].startswith(
        "*Not applicable: this shop has no rules for its lists"
    )
    (*empty, last) = takeaways.rules(["only_in_stock"], costs(), nothing, ["only_in_stock"])
    assert not any(empty)
    assert last.startswith("Not priced: `only_in_stock`.")


def test_filled_places_and_short_lists():
    row = {"protocol": "all", "rule": "blocked products", "filled": 0.25, "short": 1}
    takeaway = takeaways.rule_fills(pl.DataFrame([row]), "all")
    assert takeaway.endswith("25 % of the places are filled from the next model down, and 1 list stayed short.")
    assert takeaways.rule_fills(pl.DataFrame([row]), "novel") == ""


def curve(*ndcg: float) -> pl.DataFrame:
    knobs = {"knob": [0.0, 0.1, 1.0][: len(ndcg)], "ndcg@10": list(ndcg)}
    table = pl.DataFrame(knobs, schema={"knob": pl.Float64, "ndcg@10": pl.Float64})
    return table.with_columns(pl.lit("all").alias("protocol"), **{"diversity@10": 0.5, "coverage@10": 0.25})


def test_diversity_says_how_far_the_knob_can_be_turned():
    assert "up to lists.diversity 0.1, ndcg@10 stays within 5 %" in takeaways.diversity(curve(0.4, 0.39, 0.2), "all")
    assert "already lists.diversity 0.1 costs more than 5 %" in takeaways.diversity(curve(0.4, 0.3, 0.39), "all")
    assert "up to lists.diversity 1," in takeaways.diversity(curve(0.4, 0.4, 0.4), "all")
    for empty in (curve(), curve(0.0, 0.0, 0.0)):
        assert "what diversity costs is unknown" in takeaways.diversity(empty, "all")


def test_rules_without_hits_to_lose_have_no_price():
    row = ("all", "blocked products", "ndcg@10", 0.0, 0.0, 0.0, 0.0, 0.0, 5)
    assert takeaways.rule_costs(costs(row), "all").startswith("*Not applicable")
