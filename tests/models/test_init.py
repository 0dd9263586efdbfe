"""Creating models by name."""

from __future__ import annotations

import pytest

from recomart_lib import models
from recomart_lib.core.errors import UserError


@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("eas", {}, "did you mean ease"),
        ("popularty", {}, "did you mean popularity"),
        ("xyz", {}, "Available: random"),
        ("als", {"factors": 3}, "did you mean n_factors"),
        ("popularity", {"reg": 1}, "Available: none"),
        ("als", {"n_factors": 0}, "n_factors is 0"),
        ("als", {"n_factors": 2.5}, "an integer"),
        ("als", {"n_factors": True}, "an integer"),
        ("ease", {"reg": "200"}, "a number"),
        ("ease", {"reg": float("nan")}, "reg is nan"),
        ("ease", {"signal": "bought"}, "relevant, seen"),
    ],
)
def test_wrong_names_and_values_are_reported(name, hyper, words):
    with pytest.raises(UserError, match=words):
        models.create(name, **hyper)
