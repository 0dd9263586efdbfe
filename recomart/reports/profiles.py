"""The header of all pages, above the profiles of the tables, which a library makes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from recomart.project.sidecars import Metadata
from recomart.reports import header, rendering
from recomart_lib.core import files, paths

START = re.compile(r"<body[^>]*>|</head>(?!\s*<body)")  # the page of a table without rows has no body
MARK = '<header class="bar">'


def add_headers(root: Path, stages: Iterable[str], age: Metadata) -> None:
    """Put the header into each profile that has none yet.

    Parameters
    ----------
    stages
        The names of the notebooks, in their order.
    age
        The line about the age of the data (`age.of_stage`).
    """
    content = {**header.without_states(stages), **age, "base": "../", "here": ""}
    html = rendering.templates().get_template("profile_header.html.j2").render(content)
    for path in files.listed(root / paths.PROFILES, "*.html"):
        page = path.read_text(encoding="utf-8")
        if MARK not in page:
            files.write_text(path, START.sub(lambda found: found[0] + html, page, count=1))
