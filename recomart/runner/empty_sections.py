"""Sections without content: their reason in one line, and no empty table or figure beside it."""

from __future__ import annotations

from bs4 import BeautifulSoup, Tag

from recomart.runner.svg_figures import EMPTY

NO_ROWS = "No rows."  # `tables.show` of an empty table
CONTENT = ["table", "figure", "img", "pre", "video", "iframe"]


def one_line(page: str) -> str:
    """HTML of cells, without tables and figures that are empty, where a sentence of the same section says why."""
    soup = BeautifulSoup(page, "html.parser")
    empty: list[Tag] = []
    is_explained = False
    for node in [*soup.find_all(["h1", "h2", "h3", "h4", "p", "li"]), soup.new_tag("h1")]:
        if node.name.startswith("h"):
            for part in empty if is_explained else ():
                part.decompose()
            empty, is_explained = [], False
        elif _is_empty(node):
            empty.append(node)
        elif node.find_parent(class_="cell") and node.find_parent(class_="prose"):
            is_explained = True
    for cell in soup.select(".cell"):
        if not cell.find(True) and not cell.get_text(strip=True) and not cell.get("id"):
            cell.decompose()
    return str(soup)


def says_nothing(page: str) -> bool:
    """Whether a section has results, and all of them are lines that say why there is nothing."""
    soup = BeautifulSoup(page, "html.parser")
    lines = soup.select(".cell p, .cell li")
    return bool(lines) and not soup.find(CONTENT) and all(map(_is_grey, lines))


def _is_empty(node: Tag) -> bool:
    return node.name == "p" and (EMPTY in node.get("class", []) or node.get_text() == NO_ROWS)


def _is_grey(node: Tag) -> bool:
    return _is_empty(node) or "soft" in node.get("class", [])
