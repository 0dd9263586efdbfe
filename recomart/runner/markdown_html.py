"""Markdown of a notebook as safe HTML."""

from __future__ import annotations

import html
import re
from typing import Any

from mistune.util import safe_entity
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from recomart.reports.finish import anchor

NOT_APPLICABLE = re.compile(r"<em>Not applicable: ")  # `text.not_applicable`
INLINE = re.compile(r"</?(?:a|b|code|em|i|strong)(?: [^>]*)?>")  # tags that do not part words


def convert(source: str) -> str:
    """Markdown to HTML: raw HTML in it is shown as text, nothing is loaded, and no link can run anything."""
    return MarkdownWithMath(renderer=_SafeRenderer()).render(source)


def plain(markup: str) -> str:
    """The text of HTML, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", INLINE.sub("", markup))).split())


class _SafeRenderer(IPythonRenderer):
    def __init__(self) -> None:
        super().__init__(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)

    def text(self, text: str) -> str:
        return safe_entity(text)  # show `&lt;` as "<", as JupyterLab does; escape=True alone would show the entity

    def heading(self, text: str, level: int, **_: Any) -> str:
        return f'<h{level} id="{anchor(plain(text))}">{text}</h{level}>\n'

    def paragraph(self, text: str) -> str:
        return f"<p{_grey(text)}>{text}</p>\n"

    def list_item(self, text: str) -> str:
        return f"<li{_grey(text)}>{text}</li>\n"

    def table(self, text: str) -> str:
        return f"<table>\n{text}</table>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, url, title) if url.startswith("data:") else html.escape(text or url)

    def block_mermaidjs(self, code: str) -> str:
        return f"<pre>{html.escape(code)}</pre>\n"


def _grey(text: str) -> str:
    return ' class="soft"' if NOT_APPLICABLE.match(text) else ""
