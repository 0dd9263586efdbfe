"""The first lines of the index: what a reader may forward. Each sentence is computed and leads to its evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from recomart.project.sidecars import FAILURES, Metadata
from recomart.reports.remaining import losses, used_share
from recomart.reports.words import PROTOCOL_TITLES, Words, words
from recomart_lib.core.model_names import line, plain
from recomart_lib.core.protocol_names import DECIDES
from recomart_lib.core.shop_lists import RULES
from recomart_lib.core.text import hits as shown_hits
from recomart_lib.core.text import p_value, percent, plural, score, times
from recomart_lib.core.text import quality as shown_quality
from recomart_lib.evaluate.answer import FOR_COLD, SIGNIFICANT
from recomart_lib.evaluate.answer_takeaways import ahead, course, one_season

DAYS_PER_YEAR = 365.25
LISTS = "08_recommend"
COLD = "07_evaluate.html#how-good-are-the-lists-of-cold-users"
DATA, PROPOSAL, GAIN, SURE, RISK, NEXT = "Data", "Proposal", "Gain", "How sure", "Risk", "Next"


@dataclass(frozen=True)
class Sentence:
    """A sentence on one topic; its part `key` is a link to the evidence."""

    topic: str
    before: str
    key: str
    after: str
    href: str


def sentences(metrics: Metadata, stages: list[Metadata], deciding: str, age: int | None) -> list[Sentence]:
    """The data, the proposal, its gain, how sure that is, what is risky, and what to do next; in this order.

    Parameters
    ----------
    metrics
        Name -> the content of reports/metrics/<name>.json; `quality`, `data` and `evaluation` may be empty.
    stages
        See `sidecars.stages`.
    deciding
        The protocol that decides: `all` or `novel`.
    age
        See `data_age`.
    """
    quality, data, evaluation = (metrics[name] for name in ("quality", "data", "evaluation"))
    answers, shop = evaluation.get("answer") or {}, words(data)
    found = [_planted(quality), _trust(quality), _age(age, data)]
    if answer := answers.get(deciding):
        found += [_proposal(evaluation, deciding), _gain(answer, data, shop), _repeats(evaluation, deciding, shop)]
        found += [_other(name, other, shop) for name, other in answers.items() if name != deciding]
        found += [_rules(metrics.get("rule_costs") or {}, deciding, shop)]
        found += [_lead(answer), _for_whom(evaluation, answer, deciding, shop), _better(answer)]
        found += [_stable((evaluation.get("stability") or {}).get(deciding))]
        found += [_worse(evaluation, answer, deciding, shop), _weak(evaluation, deciding, shop), _new(evaluation, shop)]
        found += [_lists(stages), _missed(evaluation)]
    failed = [stage for stage in stages if stage["state"] in FAILURES]
    if answer or failed:
        found += _next(quality, failed, age, data.get("horizon_days", DAYS_PER_YEAR), shop)
    return [sentence for sentence in found if sentence]


def deciding_protocol(metrics: Metadata) -> str:
    """`novel` if the shop's own rules show only new products, else `all`: lists are then delivered with repeats."""
    rules = {row["rule"] for row in (metrics.get("rule_costs") or {}).get("rules", [])}
    return "novel" if RULES["only_new"] in rules else DECIDES


def data_age(data: Metadata, started: str | None) -> int | None:
    """Full days from the last event to the start of the run; None if one of them is unknown."""
    try:
        return (datetime.fromisoformat(str(started)) - datetime.fromisoformat(str(data.get("last")))).days
    except (TypeError, ValueError):
        return None


def duration_of(days: int) -> str:
    """`330 days`; with the years, if there are some: `5,467 days (15 years)`."""
    years = f" ({days / DAYS_PER_YEAR:.0f} years)" if days >= 2 * DAYS_PER_YEAR else ""
    return f"{plural(days, 'day')}{years}"


def is_significant(answer: Metadata) -> bool:
    """Whether the chosen model and the strongest simple one differ, by the paired test. `answer`: of one protocol."""
    return answer.get("p") is not None and answer["p"] < SIGNIFICANT


def is_same(answer: Metadata) -> bool:
    """Whether the chosen model and the strongest simple one score the same for every user: nothing to compare."""
    return bool(answer.get("rival")) and answer.get("difference") == answer.get("low") == answer.get("high") == 0


def _linked(topic: str, text: str, key: str, href: str) -> Sentence:
    before, _, after = text.partition(key)
    return Sentence(topic, before, key, after, href)


def _trust(quality: Metadata) -> Sentence | None:
    if not quality:
        return None
    passed = quality["score"] >= quality["min_score"]
    checked, needed = (shown_quality(quality[name]) for name in ("score", "min_score"))
    trust = f"The data {'passes' if passed else 'does not pass'} the quality gate: {checked} of the checked rows pass"
    trust += f" every rule in the worst table ({needed} are required)"
    share = used_share(quality)
    if share is None:
        return _linked(DATA, f"{trust}.", checked, "#data")
    used = f"{percent(share)} of the delivered events are used"
    counts = quality["tables"]["events"]
    largest = [f"; {n:,} ({percent(n / counts['delivered'])}) {why}" for n, why in losses(counts)[:1]]
    return _linked(DATA, f"{trust}, and {used}{''.join(largest)}.", used, "#data")


def _planted(quality: Metadata) -> Sentence | None:
    """That the shop is simulated, and its faults with it."""
    said = quality.get("planted")
    key = "This shop is simulated"
    return _linked(DATA, said, key, "#fixes") if said and key in said else None


def _age(age: int | None, data: Metadata) -> Sentence | None:
    days = data.get("horizon_days")
    if age is None or not days or age <= days:
        return None
    key = f"The newest event is {duration_of(age)} old"
    return _linked(DATA, f"{key}: what happened since is unknown.", key, "#age")


def _proposal(evaluation: Metadata, deciding: str) -> Sentence:
    model, (title, meaning) = evaluation["chosen"][deciding], PROTOCOL_TITLES[deciding]
    described = f": {line(model)}" if line(model) else ""
    earlier = ((evaluation.get("stability") or {}).get(deciding) or {}).get("earlier") or {}
    best = earlier.get("best", model)
    near = f" In the windows before the test, it was the simplest of those nearly as good as “{plain(best)}”."
    why = "" if best == model else near
    text = f"The “{plain(model)}”{described}.{why} It makes {title.lower()}: {meaning}."
    return _linked(PROPOSAL, text, plain(model), "06_train.html")


def _gain(answer: Metadata, data: Metadata, shop: Words) -> Sentence:
    hits, model, rival = answer["hits"], answer["model"], answer["rival"]
    own, days = hits[model], data.get("horizon_days")
    key = f"{shown_hits(own['value'])} were {shop.chosen} within {days} days"
    since = f" from {data['cut'][:10]}" if data.get("cut") else ""
    text = f"Of ten products on a list, {key}{since} ({shown_hits(own['low'])} to {shown_hits(own['high'])})"
    rivals = list(dict.fromkeys(name for name in ("popularity", rival) if name and name != model))
    compared = [_compared(own["value"], name, hits[name]["value"], name == rival) for name in rivals if name in hits]
    if is_same(answer):
        compared = [f"for every {shop.person} as good a list as the strongest simple rival, “{plain(rival)}”"]
    return _linked(GAIN, f"{text}{': ' if compared else ''}{' and '.join(compared)}.", key, "#results")


def _compared(own: float, name: str, value: float, strongest: bool) -> str:
    what = f"the strongest simple rival, “{plain(name)}”" if strongest else plain(name).lower()
    ratio = times(own, value)
    return f"{ratio} {what} ({shown_hits(value)})" if ratio else f"{what}: none"


def _lead(answer: Metadata) -> Sentence | None:
    if answer.get("difference") is None or answer.get("low") is None or is_same(answer):
        return None
    place = "The lag behind" if answer["difference"] < 0 else "The lead over"
    key = f"{place} this rival {'is' if is_significant(answer) else 'is not'} significant"
    text = f"{key}: ndcg@10 {interval_signed(answer['difference'], answer['low'], answer['high'])}"
    text += f", {p_value(answer['p'])}" if answer.get("p") is not None else ""
    return _linked(SURE, f"{text}.", key, "07_evaluate.html#is-the-lead-significant")


def _repeats(evaluation: Metadata, deciding: str, shop: Words) -> Sentence | None:
    """How much of the lists the customers had chosen before."""
    found = (evaluation.get("repeats") or {}).get(deciding)
    if not found or not found["shown"]:
        return None
    key = f"{percent(found['shown'])} of the products on these lists"
    hits = f", and {percent(found['hits'])} of what was {shop.chosen} from them," if found["hits"] is not None else ""
    text = f"{key}{hits} are what the same {shop.person} had {shop.chosen} before."
    return _linked(GAIN, text, key, "07_evaluate.html#how-good-are-the-lists-in-the-shop-s-words")


def _for_whom(evaluation: Metadata, answer: Metadata, deciding: str, shop: Words) -> Sentence | None:
    """Whether the lead over the rival holds for those with little history, too."""
    rows = evaluation.get("history_tests") or []
    if deciding != "all" or len(rows) < 2 or not is_significant(answer):
        return None
    unclear = [row for row in rows if row["p_holm"] is None or row["p_holm"] >= SIGNIFICANT or row["difference"] <= 0]
    if not unclear:
        return None
    n, all_n = (sum(row["n"] for row in part) for part in (unclear, rows))
    groups = _either([row["history"] for row in unclear])
    key = f"It is not shown for those who had {shop.chosen} {groups} products before"
    text = f"{key} ({percent(n / all_n)} of the evaluated {shop.people})."
    return _linked(SURE, text, key, "07_evaluate.html#how-much-history-does-the-model-need")


def _either(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _better(answer: Metadata) -> Sentence | None:
    """A model that the test window would have preferred."""
    better = answer.get("better")
    if not better:
        return None
    key = f"In the test window, “{plain(better['model'])}” is better than the chosen model"
    text = f"{key}: ndcg@10 {-better['difference']:+.3f}, {p_value(better['p'])}; the choice was made before."
    return _linked(SURE, text, key, "07_evaluate.html#is-the-lead-significant")


def _stable(stability: dict[str, Any] | None) -> Sentence | None:
    """Whether the lead holds at other cuts, and in the windows before test among all models."""
    if not stability or stability["cuts"] < 2 or "ahead" not in stability:  # an older version of 07 wrote it
        return None
    key = f"At {stability['leads']} of {stability['cuts']} cuts in time"
    unseen = stability["unseen"]
    was = "none of them was" if not unseen else "only the newest was" if unseen == 1 else f"{unseen} of them were"
    text = f"{key} no other model was better{ahead(stability)}: ndcg@10 {course(stability['scores'])}; {was} unseen "
    text += f"when the model was chosen.{one_season(stability)}"
    return _linked(SURE, text, key, "07_evaluate.html#is-the-result-stable-over-time")


def _other(protocol: str, answer: Metadata | None, shop: Words) -> Sentence | None:
    """What the lists that do not decide gain."""
    if not answer or not answer.get("rival"):
        return None
    own, rival = (answer["hits"][answer[role]]["value"] for role in ("model", "rival"))
    key = PROTOCOL_TITLES[protocol][0]
    unsure = f", the same for every {shop.person}" if is_same(answer) else ", a difference that may be chance"
    sure = "" if is_significant(answer) else unsure
    text = (
        f"{key}: {shown_hits(own)} of ten were {shop.chosen} with “{plain(answer['model'])}”, {shown_hits(rival)} with"
    )
    better = answer.get("better")
    ahead = f"; in the test window, “{plain(better['model'])}” would have been better" if better else ""
    return _linked(GAIN, f"{text} “{plain(answer['rival'])}”{sure}{ahead}.", key, "#results")


def interval_signed(value: float, low: float, high: float) -> str:
    """`+0.041 (+0.034 to +0.047)`: a difference with its interval; a plus is good."""
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _rules(costs: Metadata, deciding: str, shop: Words) -> Sentence | None:
    """What the shop's own rules change; all of them together come last."""
    rows = [row for row in costs.get("rules", []) if (row["protocol"], row["metric"]) == (deciding, "ndcg@10")]
    if not rows:
        return None
    key, row = "The shop's own rules", rows[-1]
    named = ", ".join(dict.fromkeys(one["rule"] for one in rows[:-1]))
    change, hits = interval_signed(row["difference"], row["low"], row["high"]), hits_with_rules(costs, deciding)
    text = f"{key}{f' ({named})' if named else ''}, which the delivered lists obey, are not in these numbers: "
    text += f"they change ndcg@10 by {change}{f' ({hits} of ten were {shop.chosen})' if hits else ''}; "
    text += "simple lists were not measured with them."
    return _linked(GAIN, text, key, "07_evaluate.html#what-do-the-shop-s-rules-cost")


def hits_with_rules(costs: Metadata, deciding: str) -> str | None:
    """Hits of ten with all rules of the shop, in words; None where they were not measured."""
    rows = [row for row in costs.get("rules", []) if (row["protocol"], row["metric"]) == (deciding, "precision@10")]
    return shown_hits(10 * rows[-1]["with"]) if rows else None


def _worse(evaluation: Metadata, answer: Metadata, deciding: str, shop: Words) -> Sentence | None:
    shares = [
        (((evaluation.get(name) or {}).get(deciding) or {}).get("worse"), other)
        for name, other in (("losers_to_rival", f"“{plain(answer['rival'] or '')}”"), ("losers", "bestsellers"))
        if not (is_same(answer) if name == "losers_to_rival" else answer["model"] == "popularity")
    ]
    known = [(percent(worse), other) for worse, other in shares if worse is not None]
    if not known:
        return None
    key = f"{known[0][0]} get a worse list"
    better = ((evaluation.get("losers_to_rival") or {}).get(deciding) or {}).get("better")
    also = f", and {percent(better)} a better one" if better is not None and not is_same(answer) else ""
    named = [
        f"{key} than from {known[0][1]}{also}",
        *(f"{share} a worse one than from {who}" for share, who in known[1:]),
    ]
    text = f"Of the evaluated {shop.people}, {', '.join(named)}."
    return _linked(RISK, text, key, "07_evaluate.html#who-is-worse-off")


def _weak(evaluation: Metadata, deciding: str, shop: Words) -> Sentence | None:
    """The weakest group of users, and the largest of those that are clearly below the average."""
    weak = (evaluation.get("weak") or []) if deciding == "all" else []
    if not weak:
        return None
    largest = max(weak, key=lambda row: row["n"])
    key = f"It is weakest for {_group(weak[0], shop)}"
    others = f"; the largest group that is clearly below the average: {_group(largest, shop)}" if len(weak) > 1 else ""
    return _linked(
        RISK, f"{key}{others if largest != weak[0] else ''}.", key, "07_evaluate.html#which-groups-get-worse-lists"
    )


def _new(evaluation: Metadata, shop: Words) -> Sentence | None:
    """What those get who were unknown at the cut."""
    users = evaluation.get("users") or {}
    if not users.get("cold"):
        return None
    key = f"{users['cold']:,} of {users['test_users']:,} {shop.people} who came in the window were new"
    scores = {row["model"]: row["precision@10"] for row in evaluation.get("cold") or []}
    shown = scores.get(FOR_COLD)
    hits = f", of which {shown_hits(10 * shown)} of ten were {shop.chosen}" if shown is not None else ""
    return _linked(RISK, f"{key}: they all get one list of bestsellers{hits}.", key, COLD)


def _group(weak: Metadata, shop: Words) -> str:
    name = weak["slice"].partition(": ")[2] or weak["slice"]  # thirds are numbered only so that they sort
    who = f"{weak['by']} “{name}”"
    if weak["by"] == "history":
        had = "nothing" if weak["slice"] == "0" else f"{weak['slice']} products"
        who = f"those who had {shop.chosen} {had} before"
    return f"{who} (ndcg@10 {score(weak['mean'])}, {weak['n']:,} {shop.people})"


def _lists(stages: list[Metadata]) -> Sentence | None:
    """What the stage that makes the lists warns of."""
    warned = [stage for stage in stages if stage["stage"] == LISTS and stage.get("verdict") == "warning"]
    reason = warned[0]["verdict_reason"] if warned else None
    return _linked(RISK, reason, reason.partition(":")[0], f"{LISTS}.html") if reason else None


def _missed(evaluation: Metadata) -> Sentence | None:
    missed = [row for row in evaluation.get("targets", []) if row["verdict"] == "missed"]
    targets = {
        title.lower(): ", ".join(map(_target, (row for row in missed if row["protocol"] == protocol)))
        for protocol, (title, _) in PROTOCOL_TITLES.items()
    }
    named = "; ".join(f"{title}: {names}" for title, names in targets.items() if names)
    return _linked(RISK, f"Missed targets: {named}.", "Missed targets", "#targets") if named else None


def _target(row: Metadata) -> str:
    """`precision@10 >= 0.15 (0.060 reached, 0.244 possible)`."""
    return f"{row['target']} ({score(row['value'])} reached, {score(row['ceiling'])} possible)"


def _next(quality: Metadata, failed: list[Metadata], age: int | None, horizon: float, shop: Words) -> list[Sentence]:
    """One sentence per step."""
    if failed:
        return [Sentence(NEXT, "", f"Repair {failed[0]['title']}", " and run the pipeline again.", "#stages")]
    return [
        Sentence(NEXT, "", step.key, f"{step.rest}.", step.href) for step in next_steps(quality, age, horizon, shop)
    ]


class Step(NamedTuple):
    """What to do next: a key that links to the evidence, and the rest of the sentence."""

    key: str
    rest: str
    href: str


def next_steps(quality: Metadata, age: int | None, horizon: float, shop: Words) -> list[Step]:
    """What to do next, in order: newer data, if it is older than `horizon` days; the first fix, not of faults that are
    planted; a trial.
    """
    newer = [Step("Get newer data", "", "#age")] if age is not None and age > horizon else []
    fixes = [] if quality.get("planted") else (quality.get("fixes") or [])[:1]
    first = [Step("Fix the data", f" ({_short(fix['problem'])})", "#fixes") for fix in fixes]
    trial = f"Show the lists to a part of the {shop.people}"
    why = " and compare: the past, which was measured here, does not show what they do with new lists"
    return [*newer, *first, Step(trial, why, "08_recommend.html")]


def _short(sentence: str) -> str:
    """The sentence up to its first parenthesis or second part."""
    return re.split(r" \(|[;:] |\.$", sentence)[0]
