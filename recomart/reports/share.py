"""A ZIP of the pages that is safe to send: without ids of users, delivered lines, and the state of the code.

Pages show no absolute path anyway. Executed notebooks and profiles are left out: they hold rows as they were delivered.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from bs4 import BeautifulSoup, NavigableString, Tag

from recomart.project import git
from recomart.reports import finish, page_tables, search
from recomart_lib.core import files, paths
from recomart_lib.core.errors import UserError

MASK = "•••"
COLUMNS = {"user_id", "user", "raw", "line"}  # a column of a table with this name holds what nobody else may read
IDS = (("prepared/users.parquet", "user_id"), ("prepared/users_history.parquet", "user_id"))
SHORTEST = 5  # digits of an id that is looked for in running text: shorter ones could be counts or years
WORD = re.compile(r"[^\s,;:()<>\"'“”]+")
ATTRIBUTES = ("title", "aria-label", "data-sort", "alt")
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal pages make equal archives


@dataclass(frozen=True)
class Shared:
    """What was packed: the names of the pages, how many values were masked, and what is not in the archive."""

    pages: list[str]
    n_masked: int
    left_out: list[str]


def pack(root: Path, out: Path) -> Shared:
    """Write the pages of the project in `root` into the archive `out`, which is replaced if it exists.

    Raises
    ------
    UserError
        If there are no reports, or the ids of the users, which must not be in the archive, cannot be read.
    """
    reports = root / paths.REPORTS
    pages = [*search.pages(reports), *(path for path in [reports / search.NAME] if path.exists())]
    if not (reports / "index.html").exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    private, names = _Private(_ids(root), git.revision(root)), {path.name for path in pages}
    with files.complete(out) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in pages:
            archive.writestr(zipfile.ZipInfo(path.name, EPOCH), private.without(path, names), zipfile.ZIP_DEFLATED)
    others = [path for pattern in ("*.ipynb", "*.md", "profiles/*") for path in files.listed(reports, pattern)]
    left_out = sorted(path.relative_to(reports).as_posix() for path in others)
    return Shared(sorted(names), private.n_masked, left_out)


def _ids(root: Path) -> set[str]:
    """The ids of all users of the project's shop."""
    found = [(root / "data" / name, column) for name, column in IDS]
    if not found[0][0].exists():
        raise UserError(f"data/{IDS[0][0]} does not exist, so ids of users cannot be masked. Run: dvc repro")
    tables = [pl.read_parquet(path, columns=[column], glob=False) for path, column in found if path.exists()]
    return set(pl.concat(tables).to_series().cast(pl.String))


class _Private:
    """Removes from pages what others must not see, and counts the masked values."""

    def __init__(self, ids: set[str], revision: str) -> None:
        self.ids, self.revision, self.n_masked = ids, revision, 0

    def without(self, page: Path, names: set[str]) -> str:
        """The page without private parts, ids, and links to what is not in the archive (`names` is)."""
        head, main, rest = finish.parts(page.read_text(encoding="utf-8"))
        if not main:
            raise UserError(f"{page} is of an earlier version. Run: dvc repro --force")
        soup = BeautifulSoup(main, "html.parser")
        page_tables.join_words(soup)  # an id is masked as a whole
        for part in soup.select("[data-private]"):
            part.decompose()
        for link in soup.find_all("a", href=True):
            if link["href"].partition("#")[0] not in names | {""}:
                link.unwrap()
        for cell in soup.select("[data-label]"):
            if cell["data-label"] in COLUMNS and cell.get_text(strip=True):
                self._mask(cell)
        for node in list(_texts(soup)):
            node.replace_with(self._masked(str(node)))
        for tag in soup.find_all(True):
            for name in ATTRIBUTES:
                if isinstance(tag.get(name), str):
                    tag[name] = self._masked(tag[name])
        page_tables.break_words(soup)
        return head + str(soup) + rest

    def _mask(self, cell: Tag) -> None:
        cell.string = MASK
        self.n_masked += 1

    def _masked(self, text: str) -> str:
        """The text with a mask for each word that is an id; a short number is one only if nothing else is there."""
        if text.strip() in self.ids and not _is_short_number(text.strip()):
            self.n_masked += 1
            return MASK
        return WORD.sub(self._of_word, text.replace(self.revision, MASK))

    def _of_word(self, found: re.Match[str]) -> str:
        word = found[0].rstrip(".")
        if word not in self.ids or _is_short_number(word):
            return found[0]
        self.n_masked += 1
        return MASK + found[0][len(word) :]


def _is_short_number(text: str) -> bool:
    return text.isdigit() and len(text) < SHORTEST


def _texts(soup: BeautifulSoup) -> Iterator[NavigableString]:
    for node in soup.find_all(string=True):
        if type(node) is NavigableString and node.strip():
            yield node
