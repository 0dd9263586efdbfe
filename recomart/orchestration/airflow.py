"""dvc.yaml as a DAG of Apache Airflow 3: the text of a Python file. Writing it does not need Airflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recomart.project import dvc_graph
from recomart_lib.core.errors import UserError

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"\w[\w-]*")  # what is a name for DVC and for Airflow, and one plain word for a shell
PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
CRON = re.compile(r"[\w*/,#?-]+( [\w*/,#?-]+){4}")
OFF = "off"


def write(root: Path, programs: Path, schedule: str = "@daily", retries: int = 3, dag_id: str = "recomart") -> str:
    """A DAG file: one task per stage of dvc.yaml, with the same dependencies; a task runs that stage by DVC.

    Parameters
    ----------
    root
        The project's folder, as Airflow's workers see it.
    programs
        The folder that holds `dvc` and `recomart`: Airflow has an environment of its own.
    schedule
        One of `PRESETS`, five fields of cron, or `off`; Airflow reads it in UTC. The DAG is paused until somebody
        switches it on.
    retries
        How many times a failed stage is tried again, the first after a minute or two, then after twice as long.
    dag_id
        The DAG's name; two projects in one Airflow need two.

    Raises
    ------
    UserError
        If there are no stages, or a name or the schedule is not one that Airflow takes.
    """
    if schedule not in (OFF, *PRESETS) and not CRON.fullmatch(schedule):
        known = ", ".join(PRESETS)
        raise UserError(f"Schedule '{schedule}': write {OFF}, one of {known}, or five fields of cron like '0 3 * * *'.")
    if not NAME.fullmatch(dag_id):
        raise UserError(f"'{dag_id}' cannot name a DAG: take letters, digits, - and _.")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    # a literal of Python whatever it holds, in ASCII: the file may be written by a shell with another encoding
    environment.filters["literal"] = ascii
    return environment.get_template("airflow_dag.py.j2").render(
        root=root.as_posix(),
        programs=programs.as_posix(),
        stages=_tasks(root),
        dag_id=dag_id,
        retries=retries,
        schedule=None if schedule == OFF else schedule,
    )


def _tasks(root: Path) -> dict[str, tuple[str, list[str]]]:
    """Stage -> what it is for, and the stages whose results it reads."""
    stages = _stages(root)
    for name, stage in stages.items():
        if not NAME.fullmatch(str(name)):
            raise UserError(f"Stage '{name}' of {dvc_graph.FILE} cannot name a task: take letters, digits, - and _.")
        if "cmd" not in stage:
            raise UserError(f"Stage '{name}' of {dvc_graph.FILE} has no cmd: foreach and matrix cannot be written.")
    return {name: (str(stages[name].get("desc", "")), before) for name, before in dvc_graph.upstream(stages).items()}


def _stages(root: Path) -> dict[str, dict[str, Any]]:
    try:
        stages = dvc_graph.read(root)
    except yaml.YAMLError as problem:
        raise UserError(f"{root}: dvc.yaml or params.yaml cannot be read: {problem}") from None
    if not stages:
        raise UserError(
            f"{root / dvc_graph.FILE} is missing or holds no stages: name the project's folder with --root."
        )
    return stages
