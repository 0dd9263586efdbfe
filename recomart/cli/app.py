"""The command line: `recomart`. A user error is one clear message and exit status 1, never a traceback.

The module of a command, with its imports, is loaded when the command is called: `recomart --help` reads only the table
`COMMANDS`.
"""

from __future__ import annotations

import atexit
import gc
import io
import logging
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from recomart.cli.options import examples
from recomart.cli.output import echo, show_error
from recomart.project import logs
from recomart.runner.signals import Stopped
from recomart_lib.core import disk, privacy
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

# The panels of `recomart --help`, in the order of the pipeline.
PIPELINE, DATA, SERVING, STREAMS, INTEGRATION = (
    "Pipeline",
    "Data",
    "Features and recommendations",
    "Streaming",
    "Reproduction and integration",
)


# Python looks for garbage after this many new objects, 700 by default: imports make a million, all of which stay.
NEW_OBJECTS = 10_000


class CommandEntry(NamedTuple):
    """Where a command is defined, and its panel and help text in `recomart --help`.

    A test checks that `help` equals the first sentence of the command's own help.
    """

    module: str
    app: str
    panel: str
    help: str


COMMANDS = {
    "shop": CommandEntry("shop", "app", PIPELINE, "Show the shops and select the active one."),
    "preset": CommandEntry("preset", "app", PIPELINE, "Show presets, and write one into params.yaml."),
    "simulate": CommandEntry(
        "simulate", "app", PIPELINE, "Write the simulated shop's files, or serve them as a REST API."
    ),
    "stage": CommandEntry(
        "stage", "app", PIPELINE, "List the stages, or run one stage's notebook and write its report."
    ),
    "index": CommandEntry(
        "reports", "index_app", PIPELINE, "Rebuild reports/index.html and the model card from the stages' results."
    ),
    "reports": CommandEntry(
        "reports", "reports_app", PIPELINE, "Print the path of the reports, and open them on a desktop."
    ),
    "runs": CommandEntry("runs", "app", PIPELINE, "Show and compare archived runs."),
    "lake": CommandEntry("lake", "app", DATA, "Show and verify the ingested files in data/raw."),
    "quarantine": CommandEntry("quarantine", "app", DATA, "Show, export and replay quarantined rows."),
    "features": CommandEntry("features", "app", SERVING, "Show the features, their online values and their versions."),
    "recommend": CommandEntry(
        "recommend", "app", SERVING, "Show the recommendations for a user or a product, best first, with reasons."
    ),
    "export": CommandEntry(
        "export",
        "app",
        SERVING,
        "Write recommendations, tables of products or segments to a file for other systems.",
    ),
    "stream": CommandEntry("stream", "app", STREAMS, "Stream events through Kafka into the lake."),
    "ui": CommandEntry(
        "ui", "app", INTEGRATION, "Start Dagster on this machine, for a browser: runs, logs, retries and schedules."
    ),
    "known-answers": CommandEntry(
        "reference", "app", INTEGRATION, "Reproduce published results from raw files; exit status 1 if any differs."
    ),
    "airflow-dag": CommandEntry(
        "airflow", "app", INTEGRATION, "Print an Airflow 3 DAG with one task per stage of dvc.yaml."
    ),
}


class LazyGroup(TyperGroup):
    """Lists the commands from `COMMANDS`, and loads a command's module when it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: TyperCommand(name=name, help=entry.help, rich_help_panel=entry.panel)
            for name, entry in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(args[0]), rest


def load_command(name: str) -> Any:
    """Import a command's module and return the Click command."""
    entry = COMMANDS[name]
    command = typer.main.get_command(getattr(import_module(f"recomart.cli.{entry.module}"), entry.app))
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # plain tracebacks, so that they can be logged
    epilog=examples("recomart shop show", "recomart recommend --user C000042 -k 10"),
)


def _show_version(requested: bool) -> None:
    if requested:
        echo(f"recomart {version('recomart')}")
        raise typer.Exit


@app.callback()
def root_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """RecoMart: from a shop's raw files to evaluated recommendations."""


def main() -> None:
    """Entry point. User errors print one message, bugs keep their traceback; both are written to the log file."""
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)  # what is left at the end is not searched for garbage once more: a tenth of a second
    closed = privacy.protect()  # before the first file: the log
    logs.start()
    sys.excepthook = logs.show_bug
    for sentence in closed:
        log.info("%s", sentence)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # escape what the terminal cannot encode
    try:
        app(prog_name="recomart")
    except UserError as error:
        log.error("%s", error, extra=logs.FILE_ONLY)
        show_error(error)
        sys.exit(1)
    except Stopped as stopped:
        log.error("%s", stopped, extra=logs.FILE_ONLY)
        show_error(stopped)
        sys.exit(stopped.status)
    except Exception as error:
        if sentence := disk.explained(error):
            log.error("%s", sentence, exc_info=True, extra=logs.FILE_ONLY)
            show_error(UserError(sentence))
            sys.exit(1)
        log.critical("recomart %s: unexpected error", " ".join(sys.argv[1:]), exc_info=True, extra=logs.FILE_ONLY)
        raise


if __name__ == "__main__":
    main()
