"""The last step of every page: its tables and terms are made for people, whoever wrote them."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup

from recomart.reports import page_tables, page_terms
from recomart_lib.core import machine_paths

OPEN, CLOSE = '<main id="main">', "</main>"


def finish(page: str) -> str:
    """The page with tables that can be sorted and read on a phone, a glossary of its terms, and no absolute paths.

    Only what is inside `main` is changed; the policy allows the page's script as it is, byte by byte.
    """
    before, main, after = parts(page)
    if not main:
        return page
    soup = BeautifulSoup(main, "html.parser")
    for heading in soup.find_all(["h2", "h3"], id=False):
        if name := anchor(heading.get_text()):
            heading["id"] = name
    page_tables.improve(soup)
    page_terms.explain(soup)
    page_tables.break_words(soup)
    return before + machine_paths.hide(str(soup)) + after


def parts(page: str) -> tuple[str, str, str]:
    """What is before, inside and after `main`; without it, all is before."""
    start, end = page.find(OPEN), page.rfind(CLOSE)
    if start < 0 or end < 0:
        return page, "", ""
    start += len(OPEN)
    return page[:start], page[start:end], page[end:]


def anchor(heading: str) -> str:
    """The id of a heading, from its text.

    >>> anchor("Who loses, and why?")
    'who-loses-and-why'
    """
    return re.sub(r"\W+", "-", heading.lower()).strip("-")
