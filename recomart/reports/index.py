"""reports/index.html: the answer first, then results, data and stages; any metrics or sidecar may be missing."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from recomart.project import git, params
from recomart.project.sidecars import FAILURES, Metadata, shown_state, stages
from recomart.project.stored_metrics import read_metrics
from recomart.reports import answer, forward, remaining, rendering, results, targets
from recomart.reports.formats import BAR_WIDTH, scale
from recomart.reports.header import CHIPS
from recomart.reports.words import PROTOCOL_TITLES, words
from recomart_lib.core import files, paths
from recomart_lib.core.model_names import plain
from recomart_lib.core.text import percent

METRICS = ("quality", "evaluation", "data", "stream", "rule_costs", "tuning")
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
    environment.filters |= {"percent": percent, "age": answer.duration_of}
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
        "targets": targets.rows(metrics, all_stages),
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
        "forward": forward.sentences(metrics, deciding, age),
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
