"""reports/index.html: the pipeline at a glance, made from small files that the stages left; any may be missing."""

from __future__ import annotations

import re
from pathlib import Path

from recomart.project import git
from recomart.project.sidecars import Facts, read, stages
from recomart.reports.formats import BAR_WIDTH, duration, scale, share
from recomart.reports.rendering import templates, write
from recomart_lib.core import paths
from recomart_lib.stream import latency

METRICS = ("quality", "headline", "evaluation", "data", "stream")
TARGET_HOURS = 24
CHIPS = {"ok": "ok", "failed": "bad", "stale": "warn", "clearly met": "ok", "met": "ok", "missed": "bad"}


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
        "revision": git.revision(root),
        "sections": _sections(root / "params.yaml"),
        "links": _links(root / paths.REPORTS),
        "card": (root / paths.REPORTS / "model_card.html").exists(),
        "changes": (root / paths.REPORTS / "changes.html").exists(),
    }


def target_card(root: Path) -> list[Facts]:
    """The targets of the project in `root`: target, verdict and, where it was measured, the value."""
    return _gather(root)["targets"]


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
    live = {"target": f"event to feature < {latency.TARGET_MS / 1000:.0f} s (p99)", "verdict": "not measured"}
    if late := metrics["stream"].get("to_features_ms", {}).get("p99"):
        live |= {"shown": f"{late:,.0f} ms", "verdict": _verdict(late < latency.TARGET_MS)}
    return [*ranked, good, quick, live]


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _threshold(target: str) -> float | None:
    """The number after the sign: 0.15 of `precision@10 >= 0.15`."""
    found = re.search(r"[<>]=?\s*([\d.]+)", target)
    return float(found[1]) if found else None


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
