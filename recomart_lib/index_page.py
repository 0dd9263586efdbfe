"""reports/index.html: the pipeline at a glance, made from small files that the stages left; any may be missing."""

from __future__ import annotations

import json
import math
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from recomart_lib import paths, pipeline, stream_latency
from recomart_lib.colours import colour

TEMPLATES = Path(__file__).with_name("templates")
METRICS = ("quality", "headline", "evaluation", "data", "stream")
TARGET_HOURS = 24
CHIPS = {"ok": "ok", "failed": "bad", "stale": "warn", "surely met": "ok", "met": "ok", "missed": "bad"}
BAR_WIDTH = 110  # of the small figures, in CSS pixels

Facts = dict[str, Any]


def build(root: Path, changed: str = "") -> Path:
    """Write reports/index.html of the project in `root`, as true as the files in reports/ are.

    Parameters
    ----------
    root
        The folder that holds params.yaml, dvc.yaml and reports/.
    changed
        What reports/changes.html says in short (`changes_page.build`); it is linked if it is there.

    Returns
    -------
    Path
        The page.
    """
    environment = templates()
    environment.globals |= {"chips": CHIPS, "scale": scale, "by_ndcg": _by_ndcg, "width": BAR_WIDTH}
    page = environment.get_template("index.html.j2").render({**_gather(root), "changed": changed})
    return write(root, "index.html", page)


def templates() -> Environment:
    """The pages' templates: all that is put into them is escaped."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "share": share, "duration": duration, "utc": utc, "metric": metric}
    environment.globals |= {"colour": colour}
    return environment


def write(root: Path, name: str, page: str) -> Path:
    """Write a page into reports/; its path."""
    target = root / paths.REPORTS / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _gather(root: Path) -> Facts:
    """All that the page shows."""
    metrics = {name: read(root / paths.METRICS / f"{name}.json") for name in METRICS}
    if "min_score" not in metrics["quality"]:
        metrics["quality"] = {}  # of an older version: as good as missing
    found = stages(root)
    return {
        **metrics,
        "stages": found,
        "failed": [stage for stage in found if stage["state"] == "failed"],
        "targets": _targets(metrics, found),
        "seconds": sum(stage.get("seconds") or 0 for stage in found),
        "last": max((stage["started"] for stage in found if stage.get("started")), default=None),
        "shop": metrics["data"].get("shop") or next((s["shop"] for s in found if s.get("shop")), None),
        "revision": revision(root),
        "sections": _sections(root / "params.yaml"),
        "links": _links(root / paths.REPORTS),
        "card": (root / paths.REPORTS / "model_card.html").exists(),
        "changes": (root / paths.REPORTS / "changes.html").exists(),
    }


def target_card(root: Path) -> list[Facts]:
    """The targets of the project in `root`: target, verdict and, where it was measured, the value."""
    return _gather(root)["targets"]


def read(path: Path) -> Facts:
    """A JSON object; a file that is missing, or cut off by a crash, is an empty one: the page must tell of crashes."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def stages(root: Path) -> list[Facts]:
    """Sidecars in the pipeline's order, each with its question and true state: ok, failed, stale or not run yet.

    Stale: a stage before it failed, so its report tells of an earlier run.
    """
    sidecars = {path.stem: read(path) for path in sorted((root / paths.SIDECARS).glob("*.json"))}
    dag = pipeline.read(root)
    named = pipeline.notebooks(dag)
    failed = {named[name] for name, facts in sidecars.items() if facts.get("state") == "failed" and name in named}
    late = pipeline.downstream(dag, failed)
    found = []
    for name in named or sidecars:
        facts = sidecars.get(name, {})
        state = facts.get("state", "not run yet")
        found.append({
            **facts,
            "stage": name,
            "question": facts.get("question") or dag.get(named.get(name), {}).get("desc"),
            "title": facts.get("title") or name,
            "state": "stale" if state == "ok" and named.get(name) in late else state,
            "report": (root / paths.REPORTS / f"{name}.html").exists(),
        })  # fmt: skip
    return found


def _targets(metrics: dict[str, Facts], stages: list[Facts]) -> list[Facts]:
    """The evaluation's targets, each with its threshold as a number; then data quality and the pipeline's time."""
    ranked = [{**row, "threshold": _threshold(row["target"])} for row in metrics["evaluation"].get("targets", [])]
    quality = metrics["quality"]
    good = {"target": f"data quality >= {share(quality.get('min_score', 95) / 100)}", "verdict": "not measured"}
    if quality:
        good |= {"shown": share(quality["score"] / 100), "verdict": _verdict(quality["score"] >= quality["min_score"])}
    quick = {"target": f"pipeline < {TARGET_HOURS} h", "verdict": "not measured"}
    if stages and all(stage["state"] == "ok" for stage in stages):
        seconds = sum(stage["seconds"] for stage in stages)
        quick |= {"shown": duration(seconds), "verdict": _verdict(seconds < TARGET_HOURS * 3600)}
    live = {"target": f"event to feature < {stream_latency.TARGET_MS / 1000:.0f} s (p99)", "verdict": "not measured"}
    if late := metrics["stream"].get("to_features_ms", {}).get("p99"):
        live |= {"shown": f"{late:,.0f} ms", "verdict": _verdict(late < stream_latency.TARGET_MS)}
    return [*ranked, good, quick, live]


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _threshold(target: str) -> float | None:
    """The number after the sign: 0.15 of `precision@10 >= 0.15`."""
    found = re.search(r"[<>]=?\s*([\d.]+)", target)
    return float(found[1]) if found else None


def revision(root: Path) -> str:
    """The commit's short hash and whether code or parameters differ from it; what a run writes does not count."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", ":!reports", ":!dvc.lock")
    except (OSError, subprocess.SubprocessError):
        return "no git"
    return f"{commit} + uncommitted changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # no optional locks: looking must not get in the way of somebody who commits at this moment
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def _sections(path: Path) -> dict[str, str]:
    """The text of each section of params.yaml, comments and all: they tell unit and reason."""
    if not path.exists():
        return {}
    parts = re.split(r"(?m)^(\w+):", path.read_text(encoding="utf-8"))
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _links(reports: Path) -> list[str]:
    """Everything else in reports/ that can be opened: executed notebooks, profiles and the model card's source."""
    found = [*reports.glob("*.ipynb"), *reports.glob("profiles/*.html"), *reports.glob("model_card.md")]
    return [path.relative_to(reports).as_posix() for path in sorted(found)]


def _by_ndcg(models: dict[str, Facts]) -> list[tuple[str, Facts]]:
    """(name, scores) with the best ndcg@10 first; a model without one comes last."""
    return sorted(models.items(), key=lambda model: (-(model[1].get("ndcg@10") or 0), model[0]))


def number(value: float | None) -> str:
    """`12,345`; a dash where there is nothing."""
    return "-" if _absent(value) else f"{value:,.0f}"


def metric(value: float | None) -> str:
    """Three decimals: `0.153`; a dash where there is nothing."""
    return "-" if _absent(value) else f"{value:.3f}"


def share(value: float | None) -> str:
    """`97.8 %`. Rounded down, since 94.96 % must not look like a passed gate of 95 %."""
    return "-" if _absent(value) else f"{math.floor(round(value * 1000, 6)) / 10:.1f} %"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `1 min 23 s`, `2 h 5 min`; a dash where there is nothing."""
    if _absent(seconds):
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def utc(moment: str | None) -> str:
    """`2025-12-31 23:59` in UTC of an ISO time; text that is no time stays as it is."""
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment or "-")
    return (parsed if parsed.tzinfo is None else parsed.astimezone(UTC)).strftime("%Y-%m-%d %H:%M")


def scale(value: float | None, top: float) -> float:
    """Where `value` lies on a bar that ends at `top`, in pixels."""
    return 0.0 if _absent(value) or top <= 0 else round(BAR_WIDTH * min(max(value / top, 0), 1), 1)


def _absent(value: Any) -> bool:
    return not isinstance(value, int | float) or not math.isfinite(value)
