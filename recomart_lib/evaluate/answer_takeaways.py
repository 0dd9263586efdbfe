"""The answer of 07 in sentences: hits of ten products, which protocol decides, how sure the lead is, and how stable."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import polars as pl

from recomart_lib.core import protocol_names, text
from recomart_lib.core.model_names import SIMPLE, named, plain
from recomart_lib.core.text import not_applicable, number, p_value, percent, plural, score, signed

SIGNIFICANT = 0.05
YEAR = 365  # days


def no_users(protocol: str) -> str:
    """The line of a protocol without users to evaluate."""
    return not_applicable(f"{protocol_names.title(protocol)}: no user can be evaluated.")


def hits(answer: Mapping[str, Any] | None, protocol: str, horizon_days: float) -> str:
    """Of ten products shown, how many were chosen: the model beside the simple lists, with ratios.

    `answer`: see `answer.answer`.
    """
    if answer is None:
        return no_users(protocol)
    own = answer["hits"][answer["model"]]
    others = {name: values["value"] for name, values in answer["hits"].items() if name != answer["model"]}
    if not any([own["value"], *others.values()]):
        return not_applicable(f"{protocol_names.title(protocol)}: no list had a product that was chosen later.")
    ratios = [_ratio(own["value"], value, name) for name, value in others.items()]
    beside = f" That is {_joined(ratios)}." if ratios else ""
    chosen = f"{text.hits(own['value'])} ({text.hits(own['low'])} to {text.hits(own['high'])}) were chosen"
    return (
        f"**{protocol_names.title(protocol)}: of ten products that {named(answer['model'])} shows, {chosen} within "
        f"{number(horizon_days)} {'day' if horizon_days == 1 else 'days'}.**{beside}"
    )


def _ratio(own: float, other: float, name: str) -> str:
    """`1.12 times *Bestsellers* (2.89)`; `as many as` where both are written alike."""
    if not other:
        return f"above *{plain(name)}* (0)"
    if text.hits(own) == text.hits(other):
        return f"as many as *{plain(name)}* ({text.hits(other)})"
    return f"{text.times(own, other)} *{plain(name)}* ({text.hits(other)})"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{'; '.join(parts[:-1])}; and {parts[-1]}"


def decides(card: pl.DataFrame) -> str:
    """Which protocol decides, and how many targets are met in both. `card`: see `target_card.target_card`."""
    if not card.height:
        return not_applicable("no user can be evaluated in the test window, so no target can be checked.")
    parts = [_targets(rows, protocol) for (protocol,), rows in card.group_by("protocol", maintain_order=True)]
    return " ".join(parts)


def _targets(rows: pl.DataFrame, protocol: str) -> str:
    """How many targets are met in one protocol: the one that decides in bold, the other with its meaning."""
    missed = rows.filter(pl.col("verdict") == "missed").get_column("target").to_list()
    met = f"{rows.height - len(missed)} of {plural(rows.height, 'target')} met"
    names = f" (missed: {', '.join(missed)})" if missed else ""
    title = protocol_names.title(protocol)
    if protocol == protocol_names.DECIDES:
        return f"**{title} decide, repeats allowed: {met}**{names}."
    return f"{title}, only products that are new to the user: {met}{names}."


def lead(answer: Mapping[str, Any] | None, protocol: str) -> str:
    """Whether the lead over the strongest simple list is significant. `answer`: see `answer.answer`."""
    if answer is None:
        return no_users(protocol)
    title = protocol_names.title(protocol)
    if answer["rival"] is None:
        return not_applicable(f"{title}: there is no other simple list to compare with.")
    rival, model = plain(answer["rival"]), plain(answer["model"])
    if answer["low"] is None:
        return not_applicable(f"{title}: too few users to test {model} against {rival}.")
    if answer["low"] == answer["high"] == 0:
        return not_applicable(f"{title}: {model} and {rival} score the same for every user.")
    interval = f"{signed(answer['difference'])} ndcg@10 ({signed(answer['low'])} to {signed(answer['high'])})"
    verdict = "significant" if answer["p"] < SIGNIFICANT else "**not** significant"
    other = "other simple list" if answer["model"] in SIMPLE else "simple list"
    return (
        f"**{title}: {interval} over the strongest {other}, {rival}**, "
        f"compared user by user: {verdict}, {p_value(answer['p'])}."
    )


def is_clear_lead(answer: Mapping[str, Any]) -> bool:
    """Whether the chosen model is significantly better than the strongest simple one; also if there is none."""
    if answer["rival"] is None:
        return True
    return answer["difference"] > 0 and answer["p"] < SIGNIFICANT


def stability(found: Mapping[str, Any] | None, model: str, protocol: str) -> str:
    """At how many cuts the chosen model leads, and which of them is unseen. `found`: see `answer.stability`."""
    title = protocol_names.title(protocol)
    if found is None:
        return no_users(protocol)
    if found["cuts"] == 1:
        return not_applicable(
            f"{title}: {plain(model)} was evaluated at a single cut (ndcg@10 {score(found['highest'])}), which says "
            "nothing about stability."
        )
    others = found["all_cuts"] - found["cuts"]
    few = f"; at {plural(others, 'other cut')} it had nothing to learn from, or was too far behind to be fitted"
    return (
        f"**{title}: {plain(model)} leads at {found['leads']} of {found['cuts']} cuts**{ahead(found)}: ndcg@10 "
        f"{course(found['scores'])}{few if others else ''}. {_unseen(found)}{_not_compared(found)}"
        f"{_earlier(found['earlier'])}{one_season(found)}"
    )


def course(scores: list[float]) -> str:
    """The scores in order of time, and whether they only fall or only rise."""
    shown = f"{', '.join(map(score, scores[:-1]))} and, newest, {score(scores[-1])}"
    pairs = list(pairwise(map(score, scores)))
    if all(later < earlier for earlier, later in pairs):
        return f"{shown}: lower each time" if len(pairs) > 1 else shown
    return f"{shown}: higher each time" if len(pairs) > 1 and all(b > a for a, b in pairs) else shown


def _not_compared(found: Mapping[str, Any]) -> str:
    """That the strongest simple list is missing at some cuts, so that leading there says less."""
    if found["rival"] is None or found["rival_cuts"] == found["cuts"]:
        return ""
    missing = found["cuts"] - found["rival_cuts"]
    where = f"compared at {missing} of these cuts" if found["rival_cuts"] else "among the models compared at these cuts"
    return f" The strongest simple list, {plain(found['rival'])}, is not {where}."


def ahead(found: Mapping[str, Any]) -> str:
    """Which models led where the chosen one did not: `; at the other, Similar users was ahead by 0.001`."""
    shown = [f"{plain(row['model'])} was ahead by {score(row['by'])}" for row in found["ahead"]]
    return f"; at the other{'s' if len(shown) > 1 else ''}, {', '.join(shown)}" if shown else ""


def _earlier(earlier: Mapping[str, Any] | None) -> str:
    """That another model was better over the windows in which it was chosen."""
    if not earlier or earlier["best"] == earlier["model"]:
        return ""
    behind = f"{score(earlier['behind'])} behind {plain(earlier['best'])}"
    return (
        f" Over the windows before the test (see 06), it was {behind}, and was chosen as the simplest of those within "
        "one standard error."
    )


def repeats(found: Mapping[str, Any] | None, model: str, protocol: str) -> str:
    """How much of the lists, and of their hits, users had chosen before; nothing without lists or repeats.

    `found`: see `answer.repeats`.
    """
    if found is None or not found["shown"]:
        return ""
    hits = "" if found["hits"] is None else f", and {percent(found['hits'])} of its hits,"
    shown = f"{percent(found['shown'])} of what {plain(model)} shows{hits}"
    return f"**{protocol_names.title(protocol)}: {shown} the same user had chosen before.**"


def one_season(found: Mapping[str, Any]) -> str:
    """That cuts within a part of a year say nothing about the rest of it."""
    if found["days"] >= YEAR:
        return ""
    return f" All cuts lie within {number(found['days'])} days: other seasons are not tested."


def _unseen(found: Mapping[str, Any]) -> str:
    if not found["unseen"]:
        return "None of them is unseen: the model or its parameters were chosen on them."
    seen = "on the other" if found["cuts"] == 2 else "on the others"
    return f"Only the newest, the test window, is unseen: the model or its parameters were chosen {seen}."


def in_the_deciding_protocol(sentence: str) -> str:
    """A sentence of the deciding protocol without its name, for a summary that says once which protocol decides."""
    start = f"**{protocol_names.title(protocol_names.DECIDES)}: "
    if not sentence.startswith(start):
        return sentence
    rest = sentence.removeprefix(start)
    return f"**{rest[0].upper()}{rest[1:]}"


def warning(card: pl.DataFrame, answers: Mapping[str, Mapping[str, Any] | None]) -> str:
    """What a reader has to know first: targets missed, or no clear lead, in the protocol that decides; else nothing."""
    found = answers[protocol_names.DECIDES]
    if found is None:
        return ""
    missed = card.filter(pl.col("protocol") == protocol_names.DECIDES, pl.col("verdict") == "missed")
    parts = [
        f"{row['target']} is {score(row['value'])}, below its target of {row['threshold']:g} (the best possible list: "
        f"{score(row['ceiling'])})."
        for row in missed.iter_rows(named=True)
    ]
    if not is_clear_lead(found):
        parts.append(
            f"{plain(found['model'])} is not clearly better than the strongest simple list, {plain(found['rival'])}."
        )
    if better := found["better"]:
        parts.append(
            f"In the test window, {plain(better['model'])} is better than the chosen {plain(found['model'])}: "
            f"{signed(-better['difference'])} ndcg@10, {p_value(better['p'])}."
        )
    return " ".join(parts)


def no_data(answers: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Why nothing was evaluated; nothing if there are users."""
    return "" if any(answers.values()) else "no user can be evaluated in the test window."
