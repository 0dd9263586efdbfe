"""The dry run says what the stages say: equal for all rows, near for a sample; its advice has the effect it names."""

from __future__ import annotations

from pathlib import Path

import messy_shop
import polars as pl
import pytest
from conftest import ROOT

from recomart.dry_run import models, quality, result, sample, windows
from recomart.dry_run.result import Result
from recomart.project.params import Params
from recomart_lib.core import shops
from recomart_lib.core.errors import UserError
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.train.settings import Train
from recomart_lib.validate import entity_summary, quality_report, row_checks
from recomart_lib.validate.settings import Validate

PARAMETERS = Params(train=Train(models={"popularity": {}, "svdpp": {}, "ease": {}}))


@pytest.fixture(scope="module")
def found(folder, shop) -> Result:
    return result.run(shop, folder / "source", PARAMETERS)


def of_stage_02(shop, folder: Path) -> dict:
    """The report of 02 after an ingestion by 01."""
    raw, validated, quarantine = folder / "raw", folder / "validated", folder / "quarantine"
    ingestion.ingest(shop, folder / "source", raw, Ingest())
    tables = {name: lake.table(raw, shop.name, name) for name in shop.delivered}
    now = lake.last_ingestion(raw, shop.name, shop.delivered)
    counts, _ = row_checks.check_tables(shop, tables, Validate(), now, validated, quarantine)
    entities = entity_summary.summary(shop, tables, now, validated, quarantine)
    return quality_report.report(counts, tables, Validate(), entities)


def test_a_sample_of_everything_gives_the_report_of_02(tmp_path):
    shop = messy_shop.write(tmp_path, n_events=2_000)
    read = sample.read(shop, tmp_path / "source", Ingest())
    with quality.checked(shop, read, Validate()) as checked:
        predicted, validated = checked.report, pl.read_parquet(checked.validated / "events.parquet", glob=False)
    assert predicted == of_stage_02(shop, tmp_path)
    assert predicted["score"] < 60
    assert validated.equals(pl.read_parquet(tmp_path / "validated/events.parquet", glob=False))


def test_a_part_gives_nearly_the_scores_and_the_users_of_everything(folder, shop, found):
    part = result.run(shop, folder / "source", PARAMETERS, sample_rows=2_500)
    assert 0.2 < part.sample.share < 0.5
    scores = found.scores.join(part.scores, on="table")
    assert (scores["score"] - scores["score_right"]).abs().max() < 5
    assert scores["delivered"].to_list() == scores["delivered_right"].to_list()
    for exact, estimated in zip(found.windows, part.windows, strict=True):
        assert estimated["evaluated_all"] == pytest.approx(exact["evaluated_all"], rel=0.2)
        assert estimated["first_day"] == exact["first_day"]
    assert part.catalogue["products"] == found.catalogue["products"]
    assert part.catalogue["users_before_test"] == pytest.approx(found.catalogue["users_before_test"], rel=0.2)


def test_every_damage_is_found_with_the_key_that_changes_it(found):
    advice = {finding.advice for finding in found.findings}
    assert {
        "tables.users.complete: false",
        "tables.items.complete: false",
        "tables.events.exclude: {guest: {missing: user_id, reason: ...}}",
        "tables.events.negative_quantity: return",
        "tables.events.event_values: {zurueck: ...}",
        "tables.events.equal_lines: repeats, if the export writes lines twice",
        'tables.events.decimal: ","',
        'tables.events.nulls: ["many"], or tables.events.values: {quantity: {many: ...}}',
        'tables.users.nulls: ["999"]',
        'tables.items.nulls: ["0"]',
    } <= advice
    sentences = " ".join(finding.finding for finding in found.findings)
    assert "are in the future (2031-01-01 to 2031-01-0" in sentences
    assert "3 cells where the header has 6" in sentences
    assert [finding.share for finding in found.findings] == sorted((one.share for one in found.findings), reverse=True)


@pytest.mark.parametrize(
    ("advice", "keys"),
    [
        ("tables.users.complete: false", {}),
        ("tables.events.negative_quantity: return", {"negative_quantity": "return"}),
        (
            "tables.events.exclude: {guest: {missing: user_id, reason: ...}}",
            {"exclude": {"guest": {"missing": "user_id", "reason": "guests"}}},
        ),
    ],
)
def test_the_advice_has_the_effect_that_it_names(tmp_path, found, advice, keys):
    then = next(finding.score_then for finding in found.findings if finding.advice == advice)
    shop = messy_shop.write(tmp_path, **keys)
    if not keys:
        file = tmp_path / "messy.yaml"
        file.write_text(file.read_text().replace("path: users.csv", "path: users.csv\n    complete: false"))
        shop = shops.read(file)
    score = result.run(shop, tmp_path / "source", PARAMETERS).scores.row(by_predicate=pl.col("table") == "events")[-1]
    assert score == pytest.approx(then, abs=0.1)  # a return may have a price of 0


def test_the_gate_stops_and_says_why(found):
    assert list(found.stops) == ["02_validate"]
    assert "below validate.min_quality" in found.stops["02_validate"]
    assert found.score == found.scores["score"].min()


def test_windows_without_users_stop_04_and_a_better_cut_is_named(tmp_path):
    shop = messy_shop.write(tmp_path).model_copy(update={"cut": "2025-12-01"})
    found = result.run(shop, tmp_path / "source", PARAMETERS)
    assert "No user can be evaluated in the validation window" in found.stops["04_prepare"]
    better = next(one for one in found.findings if one.advice.startswith("cut: auto"))
    assert "can evaluate only 0 users; with the advice, both at least" in better.finding


def test_models_are_left_out_by_the_limits_of_06(folder, shop, found):
    assert found.left_out == {"svdpp": "it learns from ratings, and there are none before the test window"}
    tight = PARAMETERS.model_copy(update={"train": PARAMETERS.train.model_copy(update={"max_memory_gb": 0.00001})})
    assert "ease" in result.run(shop, folder / "source", tight).left_out


def test_an_enlarged_sample_costs_as_much_as_its_users_again_and_again(folder, shop):
    read = sample.read(shop, folder / "source", Ingest())
    with quality.checked(shop, read, Validate()) as checked:
        split = windows.split(shop, checked, PARAMETERS.prepare)
    data = models.test_data(shop, split, 1.0, read.readings["events"].item_times)
    double = models.enlarged(data, 0.5, 200)
    assert (double.n_users, double.n_items) == (2 * data.n_users, 200)
    assert double.relevant.nnz == 2 * data.relevant.nnz
    assert double.baskets["basket"].n_unique() == 2 * data.baskets["basket"].n_unique()
    assert double.interactions.select("user_idx", "item_idx").is_unique().all()


def test_without_events_users_and_items_are_checked(tmp_path):
    shop = messy_shop.write(tmp_path, n_events=10)
    for file in (tmp_path / "source").glob("events*"):
        file.unlink()
    found = result.run(shop, tmp_path / "source", PARAMETERS)
    assert list(found.stops) == ["01_ingest", "02_validate"]
    assert found.scores["table"].to_list() == ["users", "items"]
    assert found.no_windows == "the events could not be read"
    assert found.estimate is None


def test_events_that_were_not_all_read_have_no_windows(folder, shop):
    found = result.run(shop, folder / "source", PARAMETERS, max_rows=2_000)
    assert "histories of users have gaps" in found.no_windows
    assert found.windows == []
    assert found.estimate is not None


def test_tables_of_an_api_are_fetched_first(tmp_path):
    with pytest.raises(UserError, match=r"users, items, events of shop 'simulated_api' come from its API"):
        result.run(shops.read(ROOT / "shops/simulated_api.yaml"), tmp_path, PARAMETERS)
