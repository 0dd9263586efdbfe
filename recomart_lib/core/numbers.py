"""Compare numbers that were computed in different ways."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-9  # numbers whose relative difference is smaller are one number, computed in different ways


def varies(numbers: np.ndarray) -> bool:
    """Whether numbers differ by more than rounding. NumPy cannot divide a range of rounding errors into bins."""
    return bool(len(numbers)) and float(np.ptp(numbers)) > ROUNDING * float(np.abs(numbers).max())
