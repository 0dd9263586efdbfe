"""Fill in the page templates. All pages have one base, page.html.j2: policy, style, header and script."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from recomart.reports import header
from recomart.reports.finish import finish
from recomart.reports.formats import duration, metric, number, quality, utc
from recomart.reports.header import CHIPS
from recomart_lib.core import files, page_policy, paths
from recomart_lib.core.colours import colour
from recomart_lib.core.redaction import redact

TEMPLATES = Path(__file__).with_name("templates")
SCRIPT = (TEMPLATES / "page.js").read_text(encoding="utf-8")  # the only one that a page's policy allows
POLICY = page_policy.policy(SCRIPT)


def templates() -> Environment:
    """The environment of the page templates; it escapes all values."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "quality": quality, "duration": duration, "utc": utc, "metric": metric}
    environment.globals |= {"colour": colour, "policy": POLICY, "script": SCRIPT, "chips": CHIPS}
    return environment


def render(environment: Environment, template: str, root: Path, name: str, **content: object) -> str:
    """A page that is built after the stages: the header has their states.

    Parameters
    ----------
    environment
        That of `templates`, to which the caller may have added filters and globals.
    template
        A template that extends page.html.j2.
    root
        The project.
    name
        The page's file in reports/, such as `changes.html`.
    content
        The variables of the template.
    """
    return environment.get_template(template).render({"here": name, **header.with_states(root, name), **content})


def write(root: Path, name: str, page: str) -> Path:
    """Write a page into reports/, finished and without secrets of the environment, and return its path."""
    target = root / paths.REPORTS / name
    files.write_text(target, redact(finish(page)))
    return target
