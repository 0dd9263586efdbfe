"""Takeaways of all stages: what holds for every sentence."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from conftest import rows, utc
from takeaway_data import report

from recomart_lib.core import text
from recomart_lib.evaluate import answer_takeaways
from recomart_lib.evaluate import takeaways as evaluate_takeaways
from recomart_lib.explore import summaries
from recomart_lib.explore import takeaways as explore_takeaways
from recomart_lib.features import takeaways as features_takeaways
from recomart_lib.ingest import covered_days
from recomart_lib.ingest import takeaways as ingest_takeaways
from recomart_lib.prepare import takeaways as prepare_takeaways
from recomart_lib.recommend import takeaways as recommend_takeaways
from recomart_lib.train import takeaways as train_takeaways
from recomart_lib.train.choice import CHOICE
from recomart_lib.validate import takeaways as validate_takeaways

NO_EVENTS = rows("events")


def files(*counts: tuple[int, int, str]) -> pl.DataFrame:
    schema = {"rows_delivered": pl.Int64, "rows_ingested": pl.Int64, "state": pl.String}
    return pl.DataFrame(list(counts), schema=schema, orient="row").with_columns(file=pl.lit("f.csv"))


def pairs(n_days: list[int]) -> pl.DataFrame:
    gaps = [3.0 if n > 1 else None for n in n_days]
    return pl.DataFrame({"n_days": n_days, "gap_days": gaps}, schema={"n_days": pl.Int64, "gap_days": pl.Float64})


def weeks(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"week": [date(2024, 1, 1 + 7 * n) for n in range(len(counts))], "n": list(counts)})


def ranked(first: float, interval: tuple[float, float]) -> pl.DataFrame:
    return pl.DataFrame({"model": ["x", "y"], "ndcg@10": [first, 0.2], "ndcg@10_ci": [list(interval), [0.15, 0.25]]})


def days(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"day": [date(2024, 1, 1 + n) for n in range(len(counts))], "n": list(counts)})


def svd(rmse: float, ndcg: float) -> str:
    errors = {"svd": {"rmse": rmse}, "global_mean": {"rmse": 1.0}}
    return evaluate_takeaways.rating_model(errors, {"svd": {"ndcg@10": ndcg}, "popularity": {"ndcg@10": 0.1}})


def no_rows(*columns: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def card(*verdicts: str) -> pl.DataFrame:
    n = len(verdicts)
    return pl.DataFrame({"protocol": ["all"] * n, "target": ["ndcg@10"] * n, "verdict": list(verdicts)})


def described(nulls: float, psi: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"entity": ["user"], "feature": ["spend"], "nulls": [nulls], "psi": [psi]}, schema_overrides={"psi": pl.Float64}
    )


def audited(leaks: bool, canary_leaks: bool) -> str:
    table = pl.DataFrame(
        {
            "feature": ["spend", "canary_x"],
            "leaks": [leaks, canary_leaks],
            "latest_event": [utc(2024, 1, 1), None],
            "n_changed": [3 * leaks, 7],
            "n_users": [40, 40],
            "of_users": [40, 40],
        }
    )
    return features_takeaways.audited("test", utc(2024, 1, 2), table)


def aucs(*found: tuple[float, float, float]) -> pl.DataFrame:
    rows = [("user__<spend>", *one, 9) for one in found]
    return pl.DataFrame(
        rows,
        schema={"feature": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64},
        orient="row",
    )


def search(*found: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    columns = {"model": pl.String, "trials": pl.Int64, "defaults": pl.Float64, "best": pl.Float64}
    return pl.DataFrame(found, schema=columns, orient="row")


def shares(*found: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def same(*correlations: float) -> str:
    columns = {"one": pl.String, "other": pl.String, "correlation": pl.Float64}
    table = pl.DataFrame([("a", "b", one) for one in correlations], schema=columns, orient="row")
    return features_takeaways.redundant("user", table, 5)


BY_DAY = pl.DataFrame({"daily": [True], "n_rows": [9]})
COUNTS = pl.DataFrame({"n": [8, *[1] * 9]})


WINDOW = {"users_in_window": 9, "evaluated_all": 5, "evaluated_novel": 4, "cold_users": 3}


@pytest.mark.parametrize(
    ("said", "otherwise", "words", "other_words"),
    [
        (
            ingest_takeaways.ingested(files((5, 5, "new"))),
            ingest_takeaways.ingested(files((5, 4, "unchanged"))),
            "every row could be read",
            "1 row (20 %) could not be read",
        ),
        (
            ingest_takeaways.no_longer_delivered([]),
            ingest_takeaways.no_longer_delivered(["events/<b>.csv"]),
            "still in the source folder",
            "events/&lt;b&gt;.csv",
        ),
        (
            covered_days.covered(days(1, 2), BY_DAY),
            covered_days.covered(days(1, 0, 3), BY_DAY),
            "Each of 2 days has some",
            "1 of 3 days (33 %) has none; the first is 2024-01-02",
        ),
        (
            validate_takeaways.quality(report(95.0)),
            validate_takeaways.quality(report(94.99)),
            "(gate of 95 %: passed)",
            "**The quality score is 94.9 %** (gate of 95 %: missed, the pipeline stops here)",
        ),
        (
            validate_takeaways.most_failed_rules(report(1)),
            validate_takeaways.most_failed_rules(report(1, delivered=9, quarantined=2)),
            "No row fails a rule of severity error",
            "Rows fail 1 rule of severity error**, most often: users.age_possible (2 rows)",
        ),
        (
            explore_takeaways.concentration(COUNTS, "users", 0.1, 0.8),
            explore_takeaways.concentration(COUNTS, "users", 0.1, 0.2),
            "a few account for most of them",
            "2.0 times an even share",
        ),
        (
            explore_takeaways.season(weeks(1, 1, 1, 2)),
            explore_takeaways.season(weeks(2, 1, 1, 1)),
            "100 % above",
            "50 % below",
        ),
        (
            explore_takeaways.season(weeks(1, 1, 1, 4)),
            explore_takeaways.season(weeks(1, 1, 1, 3)),
            "has 4.0 times the events of the first",
            "has 3.0 times the events of the first",
        ),
        (
            explore_takeaways.repeats(pairs([2, 1])),
            explore_takeaways.repeats(pairs([2, *[1] * 9])),
            "the user's purchase history is a strong list",
            "most choices are new products; those who choose again can be served from their history",
        ),
        (
            explore_takeaways.repeats(pairs([2, 1])),
            explore_takeaways.repeats(pairs([1, 1])),
            "50 % of the user-product pairs repeat on another day",
            "No user came back to the same product on another day**",
        ),
        (
            prepare_takeaways.evaluable_users(WINDOW, "test"),
            prepare_takeaways.evaluable_users(WINDOW | {"users_in_window": 0}, "test"),
            "5 of 9 users (56 %) can be evaluated",
            "*Not applicable: the test window has no relevant events",
        ),
        (
            evaluate_takeaways.best_model(ranked(0.3, (0.26, 0.34)), "all"),
            evaluate_takeaways.best_model(ranked(0.3, (0.24, 0.36)), "all"),
            "do not overlap",
            "Their intervals overlap",
        ),
        (
            evaluate_takeaways.best_model(ranked(0.3, (0.26, 0.34)), "all"),
            evaluate_takeaways.best_model(ranked(0.1, (0.0, 0.2)), "all"),
            "`x` leads with ndcg@10 0.300",
            "`y` leads with ndcg@10 0.200",
        ),
        (svd(0.9, 0.2), svd(1.1, 0.05), "ratings better than the mean", "ratings no better than the mean"),
        (svd(0.9, 0.2), svd(0.9, 0.05), "ranks above *Bestsellers*", "ranks below *Bestsellers*"),
        (
            answer_takeaways.decides(card("clearly met", "met")),
            answer_takeaways.decides(card("missed", "met")),
            "2 of 2 targets met**.",
            "1 of 2 targets met** (missed: ndcg@10)",
        ),
        (
            explore_takeaways.stars(pl.DataFrame({"stars": [1.0, 5.0], "n": [1, 3]})),
            explore_takeaways.stars(summaries.ratings(NO_EVENTS)),
            "4 ratings, 4.00 stars on average**; 75 % are 4 stars",
            "*Not applicable: this shop has no ratings",
        ),
        (
            features_takeaways.missing(described(0, 0)),
            features_takeaways.missing(described(0.5, 0)),
            "No nulls** in 1 feature",
            "1 of 1 feature have nulls**, most of all user.spend 50 %.",
        ),
        (
            features_takeaways.missing(described(0.5, 0)),
            features_takeaways.missing(described(1, 0)),
            "user.spend 50 %.",
            "1 of 1 feature could not be computed in this shop",
        ),
        (
            features_takeaways.moved(described(0, 0.249)),
            features_takeaways.moved(described(0, 0.25)),
            "No feature drifts",
            "1 of 1 feature drift** from the validation cut to the test cut (psi of 0.25 or more), most of all user",
        ),
        (
            features_takeaways.moved(described(0, 0.1)),
            features_takeaways.moved(described(0, None)),
            "No feature drifts",
            "*Not applicable: there are no users at the validation cut or at the test cut",
        ),
        (
            audited(False, True),
            audited(True, True),
            "none of 1 feature leaks**; latest event used: 2024-01-01 00:00:00; 0 values",
            "1 feature leak**",
        ),
        (audited(False, True), audited(False, False), "the canaries were caught", "**not caught: canary_x**"),
        (
            same(),
            same(-0.97),
            "no two of 5 features are redundant",
            "1 pair of features are nearly redundant**: a and b (-0",
        ),
        (
            features_takeaways.freshness("2024-01-01T00:00:00+00:00", utc(2024, 1, 1)),
            features_takeaways.freshness("2024-01-01T00:00:00+00:00", utc(2024, 1, 1, 5)),
            "right after the last",
            "5 hours after",
        ),
        (
            train_takeaways.feature_importance(aucs((0.7, 0.6, 0.8)), "v1"),
            train_takeaways.feature_importance(aucs((0.3, 0.2, 0.4)), "v1"),
            "the larger value in 70 % of comparisons (AUC 0.700, 0.600 to 0.800). The interval of 1 feature "
            "excludes 0.5",
            "the smaller value in 70 % of comparisons (AUC 0.300, 0.200 to 0.400). The interval of 1 feature "
            "excludes 0.5",
        ),
        (
            train_takeaways.feature_importance(aucs((0.7, 0.6, 0.8)), "v1"),
            train_takeaways.feature_importance(aucs(), "v1"),
            "&lt;spend&gt;",
            "*Not applicable: feature importance cannot be computed",
        ),
    ],
)
def test_a_sentence_turns_round_with_the_numbers(said, otherwise, words, other_words):
    assert words in said
    assert words not in otherwise
    assert other_words in otherwise


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: ingest_takeaways.ingested(files()),
        lambda: covered_days.covered(days().cast({"n": pl.Int64}), BY_DAY),
        lambda: explore_takeaways.concentration(summaries.per_key(NO_EVENTS, "user_id"), "users", 0.1, float("nan")),
        lambda: explore_takeaways.funnel(summaries.funnel(NO_EVENTS)),
        lambda: explore_takeaways.season(summaries.per_week(NO_EVENTS, "UTC")),
        lambda: explore_takeaways.busiest_hour(summaries.week_hours(NO_EVENTS, "UTC")),
        lambda: explore_takeaways.repeats(summaries.repeats(NO_EVENTS)),
        lambda: explore_takeaways.category_structure(summaries.categories(NO_EVENTS, rows("items"), 5), "EUR"),
        lambda: explore_takeaways.prices(rows("items"), "EUR"),
        lambda: text.density(summaries.sparsity(NO_EVENTS), "purchases"),
        lambda: evaluate_takeaways.best_model(ranked(0.3, (0, 1)).clear(), "all"),
        lambda: evaluate_takeaways.rating_model({}, {}),
        lambda: answer_takeaways.decides(card().cast({"verdict": pl.String})),
        lambda: recommend_takeaways.full_lists(no_rows("user_id", "item_id", "reason", "reason_kind"), 0, 10),
        lambda: recommend_takeaways.reason_kinds(no_rows("reason_kind", "n")),
        lambda: train_takeaways.choice(pl.DataFrame(schema=CHOICE), "all"),
        lambda: train_takeaways.search_gain(search()),
        lambda: train_takeaways.hyperparameter_importance(shares(), 10),
    ],
)
def test_empty_tables_give_a_sentence(sentence):
    assert isinstance(sentence(), str)
