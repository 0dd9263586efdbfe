"""Orders with their lines in a list: one delivery for each list, whose rows are the entries."""

from __future__ import annotations

import re
from dataclasses import replace

from recomart.draft import delivery
from recomart.draft.delivery import Delivery

IN_LIST = re.compile(r"^(.+?)\.0(\.|$)")  # the path of the outermost list


def exploded(given: Delivery) -> list[Delivery]:
    """The delivery once more for each list that its records have, with a row per entry."""
    paths = dict.fromkeys(match[1] for column in given.columns if (match := IN_LIST.match(column.name)))
    layouts = (replace(given.group.layout, explode=path) for path in paths)
    return [delivery.of_group(replace(given.group, layout=layout)) for layout in layouts]


def is_entry(given: Delivery, name: str) -> bool:
    """Whether a column is an entry of the list, or in it."""
    path = given.group.layout.explode
    return path is not None and (name == path or name.startswith(f"{path}."))
