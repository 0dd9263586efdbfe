"""The first occurrence of each glossary term in a section opens its explanation; all of them end the page.

It opens on hover, on focus and on tap, by style alone; the page's script lets Escape close it. In the page's text
nothing is added where the term stands, so that sentences can be copied.
"""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PreformattedString

from recomart_lib.core.glossary import GLOSSARY

SECTION = "h2"
# what is inside is no running text, has its own role, or is too small for a tooltip
SKIPPED = {"h1", "h2", "h3", "h4", "a", "code", "pre", "summary", "svg", "button", "label", "td", "dt", "dfn", "script"}
SKIPPED |= {"style", "details"}
NO_TEXT = {"chip", "unseen"}  # classes
TERMS = sorted({term.partition("@")[0] for term in GLOSSARY}, key=lambda term: (-len(term), term))  # the longest first
WORDS = "|".join(re.escape(term).replace(r"\ ", "[ _]") for term in TERMS)
PATTERN = re.compile(rf"(?<![\w@-])({WORDS})(s|@\d+)?(?![\w@-])", re.IGNORECASE)


def explain(soup: BeautifulSoup) -> None:
    """Mark the terms of the page, and add its glossary."""
    used: set[str] = set()
    seen: set[str] = set()  # in the section
    for node in list(soup.descendants):
        if isinstance(node, Tag) and node.name == SECTION:
            seen = set()
        if isinstance(node, NavigableString) and _is_running_text(node):
            _mark(soup, node, seen, used)
    if used:
        soup.append(_glossary(soup, used))


def _is_running_text(node: NavigableString) -> bool:
    if isinstance(node, PreformattedString) or not node.strip():
        return False
    above = [parent for parent in node.parents if isinstance(parent, Tag)]
    names_row = any(parent.name == "th" and parent.get("scope") == "row" for parent in above)
    if names_row and not PATTERN.fullmatch(node.strip()):
        return False  # data may be there
    return not any(parent.name in SKIPPED or NO_TEXT.intersection(parent.get("class", [])) for parent in above)


def _mark(soup: BeautifulSoup, node: NavigableString, seen: set[str], used: set[str]) -> None:
    """Replace the node by itself with the terms marked that the section has not had yet."""
    text, parts, end = str(node), [], 0
    for found in PATTERN.finditer(text):
        word = found[1].lower().replace("_", " ")
        term = word + found[2] if word + (found[2] or "") in GLOSSARY and found[2] else word
        if term not in GLOSSARY and text.strip() == found[0]:
            term = f"{word}@10"  # an everyday word, unless it stands alone, as the name of a column does
        if word in seen or term not in GLOSSARY:
            continue
        seen.add(word)
        used.add(term)
        mark = soup.new_tag(
            "dfn",
            attrs={"class": "term", "tabindex": "0", "aria-describedby": _id(term), "data-term": GLOSSARY[term]},
        )
        mark.string = found[0]
        parts += [text[end : found.start()], mark]
        end = found.end()
    if parts:
        node.replace_with(*[part for part in (*parts, text[end:]) if part])


def _glossary(soup: BeautifulSoup, used: set[str]) -> Tag:
    fold = soup.new_tag("details", attrs={"id": "glossary", "class": "fold"})
    summary, heading, terms = soup.new_tag("summary"), soup.new_tag("h2"), soup.new_tag("dl")
    heading.string = "Glossary"
    summary.append(heading)
    fold.extend([summary, terms])
    for term in sorted(used):
        name, explanation = soup.new_tag("dt"), soup.new_tag("dd", attrs={"id": _id(term)})
        name.string, explanation.string = term, GLOSSARY[term]
        terms.extend([name, explanation])
    return fold


def _id(term: str) -> str:
    return "term-" + re.sub(r"\W+", "-", term).strip("-")
