"""Three sentences to forward: what is proposed and gained, on which data, and what is risky and comes next."""

from __future__ import annotations

from recomart.project.sidecars import Metadata
from recomart.reports.answer import Step, duration_of, hits_with_rules, is_same, is_significant, next_steps
from recomart.reports.remaining import used_share
from recomart.reports.words import Words, words
from recomart_lib.core.model_names import plain
from recomart_lib.core.text import hits, percent, quality, times


def sentences(metrics: Metadata, deciding: str, age: int | None) -> list[str]:
    """Three sentences; none if nothing was evaluated. The parameters are those of `answer.sentences`."""
    evaluation, data = metrics["evaluation"], metrics["data"]
    answer, shop = (evaluation.get("answer") or {}).get(deciding), words(data)
    if not answer or not metrics["quality"]:
        return []
    under_rules = hits_with_rules(metrics.get("rule_costs") or {}, deciding)
    steps = next_steps(metrics["quality"], age, data.get("horizon_days", 0), shop)
    return [
        _gain(answer, (evaluation.get("repeats") or {}).get(deciding), under_rules, data, shop),
        _data(metrics["quality"], age),
        _risk(evaluation, answer, deciding, shop, steps),
    ]


def _gain(answer: Metadata, repeats: Metadata | None, under_rules: str | None, data: Metadata, shop: Words) -> str:
    own, rival = answer["hits"][answer["model"]]["value"], answer["rival"]
    text = f"Of ten products that the “{plain(answer['model'])}” would have shown, {hits(own)} were {shop.chosen}"
    text += f" within {data.get('horizon_days')} days"
    text += f" ({under_rules} under the shop's own rules)" if under_rules else ""
    if is_same(answer):
        text += f", for every {shop.person} as good a list as the strongest simple one (“{plain(rival)}”)"
    elif rival:
        text += f", {_times(own, answer['hits'][rival]['value'])} the strongest simple list (“{plain(rival)}”); "
        text += f"this difference is {'significant' if is_significant(answer) else 'not significant'}"
    if repeats and repeats["hits"]:
        text += f", and {percent(repeats['hits'])} of these hits are what the {shop.person} had {shop.chosen} before"
    return f"{text}."


def _times(own: float, other: float) -> str:
    ratio = times(own, other)
    return f"{ratio} as many as with" if ratio else "and none with"


def _data(checked: Metadata, age: int | None) -> str:
    passed = "passes" if checked["score"] >= checked["min_score"] else "does not pass"
    subject = "The data, which is simulated," if checked.get("planted") else "The data"
    text = f"{subject} {passed} its checks ({quality(checked['score'])} of the checked rows are right)"
    share = used_share(checked)
    text += f", {percent(share)} of the delivered events can be used" if share is not None else ""
    return text + (f", and the newest is {duration_of(age)} old." if age is not None else ".")


def _risk(evaluation: Metadata, answer: Metadata, deciding: str, shop: Words, steps: list[Step]) -> str:
    worse = ((evaluation.get("losers_to_rival") or {}).get(deciding) or {}).get("worse")
    keys = [step.key[0].lower() + step.key[1:] for step in steps]
    after = f"{', '.join(keys[:-1])}, then {keys[-1]}" if len(keys) > 1 else keys[0]
    trial = f"{after}, since nobody has seen them yet"
    if worse is None or not answer["rival"] or is_same(answer):
        return f"Next: {trial}."
    who = f"{percent(worse)} of the evaluated {shop.people}"
    return f"{who} would get a worse list than from that simple one; next: {trial}."
