"""Where a table begins in a file: exports often have lines above the header, such as a title and a day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from recomart.draft.price_signs import LETTERS
from recomart_lib.ingest.sources.headers import plain

MAX_ABOVE = 40  # records above the header
MAX_NAMES = 100  # cells of a first record that are compared with usual names
MAX_COLUMNS = 500  # that are compared with the cells above them
MIN_BELOW = 3  # records from the header on, if there are others above it
MIN_EVIDENCE = 2  # usual names, and names above columns of numbers or times, that make a header certain
SIGN = rf"(?:[^\W\d_]{{0,3}}[€$£¥₺₹₽₴₩₪฿₫₱]|{LETTERS})"
# a number, a day or a time
VALUE = re.compile(rf"[-+]?(?:{SIGN})?\s?[-+]?\d[\d.,'\s:/TZ+%-]*(\s?[AaPp][Mm])?\s?(?:{SIGN})?")


class Start(NamedTuple):
    """The first record of a table, usually its header: its place, and that most records have `width` cells.

    `evidence`: how many of its cells look like names, 0 if too few do. `is_sure`: whether what is above it surely is
    no part of the table. `share`: of the records from there on that have so many cells.
    """

    place: int
    width: int
    evidence: int
    is_sure: bool
    share: float


def find(records: list[list[str]], is_name: Callable[[str], bool]) -> Start | None:
    """The first record of the table in some records; None if they are no table.

    It is the record whose cells look most like names: usual ones, or words above columns of numbers or times. Without
    such a record, it is the first one from which on the number of cells is stable.
    """
    table = _Table(records, is_name)
    if table.width < 2:
        return None
    places = [place for place in range(min(len(records), MAX_ABOVE + 1)) if table.fits(place)]
    best = max(places, key=lambda place: (table.evidence(place), -place), default=None)
    evidence = table.evidence(best) if best is not None else 0
    if evidence < MIN_EVIDENCE:
        best, evidence = next(filter(table.is_stable, places), None), 0
    if best is None or (best and len(records) - best < MIN_BELOW):
        return None
    is_like_others = any(table.fits(place) and not table.is_sparse(place) for place in range(best))
    return Start(best, table.width, evidence, best == 0 or (evidence > 0 and not is_like_others), table.share(best))


class _Table:
    """Records, of which the later half shows what most look like."""

    def __init__(self, records: list[list[str]], is_name: Callable[[str], bool]) -> None:
        self._records, self._is_name = records, is_name
        later = records[len(records) // 2 :]
        self.width = Counter(map(len, later)).most_common(1)[0][0] if later else 0
        columns = [
            [plain(row[place]) for row in later if place < len(row)] for place in range(min(self.width, MAX_COLUMNS))
        ]
        self._of_values = [place for place, cells in enumerate(columns) if are_values(cells)]
        self._filled = [place for place, cells in enumerate(columns) if sum(map(bool, cells)) >= 0.9 * len(cells)]
        self._words = {
            place: Counter(plain(row[place]) for row in records if place < len(row)) for place in self._of_values
        }

    def fits(self, place: int) -> bool:
        """Whether a record has as many cells as most; blank ones at its end and the first name may be missing."""
        cells = self._records[place]
        return len(cells) >= self.width - (place == 0) and not any(map(plain, cells[self.width :]))

    def share(self, place: int) -> float:
        """The share of the records from this one on that have as many cells as most."""
        below = self._records[place:]
        return sum(len(cells) == self.width for cells in below) / len(below)

    def is_sparse(self, place: int) -> bool:
        """Whether at least half of the cells are blank that nearly all records have."""
        cells = self._records[place]
        n = sum(bool(plain(cells[column])) for column in self._filled if column < len(cells))
        return len(self._filled) > 1 and n <= len(self._filled) / 2

    def is_stable(self, place: int) -> bool:
        """Whether this record and those that follow are alike."""
        if place == 0 and not self.is_sparse(0) and self.share(0) >= 0.9:
            return True
        following = range(place, min(place + MIN_BELOW + 1, len(self._records)))
        return all(self.fits(other) and not self.is_sparse(other) for other in following)

    def evidence(self, place: int) -> int:
        """How many cells of a record look like names of columns."""
        cells = [plain(cell) for cell in self._records[place]]
        over = [(column, cells[column]) for column in self._of_values if column < len(cells) and cells[column]]
        if any(VALUE.fullmatch(cell) for _, cell in over):
            return 0
        n_names = sum(map(self._is_name, filter(None, cells[:MAX_NAMES])))
        return n_names + sum(self._words[column][cell] == 1 for column, cell in over)


def are_values(cells: list[str]) -> bool:
    """Whether nearly all cells of a column are numbers, days or times."""
    filled = [cell for cell in cells if cell]
    return bool(filled) and sum(bool(VALUE.fullmatch(cell)) for cell in filled) >= 0.8 * len(filled)
