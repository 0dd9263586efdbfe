"""The price of the shop's rules and of diversity: reads the pool of stage 06, and assembles rule_costs.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import polars as pl

from recomart_lib.core import paths, tables
from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.core.shop_lists import Lists
from recomart_lib.evaluate import evaluation, rule_costs
from recomart_lib.evaluate.report import Inputs
from recomart_lib.evaluate.rule_costs import K
from recomart_lib.evaluate.settings import Evaluate
from recomart_lib.lists import rules as engine
from recomart_lib.lists.catalogue import Context, long_tail
from recomart_lib.metrics import by_model

MAX_CURVE_USERS = 1_000  # per protocol, for the curve of `diversity`: enough for its shape, and it is made in every run


@dataclass(frozen=True)
class RuleReport:
    """Results of the section on rules, each computed when it is first used.

    Attributes
    ----------
    rules
        The section `lists` of the shop file.
    inputs
        Of stage 07.
    """

    rules: Lists
    inputs: Inputs
    settings: Evaluate
    seed: int

    @cached_property
    def variants(self) -> dict[str, Lists]:
        """Variant -> its rules; none if the shop has no rules with a price."""
        return rule_costs.variants(self.rules)

    @cached_property
    def not_priced(self) -> list[str]:
        """The keys of the shop's rules that have no price."""
        return rule_costs.not_priced(self.rules)

    @cached_property
    def pools(self) -> dict[str, pl.DataFrame]:
        """Protocol -> the best products of its chosen model: user_id, item_id, score, rank, model."""
        stored = tables.scan(paths.MODELS, "pool.parquet")
        return {name: stored.filter(pl.col("protocol") == name).drop("protocol").collect() for name in PROTOCOLS}

    @cached_property
    def users(self) -> dict[str, pl.Series]:
        """Protocol -> the users who are evaluated: those of the pool, in a large shop a sample."""
        dtype = self.inputs.holdout.schema["user_id"]
        return {name: pool.get_column("user_id").unique().cast(dtype) for name, pool in self.pools.items()}

    @cached_property
    def user_sample(self) -> tuple[int, int]:
        """The numbers of users who are evaluated here, and of all who can be evaluated, in protocol *all*."""
        return len(self.users["all"]), self.inputs.relevant["all"].get_column("user_id").n_unique()

    @cached_property
    def contexts(self) -> dict[str, Context]:
        """Protocol -> what the rules know: the products of today, and the history before the cut."""
        pairs = self.inputs.interactions.select("user_id", "item_id", "n_relevant", "last_relevant_timestamp")
        items, pairs = (table.with_columns(pl.selectors.enum().cast(pl.String)) for table in (self.inputs.items, pairs))
        known = Context(items, pairs, datetime.fromisoformat(self.inputs.split_metadata["cut"]))
        return {"all": known, "novel": replace(known, excluded=known.chosen)}

    @cached_property
    def lists(self) -> pl.DataFrame:
        """The lists of every variant and protocol: see `rule_costs.apply_each`."""
        return self._apply(self.variants, self.users)

    @cached_property
    def costs(self) -> pl.DataFrame:
        """What each rule costs, paired over users: see `rule_costs.costs`; no rows without rules."""
        if not self.variants:
            return pl.DataFrame(schema=rule_costs.COSTS)
        rules = [name for name in self.variants if name != rule_costs.WITHOUT]
        return rule_costs.costs(self._evaluate(self.lists, self.users), rules, self.settings.n_bootstrap, self.seed)

    @cached_property
    def effects(self) -> pl.DataFrame:
        """What the lists look like: `rule_costs.effects`, with coverage@10 and diversity@10; no rows without rules."""
        if not self.variants:
            return pl.DataFrame(schema={"protocol": pl.String, "rule": pl.String})
        table = rule_costs.effects(
            self.lists,
            long_tail(self.contexts["all"]).cast(self.lists.schema["item_id"]),
            self.fallback.get_column("model").first(),
        )
        beyond = pl.DataFrame(
            [
                {
                    "protocol": protocol,
                    "rule": rule,
                    **{name: values[name] for name in (f"coverage@{K}", f"diversity@{K}")},
                }
                for protocol, by_rule in self._beyond_accuracy(self.lists).items()
                for rule, values in by_rule.items()
            ]
        )
        return table.join(beyond, on=["protocol", "rule"], how="left", maintain_order="left")

    @cached_property
    def curve_users(self) -> dict[str, pl.Series]:
        """Protocol -> the users of the curve of `diversity`."""
        return {name: rule_costs.sample_users(users, MAX_CURVE_USERS, self.seed) for name, users in self.users.items()}

    @cached_property
    def curve(self) -> pl.DataFrame:
        """ndcg, diversity and coverage by the knob `diversity`, without other rules: see `rule_costs.curve`."""
        lists = self._apply(rule_costs.diversities(), self.curve_users)
        return rule_costs.curve(self._evaluate(lists, self.curve_users), self._beyond_accuracy(lists))

    @cached_property
    def fallback(self) -> pl.DataFrame:
        """The next model down, over the whole catalogue: item_id, score, rank, model."""
        return tables.read(paths.MODELS, "fallback.parquet")

    def _apply(self, named: Mapping[str, Lists], users: Mapping[str, pl.Series]) -> pl.DataFrame:
        """The lists of every variant for these users, ids as in the other inputs."""
        dtypes = {name: self.inputs.holdout.schema[name] for name in ("user_id", "item_id")}
        parts = []
        for protocol, pool in self.pools.items():
            of_users = pool.filter(pl.col("user_id").is_in(users[protocol].cast(pl.String).implode()))
            apply = partial(self._applied, of_users, self.contexts[protocol])
            parts.append(rule_costs.apply_each(named, protocol, apply).cast(dtypes))
        return pl.concat(parts)

    def _applied(self, pool: pl.DataFrame, context: Context, rules: Lists) -> pl.DataFrame:
        return engine.apply(rules, pool, self.fallback, context, K).lists

    def _evaluate(self, lists: pl.DataFrame, users: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Ranking metrics of these users, whose list may be missing: see `by_model.per_user`."""
        relevant = {
            protocol: pairs.filter(pl.col("user_id").is_in(users[protocol].implode()))
            for protocol, pairs in self.inputs.relevant.items()
        }
        return by_model.per_user(lists, relevant, [K])

    def _beyond_accuracy(self, lists: pl.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
        """Protocol -> variant -> metric -> value."""
        catalogue = evaluation.Catalogue(self.inputs.interactions, lists)
        parts = lists.group_by("protocol", maintain_order=True)
        return {protocol: catalogue.beyond_accuracy(part, [K]) for (protocol,), part in parts}

    def content(self) -> dict[str, Any]:
        """Assemble reports/metrics/rule_costs.json.

        Returns
        -------
        dict
            rules : rows of `costs`; none without rules
            effects : rows of `effects`; none without rules
            not_priced : keys of the shop's rules without a price
            diversity : rows of `curve`
        """
        return {
            "rules": self.costs.to_dicts(),
            "effects": self.effects.to_dicts(),
            "not_priced": self.not_priced,
            "diversity": self.curve.to_dicts(),
        }

    def write(self) -> None:
        """Write rule_costs.json: headline.json and evaluation.json are without rules."""
        tables.write_json(self.content(), paths.METRICS, "rule_costs.json")
