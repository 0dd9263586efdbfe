"""timestamp_format: what is read exactly is accepted, everything else is refused with what to write instead."""

from __future__ import annotations

import pytest
from conftest import DECLARED
from pydantic import ValidationError

from recomart_lib.core import time_formats
from recomart_lib.core.shop_tables import Table

EXACT = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S,%3f",
    "%Y%m%d%H%M%S",
    "%d.%m.%Y",
    "%d.%m.%y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%e %b %Y %l:%M%P",
    "%A, %d %B %Y",
    "%Y-%j",
    "%G-W%V-%u",
    "%c",
    "%D %T",
    "100%% %F",
    "%+",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S %:z",
    "%Y-%m-%d %H:%M:%S%#z",
    "%Y-%m-%d %H:%M:%S %Z",
    "%a %b %d %H:%M:%S %Z %Y",
    "%s",
    "epoch_ns",
]


@pytest.mark.parametrize("time_format", EXACT)
def test_a_format_that_reads_back_what_it_writes_is_accepted(time_format):
    assert time_formats.problem(time_format) is None


@pytest.mark.parametrize(
    ("time_format", "problem"),
    [
        ("%m-%d %H:%M", "it has no year (%Y)"),
        ("%H:%M:%S", "it has no year (%Y)"),
        ("%%Y-%m-%d", "it has no year (%Y)"),
        ("%Y-%m", "it has no day of the month (%d)"),
        ("%G-W%V", "it has no day of the month (%d)"),
        ("%Y-%d", "it has no month (%m)"),
        ("%Y-%m-%d %I:%M", "write %H"),
        ("%Y-%m-%d %H:%M %p", "write %I"),
        ("%Y-%m-%d %H", "it has hours, but no minutes (%M)"),
        ("%Y-W%V-%u", "it cannot be read exactly; write it like"),
        ("%Y-%m-%d %Q", "it cannot be read exactly; write it like"),
        ("%Y-%m-%d %H:%M:%S.%f", "write %.f instead of .%f"),
        ("%s %z", "write timestamp_format: epoch_s"),
        ("%x", "depends on the language"),
        ("%Y-%m-%d %H:%M:%S %Z %Z", "names the zone twice"),
        ("%Y-%m-%d %H:%M:%S+00:00", "write %#z in its place"),
        ("%Y-%m-%d %H:%M:%S%:::z", "it cannot be read exactly; write it like"),
        ("yyyy-MM-dd", "it has no % specifier"),
        ("epoch", "numbers are epoch_s, epoch_ms, epoch_us, epoch_ns"),
        ("", "it has no % specifier"),
    ],
)
def test_another_format_is_refused_with_what_is_wrong(time_format, problem):
    assert problem in time_formats.problem(time_format)


@pytest.mark.parametrize(
    ("time_format", "moment"),
    [
        ("%Y-%m-%d %H:%M:%S", False),
        ("%Y-%m-%d %%z", False),
        ("%Y-%m-%d %H:%M:%S %Z", True),
        ("%Y-%m-%d %H:%M:%S%:z", True),
        ("%Y-%m-%dT%H:%M:%SZ", True),
        ("%Y-%m-%d %H:%M:%S UTC", True),
        ("%A %Y-%m-%d", False),
    ],
)
def test_a_format_with_an_offset_or_a_zone_gives_moments(time_format, moment):
    assert time_formats.is_moment(time_format) == moment


def test_the_shop_file_is_checked():
    events = DECLARED["tables"]["events"]
    with pytest.raises(ValidationError, match="it has no year"):
        Table.model_validate({**events, "timestamp_format": "%d.%m. %H:%M"})
