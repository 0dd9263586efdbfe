"""reports/changes.html: the newest run against the run before it, of the same shop; or any two, on a page of their own.

Built with the index, so after a failed stage, too: then it says so above the newest two whole runs.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib import changes, index_page, paths, runs
from recomart_lib.runs import Run

log = logging.getLogger(__name__)

NAME = "changes.html"
CHIPS = {"better": "ok", "worse": "bad"}
WIDTH = 110  # of the small figures, in CSS pixels

Facts = dict[str, Any]


def build(root: Path) -> str:
    """Write reports/changes.html of the project in `root`: the newest two whole runs of its shop.

    Returns
    -------
    str
        What the page says, in short.
    """
    history, problem = runs.history(root), runs.problem(root)
    for sentence in history.damaged:
        log.warning(sentence)
    kept = history.of(runs.shop_of(root))
    if len(kept) > 1:
        facts = compared(kept[-2], kept[-1])
    else:
        facts = {"now": kept[-1] if kept else None, "headline": "There is no earlier run to compare with yet."}
    note = f"The last run is not kept to compare with: {problem}." if problem else ""
    _write(root, NAME, {**facts, "problem": note, "damaged": history.damaged, "runs": kept})
    return note or facts["headline"]


def build_pair(root: Path, before: Run, now: Run) -> Path:
    """Write reports/changes_<before>_<now>.html; reports/changes.html, which DVC knows, stays as it is."""
    name = f"{Path(NAME).stem}_{before.number}_{now.number}.html"
    return _write(root, name, {**compared(before, now), "runs": [], "damaged": [], "problem": ""})


def compared(before: Run, now: Run) -> Facts:
    """All that the page shows of two runs."""
    chosen, models = changes.chosen(before, now), changes.models(before, now)
    inputs = changes.inputs(before, now)
    return {
        "before": before,
        "now": now,
        "headline": changes.headline(inputs, chosen),
        "what_changed": changes.what_changed(inputs),
        "what_moved": changes.what_moved(chosen),
        "inputs": inputs.to_dicts(),
        "look": changes.look_at_code(before, now),
        "caveat": changes.caveat(before, now),
        "chosen": _rows(chosen),
        "models": _rows(models.filter(~pl.col("same"))),
        "which_models": changes.which_models(models),
        "stages": changes.stages(before, now),
        "facts": _facts(before, now),
    }


def _rows(table: pl.DataFrame) -> list[Facts]:
    """With the word for each, and where zero, difference and interval lie on its figure."""
    rows = [{**row, "verdict": changes.verdict(row)} for row in table.to_dicts()]
    ends = [
        abs(row[end]) for row in rows for end in ("low", "high") if row[end] is not None and math.isfinite(row[end])
    ]
    top = max(ends, default=0)
    return [{**row, **{f"x_{name}": _place(row[name], top) for name in ("difference", "low", "high")}} for row in rows]


def _place(value: float | None, top: float) -> float | None:
    """Zero is in the middle, `top` on the right edge; None for what cannot be drawn."""
    if value is None or not math.isfinite(value) or not top:
        return None
    return round(WIDTH / 2 * (1 + min(max(value / top, -1), 1)), 1)


def _facts(before: Run, now: Run) -> list[tuple[str, Any, Any]]:
    """(what, before, now): numbers that no test is for."""
    both = [(run.metrics.get("quality", {}), run.metrics["data"], run.metrics.get("evaluation", {}).get("users") or {})
            for run in (before, now)]  # fmt: skip
    shown = [{
        "data quality": index_page.share((quality.get("score") or math.nan) / 100),
        "events": index_page.number(data.get("n_events")),
        "users": index_page.number(data.get("n_users")),
        "products": index_page.number(data.get("n_items")),
        "test window": f"{index_page.utc(data.get('cut'))} to {index_page.utc(data.get('end'))} UTC",
        "judged in all": index_page.number(users.get("evaluated_all")),
        "judged in novel": index_page.number(users.get("evaluated_novel")),
        "fingerprint of the data": data.get("fingerprint") or "-",
    } for quality, data, users in both]  # fmt: skip
    seconds = [sum(facts.get("seconds") or 0 for facts in run.sidecars.values()) for run in (before, now)]
    return [*((name, was, shown[1][name]) for name, was in shown[0].items()),
            ("all stages took", *map(index_page.duration, seconds))]  # fmt: skip


def _write(root: Path, name: str, facts: Facts) -> Path:
    environment = index_page.templates()
    environment.globals |= {"chips": CHIPS, "width": WIDTH, "kept": runs.KEPT}
    environment.filters |= {"signed": signed, "p_value": changes.p_value}
    index = (root / paths.REPORTS / "index.html").exists()
    return index_page.write(root, name, environment.get_template("changes.html.j2").render({**facts, "index": index}))


def signed(value: float | None) -> str:
    """`+0.0123`; a dash where there is nothing."""
    return "-" if value is None or not math.isfinite(value) else f"{value:+.4f}"
