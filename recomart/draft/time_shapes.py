"""How times are written: the formats that read all cells of a column, and what speaks for one of several."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from recomart_lib.core.shop_tables import Table
from recomart_lib.core.time_formats import EPOCHS, is_moment, problem
from recomart_lib.ingest.sources import iso_8601, time_hints, timestamps

FIRST_YEAR, LAST_YEAR = 1900, 2045  # of plausible times
FIRST_EPOCH = 1985  # ... of those that are numbers since 1970
MAX_WORDS = 4_000  # distinct cells that are tried
MAX_SHAPES = 12
MIN_SHARE = 0.98
MIN_COUNTED = 20  # different numbers in one minute that are no times
DIGITS = re.compile(r"\d")
LIKE_RARE = re.compile(
    r"\d.*(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* ?\d"
    r"|\d{4} (à )?\d\d?[:.h]\d\d|^\d\d?:\d\d \d"
)
# Forms that `time_hints` does not suggest: of Java and Twitter, SAS, mails, and with names of months written out.
RARE = (
    *("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z", "%d%b%Y:%H:%M:%S", "%d%b%Y"),
    *("%B %d, %Y", "%B %d, %Y %I:%M %p", "%B %d, %Y %H:%M", "%A, %B %d, %Y", "%d %B %Y", "%d %B %Y %H:%M"),
    *("%d/%m/%Y à %H:%M", "%d/%m/%Y %Hh%M", "%d.%m.%Y %H.%M", "%d-%m-%Y %H.%M", "%H:%M %d/%m/%Y", "%H:%M %d.%m.%Y"),
)


class Times(NamedTuple):
    """How a column writes times.

    `form` is the `timestamp_format`, None for ISO 8601; `others` are formats that read all cells, too. `is_day`: no
    time of day. `is_moment`: times have an offset, or are numbers since 1970. `other_words` are no times. `is_number`:
    cells are digits only, which may be something else.
    """

    form: str | None
    others: list[str]
    is_day: bool
    is_moment: bool
    is_number: bool
    other_words: list[str]
    share: float
    first: datetime
    last: datetime


def read(words: pl.Series, counts: pl.Series, max_other: int = 5) -> Times | None:
    """How the distinct words of a column are times; None if they are none."""
    frame = pl.DataFrame({"word": words, "n": counts})
    if frame.height > MAX_WORDS:
        frame = frame[:: frame.height // MAX_WORDS + 1]
    if not frame.height or not frame["word"].head(50).str.contains(r"\d").any():
        return None
    candidates = [(form, moments(frame["word"], form)) for form in _formats(frame["word"].head(400))]
    scored = [(form, read, _share(read, frame["n"])) for form, read in candidates]
    # units that are mixed are those of one column: each number is a time in one of them
    scored = [
        (form, read, share)
        for form, read, share in scored
        if share >= MIN_SHARE or (form in EPOCHS and share > 0.6) or _few_others(read, frame["word"], max_other, share)
    ]
    scored = [(form, read, share) for form, read, share in scored if form not in EPOCHS or _lasts(read)]
    if not scored:
        return None
    best = max(share for *_, share in scored)
    equal = [(form, read) for form, read, share in scored if share >= best - 1e-9]
    form, times = equal[0]
    others = frame.filter(times.is_null()).sort("n", descending=True)["word"].to_list()
    return Times(
        form,
        [other for other, _ in equal[1:] if other is not None],
        bool((times.drop_nulls().dt.time() == datetime.min.time()).all()) and not _shows_clock(frame["word"]),
        form in EPOCHS or (form is not None and is_moment(form)) or (form is None and _has_offset(frame["word"])),
        not frame["word"].str.contains(r"\D").any(),
        others,
        best,
        times.min(),
        times.max(),
    )


def _lasts(times: pl.Series) -> bool:
    """Whether times are more than the numbers of one minute: ids that are counted up from a large number are not."""
    return times.len() - times.null_count() < MIN_COUNTED or times.max() - times.min() > timedelta(minutes=1)


def _share(times: pl.Series, counts: pl.Series) -> float:
    return counts.filter(times.is_not_null()).sum() / (counts.sum() or 1)


def _few_others(times: pl.Series, words: pl.Series, limit: int, share: float) -> bool:
    """Whether the words that are no times are few and short, like `k.A.`: words for a missing time."""
    others = words.filter(times.is_null())
    return share > 0.2 and others.len() <= limit and times.len() - others.len() > others.len()


def _formats(words: pl.Series) -> list[str | None]:
    """The formats that may read the words: ISO 8601 first, then those of each shape of them."""
    shapes: dict[str, str] = {}
    for word in words:
        shapes.setdefault(DIGITS.sub("1", word), word)
    found: dict[str | None, None] = {}
    if not words.str.contains(r"^\d{7}$").all():
        found[None] = None
    if not words.str.contains(r"\D").any() or words.str.contains(r"^\d{9,}(\.\d+)?$").all():
        found |= dict.fromkeys(_epochs(words))
    for word in list(shapes.values())[:MAX_SHAPES]:
        for form in time_hints.suggestions(word) or (RARE if LIKE_RARE.search(word) else ()):
            if form not in EPOCHS and problem(form) is None:
                found[form] = None
    if "%Y%m%d" in found:  # ISO 8601 has this form, too
        found.pop("%Y%m%d")
    return list(found)


def _epochs(words: pl.Series) -> list[str]:
    """The units since 1970 in which all of these numbers are plausible times."""
    numbers = words.cast(pl.Float64, strict=False).drop_nulls()
    if not numbers.len():
        return []
    low, high = (datetime(year, 1, 1).timestamp() * 1e9 for year in (FIRST_EPOCH, LAST_YEAR))
    shares = {form: (numbers * ns).is_between(low, high).mean() for form, ns in EPOCHS.items()}
    if sum(shares.values()) < 1:  # some are times in no unit
        return []
    return [form for form, share in shares.items() if share > 0.5]


def moments(words: pl.Series, form: str | None) -> pl.Series:
    """The plausible times that a format reads, without a zone; null for other words."""
    if form is None:
        read = iso_8601.times(words.cast(pl.String))
        times = pl.select(pl.coalesce(read["absolute"].dt.replace_time_zone(None), read["local"])).to_series()
    else:
        spec = Table(kind="csv", path="*", timestamp_format=form)
        times = timestamps.moments(words, spec, "UTC")["moment"].dt.replace_time_zone(None)
    low, high = datetime(FIRST_EPOCH if form in EPOCHS else FIRST_YEAR, 1, 1), datetime(LAST_YEAR, 1, 1)
    return pl.select(pl.when(times.is_between(low, high)).then(times)).to_series()


def _shows_clock(words: pl.Series) -> bool:
    return bool(words.head(100).str.contains(r"\d:\d\d|\d[ T]\d{4,6}$").any())


def _has_offset(words: pl.Series) -> bool:
    return bool(words.head(100).str.contains(r"\d([Zz]|UTC|GMT|[+-]\d\d(:?\d\d)?)$").any())


def most_sorted(cells: pl.Series, forms: list[str | None]) -> tuple[str | None, bool]:
    """The format under which the cells, in their order, go back in time least often, and whether that is clear."""
    backs = {}
    for form in forms:
        read = moments(cells.drop_nulls().head(20_000), form).drop_nulls()
        backs[form] = (read.diff().dt.total_seconds() < 0).mean() or 0.0
    ordered = sorted(backs, key=backs.__getitem__)
    is_clear = backs[ordered[1]] - backs[ordered[0]] > 0.02 and backs[ordered[0]] < 0.3 * backs[ordered[1]]
    return ordered[0], is_clear
