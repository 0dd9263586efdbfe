"""The parts of a stage and the sections of its notebook, on a clock that the test sets."""

from __future__ import annotations

import pytest

from recomart.runner import stage_timer
from recomart.runner.stage_timer import Watch


@pytest.fixture
def clock(monkeypatch):
    """clock(3) -> three seconds pass."""
    now = [100.0]
    monkeypatch.setattr(stage_timer.time, "perf_counter", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def markdown(text: str) -> dict[str, str]:
    return {"cell_type": "markdown", "source": text}


CODE = {"cell_type": "code", "source": "## no heading, a comment"}


def run(clock) -> Watch:
    """Checks 1 s, kernel 2 s, imports 3 s, two sections of 4 and 9 s, the kernel's end 0.5 s, report 6 s."""
    watch = Watch("06_train")
    watch.enter("check")
    clock(1)
    watch.enter("kernel")
    clock(2)
    cells = [
        (markdown("# 06 Train"), 1),
        (CODE, 2),
        (markdown("Words.\n\n## Inputs"), 4),
        (CODE, 0),
        (markdown("## Which parameters?\n### Did it pay?"), 4),
        (markdown("### Luck?"), 0),
        (CODE, 5),
        (markdown("Limits."), 0.5),
    ]
    for number, (cell, seconds) in enumerate(cells, 1):
        watch.before_cell(cell, number, len(cells))
        clock(seconds)
    watch.enter("report")
    clock(6)
    return watch


def test_parts_and_sections_hold_every_second(clock):
    watch = run(clock)
    assert watch.parts() == {"check": 1, "kernel": 2.5, "imports": 3, "sections": 13, "report": 6}
    assert watch.sections() == [{"title": "Inputs", "seconds": 4}, {"title": "Which parameters?", "seconds": 9}]
    assert watch.section is None


def test_a_section_is_told_when_it_starts(clock, caplog):
    with caplog.at_level("INFO", logger="recomart_lib"):
        run(clock)
    assert caplog.messages == ["06_train: Inputs (cell 3 of 8)", "06_train: Which parameters? (cell 5 of 8)"]


def test_of_two_headings_in_a_cell_the_last_counts(clock):
    watch = Watch("03_explore")
    watch.before_cell(markdown("## Outputs\n\nNothing.\n\n## Summary"), 5, 6)
    assert watch.section == "Summary"


def test_nothing_has_begun():
    assert (Watch("x").section, Watch("x").parts(), Watch("x").sections()) == (None, {}, [])


def test_where_it_stopped(clock):
    watch = Watch("x")
    watch.enter("kernel")
    assert watch.section is None
    watch.before_cell(markdown("## Fit"), 3, 9)
    clock(2)
    watch.before_cell(CODE, 4, 9)
    clock(3)
    assert watch.section == "Fit"
    assert watch.parts() == {"kernel": 0, "sections": 5}
