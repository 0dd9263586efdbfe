"""params.yaml: the file has every setting, and invalid keys and values are reported."""

from __future__ import annotations

import copy
import re
from datetime import date

import pytest
import yaml
from conftest import ROOT

from recomart.project import params
from recomart_lib.core.errors import UserError
from recomart_lib.train import settings
from recomart_lib.validate.settings import Validate

DELIVERED = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def load(folder, **changes):
    """The project's params.yaml with some `section__key` changed."""
    content = copy.deepcopy(DELIVERED)
    for place, value in changes.items():
        section, _, key = place.partition("__")
        if key:
            content[section][key] = value
        else:
            content[section] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return params.load(path)


def test_an_empty_section_has_its_defaults(tmp_path):
    assert load(tmp_path, train={}).train == settings.Train()


def test_the_file_has_every_section_and_key():
    defaults = params.Params().model_dump(by_alias=True)
    assert {name: set(section) for name, section in defaults.items()} == {
        name: set(section) for name, section in DELIVERED.items()
    }


def test_a_section_by_its_name_in_the_file():
    assert params.Params().section("validate") == Validate()
    assert params.Params().section("train") == settings.Train()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train__n_backtest": 2}, "train.n_backtest: unknown key. Did you mean 'n_backtests'?"),
        ({"trian": {}}, "trian: unknown key. Did you mean 'train'?"),
        ({"validat": {}}, "validat: unknown key. Did you mean 'validate'?"),
        ({"validate__min_qualty": 1}, "validate.min_qualty: unknown key. Did you mean 'min_quality'?"),
        ({"base__seed": "42"}, "base.seed: Input should be a valid integer; found '42'."),
        ({"base__seed": True}, "base.seed: Input should be a valid integer; found true."),
        ({"validate__min_quality": 95}, "validate.min_quality: Input should be less than or equal to 1; found 95."),
        ({"validate__min_quality": float("nan")}, "validate.min_quality: "),
        ({"validate__first_signup_day": "soon"}, "validate.first_signup_day: write a day in quotes"),
        ({"prepare__horizon_days": 0}, "prepare.horizon_days: Input should be greater than or equal to 1; found 0."),
        ({"simulate__start": "2025-13-01"}, "simulate.start: "),
        ({"recommend__protocol": "new"}, "recommend.protocol: Input should be 'all' or 'novel'; found 'new'."),
        (
            {"validate__rules": {"age_possible": "of"}},
            "validate.rules.age_possible: Input should be 'error', 'warning'",
        ),
        ({"explore": None}, "explore: "),
    ],
)
def test_an_invalid_key_or_value_is_reported_with_its_key(tmp_path, change, message):
    with pytest.raises(UserError) as error:
        load(tmp_path, **change)
    assert f"  {message}" in str(error.value)
    assert "params.yaml: 1 mistake(s)" in str(error.value)


def test_a_day_that_dvc_cannot_read_is_refused_with_its_line(tmp_path):
    """DVC stops with `Unsupported value of type 'date'`."""
    with pytest.raises(UserError) as error:
        load(tmp_path, validate__first_day=date(1990, 1, 1))
    assert 'validate.first_day: write the day in quotes, "1990-01-01", for DVC' in str(error.value)
    assert re.search(r"params.yaml, line \d+: ", str(error.value))


def test_an_unquoted_off_is_a_word(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("validate:\n  rules: {age_possible: off, rating_possible: warning}\n", encoding="utf-8")
    assert params.load(path).section("validate").rules == {"age_possible": "off", "rating_possible": "warning"}


def test_integers_are_valid_floats(tmp_path):
    assert load(tmp_path, features__half_life_days=7).features.half_life_days == 7.0
