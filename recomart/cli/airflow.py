"""`recomart airflow-dag`: the pipeline as an Airflow DAG."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recomart.cli import completion
from recomart.cli.options import examples
from recomart.orchestration import airflow
from recomart_lib.core import paths

app = typer.Typer()
EXAMPLES = examples("recomart airflow-dag > dag.py", "recomart airflow-dag --schedule '0 3 * * *' --retries 5")


@app.command(epilog=EXAMPLES)
def print_dag(
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The project's folder.", show_default="the current project")
    ] = None,
    schedule: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="@hourly, @daily, @weekly, @monthly, five fields of cron (UTC), or off.",
            autocompletion=completion.schedules,
        ),
    ] = "@daily",
    retries: Annotated[int, typer.Option(metavar="N", help="How often a failed stage is retried.", min=0)] = 3,
    dag_id: Annotated[
        str, typer.Option(metavar="NAME", help="The DAG's id; each project in one Airflow needs its own.")
    ] = "recomart",
) -> None:
    """Print an Airflow 3 DAG with one task per stage of dvc.yaml.

    The DAG is paused until you enable it in Airflow. Tasks run `dvc repro
    --single-item` with the programs of the environment that runs this command.
    """
    project = (root or paths.root()).resolve()
    programs = Path(sys.executable).parent.absolute()
    typer.echo(airflow.write(project, programs, schedule, retries, dag_id), nl=False)
