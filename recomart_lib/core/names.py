"""Names of which paths are made, like that of a shop: one pattern, so that a name never leads to another folder."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from recomart_lib.core.errors import UserError

MAX_LENGTH = 200
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
RULE = (
    f"a name has at most {MAX_LENGTH} letters (A to Z), digits, points, - and _; it begins with a letter, a digit or "
    "_, and has no two points in a row"
)


def is_name(text: str) -> bool:
    """Whether the text is a plain name: it can be a file's or folder's name, and cannot lead out of a folder."""
    return len(text) <= MAX_LENGTH and ".." not in text and NAME.fullmatch(text) is not None


def check(text: str, what: str) -> str:
    """The text, if it is a name.

    Parameters
    ----------
    what
        What the text names, like `base.shop`, for the message.

    Raises
    ------
    UserError
        If it is not a name. No file is opened before.
    """
    if not is_name(text):
        shown = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."
        raise UserError(f"{what}: {shown!r} is not a name: {RULE}.")
    return text


def _valid(text: str) -> str:
    if not is_name(text):
        raise ValueError(RULE)
    return text


Name = Annotated[str, AfterValidator(_valid)]  # for the models of params.yaml and shop files
