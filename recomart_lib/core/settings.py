"""The base of all settings: a section of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of params.yaml: unknown names are rejected, and text is not converted to numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Self:
        """The settings of a notebook, from its parameters: `settings = Prepare.of(vars())`.

        Other variables are ignored; a setting without a variable keeps its default.
        """
        return cls(**{name: variables[name] for name in cls.model_fields if name in variables})
