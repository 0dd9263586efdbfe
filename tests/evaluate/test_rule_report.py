"""The price of the shop's rules from stored pools, for two small users."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recomart_lib.core import paths
from recomart_lib.core.shop_lists import Lists, Products
from recomart_lib.evaluate.report import Inputs
from recomart_lib.evaluate.rule_costs import WITHOUT
from recomart_lib.evaluate.rule_report import RuleReport
from recomart_lib.evaluate.settings import Evaluate

CUT = datetime(2025, 1, 31, tzinfo=UTC)
ITEMS = [f"i{n:02}" for n in range(20)]
ENUM = {"user_id": pl.Enum(["u", "v", "w"]), "item_id": pl.Enum(ITEMS)}


def inputs() -> Inputs:
    """u and v bought i00 and i01 before the cut; u buys i00 and i05 after it, v buys i05. w is not in the sample."""
    bought = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ["i00", "i01", "i00", "i01"]})
    history = {"n_relevant": pl.lit(1, pl.Int64), "last_relevant_timestamp": pl.lit(datetime(2025, 1, 30, tzinfo=UTC))}
    holdout = pl.DataFrame({"user_id": ["u", "u", "v", "w"], "item_id": ["i00", "i05", "i05", "i05"]})
    flags = {"warm": pl.lit(True), "in_catalogue": pl.lit(True), "repeat": pl.col("item_id") == "i00"}
    items = pl.DataFrame({"item_id": ITEMS}).with_columns(category=pl.lit("c"), brand=pl.lit(None, pl.String))
    nothing, chosen = pl.DataFrame(), {"all": "ease", "novel": "ease"}
    tables = (bought.with_columns(**history).cast(ENUM), holdout.with_columns(**flags).cast(ENUM))
    items = items.cast({"item_id": ENUM["item_id"]})
    return Inputs(nothing, *tables, items, *[nothing] * 5, {"cut": CUT.isoformat()}, chosen, {})


@pytest.fixture
def project(tmp_path, monkeypatch) -> None:
    """u and v are shown i00, i01, ... in *all*, and i02, i03, ... in *novel*; the fallback begins with i00."""
    monkeypatch.setattr(paths, "place", lambda path: tmp_path / path)
    folder = tmp_path / paths.MODELS
    folder.mkdir(parents=True)
    (tmp_path / paths.METRICS).mkdir(parents=True)
    rows = [
        (protocol, user, item, -float(rank), rank, "ease")
        for protocol, first in (("all", 0), ("novel", 2))
        for user in "uv"
        for rank, item in enumerate(ITEMS[first : first + 12], 1)
    ]
    names = ["protocol", "user_id", "item_id", "score", "rank", "model"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(folder / "pool.parquet")
    fallback = [(item, -float(rank), rank, "recent_popularity") for rank, item in enumerate(ITEMS, 1)]
    pl.DataFrame(fallback, schema=names[2:], orient="row").write_parquet(folder / "fallback.parquet")


def report(rules: Lists) -> RuleReport:
    return RuleReport(rules, inputs(), Evaluate(n_bootstrap=100), 1)


def ndcg(costs: pl.DataFrame, protocol: str) -> dict:
    return costs.row(by_predicate=(pl.col("protocol") == protocol) & (pl.col("metric") == "ndcg@10"), named=True)


@pytest.mark.usefixtures("project")
def test_a_block_costs_the_hit_that_it_takes():
    costs = report(Lists(block=Products(items=["i05"]))).costs
    ideal = 1 + 1 / np.log2(3)
    u, v = (1 + 1 / np.log2(7)) / ideal, 1 / np.log2(7)  # i00 at rank 1, i05 at rank 6
    row = ndcg(costs, "all")
    assert (row["rule"], row["n"]) == ("blocked products", 2)
    assert (row["without"], row["with"]) == (pytest.approx((u + v) / 2), pytest.approx(1 / ideal / 2))
    novel = ndcg(costs, "novel")
    assert (novel["without"], novel["with"]) == (pytest.approx(1 / np.log2(5)), 0.0)  # i05 at rank 4


@pytest.mark.usefixtures("project")
def test_lists_that_run_dry_are_filled_and_in_novel_with_new_products_only():
    rules = report(Lists(block=Products(items=ITEMS[2:12])))
    lists = rules.lists.filter(pl.col("model") != WITHOUT)
    novel = lists.filter(pl.col("protocol") == "novel")
    assert set(novel["item_id"]) == set(ITEMS[12:])
    assert novel.filter(pl.col("user_id") == "u").height == 8
    effects = rules.effects.row(by_predicate=(pl.col("protocol") == "novel") & (pl.col("rule") != WITHOUT), named=True)
    assert (effects["filled"], effects["short"]) == (6 / 8, 2)  # the pool still has i12 and i13
    assert effects["top_share"] == 1.0


@pytest.mark.usefixtures("project")
def test_without_rules_there_is_nothing_to_price_but_the_curve():
    rules = report(Lists(only_in_stock=True))
    assert (rules.costs.height, rules.effects.height, rules.not_priced) == (0, 0, ["only_in_stock"])
    assert rules.curve.group_by("protocol", maintain_order=True).len().rows() == [("all", 6), ("novel", 6)]
    assert set(rules.curve["n"]) == {2}


@pytest.mark.usefixtures("project")
def test_the_sample_is_that_of_the_pool():
    assert report(Lists()).user_sample == (2, 3)


def test_the_file_has_all_tables(project, tmp_path):
    report(Lists(max_per_category=3)).write()
    content = json.loads((tmp_path / paths.METRICS / "rule_costs.json").read_text())
    assert {name: len(rows) for name, rows in content.items()} == {
        "rules": 8,
        "effects": 4,
        "not_priced": 0,
        "diversity": 12,
    }
