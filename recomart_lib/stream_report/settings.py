"""Settings of 09_stream: section `stream_report` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from pydantic import Field

from recomart_lib.core.settings import Section


class StreamReport(Section):
    gap_min: int = Field(30, ge=1)
