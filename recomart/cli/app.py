"""The command line: `recomart`. A user's mistake is one clear message and exit status 1, never a traceback.

A command's module, and all that it imports, is loaded when the command is called: `recomart --help` reads the table
below and nothing else.
"""

from __future__ import annotations

import io
import logging
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from recomart.cli.options import examples
from recomart.cli.output import complain, say
from recomart.project import logs
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

# The panels of `recomart --help`, in the order of the work.
PIPELINE, DATA, LISTS, STREAMS, OTHERS = (
    "The pipeline",
    "Data",
    "Features and recommendations",
    "Streams",
    "For others",
)


class Place(NamedTuple):
    """Where a command is defined, its panel and its sentence in `recomart --help` (a test compares the sentences)."""

    module: str
    app: str
    panel: str
    help: str


COMMANDS = {
    "shop": Place("shop", "app", PIPELINE, "Look at shops, and choose the one that is used."),
    "simulate": Place("simulate", "app", PIPELINE, "Write the files of the simulated shop, or serve them as an API."),
    "stage": Place(
        "stage", "app", PIPELINE, "List the stages, or run the notebook of one headless and leave its report."
    ),
    "index": Place(
        "reports", "index_app", PIPELINE, "Rebuild reports/index.html and the model card from what the stages left."
    ),
    "reports": Place("reports", "reports_app", PIPELINE, "Print where the reports are; on a desktop, open them."),
    "runs": Place("runs", "app", PIPELINE, "Look at kept runs, and compare them."),
    "lake": Place("lake", "app", DATA, "Look at what was landed in data/raw."),
    "quarantine": Place("quarantine", "app", DATA, "Look at rows that are held back, and bring them back."),
    "features": Place("features", "app", LISTS, "Look at the features, their live values and their versions."),
    "recommend": Place(
        "recommend", "app", LISTS, "Show the products that a user is recommended, best first, and for what reason."
    ),
    "stream": Place("stream", "app", STREAMS, "Bring events through Kafka into the lake, as they happen."),
    "known-answers": Place(
        "reference", "app", OTHERS, "Make published figures again from raw files; exit status 1 if one is missed."
    ),
    "airflow-dag": Place(
        "airflow", "app", OTHERS, "Print the pipeline as a DAG file for Airflow 3, one task per stage of dvc.yaml."
    ),
}


class LazyGroup(TyperGroup):
    """Knows the commands by name, panel and sentence; loads one when it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: TyperCommand(name=name, help=place.help, rich_help_panel=place.panel)
            for name, place in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and loaded(args[0]), rest


def loaded(name: str) -> Any:
    """The command itself, ready to run."""
    place = COMMANDS[name]
    command = typer.main.get_command(getattr(import_module(f"recomart.cli.{place.module}"), place.app))
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # a bug's traceback is for logs, too
    epilog=examples("recomart shop show", "recomart recommend --user C000042 -k 10"),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"recomart {version('recomart')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """RecoMart: from a shop's files to recommendations that can be trusted."""


def main() -> None:
    """The entry point: people's mistakes become one message; bugs keep their traceback. The log file has both."""
    logs.start()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a character that the terminal cannot show is no error
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
