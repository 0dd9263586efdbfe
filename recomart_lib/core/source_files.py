"""The files of the folder SOURCE that a shop file's patterns name, and the near misses that are left out.

SOURCE itself may be a link. A link in it that leads out of it is left out unless `ingest.follow_links` allows it:
whoever delivers the files could otherwise have any file of this computer read as data.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop, fetch_hint
from recomart_lib.core.text import plural

PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".tar", ".tgz")
MAX_FILES = 1_000_000  # per table
MAX_DEEP, MAX_PARTS = 2, 20  # ** and parts of a pattern
MAX_COMPARED = 10_000  # names of files that are compared with a pattern that matches none
LEFTOVER_STARTS = ("~$", "#")  # a lock of Microsoft Office, a buffer of Emacs; LibreOffice's locks are hidden
LEFTOVER_ENDS = ("~", ".tmp", ".part", ".partial", ".crdownload", ".swp")  # backups, incomplete downloads


class LeftOut(NamedTuple):
    """A file that looks as if it were delivered, but is not read: its table, its path in SOURCE, and why."""

    table: str
    file: str
    reason: str


def files(shop: Shop, table: str, source: Path, follow_links: bool = False) -> list[Path]:
    """The delivered files of a table, sorted by name. A path that exists as it is written is no pattern.

    Parameters
    ----------
    follow_links
        Whether links that lead out of the folder are read, too.

    Raises
    ------
    UserError
        If the folder or the files do not exist, or all files are links that lead out of the folder.
    """
    pattern = _pattern(shop, table)
    if not source.is_dir():
        raise UserError(
            f"base.source: there is no folder {source}. Say where the files of shop '{shop.name}' are: "
            f"make repro SHOP={shop.name} SOURCE=<folder>." + fetch_hint(shop)
        )
    matches = _complete_files(shop, table, source)
    outside = {} if follow_links else _leading_out(matches, source)
    if outside and len(outside) == len(matches):
        path, target = next(iter(outside.items()))
        raise UserError(
            f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}': {_name(path, source)} in {source} is "
            f"{_reason(target)}."
        )
    matches = [path for path in matches if path not in outside]
    if not matches:
        raise UserError(
            f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}' matches no file in {source}."
            + _advice(pattern, source)
        )
    _check_names(matches, source)
    return matches


def _check_names(paths: Iterable[Path], source: Path) -> None:
    """Refuse names that are no text: they cannot be written to manifests and reports."""
    if wrong := [path for path in paths if not _is_text(path.relative_to(source))]:
        raise UserError(
            f"The name of the file {_name(wrong[0], source)} in {source} is not in UTF-8, perhaps as an archive from "
            f"another system was unpacked ({plural(len(wrong), 'such file')}). Rename it."
        )


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def left_out(shop: Shop, source: Path, follow_links: bool = False) -> list[LeftOut]:
    """What a table's pattern matches but is not read, and what it nearly matches and no other table reads."""
    every = _every_file(source)
    delivered = {path for table in shop.sources for path in _matches(shop, table, source)}
    others = [path for path in every if path not in delivered]
    entries = [entry for table in shop.sources for entry in _left_out(shop, table, source, others)]
    return entries if follow_links else entries + [entry for t in shop.sources for entry in _links(shop, t, source)]


def _links(shop: Shop, table: str, source: Path) -> Iterator[LeftOut]:
    """The files of a table that are links out of the folder."""
    for path, target in _leading_out(_complete_files(shop, table, source), source).items():
        yield LeftOut(table, _name(path, source), _reason(target))


def _leading_out(matches: Iterable[Path], source: Path) -> dict[Path, Path]:
    """The existing paths that are not in the folder once all links are followed -> where they lead."""
    root, folders, outside = source.resolve(), {}, {}
    for path in matches:
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        target = path.resolve() if path.is_symlink() else folders[path.parent] / path.name
        if not target.is_relative_to(root):
            outside[path] = target
    return outside


def _reason(target: Path) -> str:
    return f"a link that leads out of the source folder, to {target}; params.yaml: ingest.follow_links: true reads it"


def _left_out(shop: Shop, table: str, source: Path, others: list[Path]) -> Iterator[LeftOut]:
    pattern, matches = _pattern(shop, table), _matches(shop, table, source)
    if PurePosixPath(pattern).name.strip("*"):
        # `*` alone matches folders on purpose: each `**/*` does
        for folder in (path for path in matches if path.is_dir()):
            yield LeftOut(table, _name(folder, source), "a folder, not a file")
    for path in matches:
        if path.is_symlink() and not path.exists():
            yield LeftOut(table, _name(path, source), "a link to a file that does not exist")
        elif path.is_file() and (reason := _leftover(path, source, pattern)):
            yield LeftOut(table, _name(path, source), reason)
    for path, reason in _near_misses(pattern, source, others):
        if not _leftover(path, source, pattern):
            yield LeftOut(table, _name(path, source), f"'{pattern}' {reason}")


def _pattern(shop: Shop, table: str) -> str:
    return f"{table}.jsonl" if shop.table(table).kind == "rest" else str(shop.table(table).path)


def _matches(shop: Shop, table: str, source: Path) -> list[Path]:
    """What exists under exactly this path, else what the pattern matches, sorted by name."""
    pattern = _pattern(shop, table)
    if (source / pattern).is_file():
        return [source / pattern]
    _check_pattern(shop, table, pattern)
    try:
        found = list(islice(source.glob(pattern), MAX_FILES + 1))
    except (ValueError, NotImplementedError) as problem:
        raise UserError(f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}': {problem}") from None
    if len(found) > MAX_FILES:
        raise UserError(
            f"shops/{shop.name}.yaml: tables.{table}.path '{pattern}' matches more than {MAX_FILES:,} files in "
            f"{source}. Is base.source the right folder? Deliver fewer, larger files."
        )
    return sorted(found)


def _check_pattern(shop: Shop, table: str, pattern: str) -> None:
    """Raise a `UserError` for a pattern that takes hours: each further `**` or folder multiplies the time."""
    parts = PurePosixPath(pattern).parts
    if parts.count("**") > MAX_DEEP or len(parts) > MAX_PARTS:
        raise UserError(
            f"shops/{shop.name}.yaml: tables.{table}.path has {len(parts)} parts, {parts.count('**')} of them **. "
            f"Write {MAX_PARTS} parts at most, {MAX_DEEP} of them **, which stands for folders of any depth."
        )


def _complete_files(shop: Shop, table: str, source: Path) -> list[Path]:
    """The files that match, without hidden ones and leftovers."""
    pattern = _pattern(shop, table)
    matches = [path for path in _matches(shop, table, source) if path.is_file()]
    return [path for path in matches if not _leftover(path, source, pattern)]


def _leftover(path: Path, source: Path, pattern: str) -> str | None:
    """Why a file that the pattern matches is not meant by it, as it is hidden or not complete; None for a delivery."""
    parts = path.relative_to(source).parts
    if (source / pattern) == path:
        return None
    if _is_hidden(parts) and not _is_hidden(PurePosixPath(pattern).parts):
        return "a hidden file"
    starts = path.name.startswith(LEFTOVER_STARTS) and not PurePosixPath(pattern).name.startswith(path.name[0])
    ends = path.name.endswith(LEFTOVER_ENDS) and not pattern.endswith(LEFTOVER_ENDS)
    return "a lock, a backup or an incomplete download" if starts or ends else None


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") and part != ".." for part in parts)


def _near_misses(pattern: str, source: Path, others: list[Path]) -> Iterator[tuple[Path, str]]:
    """The files that the pattern would match in other capital letters, or if they were unpacked, and which it is."""
    for path in others:
        name = _name(path, source)
        if _is_like(name, pattern):
            yield path, "has other capital letters"
        elif name.casefold().endswith(PACKED) and _is_like(name[: name.rindex(".")].removesuffix(".tar"), pattern):
            yield path, f"lacks its last suffix, {path.suffix}"


def _is_like(name: str, pattern: str) -> bool:
    """Whether a path matches the pattern, or is it, if capital letters do not count."""
    name, pattern = name.casefold(), pattern.casefold()
    same_depth = name.count("/") == pattern.count("/") or "**" in pattern
    return name == pattern or (same_depth and fnmatchcase(name, pattern.replace("**/", "*")))


def _advice(pattern: str, source: Path) -> str:
    """How a pattern that matches no file may be meant, as sentences."""
    if (source / pattern).is_dir():
        suffix = PurePosixPath(pattern).suffix or ".csv"
        return f" It is a folder: name the files in it, like '{pattern.rstrip('/')}/*{suffix}'."
    every = _every_file(source)
    names = [_name(path, source) for path in every]
    if near_miss := next(_near_misses(pattern, source, every), None):
        advice = f" There is '{_name(near_miss[0], source)}': '{pattern}' {near_miss[1]}."
    elif near := difflib.get_close_matches(pattern, names[:MAX_COMPARED], n=1):
        advice = f" Did you mean '{near[0]}'?"
    else:
        shown = ", ".join(names[:10]) + (", ..." if names[10:] else "")
        advice = f" It has: {shown}." if names else " The folder has no files."
    return advice + (" ([ and ] enclose a choice of letters: write [[] for a bracket.)" if "[" in pattern else "")


def _every_file(source: Path) -> list[Path]:
    """The files in the folder, sorted: the first `MAX_FILES` that are found, as they only serve for advice."""
    return sorted(path for path in islice(source.rglob("*"), MAX_FILES) if path.is_file())


def _name(path: Path, source: Path) -> str:
    r"""The path in the folder, as text: bytes that are not UTF-8 are written like \xfc."""
    return os.fsencode(path.relative_to(source).as_posix()).decode("utf-8", "backslashreplace")
