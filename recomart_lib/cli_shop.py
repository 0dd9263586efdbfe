"""`recomart shop fetch`: a shop's public data set, downloaded and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recomart_lib import params, paths, shops


def fetch(
    name: Annotated[str, typer.Argument(help="A shop with public data: shops/<name>.yaml.")],
    source: Annotated[Path | None, typer.Option(help="The folder of its files; default: data/source/<shop>.")] = None,
) -> None:
    """Download a shop's public data into its folder, and check it; what broke off goes on where it stopped."""
    from recomart_lib.sources import download

    shop = shops.load(name)
    folder = source or paths.SOURCE / name
    if shop.fetch:
        typer.echo(f"{shop.title}: what it is, and its terms: {shop.fetch.page}")
    got = download.fetch(shop, paths.place(folder), params.load().ingest)
    came = f"{got.n_bytes / 1e6:.1f} MB came" if got.n_bytes else "nothing had to come"
    typer.echo(f"{got.file.name}: {came}; its sha256 is right.")
    for file, fate in got.fates.items():
        typer.echo(f"  {folder / file}: {fate}")
    typer.echo(f"Next: make repro SHOP={name}" + (f" SOURCE={source}" if source else ""))
