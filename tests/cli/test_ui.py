"""`recomart ui`: mistakes are reported before Dagster is loaded."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from recomart.cli import ui
from recomart_lib.core.errors import UserError


def call(*options: str) -> str:
    result = CliRunner().invoke(ui.app, options)
    assert isinstance(result.exception, UserError)
    return str(result.exception)


def test_without_dagster_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(ui, "find_spec", lambda name: None)
    assert call() == "Dagster is not installed. Run: make ui (or: pip install -r requirements-orchestration.lock)"


def test_the_reports_need_a_port_of_their_own(monkeypatch):
    monkeypatch.setattr(ui, "find_spec", lambda name: name)
    assert call("--port", "3100", "--reports-port", "3100") == (
        "The web UI and the reports need two ports, not 3100 for both."
    )


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_must_be_one(port):
    assert CliRunner().invoke(ui.app, ["--port", port]).exit_code == 2
