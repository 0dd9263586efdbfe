"""Settings of 06_train: section `train` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recomart_lib.core.settings import Section

MODELS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "recent_popularity": {"window_days": 30},
    "segment_popularity": {"segment": "country", "prior": 20},
    "own_history": {},
    "own_history_decayed": {"decay_days": 60},
    "repurchase": {"n_trees": 100, "min_pairs": [20, 100]},
    "content": {"decay_days": 60, "fact_weight": 0.25},
    "item_knn": {"n_neighbours": {"low": 20, "high": 200, "log": True}},
    "ease": {"reg": {"low": 20, "high": 2000, "log": True}, "signal": ["relevant", "seen"], "precision": "single"},
    "basket": {"decay_days": [15, 40]},
    "als": {
        "n_factors": 64,
        "reg": {"low": 1.0, "high": 30.0, "log": True},
        "alpha": {"low": 1.0, "high": 20.0, "log": True},
        "n_epochs": 15,
    },
    "blend": {"history_weight": 1.0, "precision": "single"},
    "bpr": {"n_factors": 64, "learning_rate": 0.01, "reg": 0.001, "n_epochs": 50},
    "two_stage": {"n_trees": 100, "n_leaves": 31, "objective": "lambdarank"},
    "svdpp": {"n_factors": 20, "n_epochs": 20, "learning_rate": 0.007, "reg": 0.02},
}


class Train(Section):
    k: int = Field(20, ge=1)
    feature_service: str = "recommender_v2"
    n_backtests: int = Field(3, ge=1)
    n_training_users: int = Field(1_500, ge=1)
    svd_n_factors: int = Field(50, ge=1)
    svd_n_epochs: int = Field(20, ge=1)
    svd_learning_rate: float = Field(0.005, gt=0)
    svd_reg: float = Field(0.02, ge=0)
    n_trials: int = Field(6, ge=1)
    tune_protocol: Literal["all", "novel", "mean"] = "mean"
    models: dict[str, dict[str, Any]] = MODELS
