"""Calibration of predicted probabilities, checked by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recomart_lib.evaluate import calibration
from recomart_lib.metrics import intervals


def test_calibration_by_hand():
    probabilities, labels = [0.1, 0.3, 0.2, 0.9, 0.7, 0.8], [0, 1, 0, 1, 0, 1]
    bins = calibration.calibration_curve(probabilities, labels, n_bins=2)
    assert bins.columns == ["bin", "predicted", "observed", "low", "high", "n"]
    assert bins["predicted"].to_list() == pytest.approx([0.2, 0.8])
    assert bins["observed"].to_list() == pytest.approx([1 / 3, 2 / 3])
    assert (bins["bin"].to_list(), bins["n"].to_list()) == ([1, 2], [3, 3])
    assert calibration.calibration_error(bins) == pytest.approx((abs(1 / 3 - 0.2) + abs(2 / 3 - 0.8)) / 2)
    low, high = intervals.wilson(np.array([1.0, 2.0]), np.array([3, 3]))
    assert (bins["low"].to_list(), bins["high"].to_list()) == (pytest.approx(low), pytest.approx(high))


def test_equal_probabilities_share_a_bin_and_error_is_weighted_by_bin_size():
    bins = calibration.calibration_curve([0.5] * 8 + [0.9] * 2, [1, 0] * 4 + [1, 1], n_bins=5)
    assert bins.select("predicted", "observed", "n").rows() == [(0.5, 0.5, 8), (pytest.approx(0.9), 1.0, 2)]
    assert calibration.calibration_error(bins) == pytest.approx(0.1 * 2 / 10)


def test_calibration_of_empty_and_invalid_input():
    no_bins = calibration.calibration_curve([], [])
    assert (no_bins.height, no_bins.columns[0], calibration.calibration_error(no_bins)) == (0, "bin", None)
    for probabilities, labels, n_bins in (([1.2], [1], 5), ([0.2], [2], 5), ([float("nan")], [1], 5), ([0.2], [1], 0)):
        with pytest.raises(ValueError, match="probabilities in"):
            calibration.calibration_curve(probabilities, labels, n_bins)


def test_calibration_is_computed_per_model():
    predictions = pl.DataFrame({"model": ["b", "a", "b"], "probability": [0.2, 0.6, 0.4], "label": [0, 1, 1]})
    bins = calibration.calibration_by_model(predictions, n_bins=1)
    assert bins.select("model", "predicted", "observed", "n").rows() == [
        ("a", 0.6, 1.0, 1),
        ("b", pytest.approx(0.3), 0.5, 2),
    ]
    assert calibration.calibration_by_model(predictions.clear()).schema == bins.schema
