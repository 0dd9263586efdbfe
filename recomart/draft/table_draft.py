"""One of the three tables: its files, and which of their columns are ours."""

from __future__ import annotations

from dataclasses import dataclass, field

from recomart.draft.assignment import Choice
from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery
from recomart.draft.relations import Relation


@dataclass
class TableDraft:
    """A table of the shop: its files (None: derived from the events) and its columns; `others` may be it as well.

    `other_joins` are further files with the ids of the first join.
    """

    name: str
    delivery: Delivery | None
    choices: list[Choice]
    others: list[str] = field(default_factory=list)
    relation: Relation | None = None
    other_joins: list[str] = field(default_factory=list)
    flags: dict[str, list[str]] = field(default_factory=dict)  # name -> delivered columns of 1 and 0

    def choice(self, ours: str) -> Choice | None:
        return next((choice for choice in self.choices if choice.ours == ours), None)

    def column(self, ours: str) -> Column | None:
        """The delivered column of one of ours; None if there is none."""
        choice = self.choice(ours)
        if choice is None or self.delivery is None or choice.theirs in self.flags:
            return None
        return self.delivery.column(choice.theirs)
