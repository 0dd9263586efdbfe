"""Serve the pages in reports/ to a browser: only what the index links to, no listing of folders, no other file."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

# a system fails to look for a name of more than 255 bytes
PAGE = re.compile(r"\w[\w-]{0,99}\.(?:html|ipynb|md)|profiles/\w[\w-]{0,99}\.html", re.ASCII)
MEDIA_TYPES = {".html": "text/html", ".ipynb": "application/octet-stream", ".md": "text/plain"}
# Reports show data of the shop. Whatever is in them loads nothing, sends nothing, and cannot read other pages: a
# sandbox without allow-same-origin has an origin of its own. Scripts are further limited by the policy in each page.
POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def application(folder: Path) -> Starlette:
    """The ASGI application for the pages in `folder`, which need not exist yet."""

    def serve(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        page = folder / name
        if not PAGE.fullmatch(name) or not page.is_file():
            known = (folder / "index.html").is_file()
            sentence = "There is no such report." if known else "There are no reports yet. Run: make repro"
            return PlainTextResponse(f"{sentence}\n", 404)
        return FileResponse(page, media_type=MEDIA_TYPES[page.suffix], headers={"Cache-Control": "no-cache"})

    return Starlette(routes=[Route("/{name:path}", serve)])
