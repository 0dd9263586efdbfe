"""The index's first paragraph, its bars, and what is left of rows and customers: from full, empty and tiny metrics."""

from __future__ import annotations

import pytest

from recomart.reports import answer, remaining, results
from recomart.reports.words import CUSTOMERS, USERS, words
from recomart_lib.core.text import times

HITS = {
    "two_stage": {"value": 3.24, "low": 3.1, "high": 3.37},
    "own_history_decayed": {"value": 2.89, "low": 2.75, "high": 3.02},
    "popularity": {"value": 0.755, "low": 0.7, "high": 0.8},
}
TARGETS = [
    {"target": "recall@10 >= 0.1", "protocol": "all", "verdict": "clearly met"},
    {"target": "ndcg@10 >= 0.2", "protocol": "novel", "verdict": "missed", "value": 0.167, "ceiling": 0.9},
]
EVALUATION = {
    "all": {"two_stage": {}},
    "novel": {"blend": {}},
    "chosen": {"all": "two_stage", "novel": "blend"},
    "answer": {
        "all": {
            "model": "two_stage",
            "rival": "own_history_decayed",
            "difference": 0.0406,
            "low": 0.034,
            "high": 0.047,
            "p": 1e-30,
            "hits": HITS,
        },
        "novel": None,
    },
    "stability": {
        "all": {
            "cuts": 3,
            "leads": 3,
            "scores": [0.329, 0.312, 0.306],
            "unseen": 1,
            "days": 60,
            "ahead": [],
            "earlier": {"windows": 2, "leads": 1, "best": "two_stage", "behind": 0},
        },
        "novel": None,
    },
    "repeats": {"all": {"shown": 0.86, "hits": 0.92}, "novel": None},
    "history_tests": [
        {"history": "3-5", "n": 100, "difference": 0.01, "p_holm": 0.4},
        {"history": "6-10", "n": 150, "difference": 0.02, "p_holm": 0.04},
        {"history": "11-20", "n": 250, "difference": -0.02, "p_holm": 0.01},
    ],
    "losers": {"all": {"worse": 0.081}},
    "losers_to_rival": {"all": {"worse": 0.28, "better": 0.55}},
    "cold": [{"model": "popularity", "precision@10": 0.06}, {"model": "recent_popularity", "precision@10": 0.083}],
    "users": {"cold": 323, "test_users": 1664},
    "weak": [
        {"by": "history", "slice": "11-20", "mean": 0.305, "n": 141},
        {"by": "activity", "slice": "1: up to 44 events", "mean": 0.335, "n": 450},
    ],
    "targets": TARGETS,
}
EVENTS = {
    "delivered": 1000,
    "rejected": 10,
    "duplicates": 20,
    "quarantined": 5,
    "excluded": 250,
    "exclusions": {"guest_sale": 250},
    "good": 715,
}
QUALITY = {"score": 99.99, "min_score": 95.0, "tables": {"events": EVENTS}}
DATA = {
    "relevant_events": ["purchase"],
    "horizon_days": 30,
    "last": "2011-12-09T12:50:00+00:00",
    "funnel": {
        "events": {
            "validated": 715,
            "far": 1,
            "before_cut": 600,
            "in_window": 100,
            "after_window": 14,
            "relevant_in_window": 90,
            "evaluated_all": 80,
            "evaluated_novel": 40,
        },
        "users": {
            "rows": 50,
            "with_event": 49,
            "with_interaction": 47,
            "event_before_cut": 41,
            "trained": 40,
            "in_window": 25,
            "warm": 20,
            "evaluated_all": 19,
            "evaluated_novel": 15,
        },
    },
}
METRICS = {"quality": QUALITY, "data": DATA, "evaluation": EVALUATION}
FIX = {
    "problem": "250 events name no customer (guests); 2 % of all.",
    "rows": 250,
    "effect": "They cannot be used.",
    "where": "x.html",
}


def paragraph(metrics=METRICS, stages=(), deciding="all", age=None):
    said = answer.sentences({**METRICS, **metrics}, list(stages), deciding, age)
    return " ".join(f"{one.topic}: {one.before}{one.key}{one.after}" for one in said)


def test_the_paragraph_says_all_that_a_manager_asks():
    text = paragraph()
    for part in (
        "The data passes the quality gate: 99.9 % of the checked rows pass every rule in the worst table (95 % are",
        "72 % of the delivered events are used; 250 (25 %) are left out as “guest sale”",
        "“Two-step ranker”: simple models propose products, boosted trees put them in order",
        "Of ten products on a list, 3.24 were bought within 30 days (3.10 to 3.37)",
        "4.3 times bestsellers (0.76) and 1.12 times the strongest simple rival, “Bought before, newest first” (2.89)",
        "The lead over this rival is significant: ndcg@10 +0.041 (+0.034 to +0.047), p < 0.001",
        "At 3 of 3 cuts in time no other model was better: ndcg@10 0.329, 0.312 and, newest, 0.306: lower each time",
        "; only the newest was unseen when the model was chosen. All cuts lie within 60 days: other seasons are not",
        "Of the evaluated customers, 28 % get a worse list than from “Bought before, newest first”, and 55 % a better",
        "one, 8.1 % a worse one than from bestsellers.",
        "It is weakest for those who had bought 11-20 products before (ndcg@10 0.305, 141 customers)",
        "; the largest group that is clearly below the average: activity “up to 44 events” (ndcg@10 0.335, 450",
        "323 of 1,664 customers who came in the window were new: they all get one list of bestsellers",
        ", of which 0.83 of ten were bought.",
        "86 % of the products on these lists, and 92 % of what was bought from them, are what the same customer had",
        "It is not shown for those who had bought 3-5 or 11-20 products before (70 % of the evaluated customers)",
        "It makes lists as delivered: a list may repeat",
        "Missed targets: discovery: ndcg@10 >= 0.2 (0.167 reached, 0.900 possible).",
        "Next: Show the lists to a part of the customers and compare: the past",
    ):
        assert part in text


def test_every_sentence_links_to_its_evidence():
    for sentence in answer.sentences(METRICS, [], "all", 99):
        assert sentence.key
        assert sentence.href


def test_data_below_the_gate_cannot_be_trusted():
    assert "The data does not pass the quality gate: 94.9 %" in paragraph({"quality": {**QUALITY, "score": 94.99}})


def test_a_lag_is_not_called_a_lead():
    behind = {**EVALUATION["answer"]["all"], "difference": -0.02, "low": -0.03, "high": -0.01, "p": 0.2}
    text = paragraph({"evaluation": {**EVALUATION, "answer": {"all": behind}}})
    assert "The lag behind this rival is not significant: ndcg@10 -0.020 (-0.030 to -0.010), p = 0.2" in text


def test_without_a_rival_nothing_is_compared():
    alone = {"model": "popularity", "rival": None, "difference": None, "low": None, "high": None, "p": None}
    chosen = {"all": "popularity", "novel": "blend"}
    answers = {"all": {**alone, "hits": {"popularity": HITS["popularity"]}}}
    text = paragraph({"evaluation": {**EVALUATION, "answer": answers, "chosen": chosen}})
    assert "0.76 were bought within 30 days (0.70 to 0.80)." in text
    assert "rival" not in text


def test_a_rival_that_is_the_same_for_everybody_is_not_compared():
    bestsellers = {**EVALUATION["answer"]["all"], "model": "popularity", "rival": "own_history_decayed"}
    answer = {**bestsellers, "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    evaluation = {**EVALUATION, "answer": {"all": answer}, "chosen": {"all": "popularity"}}
    text = paragraph({**METRICS, "evaluation": evaluation})
    assert "for every customer as good a list as the strongest simple rival, “Bought before, newest first”" in text
    assert "get a worse list" not in text
    assert "significant" not in text


def test_the_first_data_fix_is_what_comes_next():
    with_fix = {**QUALITY, "fixes": [FIX]}
    assert "Next: Fix the data (250 events name no customer). Next: Show the" in paragraph({"quality": with_fix})
    planted = with_fix | {"planted": "This shop is simulated, and faults are planted."}
    text = paragraph({"quality": planted})
    assert "Data: This shop is simulated, and faults are planted. " in text
    assert "Fix the data" not in text


def test_old_data_come_first():
    assert "Next: Get newer data. Next: Show" in paragraph(age=31)
    assert "newer data" not in paragraph(age=30)


def test_what_rules_cost_is_said_where_there_are_rules():
    row = {"protocol": "all", "metric": "ndcg@10", "difference": -0.011, "low": -0.014, "high": -0.009}
    rows = [{**row, "rule": "diversity", "difference": 0}, {**row, "rule": "all rules together"}]
    rows.append({**row, "rule": "all rules together", "metric": "precision@10", "with": 0.319})
    text = paragraph({"rule_costs": {"rules": rows}})
    assert (
        "The shop's own rules (diversity), which the delivered lists obey, are not in these numbers: they change"
        in text
    )
    assert "ndcg@10 by -0.011 (-0.014 to -0.009) (3.19 of ten were bought); simple lists were not measured" in text
    assert "own rules" not in paragraph()


def test_a_warning_of_the_stage_that_makes_the_lists_is_a_risk():
    stage = {"stage": "08_recommend", "title": "08", "state": "ok", "verdict": "warning"}
    reason = "Lists are much alike: one product is on those of 90 % of the users."
    assert f"Risk: {reason}" in paragraph(stages=[{**stage, "verdict_reason": reason}])
    assert "alike" not in paragraph(stages=[{**stage, "verdict": "passed", "verdict_reason": None}])


def test_old_data_are_called_old():
    assert "The newest event is 330 days old" in paragraph(age=330)
    assert "5,467 days (15 years) old" in paragraph(age=5467)
    assert "days old" not in paragraph(age=30)
    assert "days old" not in paragraph(age=None)


def test_what_the_other_lists_gain_is_said_with_its_doubt():
    other = {"model": "blend", "rival": "popularity", "p": 0.3, "difference": 0.01, "low": -0.01, "high": 0.03}
    hits = {"blend": HITS["popularity"], "popularity": {"value": 0.7, "low": 0.6, "high": 0.8}}
    answers = {**EVALUATION["answer"], "novel": {**other, "hits": hits}}
    text = paragraph({"evaluation": {**EVALUATION, "answer": answers}})
    assert (
        "Discovery: 0.76 of ten were bought with “Blend of three”, 0.70 with “Bestsellers”, a difference that" in text
    )
    shown = results.lists({**EVALUATION, "answer": answers}, "all")
    assert results.title(shown[1], "bought", 30).endswith("within 30 days, close to bestsellers (0.70)")
    assert shown[1].bars[0].high < 30  # both charts have one scale


def test_a_choice_that_another_model_beats_is_said():
    better = {"model": "ease", "difference": -0.01, "p": 0.01}
    one = {**EVALUATION["answer"]["all"], "better": better}
    other = {**one, "hits": HITS}
    text = paragraph({"evaluation": {**EVALUATION, "answer": {"all": one, "novel": other}}})
    assert "“Linear item model (EASE)” is better than the chosen model: ndcg@10 +0.010, p = 0.01" in text
    assert "; in the test window, “Linear item model (EASE)” would have been better." in text
    earlier = {**EVALUATION["stability"]["all"], "earlier": {"windows": 0, "leads": 0, "best": "ease", "behind": 0.1}}
    text = paragraph({"evaluation": {**EVALUATION, "stability": {"all": earlier}}})
    assert "it was the simplest of those nearly as good as “Linear item model (EASE)”. It makes lists" in text
    assert "only the newest was unseen when the model was chosen." in text


def test_a_failed_stage_is_what_comes_next():
    assert "Next: Repair 02 Validate" in paragraph(
        stages=[{"stage": "02_validate", "title": "02 Validate", "state": "failed"}]
    )


def test_without_metrics_nothing_is_claimed():
    assert paragraph({"quality": {}, "data": {}, "evaluation": {}}) == ""
    assert paragraph({"evaluation": {**EVALUATION, "answer": {"all": None}}}).count("Data: ") == 1


def test_discovery_decides_where_the_shop_shows_new_products_only():
    rules = [{"rule": "diversity"}, {"rule": "only products new to the user"}]
    assert answer.deciding_protocol({"rule_costs": {"rules": rules}}) == "novel"
    assert answer.deciding_protocol({"rule_costs": {"rules": []}}) == "all"
    assert answer.deciding_protocol({"rule_costs": {}}) == "all"


@pytest.mark.parametrize(
    ("last", "started", "days"),
    [
        ("2011-12-09T12:50:00+00:00", "2011-12-11T12:49:00+00:00", 1),
        ("2011-12-09T12:50:00+00:00", None, None),
        (None, "2011-12-11T12:49:00+00:00", None),
        ("2011-12-09T12:50:00+00:00", "2011-12-11T12:49:00", None),  # no time zone: not comparable
    ],
)
def test_age_of_the_data(last, started, days):
    assert answer.data_age({"last": last}, started) == days


def test_rows_add_up():
    steps = {step.label: step for step in remaining.rows(QUALITY, DATA)}
    assert [step.count for step in steps.values()] == [1000, 990, 715, 600, 100, 14, 90, 80]
    assert steps["kept"].why == "250 are left out as “guest sale”; 20 were delivered twice; 5 break a rule"
    assert steps["read"].why == "10 could not be read"
    parts = [step.count for step in steps.values() if step.part]
    assert sum(parts) + DATA["funnel"]["events"]["far"] == steps["kept"].count
    assert "1 event far from all others left out" in steps["used for training"].why


def test_customers_have_a_reason_for_every_loss():
    steps = remaining.people(QUALITY, DATA, CUSTOMERS)
    assert [step.count for step in steps] == [50, 47, 40, 25, 20, 19, 15]
    assert [step.why for step in steps[1:]] == [
        "1 have no event; 2 only returned products",
        "7 came after it; 41 have features: 1 of them only returned",
        "bought in these 30 days, also those who came after the cut",
        "5 are new, and are evaluated by themselves",
        "1 chose only products that nobody had before the cut",
        "4 chose nothing new to them",
    ]


@pytest.mark.parametrize("metrics", [({}, {}), ({"tables": {"events": {"delivered": 0}}}, DATA), (QUALITY, {})])
def test_unknown_rows_are_not_drawn(metrics):
    assert remaining.rows(*metrics) == []
    assert remaining.people({}, {}, USERS) == []


def test_share_of_used_rows():
    assert remaining.used_share(QUALITY) == 0.715
    assert remaining.used_share({}) is None


def test_the_deciding_lists_come_first_with_the_chosen_model_on_top():
    shown = results.lists(EVALUATION, "novel")
    assert [(one.protocol, one.decides, one.met) for one in shown] == [("novel", True, 0), ("all", False, 1)]
    bars = shown[1].bars
    assert [(bar.model, bar.role) for bar in bars] == [
        ("two_stage", "chosen"),
        ("own_history_decayed", "strongest simple rival"),
        ("popularity", ""),
    ]
    assert bars[0].high == 100  # the longest interval ends at the right edge
    assert shown[0].bars == []


def test_the_title_states_the_finding():
    best = results.lists(EVALUATION, "all")[0]
    assert results.title(best, "bought", 30).endswith("3.24 were bought within 30 days, more than from any simple list")
    behind = {**EVALUATION["answer"]["all"], "hits": {**HITS, "two_stage": HITS["popularity"]}}
    worse = results.lists({**EVALUATION, "answer": {"all": behind}}, "all")[0]
    assert "not more than" in results.title(worse, "bought", 30)


def test_words_of_the_shop():
    assert words({"relevant_events": ["purchase"]}) == CUSTOMERS
    assert words({"relevant_events": ["rating"]}) == USERS
    assert words({}) == USERS


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [(3.24, 0.755, "4.3 times"), (3.24, 2.89, "1.12 times"), (1, 0, ""), (9, 0.002, "4,500 times")],
)
def test_times(value, base, text):
    assert times(value, base) == text
