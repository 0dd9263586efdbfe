"""reports/changes.html: the newest run compared with the previous one of the same shop; or a separate page on any two.

It is built with the index, also after a failed stage; it then says so above the newest two complete runs.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import polars as pl

from recomart.project.sidecars import Metadata
from recomart.reports import formats, rendering
from recomart.runs import archive, compare
from recomart.runs.archive import Run
from recomart_lib.core.protocol_names import title

log = logging.getLogger(__name__)

NAME = "changes.html"
CHIPS = {"better": "ok", "worse": "bad"}
WIDTH = 110  # of the small figures, in CSS pixels


def build(root: Path) -> str:
    """Write reports/changes.html of the project in `root`: the newest two complete runs of its shop.

    Returns
    -------
    str
        A summary of the page.
    """
    history, problem = archive.history(root), archive.problem(root)
    for sentence in history.damaged:
        log.warning(sentence)
    runs = history.of(archive.shop_of(root))
    if len(runs) > 1:
        content = compared(runs[-2], runs[-1])
    else:
        content = {"now": runs[-1] if runs else None, "headline": "There is no earlier run to compare with yet."}
    note = f"The last run is not archived: {problem}." if problem else ""
    _write(root, NAME, {**content, "problem": note, "damaged": history.damaged, "runs": runs})
    return note or content["headline"]


def build_pair(root: Path, before: Run, now: Run) -> Path:
    """Write reports/changes_<before>_<now>.html; reports/changes.html, which DVC tracks, is unchanged."""
    name = f"{Path(NAME).stem}_{before.number}_{now.number}.html"
    return _write(root, name, {**compared(before, now), "runs": [], "damaged": [], "problem": ""})


def compared(before: Run, now: Run) -> Metadata:
    """Everything the page shows about two runs."""
    chosen, models = compare.chosen(before, now), compare.models(before, now)
    inputs = compare.inputs(before, now)
    return {
        "before": before,
        "now": now,
        "headline": compare.headline(inputs, chosen),
        "what_changed": compare.what_changed(inputs),
        "what_moved": compare.what_moved(chosen),
        "inputs": inputs.to_dicts(),
        "git_diff_command": compare.git_diff_command(before, now),
        "caveat": compare.caveat(before, now),
        "chosen": _rows(chosen),
        "models": _rows(models.filter(~pl.col("same"))),
        "which_models": compare.which_models(models),
        "stages": compare.stages(before, now),
        "other_numbers": _other_numbers(before, now),
    }


def _rows(table: pl.DataFrame) -> list[Metadata]:
    """The rows with their verdict, and the positions of difference and interval in their figure."""
    rows = [{**row, "verdict": compare.verdict(row)} for row in table.to_dicts()]
    ends = [
        abs(row[end]) for row in rows for end in ("low", "high") if row[end] is not None and math.isfinite(row[end])
    ]
    top = max(ends, default=0)
    return [{**row, **{f"x_{name}": _place(row[name], top) for name in ("difference", "low", "high")}} for row in rows]


def _place(value: float | None, top: float) -> float | None:
    """Zero is in the middle, `top` at the right edge; None for values that cannot be drawn."""
    if value is None or not math.isfinite(value) or not top:
        return None
    return round(WIDTH / 2 * (1 + min(max(value / top, -1), 1)), 1)


def _other_numbers(before: Run, now: Run) -> list[tuple[str, Any, Any]]:
    """(name, before, now): numbers without a statistical test."""
    metrics = [
        (run.metrics.get("quality", {}), run.metrics["data"], run.metrics.get("evaluation", {}).get("users") or {})
        for run in (before, now)
    ]
    shown = [
        {
            "data quality": formats.quality(quality.get("score")),
            "events": formats.number(data.get("n_events")),
            "users": formats.number(data.get("n_users")),
            "products": formats.number(data.get("n_items")),
            "test window": f"{formats.utc(data.get('cut'))} to {formats.utc(data.get('end'))} UTC",
            f"users evaluated, {title('all')}": formats.number(users.get("evaluated_all")),
            f"users evaluated, {title('novel')}": formats.number(users.get("evaluated_novel")),
            "fingerprint of the data": data.get("fingerprint") or "-",
        }
        for quality, data, users in metrics
    ]
    seconds = [sum(sidecar.get("seconds") or 0 for sidecar in run.sidecars.values()) for run in (before, now)]
    return [
        *((name, was, shown[1][name]) for name, was in shown[0].items()),
        ("duration of all stages", *map(formats.duration, seconds)),
    ]


def _write(root: Path, name: str, content: Metadata) -> Path:
    environment = rendering.templates()
    environment.globals |= {"chips": CHIPS | environment.globals["chips"], "width": WIDTH, "max_runs": archive.MAX_RUNS}
    environment.filters |= {"signed": signed, "p_value": compare.p_value, "title_of": title}
    return rendering.write(root, name, rendering.render(environment, "changes.html.j2", root, name, **content))


def signed(value: float | None) -> str:
    """`+0.0123`; a dash for a missing value."""
    return "-" if value is None or not math.isfinite(value) else f"{value:+.4f}"
