"""Figures of stage 02."""

from __future__ import annotations

from datetime import date, timedelta

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from drift_data import BAD, MEASURES, START, detect, normal, ten_times

from recomart_lib.validate import figures
from recomart_lib.validate.drift import MIN_PRECEDING


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("n_days", [0, 1, 3, 400])
def test_drift_is_drawn(n_days, tmp_path):
    drift_table = detect(normal(n_days + MIN_PRECEDING, 150)) if n_days else detect(normal(1))
    assert drift_table["day"].n_unique() == n_days
    ax = figures.drift(drift_table, "Drift")
    ax.figure.savefig(tmp_path / "drift.png")
    if n_days:
        assert ax.get_xlabel()
        assert [label.get_text() for label in ax.get_yticklabels()] == MEASURES
    else:
        assert ax.texts[0].get_text() == "Drift: no delivery could be compared."


def test_a_mark_is_at_its_flag():
    marks = figures.drift(detect(ten_times()), "Drift").collections[1].get_offsets()
    assert marks.tolist() == [[(START + timedelta(days=BAD) - date(1970, 1, 1)).days, 0]]


@pytest.mark.parametrize("scores", [[], [97.5], [100.0] * 9, [0.0], [99.9] * 400 + [20.0], [50.0] * 9])
@pytest.mark.parametrize("gate", [0.0, 95.0, 100.0])
def test_scores_are_drawn_and_scores_near_the_top_are_readable(scores, gate, tmp_path):
    days = [START + timedelta(days=n) for n in range(len(scores))]
    schema = {"day": pl.Date, "score": pl.Float64, "n": pl.Int64}
    ax = figures.delivery_scores(
        pl.DataFrame({"day": days, "score": scores, "n": range(1, len(days) + 1)}, schema), "S", gate
    )
    ax.figure.savefig(tmp_path / "scores.png")
    if scores:
        low, high = ax.get_ylim()
        assert low < gate
        assert high > 100
        assert "score" in ax.get_ylabel()
        assert gate < 95 or np.median(scores) < 90 or low > 85


@pytest.mark.parametrize(
    ("scores", "title"),
    [
        ([97.5], "Only one delivery: 2024-01-01 has 97.5 %"),
        ([100.0] * 3, "All 3 deliveries have 100 %"),
        ([99.0, 96.0, 98.0], "All 3 deliveries reach the gate; lowest: 2024-01-02 has 96 %"),
        ([99.0, 90.0, 98.0], "1 of 3 deliveries below the gate; lowest: 2024-01-02 has 90 %"),
    ],
)
def test_the_title_counts_deliveries_below_the_gate(scores, title):
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(len(scores))]
    table = pl.DataFrame({"day": days, "score": scores, "n": range(1, len(days) + 1)})
    assert " ".join(figures.delivery_scores(table, "S", 95.0).figure.get_suptitle().split()) == title


def test_the_title_of_drift_counts_flagged_days():
    assert (
        figures.drift(detect(normal(40, 150)), "Drift").figure.get_suptitle().startswith("No delivery is flagged, of ")
    )
    assert "flagged" in figures.drift(detect(ten_times()), "Drift").figure.get_suptitle()
    assert figures.drift(detect(ten_times()), "Drift").figure.get_suptitle().startswith("1 of ")


def places(**rows: int) -> dict[str, int]:
    """A row of the quality report's tables."""
    counted = {**dict.fromkeys(figures.PLACES, 0), **rows}
    return {**counted, "delivered": sum(counted.values())}


@pytest.mark.parametrize(
    ("row", "title"),
    [
        (
            places(good=74, excluded=25, duplicates=1),
            "74 % of the delivered rows are used; of the others, 96 % are left out by the shop file",
        ),
        (places(good=3, rejected=1), "75 % of the delivered rows are used; of the others, all are unreadable"),
        (places(quarantined=2), "0 % of the delivered rows are used; of the others, all are in quarantine"),
        (places(good=1), "The only delivered row is used"),
        (places(good=1_000), "All 1,000 delivered rows are used"),
    ],
)
def test_every_delivered_row_has_its_place(row, title):
    ax = figures.accounting(row, "Rows")
    assert " ".join(ax.figure.get_suptitle().split()) == title
    assert sum(bar.get_width() for bar in ax.patches) == row["delivered"]
    assert figures.accounting(places(), "Rows").texts[0].get_text() == "Rows: nothing was delivered."
