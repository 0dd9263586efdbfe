"""How the pages call a shop's people and what they did: the shop's words, from the events that count."""

from __future__ import annotations

from dataclasses import dataclass

from recomart.project.sidecars import Metadata
from recomart_lib.core.protocol_names import MEANINGS, TITLES

# Protocol -> (title, without the technical name; what counts).
PROTOCOL_TITLES = {name: (title.partition(" (")[0], MEANINGS[name]) for name, title in TITLES.items()}


@dataclass(frozen=True)
class Words:
    """The words of one shop: customers who bought, or users who chose."""

    people: str
    person: str
    chosen: str
    choosing: str


CUSTOMERS = Words("customers", "customer", "bought", "purchase")
USERS = Words("users", "user", "chosen", "choice")


def words(data: Metadata) -> Words:
    """The words for the shop of reports/metrics/data.json: only purchases count, or other events."""
    return CUSTOMERS if data.get("relevant_events") == ["purchase"] else USERS
