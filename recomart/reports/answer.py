"""The first paragraph of the index: what a reader may forward. Each sentence is computed and leads to its evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recomart.project.sidecars import Metadata
from recomart.reports.remaining import losses, used_share
from recomart.reports.words import PROTOCOL_TITLES, Words, words
from recomart_lib.core.model_names import line, plain
from recomart_lib.core.protocol_names import DECIDES
from recomart_lib.core.text import hits as shown_hits
from recomart_lib.core.text import p_value, percent, score, times
from recomart_lib.core.text import quality as shown_quality

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Sentence:
    """A sentence; its part `key` is a link to the evidence."""

    before: str
    key: str
    after: str
    href: str


def sentences(metrics: Metadata, failed: list[Metadata], deciding: str) -> list[Sentence]:
    """Can the data be trusted, what is proposed, what does it gain, what is risky, what to do next; in this order.

    Parameters
    ----------
    metrics
        Name -> the content of reports/metrics/<name>.json; `quality`, `data` and `evaluation` may be empty.
    failed
        The stages that failed or were stopped.
    deciding
        The protocol that decides: `all` or `novel`.
    """
    quality, data, evaluation = (metrics[name] for name in ("quality", "data", "evaluation"))
    answer = (evaluation.get("answer") or {}).get(deciding)
    shop = words(data)
    found = [_trust(quality)]
    if answer:
        found += [
            _proposal(evaluation, deciding),
            _gain(answer, data, shop),
            *_risks(evaluation, answer, deciding, shop),
        ]
    return [sentence for sentence in [*found, _next(quality, failed, bool(answer), shop)] if sentence]


def deciding_protocol(metrics: Metadata) -> str:
    """`novel` if the shop's own rules show only new products, else `all`: lists are then delivered with repeats."""
    return "novel" if "only_new" in (metrics.get("rule_costs") or {}).get("rules", []) else DECIDES


def data_age(data: Metadata, started: str | None) -> int | None:
    """Full days from the last event to the start of the run; None if one of them is unknown."""
    try:
        return (datetime.fromisoformat(str(started)) - datetime.fromisoformat(str(data.get("last")))).days
    except (TypeError, ValueError):
        return None


def _linked(text: str, key: str, href: str) -> Sentence:
    before, _, after = text.partition(key)
    return Sentence(before, key, after, href)


def _trust(quality: Metadata) -> Sentence | None:
    if not quality:
        return None
    passed = quality["score"] >= quality["min_score"]
    checked, needed = (shown_quality(quality[name]) for name in ("score", "min_score"))
    trust = f"The data {'can' if passed else 'cannot'} be trusted: {checked} of the checked rows pass every rule"
    trust += f", {needed} are required"
    share = used_share(quality)
    if share is None:
        return _linked(f"{trust}.", checked, "#data")
    used = f"{percent(share)} of the delivered rows are used"
    counts = quality["tables"]["events"]
    largest = [f"; {n:,} ({percent(n / counts['delivered'])}) {why}" for n, why in losses(counts)[:1]]
    return _linked(f"{trust}, and {used}{''.join(largest)}.", used, "#data")


def _proposal(evaluation: Metadata, deciding: str) -> Sentence:
    model, (title, meaning) = evaluation["chosen"][deciding], PROTOCOL_TITLES[deciding]
    text = f"Proposed for {title.lower()} ({meaning}): the “{plain(model)}”{_described(model)}."
    return _linked(text, plain(model), "06_train.html")


def _described(model: str) -> str:
    return f", {line(model)}" if line(model) else ""


def _gain(answer: Metadata, data: Metadata, shop: Words) -> Sentence:
    hits, model, rival = answer["hits"], answer["model"], answer["rival"]
    own, days = hits[model], data.get("horizon_days")
    key = f"{shown_hits(own['value'])} were {shop.chosen} within {days} days"
    text = f"Of ten products shown, {key} ({shown_hits(own['low'])} to {shown_hits(own['high'])})"
    rivals = list(dict.fromkeys(name for name in ("popularity", rival) if name and name != model))
    compared = [_compared(own["value"], name, hits[name]["value"], name == rival) for name in rivals if name in hits]
    return _linked(f"{text}{': ' if compared else ''}{' and '.join(compared)}.", key, "#results")


def _compared(own: float, name: str, value: float, strongest: bool) -> str:
    what = f"the strongest simple rival, “{plain(name)}”" if strongest else plain(name).lower()
    ratio = times(own, value)
    return f"{ratio} {what} ({shown_hits(value)})" if ratio else f"{what}: none"


def _risks(evaluation: Metadata, answer: Metadata, deciding: str, shop: Words) -> list[Sentence]:
    """How sure the lead is, for whom it is worse, and which targets are missed."""
    found = [_lead(answer, evaluation.get("stability") or {}, deciding)]
    worse = ((evaluation.get("losers") or {}).get(deciding) or {}).get("worse")
    weak = (evaluation.get("weak") or [])[:1]
    if worse is not None:
        key = f"{percent(worse)} of the {shop.people}"
        groups = f"; it is weakest for {_group(weak[0])}" if weak and deciding == "all" else ""
        found.append(
            _linked(
                f"Risk: {key} get a worse list than from bestsellers{groups}.", key, "07_evaluate.html#who-is-worse-off"
            )
        )
    missed = [row for row in evaluation.get("targets", []) if row["verdict"] == "missed"]
    by_protocol = [_missed(protocol, missed) for protocol in PROTOCOL_TITLES]
    if any(by_protocol):
        key = "missed"
        found.append(_linked(f"Targets {key}: {'; '.join(filter(None, by_protocol))}.", key, "#results"))
    return [sentence for sentence in found if sentence]


def _group(weak: Metadata) -> str:
    who = f"{weak['by']} “{weak['slice']}”"
    if weak["by"] == "history":
        who = (
            "those who are new" if weak["slice"] == "cold" else f"those with {weak['slice']} products in their history"
        )
    return f"{who} (ndcg@10 {score(weak['mean'])}, {weak['n']:,} of them)"


def _missed(protocol: str, missed: list[Metadata]) -> str:
    names = [row["target"] for row in missed if row["protocol"] == protocol]
    return f"{PROTOCOL_TITLES[protocol][0].lower()}: {', '.join(names)}" if names else ""


def _lead(answer: Metadata, stability: dict[str, Any], deciding: str) -> Sentence | None:
    if answer.get("difference") is None or answer.get("low") is None:
        return None
    sure = answer.get("p") is not None and answer["p"] < SIGNIFICANT
    behind = answer["difference"] < 0
    key = f"{'The lag' if behind else 'The lead'} over this rival {'is' if sure else 'is not'} significant"
    key = key.replace("The lag over", "The lag behind")
    low, high = answer["low"], answer["high"]
    text = f"{key}: ndcg@10 {interval_signed(answer['difference'], low, high)}"
    text += f", {p_value(answer['p'])}" if answer.get("p") is not None else ""
    cuts = stability.get(deciding)
    if cuts and cuts["cuts"] > 1:
        text += f"; at {cuts['leads']} of {cuts['cuts']} cuts in time no other model was better"
    return _linked(f"{text}.", key, "07_evaluate.html#is-the-lead-significant")


def interval_signed(value: float, low: float, high: float) -> str:
    """`+0.041 (+0.034 to +0.047)`: a difference with its interval; a plus is good."""
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _next(quality: Metadata, failed: list[Metadata], evaluated: bool, shop: Words) -> Sentence | None:
    if failed:
        key = f"repair {failed[0]['title']}"
        return _linked(f"Next: {key} and run the pipeline again.", key, "#stages")
    if not evaluated:
        return None
    key = f"try the lists on a part of the {shop.people}"
    trial = f"{key} and compare: the past, which was measured here, does not show what they do with new lists"
    fixes = quality.get("fixes") or []
    if not fixes:
        return _linked(f"Next: {trial}.", key, "08_recommend.html")
    key = "mend the data"
    return _linked(f"Next: {key} ({_short(fixes[0]['problem'])}); then {trial}.", key, "#fixes")


def _short(sentence: str) -> str:
    """The sentence up to its first parenthesis or second part."""
    return re.split(r" \(|[;:] |\.$", sentence)[0]
