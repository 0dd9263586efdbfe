"""Writes docs/features.md from the definitions (`make docs`); a test checks that it is up to date."""

from __future__ import annotations

from pathlib import Path

from recomart_lib.core import files, paths
from recomart_lib.core.schemas import EVENT_TYPES
from recomart_lib.features.base import POSITIVE, Definition
from recomart_lib.features.definitions import DEFINITIONS, SERVICES

FILE = Path("docs/features.md")
TITLES = {"user": "Users", "item": "Products (items)", "interaction": "User-product pairs (interactions)"}
HEAD = """# Features

Generated from the definitions in `recomart_lib/features` by `make docs`; do not edit it by hand.

Every feature is computed *as of* a moment, from strictly earlier events of the types that it reads. There is a
row for each user and product with an earlier event, and for each pair with a view, cart, purchase or rating (or for the
requested pairs). In a shop without any event that a feature needs, the feature is null in every row.

- *Order*: the lines with the same order id; a purchase without one counts as one order. Its time is that of its
  first line.
- *Implicit score*: sum of event weights, `params.yaml: prepare.weight_*`; returns have weight 0.
- *Days* have fractions. Weekdays and hours are local, in the shop's time zone.
- *The last n days* are `[as_of - n days, as_of)`.
- What the shop's users and items tables say (attributes, sign-up, list price) is as of the moment, too: the newest
  statement until then. Before the first statement about a user or product, the first counts: nothing earlier is known.
  Live features use the newest statements.

`recomart features show NAME` shows one feature; `docs/feature_store.md` explains how features are stored and read.
"""


def markdown() -> str:
    """The whole document."""
    sections = [
        f"## {title}\n\n| name | what it is | unit | null means | reads | since |\n|---|---|---|---|---|---|\n"
        + "\n".join(_row(d) for d in DEFINITIONS if d.entity == entity)
        for entity, title in TITLES.items()
    ]
    versions = [f"- `{name}`: {len(service)} features." for name, service in SERVICES.items()]
    owners = sorted({d.owner for d in DEFINITIONS})
    tail = "\n".join(["## Versions", "", *versions, "", f"Owner of all: {', '.join(owners)}."])
    return "\n\n".join([HEAD.rstrip(), *sections, tail]) + "\n"


def _row(d: Definition) -> str:
    reads = "the shop's table" if not d.reads else {EVENT_TYPES: "all", POSITIVE: "all but returns"}.get(d.reads)
    return f"| `{d.name}` | {d.formula} | {d.unit} | {d.null} | {reads or ', '.join(d.reads)} | v{d.since} |"


if __name__ == "__main__":
    files.write_text(paths.place(FILE), markdown())
