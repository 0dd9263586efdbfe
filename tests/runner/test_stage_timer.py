"""The parts of a stage and the sections of its notebook, with a fake clock."""

from __future__ import annotations

import pytest

from recomart.runner import stage_timer
from recomart.runner.stage_timer import StageTimer


@pytest.fixture
def clock(monkeypatch):
    """clock(3) -> advance by three seconds."""
    now = [100.0]
    monkeypatch.setattr(stage_timer.time, "perf_counter", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def markdown(text: str) -> dict[str, str]:
    return {"cell_type": "markdown", "source": text}


CODE = {"cell_type": "code", "source": "## no heading, a comment"}


def run(clock) -> StageTimer:
    """Checks 1 s, kernel 2 s, imports 3 s, two sections of 4 and 9 s, the kernel's shutdown 0.5 s, report 6 s."""
    timer = StageTimer("06_train")
    timer.start("check")
    clock(1)
    timer.start("kernel")
    clock(2)
    cells = [
        (markdown("# 06 Train"), 1),
        (CODE, 2),
        (markdown("Words.\n\n## Inputs"), 4),
        (CODE, 0),
        (markdown("## Which parameters?\n### Did it pay off?"), 4),
        (markdown("### Is it chance?"), 0),
        (CODE, 5),
        (markdown("Limits."), 0.5),
    ]
    for number, (cell, seconds) in enumerate(cells, 1):
        timer.on_cell_start(cell, number, len(cells))
        clock(seconds)
    timer.start("report")
    clock(6)
    return timer


def test_parts_and_sections_add_up_to_the_total(clock):
    timer = run(clock)
    assert timer.parts() == {"check": 1, "kernel": 2.5, "imports": 3, "sections": 13, "report": 6}
    assert timer.sections() == [{"title": "Inputs", "seconds": 4}, {"title": "Which parameters?", "seconds": 9}]
    assert timer.section is None


def test_a_section_is_logged_when_it_starts(clock, caplog):
    with caplog.at_level("INFO", logger="recomart"):
        run(clock)
    assert caplog.messages == ["06_train: Inputs (cell 3 of 8)", "06_train: Which parameters? (cell 5 of 8)"]


def test_of_two_headings_in_a_cell_the_last_counts(clock):
    timer = StageTimer("03_explore")
    timer.on_cell_start(markdown("## Outputs\n\nNothing.\n\n## Summary"), 5, 6)
    assert timer.section == "Summary"


def test_before_the_first_part():
    assert (StageTimer("x").section, StageTimer("x").parts(), StageTimer("x").sections()) == (None, {}, [])


def test_the_section_of_a_failure(clock):
    timer = StageTimer("x")
    timer.start("kernel")
    assert timer.section is None
    timer.on_cell_start(markdown("## Fit"), 3, 9)
    clock(2)
    timer.on_cell_start(CODE, 4, 9)
    clock(3)
    assert timer.section == "Fit"
    assert timer.parts() == {"kernel": 0, "sections": 5}
