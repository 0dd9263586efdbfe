"""What people call the two protocols: titles of sections, tables and sentences."""

from __future__ import annotations

TITLES = {"all": "Lists as delivered (all)", "novel": "Discovery (novel)"}
MEANINGS = {
    "all": "a list may repeat what the user chose before, and such hits count",
    "novel": "only products that are new to the user are shown and count",
}
DECIDES = "all"  # the protocol by which a shop that shows repeats decides


def title(protocol: str) -> str:
    """The title of a protocol; any other word keeps its own.

    >>> title("novel")
    'Discovery (novel)'
    """
    return TITLES.get(protocol, protocol)
