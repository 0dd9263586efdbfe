"""In which encoding a text without a byte order mark is: the one in which its letters are those of one language."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from recomart.draft import word_lists

# The most usual first: it wins a tie.
CANDIDATES = ("cp1252", "latin-1", "cp1250", "iso8859-2", "cp1254", "cp850", "mac-roman", "cp1251", "cp1253")
MAX_WORDS = 20_000
NOT_ASCII = re.compile(rb"[^\s;,|\"]*[\x80-\xff]+[^\s;,|\"]*")


@cache
def _known() -> dict:
    """The content of letters.yaml."""
    return word_lists.read("letters")


class Encoding(NamedTuple):
    """The encoding, or the first of several, `others`, in which the text is equally plausible and differs."""

    name: str
    others: list[str]


def of_text(content: bytes) -> Encoding:
    """The encoding of the first bytes of a text (its last character may be cut)."""
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or content.isascii():
        return Encoding("utf-8", [])
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return _one_byte(content)
    return Encoding("utf-8", [])


def _one_byte(content: bytes) -> Encoding:
    words = Counter(NOT_ASCII.findall(content)[:MAX_WORDS])
    scores = {}
    for encoding in CANDIDATES:
        try:
            texts = {word.decode(encoding): n for word, n in words.items()}
        except UnicodeDecodeError:
            continue
        scores[encoding] = (_plausibility(texts), texts.keys())
    best = max(scores, key=lambda encoding: scores[encoding][0])  # the first of equal ones
    score, texts = scores[best]
    return Encoding(best, [name for name, (other, read) in scores.items() if other >= score - 0.02 and read != texts])


def _plausibility(words: dict[str, int]) -> float:
    """The largest share of characters beyond ASCII that one language has, where a letter or a mark would be."""
    n_letters: Counter[str] = Counter()
    n_all = n_marks = 0
    for word, n in words.items():
        for place, character in enumerate(word):
            if character.isascii():
                continue
            n_all += n
            if character.isalpha():
                n_letters[character.lower()] += n * _fitness(word, place)
            elif character in _known()["marks"] and not _is_inside(word, place):
                n_marks += n
    share = max(sum(n_letters[letter] for letter in letters) for letters in _known()["letters"].values())
    return (share + n_marks) / n_all if n_all else 0.0


def _fitness(word: str, place: int) -> float:
    """How well a letter fits between its neighbours: not if they are of another alphabet, less if it is a capital
    letter after a small one.
    """
    neighbours = word[max(0, place - 1) : place] + word[place + 1 : place + 2]
    if word[place] >= "\u0370" and any(letter.isascii() and letter.isalpha() for letter in neighbours):
        return 0.0
    return 0.5 if place > 0 and word[place].isupper() and word[place - 1].islower() else 1.0


def _is_inside(word: str, place: int) -> bool:
    """Whether a mark is between letters, where only apostrophes and hyphens are."""
    inside = 0 < place < len(word) - 1 and word[place - 1].isalpha() and word[place + 1].isalpha()
    return inside and word[place] not in _known()["inside_words"]
