"""The form of commits and compactions: what their readers rely on, whoever wrote the file.

Records of earlier versions have no `check`, and fewer keys.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeInt, ValidationError


class Strict(BaseModel):
    """Values have exactly these types; other keys are ignored."""

    model_config = ConfigDict(strict=True)


def _below_zone(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise ValueError("it is no file of the zone")
    return path


class File(Strict):
    """A Parquet file, see `zone_files.write`."""

    path: Annotated[str, AfterValidator(_below_zone)]
    rows: NonNegativeInt
    sha256: str
    offsets: dict[str, list[int]] = {}


class Counted(Strict):
    """`commit_log.COUNTS`."""

    n_messages: int
    n_events: int
    n_dead: int
    n_duplicates: int


class Minute(Counted):
    """Statistics of a minute, see `commit_log.minutes`."""

    latency: dict[str, int]


class CommitForm(Counted):
    """What `commit_log.commit` writes."""

    partition: str
    first: NonNegativeInt
    next: int
    rows: File | None
    dead: File | None
    sent: int
    topic_id: str | None = None
    latency: dict[str, int]
    committed_at: str


class CompactionForm(Strict):
    """What `compaction.merge` writes."""

    number: NonNegativeInt
    days: dict[str, File]
    rest: File | None = None
    dead: File | None = None
    upto: dict[str, int]
    sent: dict[str, int] = {}
    topic_ids: dict[str, str | None] = {}
    n_moved: int = 0
    unsent: list[Any] = []
    counts: dict[str, Counted]
    latency: dict[str, int] = {}
    minutes: dict[str, Minute] = {}


def require(record: Any, is_compaction: bool) -> None:
    """ValueError, with the key and what is wrong there, if a record has not the form that its readers rely on."""
    try:
        (CompactionForm if is_compaction else CommitForm).model_validate(record)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the record"
        raise ValueError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
