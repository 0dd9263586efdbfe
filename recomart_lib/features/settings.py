"""Settings of 05_features: the section `features` of params.yaml, and the only place that defines its defaults."""

from __future__ import annotations

from pydantic import Field

from recomart_lib.core.settings import Section


class Features(Section):
    half_life_days: float = Field(30, gt=0)
    n_price_tiers: int = Field(4, ge=1)
    rating_prior: float = Field(5, ge=0)
    n_last: int = Field(20, ge=2)
