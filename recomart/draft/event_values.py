"""What the words of an event type mean."""

from __future__ import annotations

from functools import cache

from recomart.draft import vocabulary
from recomart.draft.column_profile import Column
from recomart_lib.core.schemas import EVENT_TYPES

MAX_TYPES = 15
STATES = {"status", "state", "zustand", "etat", "statut", "estado", "stato", "durum", "durumu", "stan"}
NEGATIONS = {"remove", "removed", "delete", "deleted", "unlike", "pending", "failed", "entfernt", "declined"}


@cache
def meanings() -> dict[str, str]:
    """Word of an event type, without accents -> ours; also in the plural that most words have: clicks."""
    found: dict[str, str] = {}
    for ours, words in vocabulary.synonyms()["events"].items():
        for word in words:
            found.setdefault(vocabulary.plain(word), ours)
    return {f"{word}s": ours for word, ours in found.items()} | found


@cache
def meaning(word: str) -> str | None:
    """Our event type for a delivered word; None if it is no usual word for any.

    >>> meaning("add_to_cart"), meaning("Kauf"), meaning("blue")
    ('cart', 'purchase', None)
    """
    plain = " ".join(vocabulary.plain(word).replace("_", " ").replace("-", " ").split())
    known = meanings()
    if plain in known:
        return known[plain]
    parts = " ".join(vocabulary.words(word))
    if set(parts.split()) & NEGATIONS:
        return None
    if parts in known:
        return known[parts]
    found = {known[part] for part in parts.split() if part in known}
    if "return" in found:
        return "return"
    if "cart" in found and "purchase" not in found:
        return "cart"
    return found.pop() if len(found) == 1 else None


def is_state(name: str) -> bool:
    """Whether a column has the state that an order is in now, and not what happened at its time."""
    return bool(set(vocabulary.words(name)) & STATES)


def share_known(column: Column) -> float:
    """The share of cells whose word means an event type."""
    known = [meaning(word) is not None for word in column.words.head(MAX_TYPES + 1)]
    counts = column.counts.head(MAX_TYPES + 1)
    return sum(n for n, is_known in zip(counts, known, strict=True) if is_known) / (column.counts.sum() or 1)


def translations(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Delivered word -> ours, where they differ; and the words that mean nothing known."""
    found, unknown = {}, []
    for word in words:
        ours = word if word in EVENT_TYPES else meaning(word)
        if ours is None:
            unknown.append(word)
        elif ours != word:
            found[word] = ours
    return found, unknown
