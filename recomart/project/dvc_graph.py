"""The pipeline graph in dvc.yaml: its stages, and which stage reads the outputs of which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import read_yaml

FILE = "dvc.yaml"
LOCK = "dvc.lock"
PARAMS = "params.yaml"  # DVC resolves ${...} from it
VARIABLE = re.compile(r"\$\{\s*([\w.-]+)\s*\}")
STAGE_COMMAND = re.compile(r"\brecomart stage (\S+)")

Stages = dict[str, dict[str, Any]]  # as in dvc.yaml: name -> cmd, desc, deps, params, outs, metrics, ...


def read(root: Path, values: Mapping[str, Any] | None = None) -> Stages:
    """The stages of the project in `root`, in file order; empty if it has no dvc.yaml.

    Parameters
    ----------
    values
        Values for variables such as `${base.source}`; default: params.yaml.

    Raises
    ------
    UserError
        If a file is not valid YAML.
    """
    return _resolve(_content(root / FILE).get("stages") or {}, _content(root / PARAMS) if values is None else values)


def read_or_unresolved(root: Path) -> Stages:
    """As `read`; variables are kept if params.yaml is invalid: for the index, which must be able to report that."""
    try:
        return read(root)
    except UserError:
        return read(root, {})


def locked(root: Path) -> Stages:
    """The stages in dvc.lock: deps, params and outs of the last run with their hashes.

    Raises
    ------
    OSError
        If there is no dvc.lock.
    ValueError
        If the file is not a valid dvc.lock.
    """
    text = (root / LOCK).read_text(encoding="utf-8")
    try:
        return dict(
            yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]
        )  # a long file: the C loader is fast
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"not a valid dvc.lock: {type(error).__name__}") from error


def notebooks(stages: Stages) -> dict[str, str]:
    """Notebook name without extension -> the stage that runs it."""
    commands = {name: STAGE_COMMAND.search(str(stage.get("cmd"))) for name, stage in stages.items()}
    return {command[1]: name for name, command in commands.items() if command}


def upstream(stages: Stages) -> dict[str, list[str]]:
    """Stage -> the stages whose outputs it reads.

    >>> upstream({"a": {"outs": ["data/raw"]}, "b": {"deps": ["data/raw/x"], "metrics": ["m"]}, "c": {"deps": ["m"]}})
    {'a': [], 'b': ['a'], 'c': ['b']}
    >>> upstream({"a": {"outs": ["data/shop.json"]}, "b": {"params": ["train", {"data/shop.json": ["cut"]}]}})
    {'a': [], 'b': ['a']}
    """
    outputs = {name: _paths(stage, "outs", "metrics", "plots") for name, stage in stages.items()}
    inputs = {name: [*_paths(stage, "deps"), *_parameter_files(stage)] for name, stage in stages.items()}
    return {name: [other for other in stages if _overlap(outputs[other], inputs[name])] for name in stages}


def downstream(stages: Stages, names: Iterable[str]) -> set[str]:
    """The stages that depend, directly or not, on the stages `names`.

    >>> stages = {"a": {"outs": ["data/raw"]}, "b": {"deps": ["data/raw/x"], "metrics": ["m"]}, "c": {"deps": ["m"]}}
    >>> sorted(downstream(stages, ["a"]))
    ['b', 'c']
    """
    parents, dependents, queue = upstream(stages), set(), list(names)
    while queue:
        parent = queue.pop()
        children = {name for name in stages if parent in parents[name]}
        queue += children - dependents
        dependents |= children
    return dependents


def _content(path: Path) -> dict[str, Any]:
    return read_yaml(path) if path.exists() and path.stat().st_size else {}


def _resolve(part: Any, values: Mapping[str, Any]) -> Any:
    """A part of dvc.yaml with each `${section.key}` replaced by its value; unknown variables are kept.

    This is how the graph shows that 01_ingest, which reads ${base.source}, depends on the simulated shop's files.
    """
    if isinstance(part, dict):
        return {_resolve(key, values): _resolve(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_resolve(entry, values) for entry in part]
    return VARIABLE.sub(lambda match: _value(match, values), part) if isinstance(part, str) else part


def _value(match: re.Match[str], values: Any) -> str:
    for name in match[1].split("."):
        if not isinstance(values, dict) or name not in values:
            return match[0]
        values = values[name]
    return str(values)


def _parameter_files(stage: dict[str, Any]) -> list[PurePosixPath]:
    """The files other than params.yaml of which a stage tracks keys: an entry with a file is a mapping."""
    entries = [entry for entry in stage.get("params") or [] if isinstance(entry, dict)]
    return [PurePosixPath(file) for entry in entries for file in entry]


def _paths(stage: dict[str, Any], *keys: str) -> list[PurePosixPath]:
    """Paths of a stage; an entry is a path, or a mapping from a path to its options."""
    entries = [entry for key in keys for entry in stage.get(key) or []]
    return [PurePosixPath(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _overlap(outputs: list[PurePosixPath], inputs: list[PurePosixPath]) -> bool:
    return any(a.is_relative_to(b) or b.is_relative_to(a) for a in outputs for b in inputs)
