"""What `recomart shop draft` makes of folders of all kinds: never a wrong required column without a mark.

`python bench/draft.py` shows the score of each folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from draft import folders, folders_random, runs, scoring
from draft.answers import Answer
from draft.scoring import Score

# Quick ones of every kind; all others are tried together, which takes two minutes.
QUICK = [
    *("german_garden_shop", "french_book_shop", "dutch_grocer", "polish_pharmacy", "turkish_book_shop"),
    *("ratings_only", "till_with_guests", "packed_files", "file_per_month", "no_header_lines"),
    *("order_lines_with_addresses", "households", "ratings_without_times", "numbers_only", "uuids_everywhere"),
    *("lines_inside_orders", "more_columns_later", "cosmetics_events", "short_videos", "simulated_neutral"),
    *("euros_behind", "long_preamble", "workbooks_with_titles", "two_currencies"),
    *(
        "positions_of_orders",
        "customers_of_a_marketplace",
        "sheets_of_orders_and_lines",
        "lines_in_a_list",
        "answers_of_an_api",
    ),
    *("shopify", "etsy", "odoo", "jtl", "analytics_events", "check_ins", "retailrocket", "jewelry", "shopware_5"),
]


def drafted(make: Callable[[Path], Answer], place: Path) -> Score:
    """The score of the shop file that is drafted for a folder, whose right answers are checked, too."""
    source = place / "shop"
    source.mkdir(parents=True)
    answer = make(source)
    if not answer.refused:
        right = scoring.compare(answer.write(place / "right.yaml"), source, answer)
        assert right.notes == []
        assert right.right == right.n_columns >= 3
        assert (right.formats_right, right.tables_right) == (right.n_formats, right.n_tables)
    run = runs.draft(runs.project(place / "project"), source)
    assert "Traceback" not in run.text
    assert (run.status == 0) == (run.file is not None)
    return run.score(source, answer)


@pytest.mark.parametrize("name", QUICK)
def test_no_wrong_column_without_a_mark(tmp_path, name):
    score = drafted(folders.MADE[name], tmp_path)
    assert score.failures == []
    assert score.right + score.marked >= 0.8 * score.n_columns


@pytest.mark.slow
def test_nearly_all_columns_of_all_folders_are_right(tmp_path):
    scores = {name: drafted(make, tmp_path / name) for name, make in folders.available().items()}
    assert len(scores) >= 25
    assert {name: score.failures for name, score in scores.items() if score.failures} == {}
    assert sum(score.right for score in scores.values()) >= 0.95 * sum(score.n_columns for score in scores.values())


@pytest.mark.slow
@pytest.mark.parametrize("neutral", [False, True], ids=["names", "content only"])
def test_shops_at_random(tmp_path, neutral):
    def make(seed: int) -> Callable[[Path], Answer]:
        return lambda folder: folders_random.random_shop(1_000 + seed, folder, neutral)

    scores = [drafted(make(seed), tmp_path / str(seed)) for seed in range(15)]
    assert [score.failures for score in scores if score.failures] == []
    assert sum(score.right for score in scores) >= 0.95 * sum(score.n_columns for score in scores)
