"""`recomart ui`: Dagster in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from recomart.cli.options import examples
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

app = typer.Typer()


def _port(description: str) -> typer.models.OptionInfo:
    return typer.Option(metavar="N", help=description, min=1, max=65_535)


@app.command(epilog=examples("recomart ui", "recomart ui --port 3100 --reports-port 3101"))
def serve(
    port: Annotated[int, _port("The port of the web UI.")] = 3000,
    reports_port: Annotated[int, _port("The port of the report pages.")] = 3001,
) -> None:
    """Start Dagster on this machine, for a browser: runs, logs, retries and schedules.

    It runs until Ctrl-C. Only pages of the UI itself may use it: requests of
    other web pages are refused, and nothing listens outside this machine.
    """
    if find_spec("dagster_webserver") is None:
        raise UserError("Dagster is not installed. Run: make ui (or: pip install -r requirements-orchestration.lock)")
    if port == reports_port:
        raise UserError(f"The web UI and the reports need two ports, not {port} for both.")
    from recomart.orchestration import ui  # needs Dagster, an optional dependency

    ui.serve(paths.root(), port, reports_port)
