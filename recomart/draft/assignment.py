"""Which column is which of ours: the assignment with the largest sum of evidence, and how sure each choice is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

CONTENT, NAME = 1.0, 0.8  # weights of what the cells say and what the name says; each is from 0 to 1
MIN_SCORE = 0.55  # of an assigned column
MARGIN = 0.2  # a second column with a score so near is an alternative


@dataclass(frozen=True)
class Evidence:
    """What speaks for a column being one of ours, from 0 to 1: its content, with the reason in words, and its name.

    A content of 0 rules it out.
    """

    content: float
    name: float
    reason: str = ""

    @property
    def score(self) -> float:
        return CONTENT * self.content + NAME * self.name if self.content > 0 else 0.0


@dataclass
class Choice:
    """The delivered column of one of ours; `others` are as plausible. `confidence`: high, medium or low."""

    ours: str
    theirs: str
    evidence: Evidence
    others: list[str] = field(default_factory=list)
    is_asked: bool = False  # whether a person has answered
    trouble: str = ""  # what the pipeline cannot read of it

    @property
    def confidence(self) -> str:
        if self.is_asked and not self.trouble:
            return "high"
        if self.trouble or self.others or (self.evidence.name < 0.5 and self.evidence.content < 0.75):
            return "low"
        agrees = self.evidence.name >= 0.7 and self.evidence.content >= 0.4
        return "high" if agrees or self.evidence.content >= 0.95 else "medium"

    @property
    def is_unsure(self) -> bool:
        return self.confidence == "low"


Scores = Mapping[str, Mapping[str, Evidence]]  # ours -> delivered column -> evidence


def assign(scores: Scores) -> list[Choice]:
    """Each of ours gets one column at most, and each column is one of ours at most."""
    ours = list(scores)
    theirs = list(dict.fromkeys(name for found in scores.values() for name in found))
    if not ours or not theirs:
        return []
    matrix = np.zeros((len(ours), len(theirs)))
    for row, our in enumerate(ours):
        for place, name in enumerate(theirs):
            score = scores[our][name].score if name in scores[our] else 0.0
            matrix[row, place] = score if score >= MIN_SCORE else 0.0
    rows, places = linear_sum_assignment(matrix, maximize=True)
    chosen = {ours[row]: theirs[place] for row, place in zip(rows, places, strict=True) if matrix[row, place] > 0}
    return [_choice(our, name, scores, chosen) for our, name in chosen.items()]


def _choice(ours: str, theirs: str, scores: Scores, chosen: dict[str, str]) -> Choice:
    """The choice, with the columns that are nearly as good for ours and are not better as another of ours."""
    evidence, others = scores[ours][theirs], []
    for name, other in scores[ours].items():
        elsewhere = [scores[our][name].score for our, column in chosen.items() if column == name]
        is_near = other.score >= max(MIN_SCORE, evidence.score - MARGIN)
        if name != theirs and is_near and not (elsewhere and max(elsewhere) > other.score + MARGIN):
            others.append(name)
    return Choice(ours, theirs, evidence, sorted(others, key=lambda name: -scores[ours][name].score)[:4])
