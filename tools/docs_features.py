"""docs/features.md, made of the definitions: `make docs` writes it, a test holds it against them."""

from __future__ import annotations

from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.core.schemas import EVENT_TYPES
from recomart_lib.features.base import POSITIVE, Definition
from recomart_lib.features.definitions import DEFINITIONS, SERVICES

FILE = Path("docs/features.md")
TITLES = {"user": "Users", "item": "Products (items)", "interaction": "User-product pairs (interactions)"}
HEAD = """# Features

Made from the definitions in `recomart_lib/features` by `make docs`; do not edit it by hand.

Every feature is computed *as of* a moment, from events strictly before it and of the types that it reads. A row exists
for each user and product with an event by then, and for each pair with a view, cart, purchase or rating (or for the
pairs that are asked for). A feature is null for everybody in a shop that has had none of the events that it needs.

- *Order*: what shares an order id; a purchase without one is an order of its own. Its time is that of its first line.
- *Implicit score*: sum of event weights, `params.yaml: prepare.weight_*`; returns weigh nothing.
- *Days* have fractions. Weekdays and hours are local, in the shop's time zone.
- *The last n days* are `[as_of - n days, as_of)`.
- Words of the shop's own users and items tables are as of today: such feeds keep no history.

`recomart features show NAME` tells the same of one feature; `docs/feature_store.md` tells how they are kept and read.
"""


def markdown() -> str:
    """The whole document."""
    sections = [
        f"## {title}\n\n| name | what it is | unit | null means | reads | since |\n|---|---|---|---|---|---|\n"
        + "\n".join(_row(d) for d in DEFINITIONS if d.entity == entity)
        for entity, title in TITLES.items()
    ]
    versions = [f"- `{name}`: {len(held)} features." for name, held in SERVICES.items()]
    owners = sorted({d.owner for d in DEFINITIONS})
    tail = "\n".join(["## Versions", "", *versions, "", f"Owner of all: {', '.join(owners)}."])
    return "\n\n".join([HEAD.rstrip(), *sections, tail]) + "\n"


def _row(d: Definition) -> str:
    reads = "the shop's table" if not d.reads else {EVENT_TYPES: "all", POSITIVE: "all but returns"}.get(d.reads)
    return f"| `{d.name}` | {d.formula} | {d.unit} | {d.null} | {reads or ', '.join(d.reads)} | v{d.since} |"


if __name__ == "__main__":
    paths.place(FILE).write_text(markdown(), encoding="utf-8")
