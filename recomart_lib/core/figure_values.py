"""How a figure's marks get their exact values: as the name of a group in its SVG, which a page turns into tooltips.

Imports nothing heavy: the pages are made without Matplotlib.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

PREFIX = "values "


def name_of(texts: Sequence[str]) -> str:
    """The name of a group of marks, with one text per mark, in their order.

    >>> name_of(["tea: 3"])
    'values ["tea: 3"]'
    """
    return PREFIX + json.dumps(list(texts), ensure_ascii=False)


def texts_of(name: str) -> list[str]:
    """The texts of a group's name; empty if it is another name."""
    return [str(text) for text in json.loads(name.removeprefix(PREFIX))] if name.startswith(PREFIX) else []
