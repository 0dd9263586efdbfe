"""What is left of the delivered rows and of the customers, step by step, with the reason for every loss."""

from __future__ import annotations

from dataclasses import dataclass

from recomart.project.sidecars import Metadata
from recomart.reports.words import Words
from recomart_lib.core.text import plural

UNREAD = "could not be read"


@dataclass(frozen=True)
class Step:
    """One bar: a count, its share of the first one, what it counts, and why the others are gone."""

    label: str
    count: int
    share: float
    why: str = ""
    href: str = ""
    part: bool = False  # of the step before, together with its neighbours: not a further loss


def rows(quality: Metadata, data: Metadata) -> list[Step]:
    """From the delivered events to those that lists are evaluated with; empty if 02 or 04 has not run.

    Parameters
    ----------
    quality, data
        reports/metrics/quality.json and data.json.
    """
    counts = (quality.get("tables") or {}).get("events")
    funnel = (data.get("funnel") or {}).get("events")
    if not counts or not counts.get("delivered") or not funnel:
        return []
    days = data.get("horizon_days")
    shares = _Shares(counts["delivered"])
    read = counts["delivered"] - counts["rejected"]
    return [
        shares.step("delivered", counts["delivered"], href="01_ingest.html"),
        shares.step("read", read, _lost(counts["rejected"], UNREAD), "01_ingest.html"),
        shares.step("kept", funnel["validated"], _not_kept(counts), "02_validate.html"),
        shares.step(
            "used for training", funnel["before_cut"], f"before the cut{_far(funnel)}", "04_prepare.html", True
        ),
        shares.step(
            "in the test window", funnel["in_window"], f"the {days} days from the cut", "04_prepare.html", True
        ),
        shares.step("after it", funnel["after_window"], "used for the delivered lists only", "04_prepare.html", True),
        shares.step(
            "what counts in the window",
            funnel["relevant_in_window"],
            f"events of type {', '.join(data.get('relevant_events') or ['unknown'])}",
            "04_prepare.html",
        ),
        shares.step(
            "evaluated",
            funnel["evaluated_all"],
            f"what known users chose of known products; in discovery {funnel['evaluated_novel']:,}",
            "07_evaluate.html",
        ),
    ]


def people(quality: Metadata, data: Metadata, words: Words) -> list[Step]:
    """From all customers to those whose lists are evaluated; empty if 04 has not run. `quality`, `data`: see `rows`."""
    counts = (data.get("funnel") or {}).get("users")
    if not counts or not counts["rows"]:
        return []
    shares, days = _Shares(counts["rows"]), data.get("horizon_days")
    no_event, cold = counts["rows"] - counts["with_event"], counts["in_window"] - counts["warm"]
    returned = counts["with_event"] - counts["with_interaction"]
    only_other = counts["event_before_cut"] - counts["trained"]
    unknown = counts["warm"] - counts["evaluated_all"]
    return [
        shares.step("in the data", counts["rows"], _origin(quality), "02_validate.html"),
        shares.step(
            "get personal lists",
            counts["with_interaction"],
            _join(_lost(no_event, "have no event"), _lost(returned, "only returned products")),
            "08_recommend.html",
        ),
        shares.step(
            "used for training",
            counts["trained"],
            _join(
                _lost(counts["with_interaction"] - counts["trained"], "came after it"),
                f"{counts['event_before_cut']:,} have features: {only_other:,} of them only returned"
                if only_other
                else "",
            ),
            "04_prepare.html",
        ),
        shares.step(
            "active in the test window",
            counts["in_window"],
            f"{words.chosen} in these {days} days, also those who came after the cut",
            "04_prepare.html",
        ),
        shares.step(
            "known before", counts["warm"], _lost(cold, "are new, and are evaluated by themselves"), "07_evaluate.html"
        ),
        shares.step(
            "evaluated: lists as delivered",
            counts["evaluated_all"],
            _lost(unknown, "chose only products that nobody had before the cut"),
            "07_evaluate.html",
        ),
        shares.step(
            "evaluated: discovery",
            counts["evaluated_novel"],
            _lost(counts["evaluated_all"] - counts["evaluated_novel"], "chose nothing new to them"),
            "07_evaluate.html",
        ),
    ]


def used_share(quality: Metadata) -> float | None:
    """The share of the delivered events that is kept; None if unknown."""
    counts = (quality.get("tables") or {}).get("events") or {}
    return counts["good"] / counts["delivered"] if counts.get("delivered") and "good" in counts else None


def losses(counts: Metadata) -> list[tuple[int, str]]:
    """(rows, why) for the delivered events of reports/metrics/quality.json that are not used, most rows first."""
    excluded = [
        (n, f"are left out as “{name.replace('_', ' ')}”") for name, n in (counts.get("exclusions") or {}).items()
    ]
    other = [("rejected", UNREAD), ("duplicates", "were delivered twice"), ("quarantined", "break a rule")]
    found = [*excluded, *((counts.get(key) or 0, why) for key, why in other)]
    return sorted((loss for loss in found if loss[0]), key=lambda loss: (-loss[0], loss[1]))


def _origin(quality: Metadata) -> str:
    delivered = "users" in (quality.get("tables") or {})
    return "with a delivered row, or at least one kept event" if delivered else "with at least one kept event"


def _not_kept(counts: Metadata) -> str:
    return _join(*(_lost(n, why) for n, why in losses(counts) if why != UNREAD))


def _far(funnel: Metadata) -> str:
    return f"; {plural(funnel['far'], 'event')} far from all others left out" if funnel["far"] else ""


def _lost(count: int, why: str) -> str:
    return f"{count:,} {why}" if count > 0 else ""


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Shares:
    total: int

    def step(self, label: str, count: int, why: str = "", href: str = "", part: bool = False) -> Step:
        return Step(label, count, count / self.total, why, href, part)
