"""A fixture: Chromium, for tests that look at pages as people see them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The running browser (Playwright's `Browser`); the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: make .venv/.browser")
    if not (program := next(filter(None, map(shutil.which, PROGRAMS)), None)):
        pytest.skip("NO BROWSER: there is no chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
