"""Settings of 06_train: section `train` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field

from recomart_lib.core import paths
from recomart_lib.core.settings import Section
from recomart_lib.core.yaml_reader import read_yaml


class Train(Section):
    """`models` (model -> hyper-parameters, see `search_space.parse`) has no default here: params.yaml lists them."""

    k: int = Field(20, ge=1)
    feature_service: str = "recommender_v2"
    n_backtests: int = Field(3, ge=1)
    n_training_users: int = Field(1_500, ge=1)
    n_trials: int = Field(6, ge=1)
    tune_protocol: Literal["all", "novel", "mean"] = "mean"
    max_memory_gb: float = Field(2.0, gt=0)
    max_fit_minutes: float = Field(10.0, gt=0)
    models: dict[str, dict[str, Any]] = Field({})

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Self:
        """As `Section.of`; where `models` is empty, as in a notebook run by hand, it is read from params.yaml."""
        models = variables.get("models") or read_yaml(paths.place("params.yaml"))["train"]["models"]
        return super().of({**variables, "models": models})
