"""Settings of 07_evaluate: section `evaluate` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from pydantic import Field, field_validator

from recomart_lib.core.settings import Section


class Evaluate(Section):
    ks: list[int] = Field([5, 10, 20])
    n_bootstrap: int = Field(1_000, ge=2)
    target_precision: float = Field(0.15, ge=0, le=1)
    target_recall: float = Field(0.10, ge=0, le=1)
    target_ndcg: float = Field(0.20, ge=0, le=1)

    @field_validator("ks")
    @classmethod
    def holds_the_headline(cls, value: list[int]) -> list[int]:
        if 10 not in value or min(value) < 1:
            raise ValueError("list lengths are at least 1, and 10 (the headline's) is among them")
        return value
