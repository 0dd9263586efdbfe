"""The command line: `recomart`. A user's mistake is one clear message and exit status 1, never a traceback."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart_lib import (
    cli_airflow,
    cli_data,
    cli_features,
    cli_recommend,
    cli_shop,
    cli_stream,
    params,
    params_file,
    paths,
    shops,
)
from recomart_lib.errors import UserError

API_TOKEN = "RECOMART_API_TOKEN"  # as in shops/simulated_api.yaml

app = typer.Typer(help="RecoMart: from a shop's files to recommendations that can be trusted.", no_args_is_help=True)
shop_app = typer.Typer(help="The shop whose data is used.", no_args_is_help=True)
app.add_typer(shop_app, name="shop")
app.add_typer(cli_data.lake_app, name="lake")
app.add_typer(cli_data.quarantine_app, name="quarantine")
app.add_typer(cli_features.features_app, name="features")
app.add_typer(cli_stream.stream_app, name="stream")
shop_app.command("fetch")(cli_shop.fetch)
app.command("recommend")(cli_recommend.recommend)
app.command("airflow-dag")(cli_airflow.write)


@app.command()
def stage(name: Annotated[str, typer.Argument(help="A notebook's name, like 05_features.")]) -> None:
    """Run one stage's notebook headless and leave its report. `dvc repro` calls this for what is out of date."""
    # jsonschema, which nbformat needs, would compile a grammar for international addresses if it found this package:
    # more than a second for every stage, and notebooks hold no such addresses
    sys.modules.setdefault("rfc3987_syntax", None)
    from recomart_lib import stage as runner

    runner.run(name)


@app.command()
def simulate(
    serve_api: Annotated[bool, typer.Option("--serve-api", help="Serve the files as a REST API until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="Where the API listens, on this computer only.", min=0, max=65535)] = 8765,
    fault: Annotated[list[str] | None, typer.Option(help="A fault of the API and its rate, like drop=0.1.")] = None,
) -> None:
    """Write the files of the simulated shop (params.yaml: simulate); does nothing for any other shop.

    With --serve-api they are served, whichever shop is in use, and written first only if there are none.
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
        typer.echo(f"Shop '{everything.base.shop}' is not simulated: nothing to do.")
        return
    _write_simulated(everything, folder)


def _write_simulated(everything: params.Params, folder: Path) -> None:
    from recomart_lib import simulator

    counts = simulator.simulate(everything.simulate, everything.base.seed, folder)
    written = [f"{counts[name]:,} {name}" for name in ("users", "products", "transactions")]
    damaged = sum(count for name, count in counts.items() if "." in name and not name.endswith(".late"))
    typer.echo(f"{', '.join(written)} written to {folder}; {damaged:,} rows are damaged on purpose.")


def _serve_api(port: int, faults: list[str]) -> None:
    """The simulated shop's files, written first if there are none, as an API; whichever shop is in use."""
    from recomart_lib import simulator_api

    everything, folder, token = params.load(), paths.place(paths.SOURCE, "simulated"), os.environ.get(API_TOKEN)
    rates = simulator_api.rates_of(dict(map(_rate, faults)))
    if not all((folder / name).exists() for name in ("users.csv", "products.json", "transactions")):
        _write_simulated(everything, folder)
    with simulator_api.serve(folder, port=port, token=token, faults=rates, seed=everything.base.seed) as server:
        typer.echo("http://{}:{} serves {}. Ctrl-C stops it.".format(*server.server_address, ", ".join(server.tables)))
        typer.echo(f"It asks for the token in {API_TOKEN}." if token else f"It is open: {API_TOKEN} is not set here.")
        word = "<the same token>" if token else "any-word"
        typer.echo(f"In another terminal: {API_TOKEN}={word} make repro SHOP=simulated_api")
        typer.echo("(api.url in shops/simulated_api.yaml must say this address.)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _rate(fault: str) -> tuple[str, float]:
    name, _, rate = fault.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise UserError(f"--fault {fault}: write a fault and its rate, like drop=0.1.") from None


@app.command("known-answers")
def known_answers(
    data: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the data sets; default: ../shared/data beside the project.", envvar="RECOMART_DATA"
        ),
    ] = None,
    section: Annotated[list[str] | None, typer.Option(help="A, B or C; may be repeated. Default: all.")] = None,
) -> None:
    """Make published figures again from raw files, and compare; exit status 1 if one is missed.

    A: MovieLens-100K, split of Microsoft's recommenders. B: MovieLens-100K, the table of Surprise, nine algorithms.
    C: UCI Online Retail, both protocols.

    On one free core A and C take a few seconds each, B two and a half minutes: SVD++ 70 s, SlopeOne and each kNN 15 s,
    NMF and CoClustering 10 s, SVD 6 s, the baseline 2 s.
    """
    from recomart_lib import known_answers

    sections = sorted({name.upper() for name in section or known_answers.FILES})
    table = known_answers.compare(data or paths.place("../shared/data").resolve(), sections)
    shown = table.with_columns(
        pl.col("published", "ours").map_elements(_figure, pl.String),
        pl.col("difference").map_elements("{:+.5f}".format, pl.String),
        ok=pl.when("ok").then(pl.lit("yes")).otherwise(pl.lit("NO")),
    )
    cli_data.show(shown, table.height)
    known_answers.require(table)
    typer.echo(f"All {table.height} published figures are reproduced.")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.5f}".rstrip("0")


@app.command()
def index() -> None:
    """Rebuild reports/index.html and the model card from the metrics and the stages' sidecars."""
    from recomart_lib import index_page, model_card

    model_card.build(paths.root())
    typer.echo(index_page.build(paths.root()))


@app.command()
def reports() -> None:
    """Print where the reports are; on a desktop, open them."""
    page = paths.place(paths.REPORTS, "index.html")
    if not page.exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    typer.echo(page)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(page.as_uri())


@shop_app.command("check")
def shop_check(
    path: Annotated[Path, typer.Argument(help="A shop file, like shops/online_retail.yaml.")],
    source: Annotated[Path | None, typer.Option(help="The folder of its files; default: data/source/<shop>.")] = None,
    rows: Annotated[int, typer.Option(help="How many mapped rows to show.", min=1)] = 5,
) -> None:
    """Check a shop file, and show the first rows of each table as the pipeline will see them."""
    from recomart_lib import ingest
    from recomart_lib.sources import files

    shop = shops.read(path)
    folder = source or _configured_source(shop.name)
    typer.echo(f"{path} is well-formed: {shop.title}.")
    ingest.check(shop, folder)
    for table in shop.delivered:
        if shop.table(table).kind == "rest" and not (folder / f"{table}.jsonl").exists():
            typer.echo(
                f"\n{table}: not fetched yet; stage 01_ingest asks {shop.api.url}/{shop.table(table).path} for it."
            )
            continue
        found = shops.files(shop, table, folder)
        delivered = next(files.chunks(found[0], shop, table))
        typer.echo(f"\n{table}: {len(found)} file(s); {found[0].name} (its first part, if it is large): "
                   f"{delivered.rows.height} rows can be read, {delivered.rejects.height} cannot.")  # fmt: skip
        with pl.Config(tbl_cols=-1, tbl_width_chars=160, tbl_hide_dataframe_shape=True, fmt_str_lengths=30):
            typer.echo(str(delivered.rows.drop("source_file").head(rows)))
            if delivered.rejects.height:
                typer.echo(str(delivered.rejects.select("source_line", "reason").head(rows)))


@shop_app.command("use")
def shop_use(
    name: Annotated[str | None, typer.Argument(help="A shop: shops/<name>.yaml. Default: the one in use.")] = None,
    source: Annotated[Path | None, typer.Option(help="The folder of its files; default: data/source/<shop>.")] = None,
) -> None:
    """Write base.shop and base.source into params.yaml; its comments stay."""
    path = paths.place("params.yaml")
    before = params.load().base
    shop = shops.load(name or before.shop)
    folder = source or (paths.SOURCE / shop.name)
    if shop.api:
        paths.place(folder).mkdir(parents=True, exist_ok=True)  # stage 01 fetches the tables into it
    if not shop.simulated and not paths.place(folder).is_dir():
        lie = f"Say where the files of '{shop.name}' lie: SOURCE=<folder>."
        raise UserError(f"There is no folder {folder}. {lie}{shops.hint(shop)}")
    if (before.shop, before.source) == (shop.name, folder.as_posix()):
        return
    params_file.put(path, {"base": {"shop": shop.name, "source": folder.as_posix()}})
    typer.echo(f"params.yaml: base.shop = {shop.name}, base.source = {folder.as_posix()}")


def _configured_source(shop: str) -> Path:
    """base.source where params.yaml speaks of this shop, else the default folder."""
    base = params.load().base
    return paths.place(base.source if base.shop == shop else paths.SOURCE / shop)


def main() -> None:
    """The entry point: people's mistakes become one message; bugs keep their traceback."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for noisy in ("papermill", "httpx", "traitlets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        app()
    except UserError as problem:
        typer.secho(f"Error: {problem}", fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
