"""params.yaml, typed: one pydantic model per section. A wrong name or value is one sentence, before any kernel."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from recomart_lib import paths
from recomart_lib.config import checked, read_yaml


class Section(BaseModel):
    """A section of params.yaml: unknown names are refused, numbers are not guessed from text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Base(Section):
    shop: str = "simulated"
    source: str = "data/source/simulated"
    seed: int = Field(42, ge=0, lt=2**31)
    engine: Literal["polars", "spark"] = "polars"


class Simulate(Section):
    n_users: int = Field(10_000, ge=1)
    n_items: int = Field(5_000, ge=1)
    n_orders: int = Field(35_000, ge=1)
    start: str = "2025-01-01"
    n_days: int = Field(365, ge=1, le=3_650)
    dirt_rate: float = Field(0.02, ge=0, lt=1)

    @field_validator("start")
    @classmethod
    def is_a_date(cls, value: str) -> str:
        date.fromisoformat(value)
        return value


class Ingest(Section):
    max_rejected: float = Field(0.2, ge=0, le=1)
    timeout_s: float = Field(30, gt=0)
    max_attempts: int = Field(8, ge=1)
    retry_budget_s: float = Field(300, gt=0)


class Validate(Section):
    min_quality: float = Field(0.95, ge=0, le=1)
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
    rules: dict[str, Literal["error", "warning", "off"]] = {}

    @field_validator("rules", mode="before")
    @classmethod
    def off_is_a_word(cls, rules: Any) -> Any:
        """YAML reads a bare `off` as false: take it for the word."""
        if not isinstance(rules, dict):
            return rules
        return {name: "off" if severity is False else severity for name, severity in rules.items()}


class Explore(Section):
    top_n: int = Field(15, ge=1)


class Prepare(Section):
    horizon_days: int = Field(30, ge=1)
    n_lessons: int = Field(4, ge=0)
    weight_view: float = Field(1.0, ge=0)
    weight_cart: float = Field(3.0, ge=0)
    weight_purchase: float = Field(5.0, ge=0)
    weight_rating: float = Field(5.0, ge=0)


class Features(Section):
    half_life_days: float = Field(30, gt=0)
    n_price_tiers: int = Field(4, ge=1)
    rating_prior: float = Field(5, ge=0)
    n_last: int = Field(20, ge=2)


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
    n_taught_users: int = Field(1_500, ge=1)
    svd_n_factors: int = Field(50, ge=1)
    svd_n_epochs: int = Field(20, ge=1)
    svd_learning_rate: float = Field(0.005, gt=0)
    svd_reg: float = Field(0.02, ge=0)
    n_trials: int = Field(6, ge=1)
    tune_protocol: Literal["all", "novel", "mean"] = "mean"
    models: dict[str, dict[str, Any]] = MODELS


class Evaluate(Section):
    ks: list[int] = [5, 10, 20]
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


class Recommend(Section):
    k: int = Field(10, ge=1)
    protocol: Literal["all", "novel"] = "all"


class Stream(Section):
    bootstrap_servers: str = ""
    topic: str = Field("recomart.events", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    dead_letter_topic: str = Field("recomart.events.dead", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    dead_letter_max_bytes: int = Field(1_000_000, ge=10_000, le=1_000_000_000)
    group: str = Field("recomart-lake", min_length=1)
    client: dict[str, str | int | float | bool] = {}
    consumer: dict[str, str | int | float | bool] = {}
    producer: dict[str, str | int | float | bool] = {}
    batch_max_events: int = Field(50_000, ge=1, le=1_000_000)
    batch_max_ms: int = Field(50, ge=1)
    compact_every_s: int = Field(300, ge=1)
    max_future_s: int = Field(300, ge=0)
    remember_ids: int = Field(1_000_000, ge=1)


class StreamReport(Section):
    gap_min: int = Field(30, ge=1)


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Params(Section):
    base: Base = Base()
    simulate: Simulate = Simulate()
    ingest: Ingest = Ingest()
    validate_: Validate = Field(Validate(), alias="validate")  # BaseModel has a method of that name
    explore: Explore = Explore()
    prepare: Prepare = Prepare()
    features: Features = Features()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    recommend: Recommend = Recommend()
    stream: Stream = Stream()
    stream_report: StreamReport = StreamReport()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def lists_are_long_enough(self) -> Params:
        if self.train.k < max(self.evaluate.ks):
            raise ValueError(f"train.k = {self.train.k} is less than the longest of evaluate.ks = {self.evaluate.ks}")
        return self

    def section(self, name: str) -> Section:
        """One section by its name in params.yaml."""
        return getattr(self, "validate_" if name == "validate" else name)


def load(path: Path | None = None) -> Params:
    """Read and check params.yaml.

    Raises
    ------
    UserError
        Naming the file, the key, the value and what was expected, for every mistake at once.
    """
    path = path or paths.place("params.yaml")
    return checked(Params, read_yaml(path), path)
