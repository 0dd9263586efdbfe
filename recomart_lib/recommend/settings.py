"""Settings of 08_recommend: section `recommend` of params.yaml, and the only place of its defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recomart_lib.core.settings import Section


class Recommend(Section):
    k: int = Field(10, ge=1)
    protocol: Literal["all", "novel"] = "all"
    show_ids: bool = False
