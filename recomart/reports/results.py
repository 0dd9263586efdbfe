"""The results as the index shows them: hits of ten beside rivals, and the targets of each protocol."""

from __future__ import annotations

from dataclasses import dataclass

from recomart.project.sidecars import Metadata
from recomart.reports.answer import is_significant
from recomart.reports.words import PROTOCOL_TITLES
from recomart_lib.core.model_names import plain
from recomart_lib.core.text import hits as shown_hits

MET = ("met", "clearly met")


@dataclass(frozen=True)
class Bar:
    """One model: hits of ten with the 95 % interval; widths in percent of the longest interval's end of all bars."""

    model: str
    name: str
    role: str
    shown: str
    interval: str
    width: float
    low: float
    high: float

    @property
    def chosen(self) -> bool:
        return self.role == "chosen"


@dataclass(frozen=True)
class Lists:
    """One protocol: what it means, whether it decides, the chosen model, its bars and its targets."""

    protocol: str
    title: str
    meaning: str
    decides: bool
    model: str | None
    bars: list[Bar]
    answer: Metadata | None
    targets: list[Metadata]

    @property
    def met(self) -> int:
        return sum(target["verdict"] in MET for target in self.targets)


def lists(evaluation: Metadata, deciding: str) -> list[Lists]:
    """The protocols with results, the deciding one first. `evaluation`: reports/metrics/evaluation.json."""
    answers, chosen = evaluation.get("answer") or {}, evaluation.get("chosen") or {}
    targets = evaluation.get("targets") or []
    ends = [row["high"] for answer in answers.values() if answer for row in answer["hits"].values()]
    top = max(ends, default=0) or 1  # one scale for all bars
    found = [
        Lists(
            name,
            *PROTOCOL_TITLES[name],
            name == deciding,
            chosen.get(name),
            bars(answers.get(name), top),
            answers.get(name),
            [row for row in targets if row["protocol"] == name],
        )
        for name in PROTOCOL_TITLES
        if evaluation.get(name)
    ]
    return sorted(found, key=lambda shown: not shown.decides)


def bars(answer: Metadata | None, top: float) -> list[Bar]:
    """The chosen model first, then its rivals, the best first; empty without an answer."""
    if not answer:
        return []
    hits, model = answer["hits"], answer["model"]
    names = sorted(hits, key=lambda name: (name != model, -hits[name]["value"], name))
    roles = {model: "chosen", answer["rival"]: "strongest simple rival"}
    return [_bar(name, hits[name], top, roles.get(name, "")) for name in names]


def _bar(model: str, row: Metadata, top: float, role: str) -> Bar:
    interval = f"{shown_hits(row['low'])} to {shown_hits(row['high'])}"
    place = {end: round(100 * row[end] / top, 2) for end in ("value", "low", "high")}
    return Bar(
        model, plain(model), role, shown_hits(row["value"]), interval, place["value"], place["low"], place["high"]
    )


def title(shown: Lists, chosen: str, days: int | None) -> str:
    """The finding of the bars, which stands above them."""
    if not shown.bars:
        return f"{shown.title}: not evaluated"
    own, *rivals = shown.bars
    text = f"{shown.title}: of ten products on a list, {own.shown} were {chosen} within {days} days"
    if not rivals:
        return text
    best = max(rivals, key=lambda bar: bar.width)
    if own.width <= best.width:
        return f"{text}, not more than from simple lists"
    clear = own.low > best.high and is_significant(shown.answer or {})
    return f"{text}, {'more than from any simple list' if clear else f'close to {best.name.lower()} ({best.shown})'}"
