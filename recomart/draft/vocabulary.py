"""Usual names of columns in nine languages, and how a delivered name is compared with them.

A name is cut into words: at capital letters, marks and digits, and where a long word consists of known ones
(`Kundennr`, `stockcode`). Accents and capital letters do not count.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from recomart.draft import word_lists

# letters that are no other letter with an accent; \u0131 is a dotless i
LETTERS = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "\u0131": "i", "ø": "o", "æ": "ae", "œ": "oe"})
SPLIT = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
MAX_WORDS = 12  # of a name
MIN_PART = 2  # letters of a word in a longer one
EXACT, GOOD, FAIR = 1.0, 0.8, 0.5  # how well a name agrees
LEAF = 0.95  # of the agreement of the last part of a path


def plain(text: str) -> str:
    """A text in small letters without accents.

    >>> plain("Größe"), plain("Łódź"), plain("Situação")
    ('grosse', 'lodz', 'situacao')
    """
    return _without_accents(text).lower()


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@cache
def synonyms() -> dict[str, dict]:
    """The content of synonyms.yaml."""
    return word_lists.read("synonyms")


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
    parts = [part.lower() for part in SPLIT.findall(_without_accents(name))]
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

    >>> agreement("CustomerID", "user_id") > GOOD, agreement("colour", "user_id")
    (True, 0.0)
    """
    return max(_agreement(name, ours), LEAF * _agreement(leaf, ours) if (leaf := _leaf(name)) else 0.0)


def _leaf(name: str) -> str | None:
    """The last part of a path into objects, if it speaks for itself: `name` alone may be that of anything.

    >>> _leaf("properties.product_id"), _leaf("device.name"), _leaf("price")
    ('product_id', None, None)
    """
    leaf = name.rpartition(".")[2]
    return leaf if leaf != name and len(words(leaf)) > 1 else None


@cache
def _agreement(name: str, ours: str) -> float:
    given = words(name)
    if not given or len(given) > MAX_WORDS:
        return 0.0
    joined, by_word = _phrases(ours)
    if "".join(given) in joined:
        return EXACT
    partial = {phrase for word in given for phrase in by_word.get(word, ()) if set(phrase) <= set(given)}
    shares = [len(phrase) / len(given) for phrase in partial if _is_telling(phrase)]
    best = FAIR + 0.3 * max(shares) - 0.05 if shares else 0.0
    return max(best, _by_entity(given, ours))


def _is_telling(phrase: tuple[str, ...]) -> bool:
    """Whether a phrase means something among other words: `id` does not."""
    return len(phrase) > 1 or (len(phrase[0]) > 2 and phrase[0] not in _ids())


@cache
def _phrases(ours: str) -> tuple[frozenset[str], dict[str, list[tuple[str, ...]]]]:
    """The phrases for one of ours, written as one word, and by each of their words."""
    phrases = [tuple(plain(text).split()) for text in synonyms()["columns"].get(ours, ())]
    by_word: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        for word in phrase:
            by_word.setdefault(word, []).append(phrase)
    return frozenset("".join(phrase) for phrase in phrases), by_word


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
