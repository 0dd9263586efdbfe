"""params.yaml as pydantic models, one per section: invalid keys and values are reported before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from recomart.project import client_properties, renamed_keys
from recomart_lib.core import paths
from recomart_lib.core.config import validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.names import Name
from recomart_lib.core.settings import Section
from recomart_lib.core.yaml_reader import Document, read_yaml
from recomart_lib.evaluate.settings import Evaluate
from recomart_lib.explore.settings import Explore
from recomart_lib.features.settings import Features
from recomart_lib.ingest.settings import Ingest
from recomart_lib.prepare.settings import Prepare
from recomart_lib.recommend.settings import Recommend
from recomart_lib.stream_report.settings import StreamReport
from recomart_lib.train.settings import Train
from recomart_lib.validate.settings import Validate

DAY = re.compile(r"\d{4}-\d\d?-\d\d?(?:\b|T)")  # YAML's dates and times


class Base(Section):
    shop: Name = "simulated"
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


class Stream(Section):
    bootstrap_servers: str = ""
    topic: Name = "recomart.events"  # topics are names of folders, too
    dead_letter_topic: Name = "recomart.events.dead"
    dead_letter_max_bytes: int = Field(1_000_000, ge=10_000, le=1_000_000_000)
    group: str = Field("recomart-lake", min_length=1)
    client: dict[str, str | int | float | bool] = Field({})
    consumer: dict[str, str | int | float | bool] = Field({})
    producer: dict[str, str | int | float | bool] = Field({})
    batch_max_events: int = Field(50_000, ge=1, le=1_000_000)
    batch_max_ms: int = Field(50, ge=1)
    compact_every_s: int = Field(300, ge=1)
    max_future_s: int = Field(300, ge=0, le=1_000_000_000)
    remember_ids: int = Field(1_000_000, ge=1)

    @model_validator(mode="before")
    @classmethod
    def loads_no_code_and_holds_no_secret(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for keys, sentence in client_properties.mistakes(values):
                raise ValueError(f"{'.'.join(keys)}: {sentence}")
        return values


class Limits(Section):
    stage_s: dict[str, Annotated[int, Field(ge=1, le=10_000_000)]] = Field({})


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Params(Section):
    base: Base = Base()
    simulate: Simulate = Simulate()
    ingest: Ingest = Ingest()
    validate_: Validate = Field(Validate(), alias="validate")  # BaseModel has a method `validate`
    explore: Explore = Explore()
    prepare: Prepare = Prepare()
    features: Features = Features()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    recommend: Recommend = Recommend()
    stream: Stream = Stream()
    stream_report: StreamReport = StreamReport()
    limits: Limits = Limits()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def lists_are_long_enough(self) -> Params:
        if self.train.k < max(self.evaluate.ks):
            raise ValueError(f"train.k = {self.train.k} is less than the longest of evaluate.ks = {self.evaluate.ks}")
        return self

    def section(self, name: str) -> Section:
        """One section by its name in params.yaml."""
        return getattr(self, "validate_" if name == "validate" else name)


def _refuse_days(content: Document, path: Path) -> None:
    """DVC, which reads the file as well, stops at a day that is not in quotes, and does not say why."""
    for location, place in content.places.items():
        if place.written and DAY.match(place.written):
            key = ".".join(map(str, location))
            raise UserError(f'{path}, line {place.line}: {key}: write the day in quotes, "{place.written}", for DVC.')


def _check_clients(content: Document, path: Path) -> None:
    """Report forbidden client properties with their lines, before any message could show a value."""
    stream = content.get("stream")
    found = list(client_properties.mistakes(stream)) if isinstance(stream, Mapping) else []
    lines = [
        f"  {'.'.join(('stream', *keys))}: {sentence}. (line {content.places[('stream', *keys)].line})"
        for keys, sentence in found
    ]
    if lines:
        raise UserError("\n".join([f"{path}: {len(lines)} mistake(s)", *lines]))


def may_be_shown(path: Path) -> bool:
    """Whether a params.yaml has no secret as text, so that pages and archived runs may hold a copy of it."""
    try:
        _check_clients(read_yaml(path), path)
    except UserError:  # also one that cannot be read: nobody knows what is in it
        return False
    return True


def load(path: Path | None = None) -> Params:
    """Read and validate params.yaml.

    Raises
    ------
    UserError
        With file, key, value and expectation of every mistake, and the new name of every renamed key.
    """
    path = path or paths.place("params.yaml")
    content = read_yaml(path)
    _check_clients(content, path)
    _refuse_days(content, path)
    renamed_keys.check(content, path)
    return validated(Params, content, path, content.places)
