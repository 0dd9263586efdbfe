"""The command line: `recomart`. A user's mistake is one clear message and exit status 1, never a traceback."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from recomart_lib import (
    cli_airflow,
    cli_complete,
    cli_data,
    cli_features,
    cli_recommend,
    cli_runs,
    cli_shop,
    cli_stream,
    logs,
    paths,
)
from recomart_lib.cli_options import examples
from recomart_lib.cli_show import complain, say, show
from recomart_lib.errors import UserError

if TYPE_CHECKING:
    from recomart_lib.params import Params

log = logging.getLogger(__name__)

API_TOKEN = "RECOMART_API_TOKEN"  # as in shops/simulated_api.yaml

# The panels of `recomart --help`, in the order of the work.
PIPELINE, DATA, LISTS, STREAMS, OTHERS = (
    "The pipeline", "Data", "Features and recommendations", "Streams", "For others")  # fmt: skip
ORDER = ("shop", "simulate", "stage", "index", "reports", "runs", "lake", "quarantine", "features", "recommend",
         "stream", "known-answers", "airflow-dag")  # fmt: skip


class InOrder(TyperGroup):
    """Typer lists commands before groups of commands; people want them in the order of the work."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    cls=InOrder,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # a bug's traceback is for logs, too
    epilog=examples("recomart shop show", "recomart recommend --user C000042 -k 10"),
)
app.add_typer(cli_shop.shop_app, name="shop", rich_help_panel=PIPELINE)
app.add_typer(cli_runs.runs_app, name="runs", rich_help_panel=PIPELINE)
app.add_typer(cli_data.lake_app, name="lake", rich_help_panel=DATA)
app.add_typer(cli_data.quarantine_app, name="quarantine", rich_help_panel=DATA)
app.add_typer(cli_features.features_app, name="features", rich_help_panel=LISTS)
app.add_typer(cli_stream.stream_app, name="stream", rich_help_panel=STREAMS)
app.command("recommend", rich_help_panel=LISTS, epilog=cli_recommend.EXAMPLES)(cli_recommend.recommend)
app.command("airflow-dag", rich_help_panel=OTHERS, epilog=cli_airflow.EXAMPLES)(cli_airflow.write)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"recomart {version('recomart')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """RecoMart: from a shop's files to recommendations that can be trusted."""


@app.command(rich_help_panel=PIPELINE, epilog=examples("recomart stage", "recomart stage 05_features"))
def stage(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE",
            help="A notebook, like 05_features.",
            show_default="all, listed",
            autocompletion=cli_complete.stages,
        ),
    ] = None,
) -> None:
    """List the stages, or run the notebook of one headless and leave its report.

    `dvc repro` calls this for what is out of date.
    """
    if name is None:
        _list_stages()
        return
    # jsonschema, which nbformat needs, would compile a grammar for international addresses if it found this package:
    # more than a second for every stage, and notebooks hold no such addresses
    sys.modules.setdefault("rfc3987_syntax", None)
    from recomart_lib import stage as runner

    runner.run(name)


def _list_stages() -> None:
    """What each stage asks, its state, and what its last run took."""
    import polars as pl

    from recomart_lib import index_page

    rows = [(row["stage"], row["question"], row["state"], row.get("started"), row.get("seconds"))
            for row in index_page.stages(paths.root())]  # fmt: skip
    schema = {"stage": pl.String, "question": pl.String, "state": pl.String, "last run": pl.String,
              "seconds": pl.Float64}  # fmt: skip
    moment = pl.col("last run").str.to_datetime(strict=False, time_zone="UTC")
    show(pl.DataFrame(rows, schema, orient="row").with_columns(moment))


@app.command(
    rich_help_panel=PIPELINE,
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
            autocompletion=cli_complete.faults,
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
    from recomart_lib import params, shops

    everything = params.load()
    folder = paths.place(paths.SOURCE, "simulated")
    folder.mkdir(parents=True, exist_ok=True)
    if not shops.load(everything.base.shop).simulated:
        say(f"Shop '{everything.base.shop}' is not simulated: nothing to do.")
        return
    _write_simulated(everything, folder)


def _write_simulated(everything: Params, folder: Path) -> None:
    from recomart_lib import simulator

    counts = simulator.simulate(everything.simulate, everything.base.seed, folder)
    written = [f"{counts[name]:,} {name}" for name in ("users", "products", "transactions")]
    damaged = sum(count for name, count in counts.items() if "." in name and not name.endswith(".late"))
    say(f"{', '.join(written)} written to {folder}; {damaged:,} rows are damaged on purpose.")


def _serve_api(port: int, faults: list[str]) -> None:
    """The simulated shop's files, written first if there are none, as an API; whichever shop is in use."""
    from recomart_lib import params, simulator_api

    everything, folder, token = params.load(), paths.place(paths.SOURCE, "simulated"), os.environ.get(API_TOKEN)
    rates = simulator_api.rates_of(dict(map(_rate, faults)))
    if not all((folder / name).exists() for name in ("users.csv", "products.json", "transactions")):
        _write_simulated(everything, folder)
    with simulator_api.serve(folder, port=port, token=token, faults=rates, seed=everything.base.seed) as server:
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


@app.command(
    "known-answers",
    rich_help_panel=OTHERS,
    epilog=examples("recomart known-answers --section A", "recomart known-answers --data ../shared/data"),
)
def known_answers(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder of the data sets.",
            envvar="RECOMART_DATA",
            show_default="../shared/data beside the project",
        ),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION",
            help="A, B or C; may be repeated.",
            show_default="all",
            autocompletion=cli_complete.sections,
        ),
    ] = None,
) -> None:
    """Make published figures again from raw files; exit status 1 if one is missed.

    A: MovieLens-100K, split of Microsoft's recommenders. B: MovieLens-100K, the
    table of Surprise, nine algorithms. C: UCI Online Retail, both protocols.

    On one free core A and C take a few seconds each, B two and a half minutes:
    SVD++ 70 s, SlopeOne and each kNN 15 s, NMF and CoClustering 10 s, SVD 6 s,
    the baseline 2 s.
    """
    import polars as pl

    from recomart_lib import known_answers

    sections = sorted({name.upper() for name in section or known_answers.FILES})
    table = known_answers.compare(data or paths.place("../shared/data").resolve(), sections)
    shown = table.with_columns(
        pl.col("published", "ours").map_elements(_figure, pl.String),
        pl.col("difference").map_elements("{:+.5f}".format, pl.String),
        ok=pl.when("ok").then(pl.lit("yes")).otherwise(pl.lit("NO")),
    )
    show(shown, numbers=("published", "ours", "difference"))
    known_answers.require(table)
    say(f"All {table.height} published figures are reproduced.")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.5f}".rstrip("0")


@app.command(rich_help_panel=PIPELINE, epilog=examples("recomart index"))
def index() -> None:
    """Rebuild reports/index.html and the model card from what the stages left.

    A run that ended well, and is not as the last one, is kept;
    reports/changes.html compares the newest two.
    """
    from recomart_lib import changes_page, index_page, model_card, runs

    root = paths.root()
    runs.keep(root)
    model_card.build(root)
    say(index_page.build(root, changes_page.build(root)))


@app.command(rich_help_panel=PIPELINE, epilog=examples("recomart reports"))
def reports() -> None:
    """Print where the reports are; on a desktop, open them."""
    page = paths.place(paths.REPORTS, "index.html")
    if not page.exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    say(page)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(page.as_uri())


def main() -> None:
    """The entry point: people's mistakes become one message; bugs keep their traceback. The log file has both."""
    logs.start()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal has no letter for is no error
    try:
        app(prog_name="recomart")
    except UserError as problem:
        log.error("%s", problem, extra=logs.FILE_ONLY)
        complain(problem)
        sys.exit(1)
    except Exception:
        log.critical("recomart %s: a bug", " ".join(sys.argv[1:]), exc_info=True, extra=logs.FILE_ONLY)
        raise


if __name__ == "__main__":
    main()
