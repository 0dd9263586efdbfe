"""Times the parts of a stage: checks, kernel, the sections of its notebook, and the report."""

from __future__ import annotations

import logging
import re
import time
from itertools import pairwise
from typing import Any

log = logging.getLogger(__name__)

HEADING = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
PARTS = ("check", "kernel", "imports", "sections", "report")


class StageTimer:
    """The current part of a stage, and the time spent in each; starting a part ends the one before.

    Parameters
    ----------
    stage
        The stage's name, for the log.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._starts: list[tuple[str, str, float]] = []

    def start(self, part: str, title: str = "") -> None:
        """Start a part, one of PARTS; each of the `sections` has a title."""
        self._starts.append((part, title, time.perf_counter()))

    def on_cell_start(self, cell: dict[str, Any], number: int, n_cells: int) -> None:
        """Called before each cell: a second-level heading starts a section, which is logged."""
        headings = HEADING.findall(cell["source"]) if cell["cell_type"] == "markdown" else []
        if headings:
            log.info("%s: %s (cell %d of %d)", self._stage, headings[-1], number, n_cells)
            self.start("sections", headings[-1])
        elif number == 1:
            self.start("imports")
        elif number == n_cells and cell["cell_type"] == "markdown":
            self.start("kernel")  # no code is left: the kernel shuts down

    @property
    def section(self) -> str | None:
        """The current section, or the one in which the stage failed; None before the first and after the last."""
        part, title, _ = self._starts[-1] if self._starts else ("", "", 0)
        return title if part == "sections" else None

    def parts(self) -> dict[str, float]:
        """Seconds spent so far in each part that has started.

        `check`: before the notebook, while its kernel starts; `kernel`: until it is ready, and its end; `imports`: all
        cells before the first section; `sections`; `report`: reading, cleaning and rendering the executed notebook.
        """
        spans = self._spans()
        totals = dict.fromkeys(PARTS, 0.0)
        for part, _, seconds in spans:
            totals[part] += seconds
        return {part: round(totals[part], 2) for part in PARTS if any(part == span[0] for span in spans)}

    def sections(self) -> list[dict[str, Any]]:
        """Title and seconds of every section that has started, in order."""
        sections = [(title, seconds) for part, title, seconds in self._spans() if part == "sections"]
        return [{"title": title, "seconds": round(seconds, 2)} for title, seconds in sections]

    def _spans(self) -> list[tuple[str, str, float]]:
        """(part, title, seconds) in order."""
        starts = [*self._starts, ("", "", time.perf_counter())]
        return [(part, title, end - begin) for (part, title, begin), (_, _, end) in pairwise(starts)]
