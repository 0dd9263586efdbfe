"""The model card: numbers come from the metrics files, missing files are named, and data cannot inject code."""

from __future__ import annotations

import json
import re

import pytest

from recomart.reports import model_card
from recomart_lib.core.protocol_names import MEANINGS

PARAMS = "base: {shop: corner, source: data/source/corner, seed: 7}\nrecommend: {k: 5, protocol: novel}\n"


def score(value: float) -> dict:
    interval = [value - 0.01, value + 0.01]
    return {"ndcg@10": value, "ndcg@10_ci": interval, "recall@10": value / 2, "recall@10_ci": interval, "mrr@10": value}


def facts(evil: str = "") -> dict[str, dict]:
    numbers = {"threshold": 0.2, "value": 0.3, "low": 0.29, "high": 0.31, "floor_random": 0.001, "ceiling": 1.0}
    target = {"target": "ndcg@10 >= 0.2", "protocol": "all", "model": "ease", "verdict": "clearly met", **numbers}
    cut = {"metric": "ndcg@10", "cuts": 3, "mean": 0.28, "sd": 0.02, "lowest": 0.261, "highest": 0.302}
    weak = {"by": "country", "slice": f"Malta{evil}", "mean": 0.1, "low": 0.05, "high": 0.15, "n": 1234}
    cold = {
        "history": "cold",
        "model": "popularity",
        "metric": "ndcg@10",
        "mean": 0.04,
        "low": 0.0,
        "high": 0.1,
        "n": 55,
    }
    return {
        "data": {
            "shop": f"corner{evil}",
            "title": f"Corner shop{evil}",
            "n_events": 54321,
            "n_users": 10,
            "n_items": 5,
            "first": "2025-01-01T00:00:00+00:00",
            "last": "2025-12-31T00:00:00+00:00",
            "fingerprint": "abc123",
            "cut": "2025-12-02T00:00:00+00:00",
            "validation_start": "2025-11-02T00:00:00+00:00",
            "horizon_days": 30,
            "relevant_events": ["purchase"],
        },
        "tuning": {
            "chosen": {"all": "ease", "novel": "als"},
            "feature_service": "recommender_v2",
            "parameters": {"ease": {"reg": 200, "signal": "seen"}, "als": {}, "popularity": {}},
        },
        "evaluation": {
            "all": {"ease": score(0.3), "random": score(0.001), "popularity": score(0.05)},
            "novel": {"als": score(0.1)},
            "users": {"test_users": 3000, "warm": 2900, "cold": 100, "evaluated_all": 2800, "evaluated_novel": 2000},
            "targets": [target, {**target, "protocol": "novel", "model": "als", "value": 0.1, "verdict": "missed"}],
            "chosen": {"all": "ease", "novel": "als"},
            "answer": {"all": {"rival": "popularity"}, "novel": None},
            "weak": [weak],
            "history": [cold],
            "cuts": [{**cut, "protocol": "all", "model": "ease"}, {**cut, "protocol": "all", "model": "popularity"}],
            "repeats": {"all": {"shown": 0.86, "hits": 0.9}, "novel": None},
            "losers": {"all": {"worse": 0.25, "equal": 0.25, "better": 0.5}},
            "calibration_error": {"repurchase": 0.0123},
        },
    }


@pytest.fixture
def write(tmp_path):
    def to(content: dict[str, dict]) -> tuple[str, str]:
        (tmp_path / "params.yaml").write_text(PARAMS)
        folder = tmp_path / "reports/metrics"
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in content.items():
            (folder / f"{name}.json").write_text(json.dumps(values))
        text = model_card.build(tmp_path)
        return text.read_text(), text.with_suffix(".html").read_text()

    return to


def test_probabilities_that_are_not_calibrated_mean_no_more_than_scores(write):
    content = facts()
    content["evaluation"]["calibration_error"] = {"repurchase": 0.092}
    text, _ = write(content)
    assert "off by 9.2 percentage points on average (expected calibration error)." in text
    assert "only the calibrated probabilities" not in text
    content["evaluation"]["calibration_error"] = {"repurchase": 0.49}
    far_off, _ = write(content)
    assert "off by 49 percentage points on average (expected calibration error): do not plan with them." in far_off


def test_the_numbers_are_those_of_the_metrics(write):
    text, page = write(facts())
    for row in (
        f"| Lists as delivered (all) | {MEANINGS['all']} | ease | reg = 200, signal = seen |",
        f"| Discovery (novel) | {MEANINGS['novel']} | als | none |",
        "### Lists as delivered (all): Linear item model (EASE) (`ease`)",
        "| Strongest simple: Bestsellers | Bestsellers | Random |",
        "| Size | 54,321 events, 10 users, 5 items |",
        "| Cut | 2025-12-02 00\\:00 UTC; models are fitted on data before the cut".replace("\\:", ":"),
        "| ndcg@10 | 0.300 | 0.290 to 0.310 | 0.050 | 0.050 | 0.001 | 1.000 |",
        "| mrr@10 | 0.300 |  | 0.050 | 0.050 | 0.001 |  |",
        "| ndcg@10 >= 0.2 | **missed** | Discovery (novel) | als | 0.100 | 0.290 to 0.310 |",
        "| Lists as delivered (all) | ease | 3 | 0.280 | 0.261 | 0.302 |",
        "- country *Malta*: ndcg@10 0.100 (0.050 to 0.150, n = 1,234), below the average of all users",
        "25 % of the users are served worse by the Linear item model (EASE) (`ease`) than by bestsellers",
        "86 % of the listed products are those that the same user had chosen before",
        "55 cold users can only get bestsellers: ndcg@10 0.040 with Bestsellers (`popularity`)",
        "off by 1.2 percentage points on average",
        "; only the calibrated probabilities above mean more.",
        "lists of 5 in protocol *novel*",
        "data fingerprint abc123, seed 7",
        "`make repro SHOP=corner SOURCE=data/source/corner`",
    ):
        assert row in text, row
    assert "popularity | 3 |" not in text  # only chosen models are in this table
    assert 'data-label="Model">Linear item model (EASE)<small class="tech">ease</small></td>' in page
    assert "<strong>clearly met</strong>" in page


def test_tables_are_whole(write):
    text, page = write(facts())
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    assert page.count("<table ") == len(re.findall(r"^\|[-:| ]+\|$", text, re.M)) == 6


@pytest.mark.parametrize("missing", ["data", "tuning", "evaluation"])
def test_missing_files_are_named(write, missing):
    text, page = write({name: values for name, values in facts().items() if name != missing})
    assert f"reports/metrics/{missing}.json is missing" in text
    assert "Out of scope" in page


def test_no_user_to_evaluate(write):
    content = facts()
    content["evaluation"] |= {
        "all": {},
        "novel": {},
        "targets": [],
        "weak": [],
        "history": [],
        "cuts": [],
        "losers": {},
        "repeats": {},
    }
    text, _ = write(content)
    assert text.count("No user can be evaluated.") == 2
    assert "No weakness was found; with few evaluated users, this says little." in text


def test_data_cannot_act(write):
    text, page = write(facts("<script>alert(1)</script>|x"))
    assert "<script" not in text
    assert page.count("<script") == 1  # ours, the only one that the policy allows
    assert "&lt;script&gt;" in page
    assert not re.search(r"""(?:src|srcset)\s*=|<link\b|@import|url\(""", page)


def test_the_same_metrics_give_the_same_card(write):
    assert write(facts()) == write(facts())
