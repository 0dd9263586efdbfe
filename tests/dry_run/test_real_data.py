"""Real data: what the dry run predicts from a sample, beside what the finished runs said (docs/results)."""

from __future__ import annotations

import json

import pytest
from conftest import ROOT

from recomart.dry_run import result
from recomart.project.params import Params
from recomart_lib.core import shops
from recomart_lib.train.settings import Train

pytestmark = pytest.mark.real_data
PARAMETERS = Params(train=Train(models={"popularity": {}, "svdpp": {}}))


def test_online_retail_is_predicted_from_a_part_of_its_users(real_data):
    finished = json.loads((ROOT / "docs/results/online_retail.json").read_text())
    shop = shops.read(ROOT / "shops/online_retail.yaml")
    found = result.run(shop, real_data / "online_retail", PARAMETERS, sample_rows=150_000)
    assert found.sample.share < 0.4
    assert found.sample.readings["events"].estimated == finished["data"]["rows"]
    assert found.score == pytest.approx(finished["quality"]["score"], abs=0.05)
    test, users = found.windows[-1], finished["users"]
    assert test["evaluated_all"] == pytest.approx(users["evaluated_all"], rel=0.1)
    assert test["evaluated_novel"] == pytest.approx(users["evaluated_novel"], rel=0.1)
    assert list(found.left_out) == ["svdpp"]
    assert found.stops == {}
