"""The files that stage 07 writes."""

from __future__ import annotations

from recomart_lib.evaluate import evaluation, report
from recomart_lib.metrics import ranking


def test_headline_has_the_chosen_model_and_intervals():
    scores = {protocol: {"ease": at_ten()} for protocol in ("all", "novel")} | {"cold": {}}
    result = report.headline(scores, {"all": "ease", "novel": "ease", "cold": "popularity"})
    assert result["model"] == "ease"
    assert (result["all"]["ndcg@10"], result["all"]["ndcg@10_low"], result["all"]["ndcg@10_high"]) == (0.3, 0.2, 0.4)
    assert list(result["novel"])[1:] == sorted(list(result["novel"])[1:])
    assert result["cold"] == {"model": "popularity"}, "a protocol without users to evaluate has no numbers"


def at_ten() -> dict:
    means = {f"{name}@10": 0.3 for name in ranking.NAMES}
    return means | {f"{name}@10_ci": [0.2, 0.4] for name in evaluation.WITH_INTERVAL}
