"""Small inputs of takeaways, for tests."""

from __future__ import annotations

from recomart_lib.validate.row_counts import PLACES


def report(score: float, **table: int) -> dict:
    """A quality report of one table, users; `table`: its counts. Without counts, all of 100 rows are good."""
    table = table or {"delivered": 100, "landed": 100, "good": 100}
    places = dict.fromkeys(["delivered", "rejected", "landed", "repaired", *PLACES], 0)
    rule = {"table": "users", "rule": "age_possible", "severity": "error", "n_failed": table.get("quarantined", 0)}
    return {
        "score": score,
        "min_score": 95.0,
        "tables": {"users": places | table | {"score": score}},
        "rules": [rule],
        "entities": {},
        "fixes": [],
    }
