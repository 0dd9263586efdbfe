"""One row that breaks a rule in the tiny shop: what the finding says, and the key of the shop file that it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from conftest import EVENTS, ITEMS, USERS

from recomart.dry_run import findings, quality, sample
from recomart.dry_run.finding import Finding
from recomart_lib.ingest.settings import Ingest
from recomart_lib.validate.settings import Validate


def found(shop) -> list[Finding]:
    """The findings of a tiny shop."""
    read = sample.read(shop.shop, shop.source, Ingest(max_rejected=1))
    with quality.checked(shop.shop, read, Validate()) as checked:
        return findings.findings(shop.shop, read, checked)


@pytest.mark.parametrize(
    ("line", "what", "advice"),
    [
        ("e9,u1,a,purchase,{in two hours},1,1,,o9", "in the future", "time_zone: is UTC right? They are at most"),
        ("e9,u1,a,purchase,2093-01-01,1,1,,o9", "in the future", "tables.events.timestamp_format: are day and month"),
        (
            "e9,u3,a,view,1980-01-01,,,,",
            "before validate.first_day",
            "params.yaml: validate.first_day (the",
        ),
        ("e9,u1,a,rating,2024-02-05,,,10,", "outside 1 to 5 (from 10 to 10)", "tables.events.values: {rating: {10: 5"),
        ("e9,u1,a,rating,2024-02-05,,,,", 'break "A rating event has', "rules: {rating_given: warning}"),
        ("e1,u1,a,view,2024-02-05,,,,", "share their event_id", "tables.events.columns.event_id: map that column as"),
        ("e9,u1,a,purchase,2023-12-31,1,1,,o9", "before their user's sign-up", "is time_zone UTC right"),
        ("e9,u1,a,purchase,2024-02-05,9e9,1,,o9", "very large quantity", "params.yaml: validate.max_quantity"),
        ("e9,u1,a,purchase,2024-02-05,1,9e9,,o9", "very high price", "params.yaml: validate.max_price"),
        ("e9,u1,a,purchase,2024-02-05,1,-1,,o9", "negative price", "is columns.price the price of one unit?"),
        ("e9,u1,,purchase,2024-02-05,1,1,,o9", "no item_id", "tables.events.exclude: {without_item: {missing: item_id"),
        ("e9,u1,a,purchase,,1,1,,o9", "no timestamp", "tables.events.exclude: {without_timestamp: {missing: timest"),
        ("e9,u1,a,wish-list,2024-02-05,,,,", "wish-list (1)", 'tables.events.event_values: {"wish-list": ...}'),
    ],
)
def test_one_line_of_events(tiny_shop, tmp_path, line, what, advice):
    soon = f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%d %H:%M:%S}"
    events = f"{EVENTS}{line}\n".replace("{in two hours}", soon)
    [finding] = [one for one in found(tiny_shop(tmp_path, events=events)) if what in one.finding]
    assert finding.advice.startswith(advice)
    assert (finding.rows, finding.share) == (1, pytest.approx(1 / 6))


def test_users_who_are_all_unknown_are_no_reason_for_complete_false(tiny_shop, tmp_path):
    [finding] = found(tiny_shop(tmp_path, users=USERS.replace("\nu", "\n00u")))
    assert finding.advice.startswith("tables.users.columns.user_id: no id is the same in both files")
    assert finding.score_then is None


def test_rows_of_products_that_contradict_each_other(tiny_shop, tmp_path):
    [finding] = found(tiny_shop(tmp_path, items=f"{ITEMS}a,Other,tools,Acme,3\n"))
    assert "say something else about an id" in finding.finding
    assert "valid_from" in finding.advice


def test_few_rows_need_no_key(tiny_shop, tmp_path):
    views = "".join(f"v{n},u1,a,view,2024-02-01 10:00:00,,,,\n" for n in range(2_000))
    [finding] = found(tiny_shop(tmp_path, events=f"{EVENTS}{views}e9,u1,a,rating,2024-02-05,,,10,\n"))
    assert finding.advice.startswith("none, as so few rows may stay in quarantine; else tables.events.values")
