"""Usual names of columns in nine languages, and how a delivered name is compared with them.

A name is cut into words: at capital letters, marks and digits, and where a long word consists of known ones
(`Kundennr`, `stockcode`). Accents and capital letters do not count.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("templates") / "synonyms.yaml"
SPLIT = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
MIN_PART = 2  # letters of a word in a longer one
EXACT, GOOD, FAIR = 1.0, 0.8, 0.5  # how well a name agrees


def plain(text: str) -> str:
    """A text in small letters without accents.

    >>> plain("Größe"), plain("Łódź"), plain("Situação")
    ('grosse', 'lodz', 'situacao')
    """
    text = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ı", "i").replace("ø", "o")
    text = text.replace("æ", "ae").replace("œ", "oe")
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


@cache
def synonyms() -> dict[str, dict]:
    """The content of synonyms.yaml."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def _known_words() -> frozenset[str]:
    names = synonyms()
    texts = [text for group in (*names["columns"].values(), *names["words"].values()) for text in group]
    return frozenset(word for text in texts for word in plain(text).split())


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a name.

    >>> words("CustomerID"), words("Kundennr."), words("data_zamówienia")
    (('customer', 'id'), ('kunden', 'nr'), ('data', 'zamowienia'))
    """
    without_accents = "".join(
        c
        for c in unicodedata.normalize(
            "NFKD", name.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ı", "i")
        )
        if not unicodedata.combining(c)
    )
    parts = [part.lower() for part in SPLIT.findall(without_accents)]
    return tuple(word for part in parts for word in _segmented(part))


@cache
def _segmented(word: str) -> tuple[str, ...]:
    """A word cut into known words, as few as possible; itself if that is impossible."""
    known = _known_words()
    if word in known or len(word) < 2 * MIN_PART:
        return (word,)
    best: dict[int, tuple[str, ...]] = {0: ()}
    for end in range(1, len(word) + 1):
        for start, parts in list(best.items()):
            piece = word[start:end]
            if piece in known and len(piece) >= MIN_PART and (end not in best or len(best[end]) > len(parts) + 1):
                best[end] = (*parts, piece)
    found = best.get(len(word))
    return found if found and len(found) <= 3 else (word,)


@cache
def agreement(name: str, ours: str) -> float:
    """How well a delivered name means one of our columns (or another entry of synonyms.yaml), from 0 to 1.

    >>> agreement("CustomerID", "user_id"), agreement("colour", "user_id")
    (1.0, 0.0)
    """
    given = words(name)
    if not given:
        return 0.0
    best = 0.0
    for phrase in _phrases(ours):
        if given == phrase:
            return EXACT
        if set(phrase) <= set(given):
            if len(phrase) > 1 or (len(phrase[0]) > 2 and phrase[0] not in _ids()):
                best = max(best, FAIR + 0.3 * len(phrase) / len(given) - 0.05)
        elif "".join(given) == "".join(phrase):
            return EXACT
    return max(best, _by_entity(given, ours), 0.0)


@cache
def _phrases(ours: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(plain(text).split()) for text in synonyms()["columns"].get(ours, ()))


ENTITIES = {"user_id": "user", "item_id": "item", "order_id": "order", "event_id": "event"}


def _by_entity(given: tuple[str, ...], ours: str) -> float:
    """Ids are named after their entity: customer, Kunden-Nr, id_cliente."""
    entity = ENTITIES.get(ours)
    if entity is None:
        return 0.0
    groups = synonyms()["words"]
    ids, entities, fillers = (set(_plain_all(tuple(groups[key]))) for key in ("id", entity, "filler"))
    rest = [word for word in given if word not in fillers]
    named = [word for word in rest if word in entities]
    with_id = [word for word in rest if word in ids and word not in entities]
    if not named:
        return 0.0
    others = len(rest) - len(named) - len(with_id)
    if others == 0:
        return 0.95 if with_id else 0.75
    return FAIR if with_id and others == 1 else 0.0


@cache
def _ids() -> frozenset[str]:
    """Words that name an id of any kind."""
    return frozenset(_plain_all(tuple(synonyms()["words"]["id"])))


@cache
def _plain_all(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain(text) for text in texts)


@cache
def is_usual(name: str) -> bool:
    """Whether a text is a usual name of a column."""
    columns = synonyms()["columns"]
    return len(name) < 60 and any(agreement(name, ours) >= GOOD for ours in columns)


def best(name: str, among: tuple[str, ...]) -> tuple[str | None, float]:
    """Which of our columns a name means most, and how well."""
    scores = {ours: agreement(name, ours) for ours in among}
    ours = max(scores, key=scores.__getitem__)
    return (ours, scores[ours]) if scores[ours] else (None, 0.0)
