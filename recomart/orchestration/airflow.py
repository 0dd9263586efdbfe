"""dvc.yaml as a DAG of Apache Airflow 3: the text of a Python file. Does not need Airflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recomart.project import dvc_graph, params
from recomart_lib.core.errors import UserError

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"\w[\w-]*")  # a valid name for DVC and Airflow that needs no quoting in a shell
PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
CRON = re.compile(r"[\w*/,#?-]+( [\w*/,#?-]+){4}")
OFF = "off"
LIMIT_MARGIN_S = 120


def write(root: Path, programs: Path, schedule: str = "@daily", retries: int = 3, dag_id: str = "recomart") -> str:
    """The text of a DAG file: one task per stage of dvc.yaml, with the same dependencies; tasks run stages through DVC.

    Parameters
    ----------
    root
        The project's folder on Airflow's workers.
    programs
        The folder with `dvc` and `recomart`: Airflow has its own environment.
    schedule
        One of `PRESETS`, five cron fields (UTC), or `off`. The DAG is paused until it is enabled.
    retries
        How often a failed stage is retried: after one to two minutes, then after twice as long each time.
    dag_id
        The DAG's id; each project in one Airflow needs its own.

    Raises
    ------
    UserError
        If there are no stages, or Airflow does not accept a name or the schedule.
    """
    if schedule not in (OFF, *PRESETS) and not CRON.fullmatch(schedule):
        presets = ", ".join(PRESETS)
        raise UserError(f"Schedule '{schedule}': use {OFF}, one of {presets}, or five cron fields like '0 3 * * *'.")
    if not NAME.fullmatch(dag_id):
        raise UserError(f"'{dag_id}' is not a valid DAG id: use letters, digits, - and _.")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    # Python literals in ASCII: the shell that writes the file may use another encoding
    environment.filters["literal"] = ascii
    return environment.get_template("airflow_dag.py.j2").render(
        root=root.as_posix(),
        programs=programs.as_posix(),
        stages=_tasks(root),
        limits=_limits(root),
        dag_id=dag_id,
        retries=retries,
        schedule=None if schedule == OFF else schedule,
    )


def _tasks(root: Path) -> dict[str, tuple[str, list[str]]]:
    """Stage -> its description, and the stages whose outputs it reads."""
    stages = _stages(root)
    for name, stage in stages.items():
        if not NAME.fullmatch(str(name)):
            raise UserError(f"Stage '{name}' of {dvc_graph.FILE} is not a valid task id: use letters, digits, - and _.")
        if "cmd" not in stage:
            raise UserError(
                f"Stage '{name}' of {dvc_graph.FILE} has no cmd: foreach and matrix stages are not supported."
            )
    return {name: (str(stages[name].get("desc", "")), parents) for name, parents in dvc_graph.upstream(stages).items()}


def _limits(root: Path) -> dict[str, int]:
    """Stage -> its limit in seconds, from params.yaml, and some time in which the stage ends itself and says why."""
    path = root / "params.yaml"
    limits = params.load(path).limits.stage_s if path.exists() else {}
    return {stage: seconds + LIMIT_MARGIN_S for stage, seconds in limits.items()}


def _stages(root: Path) -> dict[str, dict[str, Any]]:
    stages = dvc_graph.read(root)
    if not stages:
        raise UserError(f"{root / dvc_graph.FILE} is missing or has no stages: give the project's folder with --root.")
    return stages
