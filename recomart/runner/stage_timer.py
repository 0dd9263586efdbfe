"""What a stage does while it runs, and how long each part takes: the sections of its notebook, and all around them."""

from __future__ import annotations

import logging
import re
import time
from itertools import pairwise
from typing import Any

log = logging.getLogger(__name__)

HEADING = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
PARTS = ("check", "kernel", "imports", "sections", "report")


class Watch:
    """Where a stage is: `enter` says that something else begins, which ends what was before.

    Parameters
    ----------
    stage
        Its name, for the log.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._begun: list[tuple[str, str, float]] = []

    def enter(self, part: str, title: str = "") -> None:
        """`part` is one of PARTS; of `sections`, each has a title."""
        self._begun.append((part, title, time.perf_counter()))

    def before_cell(self, cell: dict[str, Any], number: int, n_cells: int) -> None:
        """A cell of the notebook is about to run: a heading of the second level begins a section, and is logged."""
        found = HEADING.findall(cell["source"]) if cell["cell_type"] == "markdown" else []
        if found:
            log.info("%s: %s (cell %d of %d)", self._stage, found[-1], number, n_cells)
            self.enter("sections", found[-1])
        elif number == 1:
            self.enter("imports")
        elif number == n_cells and cell["cell_type"] == "markdown":
            self.enter("kernel")  # nothing is left to run: it ends

    @property
    def section(self) -> str | None:
        """The section that runs, or in which the stage stopped; None before the first and after the last."""
        part, title, _ = self._begun[-1] if self._begun else ("", "", 0)
        return title if part == "sections" else None

    def parts(self) -> dict[str, float]:
        """Seconds of each part that began, until now.

        `check`: before the kernel; `kernel`: its start and its end; `imports`: all cells before the first section;
        `sections`; `report`: reading the executed notebook, cleaning it, rendering it.
        """
        spans = self._spans()
        begun = [part for part in PARTS if any(part == one for one, _, _ in spans)]
        return {part: round(sum(took for one, _, took in spans if one == part), 2) for part in begun}

    def sections(self) -> list[dict[str, Any]]:
        """Title and seconds of every section that began, in order."""
        ran = [(title, took) for part, title, took in self._spans() if part == "sections"]
        return [{"title": title, "seconds": round(took, 2)} for title, took in ran]

    def _spans(self) -> list[tuple[str, str, float]]:
        marks = [*self._begun, ("", "", time.perf_counter())]
        return [(part, title, end - begin) for (part, title, begin), (_, _, end) in pairwise(marks)]
