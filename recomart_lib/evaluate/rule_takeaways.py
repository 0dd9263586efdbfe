"""Takeaways of 07_evaluate on the shop's rules and on diversity: what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import polars as pl

from recomart_lib.core.protocol_names import title
from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.core.text import not_applicable, percent, plural, safe, score, signed
from recomart_lib.evaluate.diagnostics import MIN_USERS


def rules(names: Sequence[str], costs: pl.DataFrame, effects: pl.DataFrame, not_priced: Sequence[str]) -> list[str]:
    """Say what the shop's rules cost, and which of them have no price: one sentence or more.

    Parameters
    ----------
    names
        The keys of the shop's rules.
    costs, effects, not_priced
        See `rule_costs`.
    """
    if not names:
        return [not_applicable("this shop has no rules for its lists (section lists of the shop file, docs/lists.md).")]
    priced = len(names) > len(not_priced)
    prices = [rule_costs(costs, protocol) for protocol in PROTOCOLS] if priced else []
    return [*prices, *(rule_fills(effects, protocol) for protocol in PROTOCOLS), without_price(not_priced)]


def rule_costs(costs: pl.DataFrame, protocol: str, metric: str = "ndcg@10") -> str:
    """Say what the shop's rules cost in all, and which is the most expensive. `costs`: `rule_costs.costs`."""
    rows = costs.filter(pl.col("protocol") == protocol, pl.col("metric") == metric).to_dicts()
    if not rows:
        return not_applicable(f"{title(protocol)}: no users to evaluate, so what the rules cost is unknown.")
    if not rows[-1]["without"]:
        return not_applicable(f"{title(protocol)}: no hits to lose, so what the rules cost is unknown.")
    total, n = rows[-1], rows[-1]["n"]  # all rules together stand at the end
    few = "" if n >= MIN_USERS else f" With {plural(n, 'user')}, intervals are unreliable."
    sentence = (
        f"**{title(protocol)}: {_cost(total, metric)}**: from {score(total['without'])} to {score(total['with'])}, "
        f"the same {plural(n, 'user')}."
    )
    return f"{sentence}{_most_expensive(rows[:-1])}{few}"


def _cost(row: dict[str, Any], metric: str) -> str:
    """What a rule changes, with the interval of the change: a plus is good."""
    rule = safe(row["rule"])
    if row["low"] == row["high"] == 0:
        return f"{rule}: no change of {metric}"
    change = f"{signed(row['difference'])} {metric} ({signed(row['low'])} to {signed(row['high'])})"
    return f"{rule}: {change}" if row["low"] > 0 or row["high"] < 0 else f"{rule}: no clear change, {change}"


def _most_expensive(alone: list[dict[str, Any]]) -> str:
    """Which of several rules costs most by itself; nothing if none clearly does."""
    clear = sorted((row for row in alone if row["high"] < 0), key=lambda row: (row["difference"], row["rule"]))
    if not alone:
        return ""
    if not clear:
        return " No rule alone has a clear cost."
    worst = clear[0]
    return (
        f" The most expensive rule is *{safe(worst['rule'])}*: alone {signed(worst['difference'])} "
        f"({signed(worst['low'])} to {signed(worst['high'])})."
    )


def rule_fills(effects: pl.DataFrame, protocol: str) -> str:
    """Say how many places were filled and how many lists are short. `effects`: `rule_costs.effects`."""
    rows = effects.filter(pl.col("protocol") == protocol).to_dicts()
    if not rows:
        return ""
    last = rows[-1]
    short = f"{plural(last['short'], 'list')} stayed short" if last["short"] else "no list stayed short"
    return (
        f"{title(protocol)}, {safe(last['rule'])}: {percent(last['filled'])} of the places are filled from the next "
        f"model down, and {short}."
    )


def diversity(curve: pl.DataFrame, protocol: str, tolerance: float = 0.05, k: int = 10) -> str:
    """Say how far the knob can be turned before ndcg falls by more than `tolerance`. `curve`: `rule_costs.curve`."""
    rows = curve.filter(pl.col("protocol") == protocol).sort("knob").to_dicts()
    if len(rows) < 2 or not rows[0][f"ndcg@{k}"]:
        return not_applicable(f"{title(protocol)}: no hits to lose, so what diversity costs is unknown.")
    first, last = rows[0], rows[-1]
    within = list(takewhile(lambda row: row[f"ndcg@{k}"] >= (1 - tolerance) * first[f"ndcg@{k}"], rows))[-1]
    if within["knob"] == first["knob"]:
        head = f"already lists.diversity {rows[1]['knob']:g} costs more than {percent(tolerance)} of ndcg@{k}"
    else:
        head = (
            f"up to lists.diversity {within['knob']:g}, ndcg@{k} stays within {percent(tolerance)} of the model's own "
            "lists"
        )
    return f"**{title(protocol)}: {head}** ({_knob(within, k)}); {_knob(last, k)}; without it, {_knob(first, k)}."


def _knob(row: dict[str, Any], k: int) -> str:
    spread = row[f"diversity@{k}"]
    text = "" if spread is None else f", diversity@{k} {score(spread)}"
    return f"at {row['knob']:g}: ndcg@{k} {score(row[f'ndcg@{k}'])}{text}, coverage {percent(row[f'coverage@{k}'])}"


def without_price(keys: Sequence[str]) -> str:
    """Say which of the shop's rules have no price. `keys`: of the section `lists`, see `rule_costs.not_priced`."""
    if not keys:
        return ""
    named = ", ".join(f"`{key}`" for key in keys)
    return f"Not priced: {named}. Availability and stock are known for today only, not for the cut."
