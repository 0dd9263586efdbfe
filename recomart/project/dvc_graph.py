"""The graph of dvc.yaml, the only place that says it: its stages, and which of them needs what another one makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

FILE = "dvc.yaml"
LOCK = "dvc.lock"
PARAMS = "params.yaml"  # where DVC looks up ${...}
VARIABLE = re.compile(r"\$\{\s*([\w.-]+)\s*\}")
STAGE_COMMAND = re.compile(r"\brecomart stage (\S+)")

Stages = dict[str, dict[str, Any]]  # as in dvc.yaml: name -> cmd, desc, deps, params, outs, metrics, ...


def read(root: Path, values: Mapping[str, Any] | None = None) -> Stages:
    """The stages of the project in `root`, in their order; none if it has no dvc.yaml.

    Parameters
    ----------
    values
        What `${base.source}` and its like stand for; by default what params.yaml says.
    """
    return _filled(_content(root / FILE).get("stages") or {}, _content(root / PARAMS) if values is None else values)


def locked(root: Path) -> Stages:
    """What DVC knows of each stage that ran: deps, params and outs with their hashes, as dvc.lock says.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is no file of DVC.
    """
    text = (root / LOCK).read_text(encoding="utf-8")
    try:
        return dict(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"])  # it is long: C is fast
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as reason:
        raise ValueError(f"no file of DVC: {type(reason).__name__}") from reason


def notebooks(stages: Stages) -> dict[str, str]:
    """Notebook that is run, without its ending -> the stage that runs it."""
    commands = {name: STAGE_COMMAND.search(str(stage.get("cmd"))) for name, stage in stages.items()}
    return {command[1]: name for name, command in commands.items() if command}


def upstream(stages: Stages) -> dict[str, list[str]]:
    """Stage -> the stages whose results it reads.

    >>> upstream({"a": {"outs": ["data/raw"]}, "b": {"deps": ["data/raw/x"], "metrics": ["m"]}, "c": {"deps": ["m"]}})
    {'a': [], 'b': ['a'], 'c': ['b']}
    """
    made = {name: _paths(stage, "outs", "metrics", "plots") for name, stage in stages.items()}
    used = {name: _paths(stage, "deps") for name, stage in stages.items()}
    return {name: [other for other in stages if _touch(made[other], used[name])] for name in stages}


def downstream(stages: Stages, names: Iterable[str]) -> set[str]:
    """The stages that need, directly or not, what the stages `names` make.

    >>> stages = {"a": {"outs": ["data/raw"]}, "b": {"deps": ["data/raw/x"], "metrics": ["m"]}, "c": {"deps": ["m"]}}
    >>> sorted(downstream(stages, ["a"]))
    ['b', 'c']
    """
    before, found, waiting = upstream(stages), set(), list(names)
    while waiting:
        one = waiting.pop()
        users = {name for name in stages if one in before[name]}
        waiting += users - found
        found |= users
    return found


def _content(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    """A part of dvc.yaml, each `${section.key}` replaced by its value; one without a value stays as it is written.

    Without it nothing would say that 01_ingest, which reads ${base.source}, needs what the simulated shop delivers.
    """
    if isinstance(part, dict):
        return {_filled(key, values): _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(entry, values) for entry in part]
    return VARIABLE.sub(lambda found: _value(found, values), part) if isinstance(part, str) else part


def _value(found: re.Match[str], values: Any) -> str:
    for name in found[1].split("."):
        if not isinstance(values, dict) or name not in values:
            return found[0]
        values = values[name]
    return str(values)


def _paths(stage: dict[str, Any], *keys: str) -> list[PurePosixPath]:
    """Paths of a dvc.yaml stage; an entry is a path, or a mapping from the path to its options."""
    entries = [entry for key in keys for entry in stage.get(key) or []]
    return [PurePosixPath(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _touch(made: list[PurePosixPath], used: list[PurePosixPath]) -> bool:
    return any(a.is_relative_to(b) or b.is_relative_to(a) for a in made for b in used)
