"""The metadata of a split, as 04_prepare writes it, for tests of training data."""

from __future__ import annotations

SPLIT_METADATA = {
    "validation_start": "2024-02-01T00:00:00+00:00",
    "cut": "2024-03-02T00:00:00+00:00",
    "end": "2024-04-01T00:00:00+00:00",
    "live": "2024-04-20T00:00:00+00:00",
    "first": "2023-12-01T00:00:00+00:00",
    "horizon_days": 30,
    "n_training_cuts": 6,
    "relevant_events": ["purchase"],
}
