"""What a person is asked where two readings are equally good; without one, the default is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Question(NamedTuple):
    """A choice between `options`, of which the first is the default."""

    text: str
    options: list[str]


Ask = Callable[[Question], str]


def take_default(question: Question) -> str:
    """The first option."""
    return question.options[0]
