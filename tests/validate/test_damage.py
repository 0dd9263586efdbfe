"""Random tables with planted damage: every row ends in exactly one place, and the report matches the damage."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
import yaml
from conftest import DECLARED, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core import shops, tables
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import ids
from recomart_lib.validate import quality_report, quarantine, row_checks
from recomart_lib.validate.settings import Validate

NOW = utc(2025, 1, 1)
COLUMNS = ["id", "who", "what", "act", "at", "n", "price", "stars", "order"]
AWKWARD = st.one_of(
    st.sampled_from(
        [
            '<script>alert("x")</script>',
            "=cmd|' /C calc'!A0",
            "-1+2",
            "@SUM(A1)",
            "'x",
            '"',
            "a\nb",
            "a\r\nb",
            "ü☕日",
            "\u202eabc",
            "a,b;c|d",
            "\\",
            "NULL",
            "nan",
            "<img src=x onerror=alert(1)>",
            "{{x}}",
            "$x$",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
        lambda text: re.search(ids.ANY_REFUSED, text.strip()) is None  # the words are ids of orders, too
    ),
)


@dataclass(frozen=True)
class Damage:
    """Changed cells, and the expected place and reasons of the row (part of a reason, if rejected)."""

    cells: dict[str, str]
    place: str = "quarantined"
    reasons: str = ""


DAMAGES = [
    Damage({"n": "three"}, "rejected", "quantity: 'three' is not a number"),
    Damage({"n": "0.53"}, "good"),
    Damage({"n": "-0.53"}, reasons="quantity_possible"),
    Damage({"n": str(2**63)}, reasons="quantity_possible"),
    Damage({"price": "1e999"}, "rejected", "price: '1e999' is not a number"),
    Damage({"price": "<b>10</b>"}, "rejected", "price: '<b>10</b>' is not a number"),
    Damage({"at": "2024-02-30 10:00:00"}, "rejected", "timestamp: '2024-02-30 10:00:00' is not"),
    Damage({"at": "yesterday"}, "rejected", "timestamp: 'yesterday' is not"),
    Damage({"at": "9999-12-31 23:59:59"}, "rejected", "timestamp: '9999-12-31 23:59:59' stands for no time"),
    Damage({"at": "9999-06-01 00:00:00"}, reasons="timestamp_not_in_future"),
    Damage({"at": ""}, reasons="timestamp_present"),
    Damage({"at": "0001-06-01 00:00:00"}, reasons="event_after_signup; timestamp_plausible"),
    Damage({"at": "2023-12-31 23:59:59"}, reasons="event_after_signup"),
    Damage({"who": ""}, reasons="event_user_present"),
    Damage({"who": "   "}, reasons="event_user_present"),
    Damage({"who": "nobody"}, reasons="event_user_known"),
    Damage({"what": ""}, reasons="event_item_present"),
    Damage({"what": "=1+1"}, reasons="event_item_known"),
    Damage({"act": "steal"}, reasons="event_type_known"),
    Damage({"act": ""}, reasons="event_type_known"),
    Damage({"n": "0"}, reasons="quantity_possible"),
    Damage({"n": "-9"}, reasons="quantity_possible"),
    Damage({"n": str(2**52)}, reasons="quantity_possible"),
    Damage({"price": "-0.01"}, reasons="price_possible"),
    Damage({"price": "1e300"}, reasons="price_possible"),
    Damage({"stars": "6"}, reasons="rating_possible"),
    Damage({"act": "rating"}, reasons="rating_given"),
    Damage({"who": "", "what": "", "n": "0"}, reasons="event_item_present; event_user_present; quantity_possible"),
    Damage({"act": "return", "what": "c"}, "good"),  # there is no purchase: a warning
    Damage({"n": "", "price": ""}, "good"),
]
ROWS = st.lists(
    st.one_of(st.none(), st.sampled_from(DAMAGES), st.just("again"), st.just("same id"), st.just("ragged")), max_size=30
)


def planted(plan: list[Damage | str | None], words: list[str]) -> tuple[list[list[str]], list[Damage]]:
    """Records, and the expected place and reasons of each."""
    records, expectations = [], []
    for number, damage in enumerate(plan):
        word = words[number % len(words)]
        clean = dict(
            zip(COLUMNS, [f"e{number}", "u1", "a", "view", "2024-02-01 10:00:00", "1", "10", "", word], strict=True)
        )
        if damage == "again" and records and expectations[0].place == "good":
            records.append(records[0])
            expectations.append(Damage({}, "duplicates"))
        elif damage == "same id" and records and expectations[0].place == "good":
            records.append(list((clean | {"id": "e0", "n": str(number + 2)}).values()))
            expectations.append(Damage({}, reasons="event_id_unique"))
        elif damage == "ragged":
            records.append([f"e{number}", "u1"])
            expectations.append(Damage({}, "rejected", "2 cells where the header has 9"))
        else:
            expected = damage if isinstance(damage, Damage) else Damage({}, "good")
            records.append(list((clean | expected.cells).values()))
            expectations.append(expected)
    return records, expectations


def as_csv(header: list[str], records: list[list[str]]) -> tuple[str, list[int]]:
    """The file, and the line on which each record starts."""
    text, starts = io.StringIO(newline=""), []
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for record in [header, *records]:
        starts.append(text.getvalue().replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1)
        writer.writerow(record)
    return text.getvalue(), starts[1:]


@given(ROWS, st.lists(AWKWARD, min_size=1, max_size=8), st.sampled_from([1, 3, 10_000]))
@settings(max_examples=60, deadline=None)
def test_the_report_matches_the_planted_damage(plan, words, size):
    records, expectations = planted([None, *plan], words)
    text, lines = as_csv(COLUMNS, records)
    items = [["a", words[0], "tools", "Acme", "10"], ["c", words[-1], "", "", "5"], ["d", words[0], "", "", "-5"]]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        (folder / "source" / "users.csv").write_text("id,joined,sex,age,land\nu1,2024-01-01,F,30,DE\n")
        (folder / "source" / "items.csv").write_text(
            as_csv(["id", "title", "kind", "maker", "price"], items)[0], newline=""
        )
        (folder / "source" / "events.csv").write_text(text, newline="", encoding="utf-8")
        (folder / "tiny.yaml").write_text(yaml.safe_dump(DECLARED))
        report, quarantined, validated = run(folder, size)
    assert places(report) == {
        place: sum(expectation.place == place for expectation in expectations) for place in places(report)
    }
    reasons = dict(quarantined.select("source_line", "reasons").iter_rows())
    expected = {
        line: expectation
        for line, expectation in zip(lines, expectations, strict=True)
        if expectation.place in ("quarantined", "rejected")
    }
    assert set(reasons) == set(expected)
    for line, expectation in expected.items():
        assert (
            reasons[line] == expectation.reasons
            if expectation.place == "quarantined"
            else expectation.reasons in reasons[line]
        )
    assert validated["events"].height == places(report)["good"]
    assert report["tables"]["items"]["quarantined"] == 1
    for table in (quarantined, *validated.values()):
        html = tables.show(table, 100).data
        assert not any(f"<{tag}" in html for tag in ("script", "img"))


def run(folder: Path, size: int) -> tuple[dict, pl.DataFrame, dict[str, pl.DataFrame]]:
    """Ingest and validate: the report, the quarantined events, the validated tables. `size`: rows in memory."""
    shop = shops.read(folder / "tiny.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_checks, "BATCH_ROWS", size)
        patch.setattr(lake.LakeTable.batches, "__defaults__", (None, size))
        ingestion.ingest(shop, folder / "source", folder / "raw", Ingest(max_rejected=1))
        lake_tables = {table: lake.table(folder / "raw", "tiny", table) for table in shop.delivered}
        counts, _ = row_checks.check_tables(
            shop, lake_tables, Validate(), NOW, folder / "validated", folder / "quarantine"
        )
    report = quality_report.report(counts, lake_tables, Validate())
    validated = {table: pl.read_parquet(folder / "validated" / f"{table}.parquet") for table in shop.delivered}
    return report, quarantine.read(folder / "quarantine", "events"), validated


def places(report: dict) -> dict[str, int]:
    """Place -> events."""
    row = report["tables"]["events"]
    return {place: row[place] for place in ("good", "quarantined", "duplicates", "excluded", "rejected")}
