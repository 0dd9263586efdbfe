"""The stages in the header of every page, each with a link to its report and, where it is known, its state."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recomart.project import sidecars
from recomart.project.sidecars import Metadata
from recomart.reports import age
from recomart_lib.core import paths

CARD = "model_card.html"
OTHER_PAGES = {"changes.html": "Changes", CARD: "Model card", "search.html": "Search"}
# State of a stage (`sidecars.shown_state`) -> the class of its chip; its sign in the header: colour is not enough.
SIGNS = {
    "ok": ("ok", "✓"),
    "warning": ("warn", "!"),
    "no data": ("", "-"),
    "failed": ("bad", "✗"),
    "stopped": ("bad", "✗"),
    "stale": ("warn", "~"),
}
CHIPS = {state: chip for state, (chip, _) in SIGNS.items()}


def without_states(names: Iterable[str]) -> Metadata:
    """For the page of a stage, which is the same whatever became of the others: all stages, linked, without a state.

    The line about the age of the data is that of `age.of_stage`.
    """
    return {"nav": [_entry(name, f"{name}.html") for name in names], "more": list(OTHER_PAGES.items())}


def with_states(root: Path, page: str) -> Metadata:
    """For a page that is built last: the stages of the project in `root` with their states, and how old the data is.

    What exists is linked.

    The model card is the one page that a failed stage does not build together with the others.
    """
    rows = sidecars.stages(root)
    stages = [
        _entry(row["stage"], f"{row['stage']}.html" if row["report"] else None, sidecars.shown_state(row))
        for row in rows
    ]
    absent = {CARD} if page != CARD and not (root / paths.REPORTS / CARD).exists() else {}
    more = [(other, OTHER_PAGES[other]) for other in OTHER_PAGES if other not in absent]
    return {"nav": stages, "more": more, **age.of_project(root, rows)}


def _entry(name: str, href: str | None, state: str = "") -> Metadata:
    number, _, word = name.partition("_")
    chip, sign = SIGNS.get(state, ("", ""))
    return {"number": number, "name": word.replace("_", " ").title(), "href": href, "state": state} | {
        "chip": chip,
        "sign": sign,
    }


def steps(name: str, names: list[str]) -> Metadata:
    """The stages `before` and `after` a stage, for the end of its page; None where there is none."""
    place = names.index(name) if name in names else None
    entries = [_entry(other, f"{other}.html") for other in names]
    if place is None:
        return {"before": None, "after": None}
    return {"before": entries[place - 1] if place else None, "after": (entries[place + 1 :] or [None])[0]}
