"""Pages name files by their place in the project; where else something lies on this machine is nobody's business."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from recomart_lib.core import paths

PART = r"[^\s\"'<>&|:;,()\[\]{}/\\]"  # a character of a file's name in running text, code or HTML
WINDOWS = re.compile(rf"(?<!\w)[A-Za-z]:\\(?:{PART}+\\)*({PART}+)")


def hide(text: str) -> str:
    """The text with paths in the project relative to it, and of any other absolute path only the last part.

    What begins like an absolute path, but not with a folder of this machine, is none: `/api/users` of a shop's API
    stays.

    >>> hide(f"{paths.root()}/params.yaml, /usr/share/zoneinfo/tzdata.zi, /api/users")
    'params.yaml, …/tzdata.zi, /api/users'
    """
    root = str(paths.root())
    if root != "/":
        text = re.sub(rf"{re.escape(root)}(?:/|(?![\w.-]))", "", text)
    return WINDOWS.sub(r"…/\1", _elsewhere().sub(r"…/\1", text))


@lru_cache(maxsize=1)
def _elsewhere() -> re.Pattern[str]:
    """Absolute paths of at least two parts, below a folder that exists on this machine."""
    folders = [re.escape(entry.name) for entry in os.scandir("/") if entry.is_dir()] if os.name != "nt" else []
    return re.compile(rf"(?<![\w.:/~…*+-])/(?:{'|'.join(folders) or '(?!)'})/(?:{PART}+/)*({PART}*[\w-])")
