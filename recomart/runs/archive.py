"""What a run was made of and what it reached, kept so that the next run can be compared with it.

data/runs/<number>/ holds copies, each where it lies in the project: dvc.lock, params.yaml, the metrics, the sidecars
and the scores of every user; run.json tells the rest. It is history: no stage reads it, and DVC does not know it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from recomart.project import dvc_graph, git
from recomart.project.sidecars import read
from recomart_lib.core import paths

log = logging.getLogger(__name__)

FACTS = "run.json"
SCORES = paths.EVALUATION / "per_user.parquet"
KEPT = 20  # runs per shop; a run takes about a megabyte
PAGES = "index"  # the stage that builds pages: how they look is no part of a run

Facts = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run, kept or (number 0) as the project's files tell it. What is large is read when it is asked for."""

    number: int
    folder: Path  # where its files lie
    when: str  # UTC, ISO, at the end of the run
    revision: str  # the Git commit, see `index_page.revision`
    packages: dict[str, str]  # name -> version, Python among them
    metrics: dict[str, Facts]  # name of a file in reports/metrics -> its content
    sidecars: dict[str, Facts]  # notebook -> what its last execution left

    @property
    def shop(self) -> str:
        """The shop that it is about."""
        return self.metrics["data"]["shop"]

    @cached_property
    def stages(self) -> dict[str, Facts]:
        """What dvc.lock says: stage -> deps, params and outs, with their hashes."""
        return _stages(self.folder)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """One row per protocol, model and judged user: ndcg@10, precision@10, recall@10 (07_evaluate)."""
        return pl.read_parquet(self.folder / SCORES)

    @cached_property
    def fingerprint(self) -> str:
        """12 digits that stand for all that went in and for the metrics; times and pages do not count."""
        used = {name: [stage.get("deps"), stage.get("params")] for name, stage in self.stages.items()}
        content = json.dumps([used, self.metrics], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class History:
    """The kept runs, the oldest first, and one sentence for each that is damaged."""

    runs: list[Run]
    damaged: list[str]

    def of(self, shop: str | None) -> list[Run]:
        """The runs of one shop; of all for None."""
        return [run for run in self.runs if shop in (None, run.shop)]


def problem(root: Path) -> str:
    """Why the project's files are not those of one whole run of DVC; empty if they are.

    A stage may have failed or not have run, or a notebook was run by hand: then dvc.lock does not tell what made the
    files, and they are nothing to compare with.
    """
    for name in dvc_graph.notebooks(dvc_graph.read(root)):
        facts = read(root / paths.SIDECARS / f"{name}.json")
        if facts.get("state") != "ok":
            fate = "failed" if facts.get("state") == "failed" else "has not run"
            return f"{facts.get('title') or name} {fate}"
    try:
        outs = [out for stage in _stages(root).values() for out in stage.get("outs", []) if _is_result(out["path"])]
    except (OSError, ValueError) as reason:
        return f"{dvc_graph.LOCK}, which dvc repro writes, cannot be read ({reason})"
    if SCORES.as_posix() not in (named := {out["path"]: out["md5"] for out in outs}):
        return f"{dvc_graph.LOCK} does not know {SCORES.as_posix()}: stage 07_evaluate was not run by dvc repro"
    if strangers := [path for path, md5 in named.items() if _md5(root / path) != md5]:
        return f"{', '.join(strangers)}: not as {dvc_graph.LOCK} says, so made by hand; dvc repro puts it right"
    return "" if shop_of(root) else "reports/metrics/data.json names no shop"


def keep(root: Path) -> Run | None:
    """Keep the state of the project in `root` as a run, and forget the oldest of its shop beyond `KEPT`.

    Returns
    -------
    Run or None
        None if there is nothing to keep: the state is no whole run (see `problem`), or the last kept run of the shop
        had the same inputs and metrics (a mere rebuild of the index, or a forced rerun).
    """
    if reason := problem(root):
        log.info("This run is not kept to compare with: %s.", reason)
        return None
    run, before = current(root), history(root).of(shop_of(root))
    if before and before[-1].fingerprint == run.fingerprint:
        return None
    number = max((int(folder.name) for folder in _folders(root)), default=0) + 1
    kept = _write(root, run, number)
    for old in [*before, kept][:-KEPT]:
        shutil.rmtree(root / paths.RUNS / str(old.number))
    return kept


def current(root: Path) -> Run:
    """The run that the project's files tell of; they must be those of a whole one."""
    facts = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "revision": git.revision(root)}
    return _read(root, 0, {**facts, "packages": packages()})


def history(root: Path) -> History:
    """All kept runs that can be read; a damaged one is told of and left out, never guessed at."""
    runs, damaged = [], []
    for folder in _folders(root):
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            if changed := [name for name, md5 in facts["files"].items() if _md5(folder / name) != md5]:
                raise ValueError(f"{changed[0]} is missing or was changed")
            run = _read(folder, int(folder.name), facts)
            if not run.shop:
                raise ValueError("reports/metrics/data.json names no shop")
            runs.append(run)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as reason:
            where = f"{paths.RUNS.as_posix()}/{folder.name}"
            damaged.append(f"Run {folder.name} cannot be read and is left out ({reason}). Delete {where} to forget it.")
    return History(runs, damaged)


def shop_of(root: Path) -> str | None:
    """The shop that the newest metrics are about, None before there are any."""
    return read(root / paths.METRICS / "data.json").get("shop")


def packages() -> dict[str, str]:
    """The versions of Python and of what the project asks for in pyproject.toml, where it is installed."""
    try:
        wanted = metadata.requires("recomart") or []
    except metadata.PackageNotFoundError:
        wanted = []
    names = sorted({re.match(r"[\w.-]+", line)[0] for line in wanted if "extra ==" not in line})
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def _read(folder: Path, number: int, facts: Facts) -> Run:
    told = {name: facts[name] for name in ("when", "revision", "packages")}
    metrics, sidecars = (_objects(folder / place) for place in (paths.METRICS, paths.SIDECARS))
    return Run(number, folder, **told, metrics=metrics, sidecars=sidecars)


def _write(root: Path, run: Run, number: int) -> Run:
    """Copies first, the final name last: what is there under a number is whole."""
    new = root / paths.RUNS / ".new"
    shutil.rmtree(new, ignore_errors=True)
    jsons = [path for place in (paths.METRICS, paths.SIDECARS) for path in sorted((root / place).glob("*.json"))]
    files = [root / dvc_graph.LOCK, root / dvc_graph.PARAMS, root / SCORES, *jsons]
    names = {path.relative_to(root).as_posix(): _md5(path) for path in files}
    for name in names:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, new / name)
    facts = {"when": run.when, "revision": run.revision, "packages": run.packages, "files": names}
    (new / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    new.rename(root / paths.RUNS / str(number))
    return _read(root / paths.RUNS / str(number), number, facts)


def _folders(root: Path) -> list[Path]:
    found = [path for path in (root / paths.RUNS).glob("*") if path.is_dir() and path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def _stages(folder: Path) -> dict[str, Facts]:
    """What dvc.lock says of every stage but the one that builds pages; a ValueError if it is no such file."""
    return {name: stage for name, stage in dvc_graph.locked(folder).items() if name != PAGES}


def _objects(folder: Path) -> dict[str, Facts]:
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def _is_result(path: str) -> bool:
    return path.startswith(f"{paths.METRICS.as_posix()}/") or path == SCORES.as_posix()


def _md5(path: Path) -> str | None:
    """As DVC hashes a file; None for one that is not there."""
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else None
