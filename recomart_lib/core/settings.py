"""The base of all settings: a section of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of params.yaml: unknown names are refused, numbers are not guessed from text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Self:
        """The settings of a notebook, from its parameters: `settings = Prepare.of(vars())`.

        Variables that are no setting of this section are left alone; a setting without a variable has its default.
        """
        return cls(**{name: variables[name] for name in cls.model_fields if name in variables})
