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

    @property
    def targets(self) -> dict[str, float]:
        """Metric -> threshold."""
        values = (self.target_precision, self.target_recall, self.target_ndcg)
        return dict(zip(("precision@10", "recall@10", "ndcg@10"), values, strict=True))

    @field_validator("ks")
    @classmethod
    def check_ks(cls, value: list[int]) -> list[int]:
        if 10 not in value or min(value) < 1:
            raise ValueError("list lengths must be at least 1 and include 10, the length of the headline")
        return value
