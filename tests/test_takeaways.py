"""Takeaways: computed from the numbers, turning round with them, and harmless whatever the data says."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser

import polars as pl
import pytest
from conftest import rows, utc
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from recomart_lib import drift, explore, quality, takeaways
from recomart_lib.judging import PLACES

NO_EVENTS = rows("events")


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "![a](http://x/y.png)",
     "**bold** _it_ `code`", "# head", "a | b", "$x^2$", "~~gone~~",
     "http://x.y/z", "Kid's \"big\" & small", "a\\*b", "a#b;", "&lt;b&gt;"],
)  # fmt: skip
def test_words_from_data_stay_words(text):
    page = Page(markdown2html_mistune(f"Sold: {takeaways.safe(text)}."))
    assert page.tags == ["p"]
    assert page.text.strip() == f"Sold: {text}."


def test_line_breaks_in_data_do_not_start_a_block():
    assert Page(markdown2html_mistune(takeaways.safe("a\n\n- b\r\n\n    c"))).tags == ["p"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (12345, "12,345"), (12345.6, "12,346"), (0.12345, "0.123"), (2.0, "2"), (float("nan"), "nan")],
)
def test_numbers_are_short(value, words):
    assert takeaways.number(value) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0.0 %"), (0.1234, "12.3 %"), (1, "100.0 %"), (0.00012, "0.012 %"), (-0.5, "-50.0 %")]
)
def test_shares_are_percent(share, words):
    assert takeaways.percent(share) == words


def test_plurals():
    assert [takeaways.plural(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert takeaways.plural(2, "category", "categories") == "2 categories"


def test_bullets_leave_out_what_is_empty():
    assert takeaways.bullets("a", "", "b") == "- a\n- b"


def files(*counts: tuple[int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(
        list(counts), schema={"rows_delivered": pl.Int64, "rows_landed": pl.Int64, "state": pl.String}, orient="row"
    )


def report(score: float, **table: int) -> dict:
    places = dict.fromkeys(["delivered", "rejected", "landed", "repaired", *PLACES], 0)
    rule = {"table": "users", "rule": "age_possible", "severity": "error", "n_failed": table.get("quarantined", 0)}
    return {
        "score": score,
        "min_score": 95.0,
        "tables": {"users": places | table | {"score": score}},
        "rules": [rule],
    }


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
    return takeaways.rating_model(errors, {"svd": {"ndcg@10": ndcg}, "popularity": {"ndcg@10": 0.1}})


def no_rows(*columns: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def card(*verdicts: str) -> pl.DataFrame:
    return pl.DataFrame({"protocol": ["all"] * len(verdicts), "verdict": list(verdicts)})


def described(nulls: float, psi: float | None) -> pl.DataFrame:
    return pl.DataFrame({"entity": ["user"], "feature": ["spend"], "nulls": [nulls], "psi": [psi]},
                        schema_overrides={"psi": pl.Float64})  # fmt: skip


def audited(leaks: bool, canary_leaks: bool) -> str:
    table = pl.DataFrame({"feature": ["spend", "canary_x"], "leaks": [leaks, canary_leaks],
                          "latest_event": [utc(2024, 1, 1), None], "n_changed": [3 * leaks, 7]})  # fmt: skip
    return takeaways.audited("test", utc(2024, 1, 2), table)


def aucs(*found: tuple[float, float, float]) -> pl.DataFrame:
    rows = [("user__<spend>", *one, 9) for one in found]
    return pl.DataFrame(rows, schema={"feature": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64,
                                      "n": pl.Int64}, orient="row")  # fmt: skip


def search(*found: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    columns = {"model": pl.String, "trials": pl.Int64, "defaults": pl.Float64, "best": pl.Float64}
    return pl.DataFrame(found, schema=columns, orient="row")


def shares(*found: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def same(*correlations: float) -> str:
    columns = {"one": pl.String, "other": pl.String, "correlation": pl.Float64}
    table = pl.DataFrame([("a", "b", one) for one in correlations], schema=columns, orient="row")
    return takeaways.alike("user", table)


COUNTS = pl.DataFrame({"n": [8, 1, 1]})
WINDOW = {"users_in_window": 9, "evaluated_all": 5, "evaluated_novel": 4, "cold_users": 3}


@pytest.mark.parametrize(
    ("said", "otherwise", "words", "other_words"),
    [
        (takeaways.arrived(files((5, 5, "landed"))), takeaways.arrived(files((5, 4, "known"))),
         "every row could be read", "1 row (20.0 %) could not be read"),
        (takeaways.gone([]), takeaways.gone(["events/<b>.csv"]), "still in the source folder", "events/&lt;b&gt;.csv"),
        (takeaways.days_covered(days(1, 2)), takeaways.days_covered(days(1, 0, 3)),
         "No day is empty", "1 day of 3 without an event (33.3 %); the first is 2024-01-02"),
        (takeaways.quality(report(95.0)), takeaways.quality(report(94.99)),
         "the gate is open", "the pipeline stops here"),
        (takeaways.costliest(report(1)), takeaways.costliest(report(1, quarantined=2)),
         "No rule of severity error is broken",
         "1 rule of severity error is broken**, most often: users.age_possible (2 rows)"),
        (takeaways.concentration(COUNTS, "users", 0.1, 0.8), takeaways.concentration(COUNTS, "users", 0.1, 0.2),
         "a few carry most of it", "it is spread"),
        (takeaways.season(weeks(1, 1, 1, 2)), takeaways.season(weeks(2, 1, 1, 1)), "100.0 % above", "50.0 % below"),
        (takeaways.season(weeks(1, 1, 1, 4)), takeaways.season(weeks(1, 1, 1, 3)),
         "has 4.0 times the events of the first", "200.0 % above"),
        (takeaways.repeats(pairs([2, 1])), takeaways.repeats(pairs([2, *[1] * 9])),
         "own history will be hard to beat", "lists must bring something new"),
        (takeaways.repeats(pairs([2, 1])), takeaways.repeats(pairs([1, 1])),
         "50.0 % of the user-product pairs were taken again", "Nobody took the same thing again on another day**"),
        (takeaways.cut(WINDOW, "test"), takeaways.cut(WINDOW | {"users_in_window": 0}, "test"),
         "5 of 9 users can be judged", "Nobody does anything relevant in the test window"),
        (takeaways.champion(ranked(0.3, (0.26, 0.34)), "all"), takeaways.champion(ranked(0.3, (0.24, 0.36)), "all"),
         "do not overlap", "their intervals overlap"),
        (takeaways.champion(ranked(0.3, (0.26, 0.34)), "all"), takeaways.champion(ranked(0.1, (0.0, 0.2)), "all"),
         "x leads with ndcg@10 0.3000", "y leads with ndcg@10 0.2000"),
        (svd(0.9, 0.2), svd(1.1, 0.05), "ratings better than the mean", "ratings no better than the mean"),
        (svd(0.9, 0.2), svd(0.9, 0.05), "ranks above popularity", "ranks below popularity"),
        (takeaways.targets(card("surely met", "met")), takeaways.targets(card("missed", "met")),
         "2 of 2 met, 1 of them surely", "1 of 2 met, 0 of them surely"),
        (takeaways.stars(pl.DataFrame({"stars": [1.0, 5.0], "n": [1, 3]})), takeaways.stars(explore.ratings(NO_EVENTS)),
         "4 ratings, 4.00 stars on average**; 75.0 % are 4 stars", "This shop has no ratings"),
        (takeaways.missing(described(0, 0)), takeaways.missing(described(0.5, 0)),
         "No nulls** in 1 feature", "1 of 1 feature have nulls**, most of all user.spend 50.0 %."),
        (takeaways.missing(described(0.5, 0)), takeaways.missing(described(1, 0)),
         "user.spend 50.0 %.", "1 feature could not be computed in this shop"),
        (takeaways.moved(described(0, 0.249)), takeaways.moved(described(0, 0.25)),
         "No feature drifts", "1 of 1 feature drift** from the valid cut to the test cut (psi of 0.25 or more): user"),
        (takeaways.moved(described(0, 0.1)), takeaways.moved(described(0, None)),
         "No feature drifts", "cannot be told: one of them knows nobody"),
        (audited(False, True), audited(True, True),
         "none of 1 feature leaks**; latest event used: 2024-01-01 00:00:00; 0 values", "1 feature leak**"),
        (audited(False, True), audited(False, False), "the canary was caught", "the canary was not caught"),
        (same(), same(-0.97), "no two features say the same", "1 pair of features say nearly the same**: a and b (-0"),
        (takeaways.freshness("2024-01-01T00:00:00+00:00", utc(2024, 1, 1)),
         takeaways.freshness("2024-01-01T00:00:00+00:00", utc(2024, 1, 1, 5)), "right after the last", "5 hours after"),
        (takeaways.signal(aucs((0.7, 0.6, 0.8)), "v1"), takeaways.signal(aucs((0.3, 0.2, 0.6)), "v1"),
         "the larger value in 70.0 % of comparisons (AUC 0.700, 0.600 to 0.800); 1 feature tell something",
         "the smaller value in 70.0 % of comparisons (AUC 0.300, 0.200 to 0.600); 0 features tell something"),
        (takeaways.signal(aucs((0.7, 0.6, 0.8)), "v1"), takeaways.signal(aucs(), "v1"),
         "&lt;spend&gt;", "Nothing to learn from features yet"),
    ],
)  # fmt: skip
def test_a_sentence_turns_round_with_the_numbers(said, otherwise, words, other_words):
    assert words in said
    assert words not in otherwise
    assert other_words in otherwise


def test_the_narrowest_step_is_named_and_a_lone_step_not_compared():
    events = [{"user_id": "u", "item_id": item, "event_type": "view"} for item in "abcd"]
    bought = {"user_id": "u", "item_id": "a", "event_type": "purchase"}
    assert "narrowest step is purchase: 25.0 %" in takeaways.funnel(explore.funnel(rows("events", *events, bought)))
    rated = bought | {"event_type": "rating"}
    assert "records no step of the funnel" in takeaways.funnel(explore.funnel(rows("events", rated)))
    assert "one step of the funnel only (purchase)" in takeaways.funnel(explore.funnel(rows("events", bought)))


def test_the_busiest_hour_is_local():
    grid = explore.week_hours(rows("events", {"timestamp": utc(2024, 1, 1, 23)}), "Europe/Berlin")
    assert "The busiest hour is Tue 0:00 with 100.0 % of all events" in takeaways.busiest_hour(grid)
    assert "167 of 168 hours" in takeaways.busiest_hour(grid)


def test_category_and_currency_are_made_harmless():
    table = pl.DataFrame({"category": ["<b>x"], "revenue": [10.0], "n": [3], "items": [1], "median_price": [2.0]})
    sentence = takeaways.category_structure(table, "<EUR>")
    assert "&lt;b&gt;x earns most: 10 &lt;EUR&gt;, 100.0 % of the categories" in sentence
    assert "with 1 product at a median price of 2.00" in sentence


def test_categories_without_prices_are_told_by_what_is_taken():
    table = pl.DataFrame({"category": ["x", "y"], "revenue": [0.0, 0.0], "n": [3, 1], "items": [2, 1]})
    priced = table.with_columns(median_price=pl.Series([2.5, None]))
    assert takeaways.category_structure(priced, "EUR") == (
        "**x is taken most: 3 relevant events, 75.0 % of the categories shown**, with 2 products at a median price of "
        "2.50 EUR."
    )
    free = table.with_columns(median_price=pl.lit(None, pl.Float64))
    assert takeaways.category_structure(free, "EUR").endswith("with 2 products.")


def test_what_people_ask_about_is_counted_and_made_harmless():
    guests = {"table": "events", "kind": "exclusion", "name": "guest", "meaning": "no <id>", "rows": 2, "excluded": 2}
    places = {"good": 3, "quarantined": 1, "duplicates": 0, "excluded": 2, "became": "3 return"}
    group = {"table": "events", "kind": "group", "name": "cancelled", "meaning": "C", "rows": 6, **places}
    said = takeaways.asked_about(pl.DataFrame([guests, group], schema=quality.ASKED)).splitlines()
    assert said[0] == (
        "- **guest: 2 rows of events**, excluded by the shop file, counted and not judged: no &lt;id&gt;."
    )
    assert said[1] == "- **cancelled: 6 rows of events**, 3 good (3 return); 1 quarantined; 2 excluded: C."
    assert "excludes nothing" in takeaways.asked_about(pl.DataFrame(schema=quality.ASKED))


def test_repaired_rows_are_told():
    assert "repaired" not in takeaways.reconciled(report(1))
    assert "2 of the rows were repaired" in takeaways.reconciled(report(1, repaired=2))


@pytest.mark.parametrize(
    ("scores", "said"),
    [([90.0], "nothing to compare"), ([90.0, 91.5], "1.50 points above"), ([91.0, 90.0], "1.00 points below"),
     ([90.0, 90.001], "as high as")],
)  # fmt: skip
def test_scores_of_runs_are_compared_and_the_sentence_turns_round(scores, said):
    assert said in takeaways.score_by_run(pl.DataFrame({"score": scores}))


def test_an_api_that_had_to_be_asked_again_is_told():
    one = {"table": "users", "url": "u", "records": 10, "pages": 2, "requests": 3, "retries": 1, "waited_s": 0.5}
    assert "10 records in 2 pages.** 1 request had to be repeated" in takeaways.fetched(pl.DataFrame([one]))
    assert "No request had to be repeated" in takeaways.fetched(pl.DataFrame([one | {"retries": 0}]))
    assert "No API is asked" in takeaways.fetched(pl.DataFrame([one]).clear())


def test_times_that_mean_two_moments_are_told():
    files = pl.DataFrame({"times_ambiguous": [0, 3]})
    assert "3 local times in 1 file" in takeaways.ambiguous(files, "Europe/Berlin")
    assert takeaways.ambiguous(files.head(1), "UTC") == ""


def test_prices_name_the_half_and_the_missing():
    items = rows("items", *({"item_id": str(n), "price": price} for n, price in enumerate([1.0, 2.0, 9.0, None])))
    assert "Half of the products cost less than 2.00 EUR" in takeaways.prices(items, "EUR")
    assert "25.0 % have no price" in takeaways.prices(items, "EUR")


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: takeaways.arrived(files()),
        lambda: takeaways.days_covered(days().cast({"n": pl.Int64})),
        lambda: takeaways.concentration(explore.per_key(NO_EVENTS, "user_id"), "users", 0.1, float("nan")),
        lambda: takeaways.funnel(explore.funnel(NO_EVENTS)),
        lambda: takeaways.season(explore.per_week(NO_EVENTS, "UTC")),
        lambda: takeaways.busiest_hour(explore.week_hours(NO_EVENTS, "UTC")),
        lambda: takeaways.repeats(explore.repeats(NO_EVENTS)),
        lambda: takeaways.category_structure(explore.categories(NO_EVENTS, rows("items"), 5), "EUR"),
        lambda: takeaways.prices(rows("items"), "EUR"),
        lambda: takeaways.density(explore.sparsity(NO_EVENTS)),
        lambda: takeaways.champion(ranked(0.3, (0, 1)).clear(), "all"),
        lambda: takeaways.rating_model({}, {}),
        lambda: takeaways.targets(card().cast({"verdict": pl.String})),
        lambda: takeaways.reasons(no_rows("user_id", "item_id", "reason"), 0, 10),
        lambda: takeaways.commonest_reason(no_rows("kind", "n")),
        lambda: takeaways.tuned(no_rows("model", "protocol", "parameters", "ndcg@10")),
        lambda: takeaways.searched(search()),
        lambda: takeaways.important(shares(), 10),
    ],
)  # fmt: skip
def test_empty_tables_give_a_sentence(sentence):
    assert isinstance(sentence(), str)


def test_all_rows_are_said_to_be_somewhere():
    said = takeaways.reconciled(
        report(1, delivered=10, rejected=1, landed=9, good=5, quarantined=2, duplicates=1, excluded=1)
    )
    assert "All 9 landed rows are accounted for**: 5 good + 2 quarantined + 1 duplicates + 1 excluded" in said
    assert "1 of 10 delivered rows could not be read" in said


def test_lists_and_their_reasons_are_counted():
    lists = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "reason": ["x", "y", None]})
    assert takeaways.reasons(lists, 2, 2).startswith(
        "**1 of 2 users get 2 suggestions**, 2 distinct products in all; 33.3 %"
    )
    assert "75.0 % of the suggestions" in takeaways.commonest_reason(
        pl.DataFrame({"kind": ["bought", "popular"], "n": [3, 1]})
    )


def test_the_best_rating_model_is_told_and_where_it_ranks():
    errors = {"svd": {"rmse": 1.0}, "svdpp": {"rmse": 0.9}, "global_mean": {"rmse": 1.1}}
    scores = {name: {"ndcg@10": value} for name, value in (("svd", 0.2), ("svdpp", 0.05), ("popularity", 0.1))}
    text = takeaways.rating_model(errors, scores)
    assert text.startswith(
        "**svdpp predicts ratings better than the mean rating (RMSE 0.900 against 1.100), and ranks below"
    )
    assert "Of 2 rating models it is the best." in text


def test_tuning_names_the_best_or_says_that_nobody_can_be_judged():
    best = pl.DataFrame({"model": ["x", "y", "z"], "protocol": ["all", "all", "novel"], "ndcg@10": [0.3, 0.2, 0.9]})
    assert "x ranks best (ndcg@10 0.3000" in takeaways.tuned(best)
    nobody = best.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10"))
    assert "Nobody can be judged" in takeaways.tuned(nobody)


def test_a_search_says_whether_it_paid():
    said = takeaways.searched(search(("a", 6, 0.2, 0.25), ("b", 6, 0.3, 0.3), ("c", 1, 0.4, 0.4)))
    assert "beat the defaults in 1 of 2 models** (12 trials of 2 models), most of all in a: 0.2000 to 0.2500" in said
    assert "nothing better than the defaults** in 6 trials of 1 model" in takeaways.searched(search(("b", 6, 0.3, 0.3)))
    assert "nothing better" in takeaways.searched(search(("b", 6, None, None)))
    assert "No model was searched" in takeaways.searched(search(("c", 1, 0.4, 0.4)))


def test_the_price_of_a_choice_is_told():
    log = pl.DataFrame({"model": ["x"] * 4, "trial": [0, 0, 1, 1], "protocol": ["all", "novel"] * 2,
                        "ndcg@10": [0.2, 0.1, 0.3, 0.05]})  # fmt: skip
    assert "a price in 1 model**, most of all x in protocol *novel*: 0.1000 to 0.0500" in takeaways.traded(log, log[2:])
    assert "in neither protocol" in takeaways.traded(log, log[:2])
    assert "in neither protocol" in takeaways.traded(
        log.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10")), log[2:]
    )


def test_the_hyper_parameter_that_matters_is_named_for_each_model():
    said = takeaways.important(shares(("x", "a", 0.3), ("x", "b", 0.7), ("y", "c", 1.0)), 10)
    assert "x: b (70.0 %)" in said
    assert "y: c (100.0 %)" in said
    assert "x: a" not in said
    assert "it takes 10 trials" in takeaways.important(shares(), 10)


def test_who_loses_is_said_in_shares():
    said = takeaways.who_loses({"worse": 0.25, "better": 0.5, "equal": 0.25}, "ease", "popularity")
    assert "25.0 % of the users are served worse by ease than by popularity" in said


def drift_table(*found: tuple[int, str, float, float, str]) -> pl.DataFrame:
    """What `drift.drifts` gives, from (day of January, measure, value, threshold, detail)."""
    columns = ("day", "measure", "value", "threshold", "detail")
    records = [dict(zip(columns, (date(2024, 1, day), *rest), strict=True)) for day, *rest in found]
    schema = {name: dtype for name, dtype in drift.DRIFTS.items() if name in columns}
    severity = pl.col("value") / pl.col("threshold")
    return pl.DataFrame(records, schema=schema).with_columns(severity=severity, flagged=severity > 1)


def test_drifted_drops_are_counted_and_the_worst_named():
    calm = [(9, "volume", 1.0, 3.0, "x"), (10, "volume", 1.0, 3.0, "x")]
    assert takeaways.drifted(drift_table(*calm)) == (
        "**None of 2 judged drops differs much from those before it** (volume)."
    )
    bad = [(9, "nulls", 0.5, 0.1, "price missing 0.0 % -> 50.0 %"), (9, "category", 0.3, 0.25, "<b>Books")]
    said = takeaways.drifted(drift_table(*calm, *bad))
    assert said.startswith(
        "**1 of 2 judged drops differs much from those before it**, by measure: nulls 1, category 1."
    )
    assert "The worst: 2024-01-09 nulls 0.50 (threshold 0.10; price missing 0.0 % -&gt; 50.0 %); 2024-01-09 cat" in said
    assert "&lt;b&gt;Books" in said
    assert "<b>" not in said
    worse = [(day, "price", day / 10, 0.25, "y") for day in (11, 14, 12, 13)]
    said = takeaways.drifted(drift_table(*calm, *worse))
    assert said.startswith("**4 of 6 judged drops differ much from those before them**, by measure: price 4.")
    assert [said.index(f"2024-01-{day}") for day in (14, 13, 12)] == sorted(
        said.index(f"2024-01-{day}") for day in (14, 13, 12)
    )
    assert "2024-01-11" not in said


def test_a_drift_that_nobody_can_judge_is_not_called_calm():
    assert drift.MIN_PRECEDING == 7
    assert "not judged" in takeaways.drifted(drift_table())
    assert "there must be seven at least" in takeaways.drifted(drift_table())


def test_drops_below_the_gate_are_counted_and_the_lowest_named():
    schema = {"day": pl.Date, "n": pl.Int64, "score": pl.Float64}
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    history = pl.DataFrame({"day": days, "n": [10, 1, 30], "score": [100.0, 94.99, 95.0]}, schema)
    assert takeaways.score_by_drop(history, 95.0) == (
        "**1 drop of 3 lies below the gate of 95.0 %.** The lowest is that of 2024-01-02: 94.9 % of 1 row."
    )
    assert takeaways.score_by_drop(history, 96.0).startswith("**2 drops of 3 lie below the gate of 96.0 %.**")
    assert takeaways.score_by_drop(history, 90.0).startswith("**None of 3 daily drops lies below")
    assert takeaways.score_by_drop(history.clear(), 95.0) == "No daily drop was judged: there is no score by day."


def means(by: tuple[str, ...], *found: tuple, metric: str = "ndcg@10") -> pl.DataFrame:
    """What `beyond.summary` gives, from (*by, mean), with an interval of 0.05 to either side and 100 users."""
    table = pl.DataFrame(found, schema=[*by, "mean"], orient="row")
    numbers = {"low": pl.col("mean") - 0.05, "high": pl.col("mean") + 0.05, "n": pl.lit(100)}
    return table.with_columns(metric=pl.lit(metric), **numbers)


def test_ageing_is_told_from_full_weeks_and_turns_round():
    by = ("week", "days", "model")
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.2), (3, 2, "ease", 0.9)), "ease")
    assert "0.4000 (0.3500 to 0.4500) in week 1, 0.2000 (0.1500 to 0.2500) in week 2" in said
    assert said.endswith("it loses 50.0 %, more than chance.")
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.2), (2, 7, "ease", 0.4)), "ease")
    assert "it gains 100.0 %, more than chance" in said
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.38)), "ease")
    assert "no ageing can be told from chance" in said
    assert "cannot be told" in takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 2, "ease", 0.2)), "ease")


def test_the_learning_curve_says_where_the_model_is_worth_it():
    rows = [("cold", "popularity", 0.1), ("1", "ease", 0.2), ("1", "popularity", 0.2), ("2", "ease", 0.5),
            ("2", "popularity", 0.3), ("3-5", "ease", 0.1), ("3-5", "popularity", 0.3)]  # fmt: skip
    table = means(("history", "model"), *rows)
    table = table.with_columns(pl.col("history").cast(pl.Enum(["cold", "0", "1", "2", "3-5"])))
    said = takeaways.learning_curve(table, "ease", "popularity")
    assert said.startswith("**By distinct products taken before the cut, ndcg@10 of ease is 0.2000")
    assert "for 1, 0.1000 (0.0500 to 0.1500) for 3-5.**" in said
    assert "surely above popularity for 2; not to be told apart from popularity for 1; surely below" in said
    assert said.endswith("surely below popularity for 3-5.")
    few = table.with_columns(n=pl.when(history="3-5").then(takeaways.FEW - 1).otherwise("n"))
    assert "3-5" not in takeaways.learning_curve(few, "ease", "popularity")
    assert "nobody" in takeaways.learning_curve(table, "popularity", "popularity")
    assert "nobody" in takeaways.learning_curve(table.clear(), "ease", "popularity")


def test_a_backtest_says_at_how_many_cuts_the_model_leads():
    rows = [(1, "all", "ease", 0.2), (1, "all", "als", 0.3), (2, "all", "ease", 0.4), (2, "all", "als", 0.3)]
    table = means(("cut", "protocol", "model"), *rows)
    said = takeaways.backtested(table, "ease", "all")
    assert "ease leads at 1 of the 2 cuts at which it was judged**; ndcg@10 from 0.2000 to 0.4000" in said
    assert "leads at 0 of the 1 cut " in takeaways.backtested(table.filter(pl.col("cut") == 1), "ease", "all")
    few = takeaways.backtested(table.filter((pl.col("model") == "als") | (pl.col("cut") == 2)), "ease", "all")
    assert "leads at 1 of the 1 cut at which it was judged** (of 2 in all: it reads features" in few
    assert "nobody can be judged" in takeaways.backtested(table, "ease", "novel")


def test_chances_are_taken_at_their_word_only_if_they_hold():
    def bins(*observed: float) -> pl.DataFrame:
        rows = [("m", n, 0.2, share, share - 0.05, share + 0.05, 10) for n, share in enumerate(observed, 1)]
        return pl.DataFrame(rows, ["model", "bin", "estimate", "observed", "low", "high", "n"], orient="row")

    held = takeaways.calibrated(bins(0.2, 0.22), {"m": 0.01})
    assert "m foretold 20.0 % on average, and 21.0 % happened**: its chances can be taken at their word" in held
    assert "in 2 of 2 bins, expected calibration error 1.0 %" in held
    timid = takeaways.calibrated(bins(0.2, 0.5), {"m": 0.1})
    assert "on the whole too low; the estimate lies within the interval in 1 of 2" in timid
    assert "on the whole too high" in takeaways.calibrated(bins(0.0, 0.2), {"m": 0.1})
    assert "No model" in takeaways.calibrated(bins(0.1).clear(), {})


@pytest.mark.parametrize(
    ("own", "way"), [(0.9, "leans to what is popular"), (0.5, "leans away from"), (0.7, "shows about as popular")]
)
def test_catalogue_use_is_told_beside_what_users_took(own, way):
    rows = [("ease", own, [own - 0.1, own + 0.1], 0.25, 0.8), ("(taken)", 0.7, [0.6, 0.8], 0.5, 0.6)]
    table = pl.DataFrame(rows, ["model", "popularity@10", "popularity@10_ci", "shown@10", "gini@10"], orient="row")
    said = takeaways.catalogue(table, "ease")
    assert f"**ease {way}" in said
    assert "shows 25.0 % of the catalogue (users took 50.0 %), Gini 0.80 (taken: 0.60)" in said
    assert "Nobody" in takeaways.catalogue(table, "als")


def test_a_random_split_flatters_or_not():
    by = ("split", "model")
    said = takeaways.flattered(means(by, ("time", "ease", 0.2), ("random", "ease", 0.5)))
    assert "ease: a random split gives 2.5 times the number: it flatters** (ndcg@10 0.5000" in said
    assert "does not flatter here" in takeaways.flattered(means(by, ("time", "ease", 0.5), ("random", "ease", 0.2)))
    assert "no surely different" in takeaways.flattered(means(by, ("time", "ease", 0.22), ("random", "ease", 0.2)))
    assert "cannot be compared" in takeaways.flattered(means(by, ("time", "ease", 0.5)))


def test_longer_lists_and_what_accuracy_costs():
    by_k = pl.DataFrame({"model": ["ease"] * 2, "k": [1, 20], "ndcg": [0.1, 0.2], "recall": [0.05, 0.4]})
    assert "a list of 20 finds 40.0 % of what users take, a list of 1 5.0 %" in takeaways.longer(by_k, "ease")
    assert "Nobody" in takeaways.longer(by_k, "als")
    board = pl.DataFrame({"model": ["ease", "als", "random"], "coverage@10": [0.2, 0.6, 1.0], "ndcg@10": [0.3, 0.1, 0]})
    assert "als shows most, 60.0 %, at ndcg@10 0.1000" in takeaways.breadth(board, "ease")
    assert "als also shows most" in takeaways.breadth(board, "als")
    assert "Nobody" in takeaways.breadth(board.clear(), "ease")


def test_weak_groups_are_named_and_harmless():
    row = {"by": "country", "slice": "<b>", "mean": 0.1, "low": 0.05, "high": 0.15, "n": 1234}
    said = takeaways.weak([row] * 8, "ease")
    assert "surely below its own average (ndcg@10) in 8 groups**: country &lt;b&gt; (0.1000, n = 1,234)" in said
    assert said.endswith("; and 2 more.")
    assert "In no group" in takeaways.weak([], "ease")


def test_what_scores_are_made_of():
    rows = [("u", "a", 1, "x"), ("u", "a", 2, "y"), ("u", "b", 1, "x"), ("u", "c", 1, "<b>")]
    told = pl.DataFrame(rows, ["user_id", "item_id", "place", "cause"], orient="row")
    assert "suggestions: x** (the largest part in 2 of 3)" in takeaways.parts(told, "ease")
    assert "&lt;b&gt;** (the largest part in 1 of 1)" in takeaways.parts(told.filter(item_id="c"), "ease")
    assert "als has no parts that could be shown" in takeaways.parts(told.clear(), "als")
