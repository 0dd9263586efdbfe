"""The shop of the dry run's tests, with faults of all kinds, written once per file of tests."""

from __future__ import annotations

from pathlib import Path

import messy_shop
import pytest

from recomart_lib.core.shops import Shop


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("messy")


@pytest.fixture(scope="module")
def shop(folder) -> Shop:
    return messy_shop.write(folder)
