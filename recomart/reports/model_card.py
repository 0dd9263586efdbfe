"""reports/model_card.md and .html: the chosen models, their quality, weaknesses, and intended use.

Built from the metrics of the stages, as the index page is; missing files are named.
"""

from __future__ import annotations

from pathlib import Path

import mistune
from jinja2 import Environment, FileSystemLoader
from mistune.util import safe_entity

from recomart.project import git, params
from recomart.project.sidecars import Metadata
from recomart.project.stored_metrics import read_metrics
from recomart.reports import formats, rendering
from recomart_lib.core import files, machine_paths, paths
from recomart_lib.core.model_names import named, plain
from recomart_lib.core.protocol_names import MEANINGS, title
from recomart_lib.core.text import bullets, percent, plural, safe

NAMES = [f"{name}@10" for name in ("ndcg", "precision", "recall", "hit_rate", "mrr", "map", "coverage", "novelty")]
METRICS = ("data", "tuning", "evaluation", "quality")


def build(root: Path) -> Path:
    """Write reports/model_card.md and reports/model_card.html of the project in `root`.

    Parameters
    ----------
    root
        The folder with params.yaml and reports/.

    Returns
    -------
    Path
        The Markdown file.
    """
    target = root / paths.REPORTS / "model_card.md"
    text = render(gather(root))
    files.write_text(target, text)
    body = mistune.create_markdown(renderer=_Renderer(escape=True), plugins=["table"])(text)
    name = f"{target.stem}.html"
    rendering.write(root, name, rendering.render(rendering.templates(), "model_card.html.j2", root, name, body=body))
    return target


def gather(root: Path) -> Metadata:
    """The card's content: the metrics files (empty if missing), params.yaml and the code's revision."""
    metrics = {name: read_metrics(root, name) for name in METRICS}
    file = root / "params.yaml"
    everything = params.load(file) if file.exists() else params.Params()
    return {**metrics, "params": everything, "revision": git.revision(root)}


def render(content: Metadata) -> str:
    """The card as Markdown. `content`: see `gather`; text from data is escaped."""
    evaluation = content["evaluation"]
    chosen = evaluation.get("chosen") or {}
    shown = {
        "scores": {protocol: scores(evaluation, protocol, model) for protocol, model in chosen.items()},
        "cuts": [
            row
            for row in evaluation.get("cuts", [])
            if row["metric"] == "ndcg@10" and chosen.get(row["protocol"]) == row["model"]
        ],
        "weak": bullets(*weaknesses(evaluation)),
        "meaning": MEANINGS,
        "chosen": chosen,
        "rivals": {protocol: rival(evaluation, protocol) for protocol in chosen},
    }
    return _environment(autoescape=False).get_template("model_card.md.j2").render({**content, **shown})


def scores(evaluation: Metadata, protocol: str, model: str) -> list[Metadata]:
    """One row per metric: name, value, low, high; rival, popularity, random, ceiling (each None if unknown)."""
    models = evaluation.get(protocol) or {}
    ceilings = {
        row["target"].split(" ")[0]: row["ceiling"]
        for row in evaluation.get("targets", [])
        if row["protocol"] == protocol
    }
    rows = []
    for name in NAMES if model in models else ():
        low, high = models[model].get(f"{name}_ci") or (None, None)
        floors = {floor: models.get(floor, {}).get(name) for floor in ("random", "popularity")}
        floors["rival"] = models.get(rival(evaluation, protocol), {}).get(name)
        row = {"name": name, "value": models[model].get(name), "low": low, "high": high}
        rows.append({**row, **floors, "ceiling": ceilings.get(name)})
    return rows


def rival(evaluation: Metadata, protocol: str) -> str | None:
    """The strongest simple model beside the chosen one (see 07_evaluate); None if unknown."""
    return ((evaluation.get("answer") or {}).get(protocol) or {}).get("rival")


def weaknesses(evaluation: Metadata) -> list[str]:
    """Sentences on the users that the chosen models serve badly, from the numbers of 07_evaluate."""
    chosen, sentences = evaluation.get("chosen") or {}, []
    for row in evaluation.get("weak", []):
        numbers = f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f}, n = {row['n']:,})"
        sentences.append(f"{safe(row['by'])} *{safe(row['slice'])}*: ndcg@10 {numbers}, below the average of all users")
    for protocol, shares in (evaluation.get("losers") or {}).items():
        words = f"of the users are served worse by the {named(chosen[protocol])} than by bestsellers"
        sentences.append(f"{title(protocol)}: {percent(shares['worse'])} {words}")
    for protocol, found in (evaluation.get("repeats") or {}).items():
        if found and found["shown"]:
            words = "of the listed products are those that the same user had chosen before"
            sentences.append(f"{title(protocol)}: {percent(found['shown'])} {words}")
    cold = [row for row in evaluation.get("history", []) if row["history"] == "cold" and row["metric"] == "ndcg@10"]
    if cold:
        reached = ", ".join(f"{row['mean']:.3f} with {named(row['model'])}" for row in cold)
        sentences.append(f"{plural(cold[0]['n'], 'cold user')} can only get bestsellers: ndcg@10 {reached}")
    return sentences


class _Renderer(mistune.HTMLRenderer):
    """Markdown to HTML; raw HTML is shown as text."""

    def text(self, text: str) -> str:
        return safe_entity(text)  # `&lt;` is a "<" to show; escape=True alone would show four letters


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(rendering.TEMPLATES), autoescape=autoescape, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": formats.number, "metric": formats.metric, "quality": formats.quality}
    environment.filters |= {"utc": formats.utc, "safe_text": safe, "percent": percent}
    environment.filters |= {"title_of": title, "named": named, "plain": plain, "hide": machine_paths.hide}
    return environment
