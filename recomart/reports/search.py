"""reports/search.html: the text of all sections of all pages in one list, which the page's script searches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from recomart.reports import header, rendering
from recomart_lib.core import files, paths

NAME = "search.html"
NOT_TEXT = re.compile(r"<(svg|script|style|pre)\b.*?</\1>", re.DOTALL)  # figures, scripts and code
HEADINGS = ("h1", "h2", "h3")
LONGEST = 5_000  # characters of a section; what follows is a long table


@dataclass(frozen=True)
class Section:
    """One section of a page: what is shown of it, where it is, and its text on one line."""

    page: str
    heading: str
    href: str
    text: str


def build(root: Path) -> Path:
    """Write reports/search.html of the project in `root`, from the pages that exist.

    Returns
    -------
    Path
        The page.
    """
    found = [section for page in pages(root / paths.REPORTS) for section in sections(page)]
    page = rendering.render(rendering.templates(), "search.html.j2", root, NAME, found=found)
    return rendering.write(root, NAME, page)


def pages(reports: Path) -> list[Path]:
    """The stages in their order, after the index and before the other pages."""
    others = [name for name in header.OTHER_PAGES if name != NAME]
    stages = [path for path in files.listed(reports, "*.html") if re.match(r"\d\d_", path.name)]
    wanted = [reports / "index.html", *sorted(stages), *(reports / name for name in others)]
    return [path for path in wanted if path.exists()]


def sections(page: Path) -> Iterator[Section]:
    """The sections of a page that have a heading with an anchor; text before the first belongs to the page's title."""
    soup = BeautifulSoup(NOT_TEXT.sub(" ", page.read_text(encoding="utf-8")).replace("<wbr/>", ""), "html.parser")
    main, title = soup.find("main"), soup.find("title")
    name = _line(title).partition(" · ")[0] if title else page.stem
    for part in main.select("#glossary, caption.unseen") if main else ():
        part.decompose()
    anchor, heading, words = "", name, []
    for node in main.descendants if main else ():
        if isinstance(node, Tag) and node.name in HEADINGS:
            yield from _section(page, name, anchor, heading, words)
            anchor, heading, words = node.get("id") or "", _line(node), []
        elif not isinstance(node, Tag) and node.find_parent(HEADINGS) is None:
            words.append(str(node))
    yield from _section(page, name, anchor, heading, words)


def _section(page: Path, name: str, anchor: str, heading: str, words: list[str]) -> Iterator[Section]:
    text = " ".join(" ".join(words).split())
    if text or anchor:
        yield Section(name, heading, f"{page.name}#{anchor}" if anchor else page.name, text[:LONGEST])


def _line(tag: Tag) -> str:
    return " ".join(tag.get_text(" ").split())
