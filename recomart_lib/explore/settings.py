"""Settings of 03_explore: the section `explore` of params.yaml, and the only place that defines its defaults."""

from __future__ import annotations

from pydantic import Field

from recomart_lib.core.settings import Section


class Explore(Section):
    top_n: int = Field(15, ge=1)
