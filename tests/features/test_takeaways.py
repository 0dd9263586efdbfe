"""Takeaways of stage 05: what they say of one audit and of all, and that nothing is said without features or users."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import utc

from recomart_lib.core.schemas import ALWAYS
from recomart_lib.features import takeaways


def table(leaks: bool = False, caught: bool = True, latest: object = utc(2024, 1, 1)) -> pl.DataFrame:
    """What `leakage_audit.audit` returns: two features and a canary."""
    return pl.DataFrame(
        {
            "feature": ["spend", "spend", "canary_x"],
            "leaks": [leaks, False, caught],
            "latest_event": [latest, None, None],
            "n_changed": [3 * leaks, 0, 7 * caught],
            "n_users": 40,
            "of_users": 40,
        },
        schema_overrides={"latest_event": pl.Datetime("us", "UTC")},
    )


@pytest.mark.parametrize(
    ("audited", "expected"),
    [
        (
            {"a": table(), "b": table()},
            "**None of 2 features uses what happened later**: audited at 2 moments, all planted leaks were caught.",
        ),
        (
            {"a": table(), "b": table(leaks=True)},
            "**In 1 of 4 audits, a feature uses what happened later**: audited at 2 moments, all planted leaks were "
            "caught.",
        ),
        (
            {"a": table(caught=False)},
            "**None of 2 features uses what happened later**: audited at 1 moment, 1 planted leak not caught.",
        ),
        ({}, "*Not applicable: no user has an event before any cut, so there is nothing to audit.*"),
    ],
)
def test_all_audits_are_summed_up(audited, expected):
    assert takeaways.audits(audited) == expected


def test_an_audit_without_events_says_nothing():
    assert takeaways.audited("test", utc(2024, 1, 2), table(latest=None)).startswith("*Not applicable: cut test")
    assert "1 feature leak" in takeaways.audited("test", utc(2024, 1, 2), table(leaks=True, latest=None))


def described(*psi: float | None) -> pl.DataFrame:
    rows = [("user", f"f{n}", 0.0, value) for n, value in enumerate(psi)]
    columns = {"entity": pl.String, "feature": pl.String, "nulls": pl.Float64, "psi": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def history(*ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": ids, "valid_from": [ALWAYS] * len(ids)},
        {"user_id": pl.String, "valid_from": pl.Datetime("us", "UTC")},
    )


NO_PAIRS = pl.DataFrame(schema={"one": pl.String, "other": pl.String, "correlation": pl.Float64})
NOT_USED = pl.DataFrame(schema={"table": pl.String, "cut": pl.String})


@pytest.mark.parametrize(
    "sentence",
    [
        takeaways.missing(described()),
        takeaways.moved(described()),
        takeaways.moved(described(None)),
        takeaways.redundant("user", NO_PAIRS, 0),
        takeaways.redundant("user", NO_PAIRS, 1),
        takeaways.parity(0, 0, 70),
        takeaways.statements("users", history(), NOT_USED, "UTC"),
    ],
)
def test_nothing_is_said_without_a_base(sentence):
    assert sentence.startswith("*Not applicable: ")


def test_features_that_stay_the_same_have_no_largest_change():
    assert takeaways.moved(described(0.0, 0.0)).endswith("none has changed.")
    assert takeaways.moved(described(0.0, 0.1)).endswith("the largest change is that of user.f1 (psi 0.1).")


def test_two_features_can_be_compared():
    assert "no two of 2 features are redundant" in takeaways.redundant("user", NO_PAIRS, 2)


def test_parity_counts_pairs_and_users():
    assert takeaways.parity(1, 1, 70) == (
        "**Training and live use see the same values**: all 70 features of 1 user-product pair (1 user) are equal."
    )


@pytest.mark.parametrize(("hours", "lag"), [(0, "right after"), (47, "47 hours after"), (72, "3 days after")])
def test_the_age_of_live_features(hours, lag):
    day, hour = divmod(hours, 24)
    assert f"{lag} the last event" in takeaways.freshness("2024-01-01T00:00:00+00:00", utc(2024, 1, 1 + day, hour))


def test_what_is_registered_says_which_version_models_use():
    sentence = takeaways.registered({"v1": 17, "v2": 69}, {"user": 1_000, "item": 20}, "0123456789abc")
    assert sentence.startswith(
        "**69 features are registered** in 2 versions: v1 has 17, v2 has 69. Models use the version"
    )
    assert "train.feature_service" in sentence
    assert sentence.endswith("Rows for live use: user 1,000, item 20. Data version: 0123456789.")
    assert takeaways.registered({}, {}, "").startswith("*Not applicable")
