"""Files that are one table together: their records look alike, and their names differ in days or numbers only."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from recomart.draft import encodings, vocabulary
from recomart.draft.file_format import layouts
from recomart.draft.layout import Layout
from recomart.draft.listing import Listing
from recomart_lib.core.text import plural

MAX_KINDS = 300  # of names that are looked at: files whose names differ in digits only are one kind
FIRST_BYTES = 2_000
ENCODING_BYTES = 16_000_000
DIGITS = re.compile(r"\d+")
LETTERS = re.compile(r"[^\W\d_]+")
COPY = re.compile(
    r"(?i)(?<![a-z])(old|backup|bak|copy|kopie|alt|archiv|archive|test|sample|example|tmp|new|neu)(?![a-z])"
)
MIN_KINDS = 3  # of names
MIN_COMMON = 0.6  # of the columns of files of one table
MIN_SIMILAR = 0.8  # of their cells
MAX_READ = 100  # files of a group in which the encoding is looked for
DAYS_AT_END = re.compile(r"(\d+[-_.]?)+$")  # 2025- of 2025-01 and 2025-02


@dataclass(frozen=True)
class FileGroup:
    """Files of one layout, in the order of their names, and the `path` that a shop file gives them."""

    path: str
    files: list[Path]
    layout: Layout

    @property
    def label(self) -> str:
        """How messages name the group."""
        return f"{self.path}, sheet {self.layout.sheet}" if self.layout.sheet else self.path


def groups(listing: Listing) -> tuple[list[FileGroup], list[tuple[str, str]]]:
    """The groups of a folder's files, and the files that are no table, as (name, reason)."""
    kinds, no_tables = _kinds(listing)
    alike: dict[tuple, list[Path]] = defaultdict(list)
    found: dict[tuple, Layout] = {}
    for kind, paths in list(kinds.items())[:MAX_KINDS]:
        tables = layouts(paths[0])
        if isinstance(tables, str):
            no_tables += [(listing.name(path), tables) for path in paths[:5]]
            continue
        for layout in tables:
            # without a header, equal widths say nothing: then the names must be alike
            folder = _masked(paths[0].parent.as_posix())
            key = (folder, paths[0].suffix.lower(), layout.key(), kind)
            alike[key] += paths
            found.setdefault(key, layout)
    alike = _with_other_names(_with_other_headers(alike, found))
    if len(kinds) > MAX_KINDS:
        no_tables.append((plural(len(kinds) - MAX_KINDS, "other kind of file", "other kinds of file"), "not looked at"))
    every = [listing.name(path) for path in listing.files]
    result = []
    for key, paths in alike.items():
        for pattern, files in _patterns(sorted(paths), listing, every):
            result.append(FileGroup(pattern, files, _with_encoding(found[key], files)))
    return sorted(_of_one_software(result), key=lambda group: group.label), no_tables


def _with_other_headers(alike: dict[tuple, list[Path]], found: dict[tuple, Layout]) -> dict[tuple, list[Path]]:
    """Join files whose names differ in digits only and most of whose columns are the same: a later one has one more."""
    joined: dict[tuple, list[Path]] = {}
    for key, paths in alike.items():
        first = next((other for other in joined if _differ_in_header(key, other) and _overlap(found, key, other)), key)
        if first != key:
            names = set(found[key].names)
            common = [name for name in found[first].names if name in names]
            is_mixed = found[first].is_mixed or len(common) < max(len(names), len(found[first].names))
            found[first] = replace(found[first], names=common, is_mixed=is_mixed)
        joined.setdefault(first, []).extend(paths)
    return joined


def _differ_in_header(key: tuple, other: tuple) -> bool:
    """Whether two groups are alike in all but their columns, which header lines name."""
    kind, _, has_header, *_ = key[2]
    return kind == "csv" and has_header and (key[:2], key[2][:5], key[3][:2]) == (other[:2], other[2][:5], other[3][:2])


def _overlap(found: dict[tuple, Layout], key: tuple, other: tuple) -> bool:
    names, others = set(found[key].names), set(found[other].names)
    return len(names & others) >= MIN_COMMON * max(len(names), len(others))


def _with_other_names(alike: dict[tuple, list[Path]]) -> dict[tuple, list[Path]]:
    """Join three or more kinds of names if their headers are the same: a file per branch or month, but no old copy."""
    same: dict[tuple, list[tuple]] = defaultdict(list)
    for key in alike:
        _, _, layout_key, kind = key
        has_header, is_copy = layout_key[2], COPY.search(kind[1])
        same[key[:3] if has_header and not is_copy else key].append(key)
    joined: dict[tuple, list[Path]] = {}
    for keys in same.values():
        together = len(keys) >= MIN_KINDS and _are_similar(
            [alike[key][0] for key in keys], keys[0][2][1], keys[0][2][4]
        )
        for part in [keys] if together else [[key] for key in keys]:
            joined[part[0]] = [path for key in part for path in alike[key]]
    return joined


def _are_similar(paths: list[Path], separator: str, n_above: int) -> bool:
    """Whether the first records have digits in the same columns: c1, c2, ... may mean something else in each file."""
    first, *others = (_shapes(path, separator, n_above) for path in paths)
    for other in others:
        pairs = [(a, b) for a, b in zip(first, other, strict=False) if a is not None and b is not None]
        if sum(a == b for a, b in pairs) < MIN_SIMILAR * len(pairs):
            return False
    return True


def _shapes(path: Path, separator: str, n_above: int) -> list[bool | None]:
    """Whether each cell of the line below the header of a text begins with a digit; None for an empty cell."""
    with path.open("rb") as stream:
        lines = stream.read(FIRST_BYTES).splitlines()[n_above + 1 : n_above + 2]
    cells = lines[0].split(separator.encode()) if lines and b"\0" not in lines[0] else []
    starts = [cell.strip(b'" -')[:1] for cell in cells]
    return [start.isdigit() if start else None for start in starts]


def _kinds(listing: Listing) -> tuple[dict[tuple, list[Path]], list[tuple[str, str]]]:
    """Files whose names differ in digits only and that start alike; and files that are empty."""
    kinds: dict[tuple, list[Path]] = defaultdict(list)
    empty = []
    for path in listing.files:
        with path.open("rb") as stream:
            start = stream.read(FIRST_BYTES)
        if not start:
            empty.append((listing.name(path), "it is empty"))
            continue
        lines = start.splitlines()
        first = lines[0] if lines and b"\0" not in start and not re.match(rb"[\[{]", start) else b""
        # a header is the same in all files of a table; records are not, nor is a title with a day above the header
        is_header = not re.search(rb"(^|[,;|\t])\"?\d[\d.,]*\"?([,;|\t]|$)", first)
        is_header &= not re.search(rb"\d{4}|\d[./-]\d", first)
        kinds[_masked(path.parent.as_posix()), _masked(path.name), first if is_header else b""].append(path)
    return kinds, empty


def _masked(name: str, mask: str = "#") -> str:
    """A name without its numbers and names of months.

    >>> _masked("sales_2025-01.csv"), _masked("2025-Jan.csv"), _masked("Ventes f\u00e9vrier.csv"), _masked("market.csv")
    ('sales_#-#.csv', '#-#.csv', 'Ventes #.csv', 'market.csv')
    """

    def masked(match: re.Match[str]) -> str:
        return mask if vocabulary.plain(match[0]) in vocabulary.synonyms()["months"] else match[0]

    return LETTERS.sub(masked, DIGITS.sub(mask, name))


def _patterns(paths: list[Path], listing: Listing, every: list[str]) -> list[tuple[str, list[Path]]]:
    """A path for all files; if a pattern would match others, too, a path for each file."""
    names = [listing.name(path) for path in paths]
    if len(names) == 1:
        return [(names[0], paths)]
    for pattern in _candidates(names):
        matched = [name for name in every if fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")]
        if sorted(matched) == sorted(names):
            return [(pattern, paths)]
    return [(name, [path]) for name, path in zip(names, paths, strict=True)]


def _candidates(names: list[str]) -> list[str]:
    """Patterns that match all names, the shortest first."""
    parts = list(zip(*(name.split("/") for name in names), strict=True))  # files of a group are equally deep
    *folders, last = parts
    start = "".join(f"{_part(part)}/" for part in folders)
    suffix = Path(last[0]).suffix
    numbered = [_masked(_escaped(part[0]), "*") for part in parts]
    found = [start + _part(last)]
    if "*" in _part(last):
        found.append(f"{start}*{_escaped(suffix)}")
    return [*found, "/".join(re.sub(r"(\*[-_.]?)+\*", "*", part) for part in numbered), "/".join(numbered)]


def _part(texts: tuple[str, ...]) -> str:
    """A pattern for one part of all paths: what they have in common around one star."""
    if len(set(texts)) == 1:
        return _escaped(texts[0])
    if len(masked := {re.sub(r"(\*[-_. ]?)+\*", "*", _masked(_escaped(text), "*")) for text in texts}) == 1:
        return masked.pop()
    start, end = _common(list(texts)), _common([text[::-1] for text in texts])[::-1]
    end = end[len(start) + len(end) - min(map(len, texts)) :] if len(start) + len(end) > min(map(len, texts)) else end
    start, end = DAYS_AT_END.sub("", start), re.sub(r"^[\d]+", "", end)
    return f"{_escaped(start)}*{_escaped(end)}"


def _common(texts: list[str]) -> str:
    first, last = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _with_encoding(layout: Layout, files: list[Path]) -> Layout:
    """The layout with the encoding in which all files can be read: the first one may be plain ASCII."""
    if layout.kind not in ("csv", "json", "jsonl") or layout.is_packed or (layout.encoding or "").startswith("utf-"):
        return layout
    chosen = files[:: len(files) // MAX_READ + 1]
    content = b"".join(_bytes(path, ENCODING_BYTES // len(chosen)) for path in chosen)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return layout
    found = encodings.of_text(content)
    return replace(layout, encoding=None if found.name == "utf-8" else found.name, other_encodings=found.others)


def _of_one_software(found: list[FileGroup]) -> list[FileGroup]:
    """The groups, with the encoding of the others where several are as plausible: one software wrote them all."""
    sure = Counter(
        group.layout.encoding for group in found if group.layout.encoding and not group.layout.other_encodings
    )
    decided = []
    for group in found:
        layout = group.layout
        shared = [name for name, _ in sure.most_common() if name in (layout.encoding, *layout.other_encodings)]
        if layout.other_encodings and shared:
            group = replace(group, layout=replace(layout, encoding=shared[0], other_encodings=[]))
        decided.append(group)
    return decided


def _bytes(path: Path, limit: int, n_regions: int = 8) -> bytes:
    """The lines of a file, or of parts of it, that are not plain ASCII."""
    size, parts = path.stat().st_size, []
    with path.open("rb") as stream:
        if size <= limit:
            parts = [stream.read(limit)]
        else:
            for region in range(n_regions):
                stream.seek(region * (size - limit // n_regions) // (n_regions - 1))
                part = stream.read(limit // n_regions)
                parts.append(part[part.find(b"\n") + 1 : part.rfind(b"\n")])
    return b"".join(part + b"\n" for part in parts if not part.isascii())
