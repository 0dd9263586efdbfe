"""Settings of 01_ingest: section `ingest` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from pydantic import Field

from recomart_lib.core.settings import Section


class Ingest(Section):
    """`max_rejected` is a share of a file's lines; the other three apply to tables of kind `rest` only."""

    max_rejected: float = Field(0.2, ge=0, le=1)
    timeout_s: float = Field(30, gt=0)
    max_attempts: int = Field(8, ge=1)
    retry_budget_s: float = Field(300, gt=0)
