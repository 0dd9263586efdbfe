"""The lists of words and letters in templates/: names of columns, places, letters of languages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("templates")
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where PyYAML was built with it


@cache
def read(name: str) -> dict[str, Any]:
    """The content of templates/<name>.yaml."""
    return yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), Loader=SafeLoader)
