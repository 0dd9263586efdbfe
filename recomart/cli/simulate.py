"""`recomart simulate`: write the simulated shop's files, or serve them as a REST API."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from recomart.cli import completion
from recomart.cli.options import examples
from recomart.cli.output import echo
from recomart.cli.writing import writing
from recomart.project import params
from recomart.simulator import api, shop
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError

app = typer.Typer()

API_TOKEN = "RECOMART_API_TOKEN"  # the variable named in shops/simulated_api.yaml


@app.command(
    epilog=examples("recomart simulate", "recomart simulate --serve-api --fault busy=0.1 --fault drop=0.1"),
)
def simulate(
    serve_api: Annotated[bool, typer.Option("--serve-api", help="Serve the files as a REST API until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(metavar="N", help="The port, on localhost only.", min=0, max=65535)] = 8765,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RATE",
            help="An API fault and its rate, like drop=0.1; repeatable.",
            autocompletion=completion.faults,
        ),
    ] = None,
) -> None:
    """Write the simulated shop's files, or serve them as a REST API.

    The section `simulate` of params.yaml sets the size. Nothing is written while
    another shop is active. With --serve-api, the files are served whichever shop
    is active, and are written first only if there are none.
    """
    if serve_api:
        _serve_api(port, fault or [])
        return
    if fault:
        raise UserError("--fault needs --serve-api: only the API has faults.")

    parameters = params.load()
    folder = paths.place(paths.SOURCE, "simulated")
    folder.mkdir(parents=True, exist_ok=True)
    if not shops.load(parameters.base.shop).simulated:
        echo(f"Shop '{parameters.base.shop}' is not simulated: nothing to do.")
        return
    _write_simulated(parameters, folder)


def _write_simulated(parameters: params.Params, folder: Path) -> None:
    with writing("recomart simulate"):
        counts = shop.simulate(parameters.simulate, parameters.base.seed, folder)
    sizes = [f"{counts[name]:,} {name}" for name in ("users", "products", "transactions")]
    damaged = sum(count for name, count in counts.items() if "." in name and not name.endswith(".late"))
    echo(f"{', '.join(sizes)} written to {folder}; {damaged:,} rows are intentionally invalid.")


def _serve_api(port: int, faults: list[str]) -> None:
    """Serve the simulated shop's files as an API until Ctrl-C; write them first if there are none."""
    parameters, folder, token = params.load(), paths.place(paths.SOURCE, "simulated"), os.environ.get(API_TOKEN)
    rates = api.rates_of(dict(map(_fault_rate, faults)))
    if not all((folder / name).exists() for name in ("users.csv", "products.json", "transactions")):
        _write_simulated(parameters, folder)
    with api.serve(folder, port=port, token=token, faults=rates, seed=parameters.base.seed) as server:
        echo("http://{}:{} serves {}. Press Ctrl-C to stop.".format(*server.server_address, ", ".join(server.tables)))
        echo(f"Requests need the token in {API_TOKEN}." if token else f"No token is needed: {API_TOKEN} is not set.")
        value = "<the same token>" if token else "any-value"
        echo(f"In another terminal: {API_TOKEN}={value} make repro SHOP=simulated_api")
        echo("(api.url in shops/simulated_api.yaml must be this address.)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _fault_rate(fault: str) -> tuple[str, float]:
    name, _, rate = fault.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise UserError(f"--fault {fault}: expected a fault and its rate, like drop=0.1.") from None
