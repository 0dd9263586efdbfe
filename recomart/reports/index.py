"""reports/index.html: the answer first, then results, data and stages; any metrics or sidecar may be missing."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from recomart.project import git, params
from recomart.project.sidecars import FAILURES, Metadata, shown_state, stages
from recomart.project.stored_metrics import read_metrics
from recomart.reports import answer, remaining, rendering, results
from recomart.reports.formats import BAR_WIDTH, duration, scale
from recomart.reports.header import CHIPS
from recomart.reports.words import PROTOCOL_TITLES, words
from recomart_lib.core import files, paths
from recomart_lib.core.model_names import plain
from recomart_lib.core.text import percent
from recomart_lib.core.text import quality as shown_quality
from recomart_lib.stream import latency

METRICS = ("quality", "evaluation", "data", "stream", "rule_costs", "tuning")
TARGET_HOURS = 24
VERDICTS = {"clearly met": "ok", "met": "ok", "missed": "bad"}  # of a target -> its chip
IN_WORDS = {"warning": "with a warning", "no data": "without data"}


def build(root: Path, changed: str = "") -> Path:
    """Write reports/index.html of the project in `root`, from the files in reports/.

    Parameters
    ----------
    root
        The folder with params.yaml, dvc.yaml and reports/.
    changed
        The summary of reports/changes.html (`changes.build`); the page is linked if it exists.

    Returns
    -------
    Path
        The page.
    """
    environment = rendering.templates()
    environment.filters |= {"percent": percent, "quality": shown_quality, "age": answer.duration_of}
    environment.globals |= {"chips": CHIPS | VERDICTS, "scale": scale, "by_ndcg": _by_ndcg, "width": BAR_WIDTH}
    environment.globals |= {"plain": plain, "titles": PROTOCOL_TITLES, "shown_state": shown_state}
    page = rendering.render(environment, "index.html.j2", root, "index.html", **_gather(root), changed=changed)
    return rendering.write(root, "index.html", page)


def _gather(root: Path) -> Metadata:
    """Everything the page shows."""
    metrics = {name: read_metrics(root, name) for name in METRICS}
    if "min_score" not in metrics["quality"]:
        metrics["quality"] = {}  # of an older version: treated as missing
    all_stages = stages(root)
    return {
        **metrics,
        **_facts(metrics, all_stages),
        "stages": all_stages,
        "targets": _targets(metrics, all_stages),
        "shop": metrics["data"].get("shop") or next((s["shop"] for s in all_stages if s.get("shop")), None),
        "revision": git.revision(root),
        "sections": _sections(root / "params.yaml"),
        "links": _links(root / paths.REPORTS),
        "card": (root / paths.REPORTS / "model_card.html").exists(),
        "changes": (root / paths.REPORTS / "changes.html").exists(),
    }


def _facts(metrics: dict[str, Metadata], all_stages: list[Metadata]) -> Metadata:
    """What the page reports: the answer, results, what is left of the data, and how the stages ended."""
    quality, evaluation, data = (metrics[name] for name in ("quality", "evaluation", "data"))
    failed = [stage for stage in all_stages if stage["state"] in FAILURES]
    last = max((stage["started"] for stage in all_stages if stage.get("started")), default=None)
    deciding, shop = answer.deciding_protocol(metrics), words(data)
    age = answer.data_age(data, last)
    said_first = answer.sentences(metrics, all_stages, deciding, age)
    states = Counter(map(shown_state, all_stages))
    return {
        "failed": failed,
        "answer": [(topic, list(said)) for topic, said in groupby(said_first, lambda sentence: sentence.topic)],
        "results": results.lists(evaluation, deciding),
        "title": lambda shown: results.title(shown, shop.chosen, data.get("horizon_days")),
        "used": remaining.used_share(quality),
        "rows": remaining.rows(quality, data),
        "people": remaining.people(quality, data, shop),
        "words": shop,
        "seconds": sum(stage.get("seconds") or 0 for stage in all_stages),
        "last": last,
        "age": age,
        "good": states["ok"],
        "other_states": [(IN_WORDS.get(state, state), n) for state, n in states.items() if state != "ok"],
    }


def target_card(root: Path) -> list[Metadata]:
    """The targets of the project in `root`: target, verdict and, if measured, the value."""
    return _gather(root)["targets"]


def _targets(metrics: dict[str, Metadata], stages: list[Metadata]) -> list[Metadata]:
    """The evaluation's targets, each with its threshold as a number; then data quality and the pipeline's time."""
    ranked = [{**row, "threshold": _threshold(row["target"])} for row in metrics["evaluation"].get("targets", [])]
    quality = metrics["quality"]
    data_quality = {
        "target": f"data quality >= {shown_quality(quality.get('min_score', 95))}",
        "verdict": "not measured",
    }
    if quality:
        data_quality |= {
            "shown": shown_quality(quality["score"]),
            "verdict": _verdict(quality["score"] >= quality["min_score"]),
        }
    duration_target = {"target": f"pipeline < {TARGET_HOURS} h", "verdict": "not measured"}
    if stages and all(stage["state"] == "ok" for stage in stages):
        seconds = sum(stage["seconds"] for stage in stages)
        duration_target |= {"shown": duration(seconds), "verdict": _verdict(seconds < TARGET_HOURS * 3600)}
    freshness = {"target": f"event to feature < {latency.TARGET_MS / 1000:.0f} s (p99)", "verdict": "not measured"}
    if p99 := metrics["stream"].get("to_features_ms", {}).get("p99"):
        freshness |= {"shown": f"{p99:,.0f} ms", "verdict": _verdict(p99 < latency.TARGET_MS)}
    return [*ranked, data_quality, duration_target, freshness]


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _threshold(target: str) -> float | None:
    """The number after the sign: 0.15 of `precision@10 >= 0.15`."""
    match = re.search(r"[<>]=?\s*([\d.]+)", target)
    return float(match[1]) if match else None


def _sections(path: Path) -> dict[str, str]:
    """The text of each section of params.yaml, with its comments, which give units and reasons."""
    if not path.exists():
        return {}
    if not params.may_be_shown(path):
        return {"params.yaml": "This file is not valid, and not shown: it may hold a secret."}
    parts = re.split(r"(?m)^(\w+):", path.read_text(encoding="utf-8", errors="replace"))
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _links(reports: Path) -> list[str]:
    """Everything else in reports/ that can be opened: executed notebooks, profiles and the model card's source."""
    patterns = ("*.ipynb", "profiles/*.html", "model_card.md")
    found = [path for pattern in patterns for path in files.listed(reports, pattern)]
    return [path.relative_to(reports).as_posix() for path in sorted(found)]


def _by_ndcg(models: dict[str, Metadata], chosen: str | None) -> list[tuple[str, Metadata]]:
    """(name, scores): the chosen model, then the best ndcg@10 first; a model without one comes last."""
    return sorted(models.items(), key=lambda model: (model[0] != chosen, -(model[1].get("ndcg@10") or 0), model[0]))
