"""What is right for a folder: the shop file of somebody who knows the shop, and what else would be right."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from recomart_lib.core.shops import Shop

Place = tuple[str, str]  # a table and a column


@dataclass(frozen=True)
class Answer:
    """The right answers for one folder.

    `tables` is the section of a shop file. `either`: our column -> delivered columns that are right as well; None:
    it may be left out. `private`: tables and delivered columns with personal data, which must not be mapped.
    `secrets`: values that must not be shown. `asks`: keys whose lines must end in a question, as nothing decides.
    `refused`: what the message says if no shop file can be right; with `asks`, a file with these questions will do.
    `keys`: keys of the shop that must be right or marked.
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    either: dict[Place, set[str | None]] = field(default_factory=dict)
    private: tuple[Place, ...] = ()
    secrets: tuple[str, ...] = ()
    asks: tuple[tuple[str, ...], ...] = ()
    refused: str | None = None
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """The content of the right shop file."""
        keys = {"title": "x", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
        return keys | {"horizon_days": "auto", "relevant_events": ["purchase"], **self.keys, "tables": self.tables}

    @property
    def shop(self) -> Shop:
        """The right shop."""
        return Shop.model_validate({"name": "right", **self.content})

    def write(self, path: Path) -> Path:
        """Write the right shop file."""
        path.write_text(yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path
