"""The answer of stage 07 in sentences, and its verdict."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.evaluate import answer_takeaways as takeaways


def ten(value: float) -> dict[str, float]:
    return {"value": value, "low": value * 0.95, "high": value * 1.05}


HITS = {"two_stage": ten(3.24), "own_history": ten(2.9), "popularity": ten(0.76)}
ANSWER = {"model": "two_stage", "rival": "own_history", "difference": 0.04, "low": 0.03, "high": 0.05, "p": 1e-30}
ANSWER |= {"hits": HITS, "better": None}


def card(*verdicts: tuple[str, str, str]) -> pl.DataFrame:
    rows = [
        {"protocol": protocol, "target": target, "verdict": verdict, "value": 0.12, "threshold": 0.15, "ceiling": 0.24}
        for protocol, target, verdict in verdicts
    ]
    schema = {"protocol": pl.String, "target": pl.String, "verdict": pl.String}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("value", "threshold", "ceiling"), pl.Float64))


def test_hits_in_the_shops_words():
    assert takeaways.hits(ANSWER, "all", 30) == (
        "**Lists as delivered (all): of ten products that Two-step ranker (`two_stage`) shows, 3.24 (3.08 to 3.40) "
        "were chosen within 30 days.** That is 1.12 times *Bought before* (2.90); and 4.3 times *Bestsellers* (0.76)."
    )
    equal = ANSWER | {"hits": {"two_stage": ten(0.262), "popularity": ten(0.26)}}
    assert takeaways.hits(equal, "all", 30).endswith("That is as many as *Bestsellers* (0.26).")
    nothing = ANSWER | {"hits": {"two_stage": ten(0.5), "popularity": ten(0)}}
    assert "within 1 day.** That is above *Bestsellers* (0)." in takeaways.hits(nothing, "novel", 1)


@pytest.mark.parametrize("answer", [None, ANSWER | {"hits": {"two_stage": ten(0), "popularity": ten(0)}}])
def test_no_users_and_no_hits_are_not_applicable(answer):
    assert takeaways.hits(answer, "all", 30).startswith("*Not applicable: Lists as delivered (all): no ")


def test_which_protocol_decides():
    rows = [("all", "ndcg@10", "clearly met"), ("novel", "ndcg@10", "missed"), ("novel", "recall@10", "met")]
    assert takeaways.decides(card(*rows)) == (
        "**Lists as delivered (all) decide, repeats allowed: 1 of 1 target met**. Discovery (novel), only products "
        "that are new to the user: 1 of 2 targets met (missed: ndcg@10)."
    )
    assert takeaways.decides(card()).startswith("*Not applicable")


def test_the_lead_is_signed_and_tested():
    assert takeaways.lead(ANSWER, "all") == (
        "**Lists as delivered (all): +0.040 ndcg@10 (+0.030 to +0.050) over the strongest simple list, Bought "
        "before**, compared user by user: significant, p < 0.001."
    )
    unsure = ANSWER | {"difference": -0.01, "low": -0.03, "p": 0.4}
    assert "-0.010 ndcg@10 (-0.030 to +0.050)" in takeaways.lead(unsure, "all")
    assert takeaways.lead(unsure, "all").endswith("**not** significant, p = 0.4.")
    simple = takeaways.lead(ANSWER | {"model": "recent_popularity"}, "all")
    assert "over the strongest other simple list" in simple


@pytest.mark.parametrize(
    "answer",
    [
        None,
        ANSWER | {"rival": None, "difference": None, "low": None, "high": None, "p": None},
        ANSWER | {"low": None, "high": None, "p": 1.0},
        ANSWER | {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0},
    ],
)
def test_a_lead_without_a_base_is_not_applicable(answer):
    assert takeaways.lead(answer, "novel").startswith("*Not applicable: Discovery (novel): ")


STABLE = {"cuts": 3, "all_cuts": 3, "leads": 2, "lowest": 0.2, "highest": 0.4, "unseen": 1}
STABLE |= {"scores": [0.4, 0.3, 0.2], "days": 60, "rival": "own_history", "rival_cuts": 3, "earlier": None, "ahead": []}


def test_stability_says_which_cut_is_unseen():
    takeaway = takeaways.stability(STABLE, "two_stage", "all")
    assert "leads at 2 of 3 cuts**: ndcg@10 0.400, 0.300 and, newest, 0.200: lower each time." in takeaway
    assert takeaway.endswith(
        "Only the newest, the test window, is unseen: the model or its parameters were chosen on the others. "
        "All cuts lie within 60 days: other seasons are not tested."
    )
    two = takeaways.stability(
        STABLE | {"cuts": 2, "scores": [0.3, 0.2], "rival_cuts": 1, "days": 400}, "two_stage", "all"
    )
    assert "ndcg@10 0.300 and, newest, 0.200; at 1 other cut it had nothing to learn from" in two
    assert two.endswith(
        "were chosen on the other. The strongest simple list, Bought before, is not compared at 1 of these cuts."
    )
    never = takeaways.stability(STABLE | {"rival_cuts": 0, "days": 400}, "two_stage", "all")
    assert never.endswith("is not among the models compared at these cuts.")
    mixed = STABLE | {"scores": [0.2, 0.4, 0.3], "rival": None, "rival_cuts": 0}
    assert "0.200, 0.400 and, newest, 0.300. Only" in takeaways.stability(mixed, "two_stage", "all")
    rising = STABLE | {"scores": [0.2, 0.3, 0.4]}
    assert "newest, 0.400: higher each time." in takeaways.stability(rising, "two_stage", "all")
    assert "None of them is unseen" in takeaways.stability(STABLE | {"unseen": 0}, "two_stage", "all")


EARLIER = {"model": "blend", "windows": 2, "leads": 1, "best": "blend", "behind": 0}


def test_stability_names_the_models_that_were_ahead():
    first = takeaways.stability(STABLE | {"ahead": [{"model": "user_knn", "by": 0.0012}]}, "blend", "all")
    assert "leads at 2 of 3 cuts**; at the other, Similar users was ahead by 0.001: ndcg@10 " in first
    assert "ahead" not in takeaways.stability(STABLE, "blend", "all")


def test_stability_says_that_a_simpler_model_was_chosen():
    assert "simplest" not in takeaways.stability(STABLE | {"earlier": EARLIER}, "blend", "all")
    behind = takeaways.stability(STABLE | {"earlier": EARLIER | {"best": "ease", "behind": 0.002}}, "blend", "all")
    assert (
        "0.002 behind Linear item model (EASE), and was chosen as the simplest of those within one standard" in behind
    )


def test_repeats_are_said_where_there_are_some():
    assert takeaways.repeats({"shown": 0.86, "hits": 0.92}, "blend", "all") == (
        "**Lists as delivered (all): 86 % of what Blend of three shows, and 92 % of its hits, the same user had chosen "
        "before.**"
    )
    assert "shows the same user" in takeaways.repeats({"shown": 0.86, "hits": None}, "blend", "all")
    assert takeaways.repeats({"shown": 0.0, "hits": 0.0}, "blend", "all") == ""
    assert takeaways.repeats(None, "blend", "all") == ""


def test_a_summary_names_the_protocol_once():
    assert takeaways.in_the_deciding_protocol("**Lists as delivered (all): of ten, 3**") == "**Of ten, 3**"
    assert takeaways.in_the_deciding_protocol("**Discovery (novel): 3**") == "**Discovery (novel): 3**"


@pytest.mark.parametrize("found", [None, STABLE | {"cuts": 1}])
def test_one_cut_or_none_says_nothing_about_stability(found):
    assert takeaways.stability(found, "two_stage", "all").startswith("*Not applicable")


def test_warnings_are_of_the_protocol_that_decides():
    answers = {"all": ANSWER, "novel": None}
    assert takeaways.warning(card(("all", "ndcg@10", "met"), ("novel", "ndcg@10", "missed")), answers) == ""
    assert takeaways.warning(card(("all", "precision@10", "missed")), answers) == (
        "precision@10 is 0.120, below its target of 0.15 (the best possible list: 0.240)."
    )
    unsure = {"all": ANSWER | {"p": 0.3}, "novel": None}
    assert "is not clearly better than the strongest simple list, Bought before." in takeaways.warning(card(), unsure)
    better = {"model": "ease", "difference": -0.012, "p": 0.01}
    assert takeaways.warning(card(), {"all": ANSWER | {"better": better}, "novel": None}) == (
        "In the test window, Linear item model (EASE) is better than the chosen Two-step ranker: +0.012 ndcg@10, "
        "p = 0.01."
    )
    assert takeaways.warning(card(), {"all": None, "novel": None}) == ""
    assert takeaways.no_data({"all": None, "novel": None}) == "no user can be evaluated in the test window."
    assert takeaways.no_data(answers) == ""
