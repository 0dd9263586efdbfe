"""The estimate of a full run: the runs that were measured are inside its range."""

from __future__ import annotations

import pytest

from recomart.dry_run import resources

# docs/benchmarks.md, "A cold run, stage by stage", and the large catalogue: events, users, products, seconds, GiB.
MEASURED = {
    "simulated": (427_752, 10_000, 5_000, 128.5, 1.5),
    "online_retail": (541_909, 3_974, 3_613, 135.5, 1.64),
    "grocery": (75_000, 2_373, 19_164, 104.8, 1.38),
    "200k products": (5_300_000, 50_000, 176_000, 187 + 3_300 + 82 + 695, 7.0),
}


@pytest.mark.parametrize("shop", MEASURED)
def test_a_measured_run_is_in_the_range(shop):
    *sizes, seconds, gib = MEASURED[shop]
    estimate = resources.estimate(*sizes, reading_s=1.0, n_lines=100_000)
    assert estimate.seconds[0] < seconds < estimate.seconds[1]
    assert estimate.memory[0] < gib < estimate.memory[1] + 0.3


def test_a_slow_disk_and_a_larger_shop_take_longer():
    fast, slow = (resources.estimate(1_000_000, 0, 0, reading_s, 1_000_000) for reading_s in (1.0, 500.0))
    assert slow.seconds[0] > fast.seconds[0] + 300
    assert slow.rows_per_s == 2_000
    large = resources.estimate(40_000_000, 0, 0, 1.0, 1_000_000)
    assert large.seconds[0] > 5 * fast.seconds[1]
    assert large.memory[0] > 20


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(95, 220, "1 to 4 minutes"), (4_000, 9_000, "1 to 3 hours"), (20, 50, "about a minute")],
)
def test_durations_are_rounded(low, high, text):
    assert resources.duration(low, high) == text


@pytest.mark.parametrize(
    ("low", "high", "text"), [(0.64, 1.1, "1 to 2 GiB"), (2.1, 3.6, "2 to 4 GiB"), (0.4, 0.9, "1 GiB")]
)
def test_memory_is_rounded(low, high, text):
    assert resources.size(low, high) == text
