"""Variables that shop files may name: none that the project itself uses."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from recomart_lib.core import auth_variables

SIMULATED_API = "RECOMART_API_TOKEN"  # of shops/simulated_api.yaml, which names it


def test_each_variable_that_the_code_reads_is_its_own():
    files = [path for package in ("recomart", "recomart_lib", "tools") for path in (ROOT / package).rglob("*.py")]
    used = {name for path in files for name in re.findall(r'"(RECOMART_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    assert "RECOMART_ROOT" in used
    assert used - auth_variables.OWN <= {SIMULATED_API, auth_variables.PREFIX}


@pytest.mark.parametrize("name", ["RECOMART_ROOT", "recomart_webhook", "RECOMART_RUN_ID", "A B", "", "1A", "A=B", "É"])
def test_names_that_no_setting_may_allow(name):
    assert auth_variables.problem(name)


@pytest.mark.parametrize("name", ["RECOMART_KEY", "SHOP_KEY", "_a1", SIMULATED_API])
def test_names_that_may_be_allowed(name):
    assert auth_variables.problem(name) is None
