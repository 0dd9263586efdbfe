"""Settings of 02_validate: section `validate` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator

from recomart_lib.core.settings import Section


class Validate(Section):
    min_quality: float = Field(0.95, ge=0, le=1)
    first_day: str = "1990-01-01"
    first_signup_day: str = "1950-01-01"
    max_age: int = Field(120, ge=1)
    max_price: float = Field(100_000, gt=0)
    max_quantity: int = Field(100_000, ge=1)
    max_late_days: int = Field(1, ge=0)
    max_price_spread: float = Field(8, gt=0)
    drift_window: int = Field(28, ge=2)
    drift_min_rows: int = Field(100, ge=1)
    drift_volume: float = Field(3, gt=1)
    drift_nulls: float = Field(0.1, gt=0, le=1)
    drift_psi: float = Field(0.25, gt=0)
    drift_ks: float = Field(0.25, gt=0, le=1)
    profile_max_rows: int = Field(5_000, ge=1)
    rules: dict[str, Literal["error", "warning", "off"]] = Field({})

    @field_validator("first_day", "first_signup_day", mode="before")
    @classmethod
    def is_day(cls, value: Any) -> Any:
        """A day as text: YAML reads an unquoted day as a date."""
        try:
            _ = date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError('write a day in quotes, like "1990-01-01"') from None
        return value

    @field_validator("rules", mode="before")
    @classmethod
    def read_off_as_text(cls, rules: Any) -> Any:
        """YAML reads a bare `off` as false: read it as text."""
        if not isinstance(rules, dict):
            return rules
        return {name: "off" if severity is False else severity for name, severity in rules.items()}
