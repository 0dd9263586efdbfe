"""`recomart ui`: Dagster in a browser."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from recomart.cli.options import examples
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

app = typer.Typer()


@app.command(epilog=examples("recomart ui", "recomart ui --port 3100 --reports-port 3101"))
def serve(
    port: Annotated[int, typer.Option(metavar="N", help="The port, on localhost only.", min=1, max=65535)] = 3000,
    reports_port: Annotated[
        int, typer.Option(metavar="N", help="The port of the report pages.", min=1, max=65535)
    ] = 3001,
) -> None:
    """Start Dagster on this machine, for a browser: runs, logs, retries and schedules.

    It runs until Ctrl-C. Only pages of the UI itself may use it: requests of
    other web pages are refused, and nothing listens outside this machine.
    """
    if find_spec("dagster_webserver") is None:
        raise UserError("Dagster is not installed. Run: make ui (or: pip install -r requirements-orchestration.lock)")
    if port == reports_port:
        raise UserError(f"The web UI and the reports need two ports, not {port} for both.")
    # imported here, as Dagster is an optional dependency
    import_module("recomart.orchestration.ui").serve(paths.root(), port, reports_port)
