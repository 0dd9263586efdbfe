"""`recomart simulate`: write the files of the simulated shop, or serve them as an API."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from recomart.cli import completion
from recomart.cli.options import examples
from recomart.cli.output import say
from recomart.project import params
from recomart.simulator import api, shop
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError

app = typer.Typer()

API_TOKEN = "RECOMART_API_TOKEN"  # as in shops/simulated_api.yaml


@app.command(
    epilog=examples("recomart simulate", "recomart simulate --serve-api --fault busy=0.1 --fault drop=0.1"),
)
def simulate(
    serve_api: Annotated[bool, typer.Option("--serve-api", help="Serve the files as a REST API until Ctrl-C.")] = False,
    port: Annotated[
        int, typer.Option(metavar="N", help="Where the API listens, on this computer only.", min=0, max=65535)
    ] = 8765,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RATE",
            help="A fault of the API, like drop=0.1; may be repeated.",
            autocompletion=completion.faults,
        ),
    ] = None,
) -> None:
    """Write the files of the simulated shop, or serve them as an API.

    params.yaml: simulate says how large it is. Nothing is written while another
    shop is in use. With --serve-api the files are served, whichever shop is in
    use, and written first only if there are none.
    """
    if serve_api:
        _serve_api(port, fault or [])
        return
    if fault:
        raise UserError("--fault is for the API: it needs --serve-api.")

    everything = params.load()
    folder = paths.place(paths.SOURCE, "simulated")
    folder.mkdir(parents=True, exist_ok=True)
    if not shops.load(everything.base.shop).simulated:
        say(f"Shop '{everything.base.shop}' is not simulated: nothing to do.")
        return
    _write_simulated(everything, folder)


def _write_simulated(everything: params.Params, folder: Path) -> None:

    counts = shop.simulate(everything.simulate, everything.base.seed, folder)
    written = [f"{counts[name]:,} {name}" for name in ("users", "products", "transactions")]
    damaged = sum(count for name, count in counts.items() if "." in name and not name.endswith(".late"))
    say(f"{', '.join(written)} written to {folder}; {damaged:,} rows are damaged on purpose.")


def _serve_api(port: int, faults: list[str]) -> None:
    """The simulated shop's files, written first if there are none, as an API; whichever shop is in use."""

    everything, folder, token = params.load(), paths.place(paths.SOURCE, "simulated"), os.environ.get(API_TOKEN)
    rates = api.rates_of(dict(map(_rate, faults)))
    if not all((folder / name).exists() for name in ("users.csv", "products.json", "transactions")):
        _write_simulated(everything, folder)
    with api.serve(folder, port=port, token=token, faults=rates, seed=everything.base.seed) as server:
        say("http://{}:{} serves {}. Ctrl-C stops it.".format(*server.server_address, ", ".join(server.tables)))
        say(f"It asks for the token in {API_TOKEN}." if token else f"It is open: {API_TOKEN} is not set here.")
        word = "<the same token>" if token else "any-word"
        say(f"In another terminal: {API_TOKEN}={word} make repro SHOP=simulated_api")
        say("(api.url in shops/simulated_api.yaml must say this address.)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _rate(fault: str) -> tuple[str, float]:
    name, _, rate = fault.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise UserError(f"--fault {fault}: write a fault and its rate, like drop=0.1.") from None
