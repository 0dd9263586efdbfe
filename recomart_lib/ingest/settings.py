"""Settings of 01_ingest: section `ingest` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from pydantic import Field, field_validator

from recomart_lib.core import auth_variables
from recomart_lib.core.settings import Section


class Ingest(Section):
    """What is read, and how long an API is asked.

    `max_rejected` is a share of a file's lines. `max_line_bytes`, `max_columns` and `max_file_bytes` are limits of
    delivered files; `max_file_bytes` also counts for `recomart shop fetch`, `max_answer_s` for each megabyte of it.
    `follow_links`: links that lead out of the source folder are read, too. The others apply to tables of kind `rest`;
    `auth_variables` are the environment variables that `api.auth.env` of a shop file may name, besides RECOMART_...
    No honest feed comes near a limit: they keep a hostile or damaged one from filling the memory or the disk.
    """

    max_rejected: float = Field(0.2, ge=0, le=1)
    max_line_bytes: int = Field(16_000_000, ge=1)
    max_columns: int = Field(20_000, ge=1)
    max_file_bytes: int = Field(100_000_000_000, ge=1)
    timeout_s: float = Field(30, gt=0)
    max_answer_s: float = Field(600, gt=0)
    max_answer_bytes: int = Field(100_000_000, ge=1)
    max_pages: int = Field(100_000, ge=1)
    max_attempts: int = Field(8, ge=1)
    retry_budget_s: float = Field(300, gt=0)
    follow_links: bool = False
    auth_variables: list[str] = Field([])

    @field_validator("auth_variables")
    @classmethod
    def are_no_own_variables(cls, value: list[str]) -> list[str]:
        for name in value:
            if problem := auth_variables.problem(name):
                raise ValueError(f"{name}: {problem}")
        return value
