"""Fill in the page templates."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from recomart.reports.formats import duration, metric, number, share, utc
from recomart_lib.core import files, paths
from recomart_lib.core.colours import colour
from recomart_lib.core.redaction import redact

TEMPLATES = Path(__file__).with_name("templates")


def templates() -> Environment:
    """The environment of the page templates; it escapes all values."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "share": share, "duration": duration, "utc": utc, "metric": metric}
    environment.globals |= {"colour": colour}
    return environment


def write(root: Path, name: str, page: str) -> Path:
    """Write a page into reports/, without secrets of the environment, and return its path."""
    target = root / paths.REPORTS / name
    files.write_text(target, redact(page))
    return target
