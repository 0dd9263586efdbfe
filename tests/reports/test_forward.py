"""Three sentences to forward, from full, partial and empty metrics."""

from __future__ import annotations

from recomart.reports import forward
from tests.reports.test_answer import EVALUATION, METRICS


def test_three_sentences_with_their_numbers():
    assert forward.sentences(METRICS, "all", 5467) == [
        "Of ten products that the “Two-step ranker” would have shown, 3.24 were bought within 30 days, 1.12 times as "
        "many as with the strongest simple list (“Bought before, newest first”); this difference is significant, and "
        "92 % of these hits are what the customer had bought before.",
        "The data passes its checks (99.9 % of the checked rows are right), 72 % of the delivered events can be used, "
        "and the newest is 5,467 days (15 years) old.",
        "28 % of the evaluated customers would get a worse list than from that simple one; next: get newer data, "
        "then show the lists to a part of the customers, since nobody has seen them yet.",
    ]


def test_without_a_rival_or_an_age_nothing_is_claimed():
    answer = {**EVALUATION["answer"]["all"], "rival": None, "p": None}
    metrics = {**METRICS, "evaluation": {**EVALUATION, "answer": {"all": answer}, "repeats": {}}}
    gain, data, risk = forward.sentences(metrics, "all", None)
    assert gain.endswith("3.24 were bought within 30 days.")
    assert data.endswith("can be used.")
    assert risk.startswith("Next: show the lists")


def test_a_rival_without_hits_has_no_ratio():
    answer = EVALUATION["answer"]["all"]
    hits = {**answer["hits"], answer["rival"]: {"value": 0, "low": 0, "high": 0}}
    metrics = {**METRICS, "evaluation": {**EVALUATION, "answer": {"all": {**answer, "hits": hits, "p": 0.2}}}}
    assert "and none with the strongest simple list" in forward.sentences(metrics, "all", 3)[0]
    assert "this difference is not significant" in forward.sentences(metrics, "all", 3)[0]


def test_a_rival_that_is_the_same_for_everybody_is_not_compared():
    answer = {**EVALUATION["answer"]["all"], "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    gain, _, risk = forward.sentences({**METRICS, "evaluation": {**EVALUATION, "answer": {"all": answer}}}, "all", 3)
    assert "3.24 were bought within 30 days, for every customer as good a list as the strongest simple one" in gain
    assert "significant" not in gain
    assert risk.startswith("Next: ")


def test_hits_under_the_rules_stand_beside_those_without():
    row = {"protocol": "all", "metric": "precision@10", "with": 0.319}
    gain = forward.sentences({**METRICS, "rule_costs": {"rules": [row]}}, "all", 3)[0]
    assert "3.24 were bought within 30 days (3.19 under the shop's own rules), 1.12 times" in gain


def test_simulated_data_is_called_simulated():
    quality = {**METRICS["quality"], "planted": "This shop is simulated."}
    assert forward.sentences({**METRICS, "quality": quality}, "all", 3)[1].startswith(
        "The data, which is simulated, passes"
    )


def test_without_an_evaluation_there_is_nothing_to_forward():
    assert forward.sentences({**METRICS, "evaluation": {}}, "all", 3) == []
    assert forward.sentences({**METRICS, "evaluation": {**EVALUATION, "answer": {"all": None}}}, "all", 3) == []
    assert forward.sentences({**METRICS, "quality": {}}, "all", 3) == []
