"""Search spaces as declared in params.yaml: their meaning, and mistakes in one sentence that names the key."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.train import search_space
from recomart_lib.train.search_space import Range


def test_plain_values_are_fixed_lists_are_choices_and_mappings_are_ranges():
    space = search_space.parse(
        "ease", {"reg": {"low": 20, "high": 2000, "log": True}, "signal": ["seen"], "max_items": 9}
    )
    assert space.fixed == {"max_items": 9}
    assert space.free == {"reg": Range(20.0, 2000.0, log=True), "signal": ["seen"]}
    assert space.first == {"reg": 200.0, "signal": "seen"}  # the default, and the first of a list without it
    assert space.declared == {"reg": {"low": 20.0, "high": 2000.0, "log": True}, "signal": ["seen"]}


def test_a_range_has_integers_if_the_default_is_one():
    assert search_space.parse("als", {"n_factors": {"low": 8, "high": 9}}).free["n_factors"].values == [8, 9]
    assert not search_space.parse("als", {"reg": {"low": 8, "high": 9}}).free["reg"].is_integer


@pytest.mark.parametrize(
    ("declared", "size", "first"),
    [
        ({}, 1, {}),
        ({"n_factors": 64}, 1, {}),
        ({"n_factors": {"low": 8, "high": 8}}, 1, {"n_factors": 8}),
        ({"n_factors": {"low": 100, "high": 130, "step": 20}}, 2, {"n_factors": 100}),
        ({"n_factors": {"low": 10, "high": 80, "step": 20}, "n_epochs": [5, 9]}, 8, {"n_factors": 70, "n_epochs": 5}),
        ({"reg": {"low": 0.1, "high": 0.4, "step": 0.1}}, 4, {"reg": pytest.approx(0.4)}),
        ({"reg": {"low": 0.0, "high": 1.0}}, math.inf, {"reg": 1.0}),
        ({"n_epochs": {"low": 1, "high": 10**9}}, 10**9, {"n_epochs": 15}),
    ],
)
def test_combinations_are_counted_and_the_first_is_the_nearest_to_the_defaults(declared, size, first):
    space = search_space.parse("als", declared)
    assert space.size == size
    assert space.first == first


def test_the_first_combination_is_the_first_to_try_and_each_comes_once():
    space = search_space.parse("als", {"n_epochs": [5, 15], "n_factors": [8, 64]})
    combinations = space.combinations()
    assert combinations[0] == space.first == {"n_epochs": 15, "n_factors": 64}
    assert [(each["n_epochs"], each["n_factors"]) for each in combinations] == [(15, 64), (5, 8), (5, 64), (15, 8)]


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 200))
def test_the_nearest_value_is_one_of_the_range_and_none_is_nearer(low, width, step, value):
    values = Range(low, low + width, step=step if step <= width else None)
    assert values.nearest(value) in values.values
    assert abs(values.nearest(value) - value) == min(abs(other - value) for other in values.values)


@pytest.mark.parametrize(
    ("model", "declared", "complaint"),
    [
        ("eas", {}, r"train\.models: There is no model 'eas'; did you mean ease"),
        ("ease", {"regg": 1}, r"train\.models\.ease\.regg: .* Did you mean 'reg'"),
        ("ease", {"reg": []}, r"train\.models\.ease\.reg is an empty list"),
        ("ease", {"reg": [1, 2, 1]}, "lists 1 more than once"),
        ("ease", {"reg": [1, -1]}, r"train\.models\.ease\.reg: ease: reg is -1; expected a number that is at least"),
        ("ease", {"reg": "x"}, "reg is 'x'"),
        ("ease", {"reg": None}, "reg is None"),
        ("ease", {"signal": ["relevant", "sene"]}, "signal is 'sene'; expected one of relevant, seen"),
        ("ease", {"signal": [["seen"]]}, "expected one of"),
        ("ease", {"signal": {"low": 1, "high": 2}}, "strings have no range"),
        ("ease", {"reg": {}}, "low and high is missing"),
        ("ease", {"reg": {"low": 1}}, "; high is missing"),
        ("ease", {"reg": {"low": 1, "high": 2, "logg": True}}, r"reg\.logg: .* Did you mean 'log'"),
        ("ease", {"reg": {"low": 3, "high": 2}}, "low = 3 is above high = 2"),
        ("ease", {"reg": {"low": 0, "high": 2}}, r"reg\.low: ease: reg is 0; expected a number"),
        ("ease", {"reg": {"low": 1, "high": math.inf}}, r"reg\.high: ease: reg is inf"),
        ("als", {"reg": {"low": 0, "high": 2, "log": True}}, r"als\.reg: a log range cannot start at 0"),
        ("als", {"reg": {"low": 1, "high": 2, "log": "yes"}}, r"reg\.log is 'yes'; expected true or false"),
        ("als", {"reg": {"low": 1, "high": 2, "log": True, "step": 1}}, "log or step, not both"),
        ("als", {"reg": {"low": 1, "high": 2, "step": 0}}, r"reg\.step is 0; expected a number above 0"),
        ("als", {"reg": {"low": 1, "high": 2, "step": math.nan}}, r"reg\.step is nan"),
        ("als", {"reg": {"low": 1, "high": 2, "step": True}}, r"reg\.step is True"),
        ("als", {"n_factors": {"low": 1, "high": 9, "step": 0.5}}, r"n_factors\.step is 0.5; expected an integer"),
        ("als", {"n_factors": {"low": 1, "high": 9, "step": 10}}, "at most high - low = 8"),
        ("als", {"n_factors": {"low": 1.5, "high": 9}}, r"n_factors\.low: als: n_factors is 1.5; expected an integer"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(model, declared, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        search_space.parse(model, declared)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("params.yaml: train.models")
