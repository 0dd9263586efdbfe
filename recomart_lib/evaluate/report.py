"""All results of stage 07: reads the inputs, computes each result once, and assembles the files that 07 writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from recomart_lib.core import files, paths, tables
from recomart_lib.core.schemas import PROTOCOLS, enum_of
from recomart_lib.evaluate import answer, calibration, comparison, diagnostics, evaluation, fell_back
from recomart_lib.evaluate.settings import Evaluate
from recomart_lib.evaluate.target_card import target_card
from recomart_lib.metrics import by_model, ranking, ratings
from recomart_lib.prepare import splits

BASELINE, METRIC = "popularity", "ndcg@10"
LENGTHS = (1, 2, 3, 5, 10, 15, 20)  # list lengths of reports/metrics/by_k.csv


@dataclass(frozen=True)
class Inputs:
    """What earlier stages wrote for stage 07.

    Attributes
    ----------
    lists
        data/models/recommendations.parquet, without the scores. The ids, here and in the next four, are Enums, which
        sort like the strings: the lists of all models fit in a fraction of the memory.
    interactions, holdout
        data/prepared/test: pairs before the cut, and pairs with a relevant event in the test window.
    items
        data/prepared: item_id, category and brand of every product.
    user_features
        One row per user: features as of the cut.
    predictions, backtest, splits, probabilities
        data/models: predictions, backtest, splits and calibration (.parquet).
    split_metadata
        reports/metrics/data.json.
    chosen
        Protocol -> the model chosen in the windows before test (reports/metrics/tuning.json).
    choice
        Protocol -> model -> its scores in these windows (tuning.json).
    """

    lists: pl.DataFrame
    interactions: pl.DataFrame
    holdout: pl.DataFrame
    items: pl.DataFrame
    user_features: pl.DataFrame
    predictions: pl.DataFrame
    backtest: pl.DataFrame
    splits: pl.DataFrame
    probabilities: pl.DataFrame
    split_metadata: dict[str, Any]
    chosen: dict[str, str]
    choice: dict[str, dict[str, dict[str, Any]]]

    @classmethod
    def read(cls) -> Inputs:
        """Read the inputs from the current project."""
        metadata = tables.read_json(paths.METRICS, "data.json")
        lists = tables.scan(paths.MODELS, "recommendations.parquet").drop("score")
        pairs = [tables.scan(paths.PREPARED, "test", f"{name}.parquet") for name in ("interactions", "holdout")]
        items = tables.scan(paths.PREPARED, "items.parquet").select("item_id", "category", "brand")
        is_current = pl.col("event_timestamp") == datetime.fromisoformat(metadata["cut"])
        features = tables.scan(paths.FEATURES, "user.parquet").filter(is_current)
        dtypes = {
            "user_id": _enum("user_id", lists, *pairs, features),
            "item_id": _enum("item_id", lists, *pairs, items),
            "model": _enum("model", lists),
            "protocol": _enum("protocol", lists),
        }
        compact = [_with_dtypes(table, dtypes) for table in (lists, *pairs, items, features)]
        others = tables.read_all(paths.MODELS, "predictions", "backtest", "splits", "calibration")
        tuning = tables.read_json(paths.METRICS, "tuning.json")
        return cls(*compact, *others.values(), metadata, tuning["chosen"], tuning["choice"])

    def tables(self) -> dict[str, pl.DataFrame]:
        """The main tables by name, to show their sizes."""
        names = ("lists", "predictions", "backtest", "interactions", "holdout")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def relevant(self) -> dict[str, pl.DataFrame]:
        """Protocol -> the relevant pairs of the test window."""
        return {protocol: splits.relevant(self.holdout, protocol) for protocol in PROTOCOLS}

    @cached_property
    def longest(self) -> int:
        """The length of the longest list; 0 without lists."""
        return self.lists["rank"].max() or 0

    def repeats_in_novel(self) -> pl.DataFrame:
        """Recommendations of protocol *novel* that the user already had; must be empty."""
        had = self.interactions.filter(pl.col("n_relevant") > 0)
        return self.lists.filter(pl.col("protocol") == "novel").join(had, on=["user_id", "item_id"], how="semi")


def _enum(column: str, *parts: pl.LazyFrame) -> pl.Enum:
    return enum_of(
        *(part.select(pl.col(column).unique()).collect(engine="streaming").get_column(column) for part in parts)
    )


def _with_dtypes(table: pl.LazyFrame, dtypes: dict[str, pl.Enum]) -> pl.DataFrame:
    names = dtypes.keys() & set(table.collect_schema().names())
    return table.with_columns(pl.col(name).cast(dtypes[name]) for name in names).collect(engine="streaming")


@dataclass(frozen=True)
class Report:
    """Results of stage 07, each computed when it is first used."""

    inputs: Inputs
    settings: Evaluate
    seed: int

    def _summary(self, table: pl.DataFrame, by: list[str], metrics: list[str]) -> pl.DataFrame:
        return diagnostics.summary(table, by, metrics, self.settings.n_bootstrap, self.seed)

    def _lists_of(self, *models: str) -> pl.DataFrame:
        return self.inputs.lists.filter(pl.col("model").is_in([self.inputs.chosen["all"], *models]))

    @cached_property
    def scores(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Protocol -> model -> metric -> value: see `evaluation.evaluate`."""
        data, settings = self.inputs, self.settings
        return evaluation.evaluate(
            data.lists, data.relevant, data.interactions, settings.ks, settings.n_bootstrap, self.seed, self.users
        )

    @cached_property
    def leaderboards(self) -> dict[str, pl.DataFrame]:
        """Protocol -> leaderboard, best model first."""
        return {protocol: evaluation.leaderboard(models) for protocol, models in self.scores.items()}

    @cached_property
    def target_card(self) -> pl.DataFrame:
        """One row per protocol and target."""
        return target_card(self.scores, self.inputs.chosen, self.inputs.relevant, self.settings.targets)

    @cached_property
    def users(self) -> pl.DataFrame:
        """One row per protocol, model and evaluated user, with the metrics at every k."""
        return by_model.per_user(self.inputs.lists, self.inputs.relevant, self.settings.ks)

    @cached_property
    def users_by_protocol(self) -> dict[str, pl.DataFrame]:
        """Protocol -> its rows of `users`."""
        return {protocol: self.users.filter(pl.col("protocol") == protocol) for protocol in PROTOCOLS}

    @cached_property
    def protocols(self) -> list[str]:
        """The protocols that have users to evaluate."""
        return [protocol for protocol, users in self.users_by_protocol.items() if users.height]

    @cached_property
    def comparisons(self) -> dict[str, pl.DataFrame]:
        """Protocol -> paired tests of the chosen model against all others."""
        chosen, users = self.inputs.chosen, self.users_by_protocol
        return {name: comparison.compare(users[name], chosen[name], METRIC) for name in self.protocols}

    @cached_property
    def fallbacks(self) -> dict[str, list[str]]:
        """Protocol -> the models that show every user the bestsellers, as they have nothing of their own to show."""
        of_protocol = {name: self.inputs.lists.filter(pl.col("protocol") == name) for name in self.protocols}
        return {name: diagnostics.same_lists(lists, BASELINE, 10) for name, lists in of_protocol.items()}

    @cached_property
    def answers(self) -> dict[str, dict[str, Any] | None]:
        """Protocol -> the chosen model beside the strongest simple one (`answer.answer`); None without users."""
        chosen, tests = self.inputs.chosen, self.comparisons
        return {
            name: answer.answer(self.scores[name], tests[name], chosen[name]) if name in tests else None
            for name in PROTOCOLS
        }

    def rival(self, protocol: str) -> str:
        """The strongest simple model of a protocol, other than the chosen one; popularity if there is none."""
        return (self.answers[protocol] or {}).get("rival") or BASELINE

    @cached_property
    def stability(self) -> dict[str, dict[str, Any] | None]:
        """Protocol -> at how many cuts the chosen model leads (`answer.stability`); None without users."""
        cut = datetime.fromisoformat(self.inputs.split_metadata["cut"])
        chosen, rivals = self.inputs.chosen, {name: (self.answers[name] or {}).get("rival") for name in PROTOCOLS}
        return {
            name: answer.stability(self.by_cut, chosen[name], rivals[name], name, cut, self.inputs.choice[name])
            for name in PROTOCOLS
        }

    @cached_property
    def repeats(self) -> dict[str, dict[str, float] | None]:
        """Protocol -> the share of places and hits that users had chosen before (`answer.repeats`)."""
        data = self.inputs
        return {
            name: answer.repeats(data.lists, data.relevant[name], data.interactions, name, data.chosen[name])
            for name in PROTOCOLS
        }

    @property
    def comparison_table(self) -> pl.DataFrame:
        """All rows of `comparisons`, with their protocol in the last column; empty without users to evaluate."""
        tests = [test.with_columns(protocol=pl.lit(name)) for name, test in self.comparisons.items()]
        return pl.concat(tests or [pl.DataFrame({"model": []})])

    @cached_property
    def by_cut(self) -> pl.DataFrame:
        """Means with intervals per cut, protocol and model."""
        return self._summary(self.inputs.backtest, ["cut", "protocol", "model"], [METRIC, "recall@10", "precision@10"])

    @cached_property
    def fallen(self) -> pl.DataFrame:
        """Models that showed the bestsellers to every user of a cut: cut, protocol, model (`fell_back.models`)."""
        return fell_back.models(self.inputs.backtest, BASELINE)

    @cached_property
    def user_sample(self) -> tuple[int, int]:
        """The numbers of users who are evaluated at the test cut in the backtest, and of all who can be evaluated."""
        at_test = pl.col("cut") == datetime.fromisoformat(self.inputs.split_metadata["cut"])
        rows = self.inputs.backtest.filter(at_test, pl.col("protocol") == "all")
        return rows.get_column("user_id").n_unique(), self.inputs.relevant["all"].get_column("user_id").n_unique()

    @cached_property
    def spread(self) -> pl.DataFrame:
        """How each model varies from cut to cut."""
        return diagnostics.over_cuts(self.by_cut)

    @cached_property
    def by_week(self) -> pl.DataFrame:
        """Means with intervals per week of the test window: the chosen model, its `rival`, and popularity, in *all*."""
        metadata = self.inputs.split_metadata
        start, end = (datetime.fromisoformat(metadata[name]) for name in ("cut", "end"))
        inside = pl.col("timestamp").is_between(start, end, closed="left")
        events = tables.scan(paths.PREPARED, "events.parquet").filter(
            inside, pl.col("event_type").is_in(metadata["relevant_events"])
        )
        relevant = self.inputs.relevant["all"]
        strings = relevant.select(pl.col("user_id", "item_id").cast(pl.String))
        purchases = events.select("user_id", "item_id", "timestamp").collect()
        purchases = purchases.join(strings, on=["user_id", "item_id"], how="semi").cast(relevant.schema)
        lists = self._lists_of(self.rival("all"), BASELINE)
        weekly = diagnostics.by_week(lists, "all", purchases, start, end, [10])
        return self._summary(weekly, ["week", "days", "model"], [METRIC, "hit_rate@10"])

    @cached_property
    def by_split(self) -> pl.DataFrame:
        """Means with intervals per split (time, random) and model."""
        return self._summary(self.inputs.splits, ["split", "model"], [METRIC, "hit_rate@10"])

    @cached_property
    def user_shares(self) -> dict[str, dict[str, float]]:
        """Protocol -> shares of users for whom the chosen model is worse than, equal to and better than popularity."""
        chosen, users = self.inputs.chosen, self.users_by_protocol
        return {name: comparison.user_shares(users[name], chosen[name], BASELINE) for name in self.protocols}

    @cached_property
    def rival_shares(self) -> dict[str, dict[str, float]]:
        """As `user_shares`, against the strongest simple model."""
        chosen, users = self.inputs.chosen, self.users_by_protocol
        return {name: comparison.user_shares(users[name], chosen[name], self.rival(name)) for name in self.protocols}

    @cached_property
    def cold_users(self) -> pl.DataFrame:
        """One row per model and cold user, with the metrics at every k."""
        pairs = self.inputs.holdout.filter(~pl.col("warm") & pl.col("in_catalogue")).select("user_id", "item_id")
        return by_model.per_user(self.inputs.lists, {"cold": pairs}, self.settings.ks)

    @cached_property
    def cold_means(self) -> pl.DataFrame:
        """One row per model that serves cold users: model, users, and the means at 10."""
        names = [f"{name}@10" for name in ("precision", "recall", "ndcg", "hit_rate")]
        in_order = self.cold_users.sort("model", "user_id").group_by("model", maintain_order=True)  # equal sums
        return in_order.agg(pl.len().alias("users"), pl.col(names).mean())

    @cached_property
    def by_history(self) -> pl.DataFrame:
        """Means with intervals per length of the purchase history, protocol *all* and cold users."""
        models = [self.inputs.chosen["all"], self.rival("all"), BASELINE, "ease"]
        warm = self.users_by_protocol["all"].filter(pl.col("model").is_in(models))
        binned = diagnostics.by_history(pl.concat([warm, self.cold_users]), self.inputs.interactions)
        return self._summary(binned, ["history", "model"], [METRIC, "recall@10"])

    @cached_property
    def history_tests(self) -> pl.DataFrame:
        """The chosen model against its `rival` in each group of `by_history`: see `comparison.compare_groups`."""
        binned = diagnostics.by_history(self.users_by_protocol["all"], self.inputs.interactions)
        pair = (self.inputs.chosen["all"], self.rival("all"))
        return comparison.compare_groups(binned, "history", *pair, METRIC, diagnostics.MIN_USERS)

    @cached_property
    def slices(self) -> dict[str, pl.DataFrame]:
        """activity, tenure, country and category -> means with intervals of the chosen model and its `rival`."""
        users = self.users_by_protocol["all"]
        groups = comparison.user_groups(self.inputs.user_features, users)
        pair = users.filter(pl.col("model").is_in([self.inputs.chosen["all"], self.rival("all")]))
        bootstrap = (self.settings.n_bootstrap, self.seed)
        names = ("activity", "tenure", "country", "category")
        return {by: comparison.slices(pair, groups, by, METRIC, *bootstrap) for by in names}

    @cached_property
    def weak_slices(self) -> list[dict[str, Any]]:
        """The groups of users in which the chosen model is clearly below its average."""
        model = self.inputs.chosen["all"]
        overall = self.scores["all"].get(model, {}).get(METRIC, 0)
        return diagnostics.weak_slices(self._slices_and_history, model, overall)

    @cached_property
    def n_groups(self) -> int:
        """How many groups of users `weak_slices` looks at."""
        return diagnostics.n_groups(self._slices_and_history, self.inputs.chosen["all"])

    @property
    def _slices_and_history(self) -> dict[str, pl.DataFrame]:
        return {**self.slices, "history": self.by_history.filter(pl.col("metric") == METRIC)}

    @cached_property
    def calibration(self) -> pl.DataFrame:
        """Reliability diagram of every model that predicts probabilities."""
        return calibration.calibration_by_model(self.inputs.probabilities)

    @cached_property
    def calibration_errors(self) -> dict[str, float]:
        """Model -> expected calibration error."""
        groups = self.calibration.group_by("model", maintain_order=True)
        return {model: calibration.calibration_error(bins) for (model,), bins in groups}

    @cached_property
    def by_length(self) -> pl.DataFrame:
        """Mean ndcg and recall per model and list length, protocol *all*."""
        longest = self.inputs.longest or max(self.settings.ks)
        lengths = [k for k in LENGTHS if k <= longest]
        return evaluation.by_length(self.inputs.lists, self.inputs.relevant["all"], lengths)

    @cached_property
    def catalogue(self) -> dict[str, pl.DataFrame]:
        """Protocol -> popularity of the listed products, and share of the catalogue in use."""
        data, bootstrap = self.inputs, (self.settings.n_bootstrap, self.seed)
        lists = {name: data.lists.filter(pl.col("protocol") == name) for name in self.protocols}
        return {
            name: diagnostics.catalogue_use(lists[name], data.relevant[name], data.interactions, 10, *bootstrap)
            for name in self.protocols
        }

    @cached_property
    def rating_errors(self) -> dict[str, dict[str, float]]:
        """Rating model -> rmse and mae."""
        return ratings.rating_errors(self.inputs.predictions)

    def evaluation(self) -> dict[str, Any]:
        """Assemble reports/metrics/evaluation.json.

        Returns
        -------
        dict
            all, novel : model -> metric -> value (`scores`)
            users : numbers of users: test_users, warm, cold, evaluated_all, evaluated_novel
            targets : rows of `target_card`; target is written as "ndcg@10 >= 0.2"
            chosen : protocol -> model chosen in the windows before test
            answer, stability, repeats : protocol -> see the functions of these names in `answer`; null without users
            ratings : rating model -> rmse, mae
            losers, losers_to_rival : protocol -> shares of users: worse, equal, better than popularity (`user_shares`),
                than the strongest simple model (`rival_shares`)
            cold : rows of `cold_means`
            weak : rows of `weak_slices`: by, slice, mean, low, high, n
            calibration_error : model -> expected calibration error
            cuts, weeks, history, splits : rows of `spread`, `by_week`, `by_history`, `by_split`
            history_tests : rows of `history_tests`
            catalogue : protocol -> rows of `catalogue`
        """
        rows = self.target_card.iter_rows(named=True)
        return {
            **self.scores,
            "users": _user_counts(self.inputs.split_metadata["windows"]["test"]),
            "targets": [{**row, "target": f"{row['target']} >= {row['threshold']}"} for row in rows],
            "chosen": self.inputs.chosen,
            "answer": self.answers,
            "stability": self.stability,
            "repeats": self.repeats,
            "ratings": self.rating_errors,
            "losers": self.user_shares,
            "losers_to_rival": self.rival_shares,
            "weak": self.weak_slices,
            "calibration_error": self.calibration_errors,
            "cuts": self.spread.to_dicts(),
            "weeks": self.by_week.to_dicts(),
            "cold": self.cold_means.to_dicts(),
            "history": self.by_history.to_dicts(),
            "history_tests": self.history_tests.to_dicts(),
            "splits": self.by_split.to_dicts(),
            "catalogue": {protocol: table.to_dicts() for protocol, table in self.catalogue.items()},
        }

    def write(self) -> None:
        """Write evaluation.json, headline.json, by_k.csv, and data/evaluation/per_user.parquet.

        The next run is compared with per_user.parquet user by user.
        """
        tables.write_json(self.evaluation(), paths.METRICS, "evaluation.json")
        tables.write_json(headline(self.scores, self.inputs.chosen), paths.METRICS, "headline.json")
        with files.complete(paths.place(paths.METRICS, "by_k.csv")) as unfinished:
            self.by_length.select("model", "k", "ndcg").write_csv(unfinished)
        metrics = [f"{name}@10" for name in evaluation.WITH_INTERVAL]
        per_user = self.users.select("protocol", "model", pl.col("user_id").cast(pl.String), *metrics)
        tables.write(per_user, paths.EVALUATION, "per_user.parquet")


def headline(scores: dict[str, dict[str, dict[str, Any]]], chosen: dict[str, str]) -> dict[str, Any]:
    """Assemble reports/metrics/headline.json: protocol -> the chosen model and its metrics at 10.

    Metrics with an interval also have _low and _high. A protocol without users to evaluate has no numbers.
    """
    content: dict[str, Any] = {"model": chosen["all"]}
    for protocol, model in chosen.items():
        values = scores[protocol].get(model, {})
        numbers = {f"{name}@10": values[f"{name}@10"] for name in ranking.NAMES if values}
        for name in evaluation.WITH_INTERVAL if values else ():
            low, high = values[f"{name}@10_ci"]
            numbers |= {f"{name}@10_low": low, f"{name}@10_high": high}
        content[protocol] = {"model": model, **dict(sorted(numbers.items()))}
    return content


def _user_counts(window: dict[str, int]) -> dict[str, int]:
    """Numbers of users in the test window: all, warm, cold, and evaluated in each protocol."""
    return {
        "test_users": window["users_in_window"],
        "warm": window["warm_users"],
        "cold": window["cold_users"],
        "evaluated_all": window["evaluated_all"],
        "evaluated_novel": window["evaluated_novel"],
    }
