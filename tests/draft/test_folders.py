"""What `recomart shop draft` makes of folders of all kinds: never a wrong required column without a mark.

`python bench/draft.py` shows the score of each folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from draft import folders, folders_data, runs, scoring
from draft.answers import Answer
from draft.scoring import Score

SCORES: dict[str, Score] = {}  # of the folders that were tried in this process


@pytest.mark.parametrize("name", list(folders.MADE | folders.CASES | folders.PUBLIC))
def test_no_wrong_column_without_a_mark(tmp_path, name):
    if name in folders.PUBLIC and not folders_data.data().is_dir():
        pytest.skip("NO REAL DATA")
    source = tmp_path / "shop"
    source.mkdir()
    answer = (folders.MADE | folders.CASES | folders.PUBLIC)[name](source)
    assert_consistent(answer, source, tmp_path)
    run = runs.draft(runs.project(tmp_path / "project"), source)
    assert "Traceback" not in run.text
    assert (run.status == 0) == (run.file is not None)
    SCORES[name] = score = run.score(source, answer)
    assert score.failures == []


def assert_consistent(answer: Answer, source: Path, tmp_path: Path) -> None:
    """The right shop file reads the folder, and gets the full score."""
    if not answer.refused:
        score = scoring.compare(answer.write(tmp_path / "right.yaml"), source, answer)
        assert score.notes == []
        assert score.right == score.n_columns >= 3
        assert (score.formats_right, score.tables_right) == (score.n_formats, score.n_tables)


def test_nearly_all_columns_are_right():
    if len(SCORES) < 25:
        pytest.skip("the folders are tried in other processes")
    n_columns = sum(score.n_columns for score in SCORES.values())
    assert sum(score.right for score in SCORES.values()) >= 0.95 * n_columns
    for score in SCORES.values():
        assert score.n_columns == 0 or score.right >= 0.8 * score.n_columns
