"""The targets of a project and whether they are met: those of the evaluation, then data quality, time and latency."""

from __future__ import annotations

import re
from pathlib import Path

from recomart.project.sidecars import Metadata, stages
from recomart.project.stored_metrics import read_metrics
from recomart.reports.formats import duration
from recomart_lib.core.text import quality as shown_quality
from recomart_lib.stream import latency

METRICS = ("evaluation", "quality", "stream")  # the files in reports/metrics that have the values
TARGET_HOURS = 24


def read(root: Path) -> list[Metadata]:
    """The rows of `rows` for the project in `root`."""
    return rows({name: read_metrics(root, name) for name in METRICS}, stages(root))


def rows(metrics: dict[str, Metadata], all_stages: list[Metadata]) -> list[Metadata]:
    """One row per target: target, verdict and, if measured, what is shown of the value.

    Parameters
    ----------
    metrics
        The content of METRICS; any may be empty. Rows of the evaluation have their threshold as a number, too.
    all_stages
        See `sidecars.stages`.
    """
    ranked = [{**row, "threshold": _threshold(row["target"])} for row in metrics["evaluation"].get("targets", [])]
    return [*ranked, _quality(metrics["quality"]), _duration(all_stages), _latency(metrics["stream"])]


def _quality(quality: Metadata) -> Metadata:
    row = {"target": f"data quality >= {shown_quality(quality.get('min_score', 95))}", "verdict": "not measured"}
    if "min_score" not in quality:  # missing, or of an older version
        return row
    met = quality["score"] >= quality["min_score"]
    return row | {"shown": shown_quality(quality["score"]), "verdict": _verdict(met)}


def _duration(all_stages: list[Metadata]) -> Metadata:
    row = {"target": f"pipeline < {TARGET_HOURS} h", "verdict": "not measured"}
    if not all_stages or any(stage["state"] != "ok" for stage in all_stages):
        return row
    seconds = sum(stage["seconds"] for stage in all_stages)
    return row | {"shown": duration(seconds), "verdict": _verdict(seconds < TARGET_HOURS * 3600)}


def _latency(stream: Metadata) -> Metadata:
    row = {"target": f"event to feature < {latency.TARGET_MS / 1000:.0f} s (p99)", "verdict": "not measured"}
    p99 = stream.get("to_features_ms", {}).get("p99")
    return row | {"shown": f"{p99:,.0f} ms", "verdict": _verdict(p99 < latency.TARGET_MS)} if p99 else row


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _threshold(target: str) -> float | None:
    """The number after the sign: 0.15 of `precision@10 >= 0.15`."""
    match = re.search(r"[<>]=?\s*([\d.]+)", target)
    return float(match[1]) if match else None
