"""Settings of 04_prepare: the section `prepare` of params.yaml, and the only place that defines its defaults."""

from __future__ import annotations

from pydantic import Field

from recomart_lib.core.settings import Section


class Prepare(Section):
    horizon_days: int = Field(30, ge=1)
    n_training_cuts: int = Field(4, ge=0)
    weight_view: float = Field(1.0, ge=0)
    weight_cart: float = Field(3.0, ge=0)
    weight_purchase: float = Field(5.0, ge=0)
    weight_rating: float = Field(5.0, ge=0)
