"""Archive the inputs and results of a run, so that the next run can be compared with it.

data/runs/<number>/ has copies under the same paths as in the project: dvc.lock, params.yaml, the metrics, the sidecars
and the scores of every user; run.json has the rest. No stage reads the archive, and DVC does not track it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import polars as pl

from recomart.project import dvc_graph, git, params
from recomart.project.sidecars import Metadata, read
from recomart.project.stored_metrics import read_metrics
from recomart_lib.core import clock, files, paths
from recomart_lib.core.scratch import scratch_folder

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
SCORES = paths.EVALUATION / "per_user.parquet"
MAX_RUNS = 20  # runs per shop; a run takes about a megabyte
# not part of a run: `index` builds pages, and of what `shop` writes, the other stages name the keys that they read
AROUND = ("index", "shop")


@dataclass(frozen=True)
class Run:
    """An archived run, or (number 0) the current state of the project. Large files are read on first use."""

    number: int
    folder: Path  # that has its files
    when: str  # UTC, ISO, at the end of the run
    revision: str  # the Git commit, see `git.revision`
    packages: dict[str, str]  # name -> version, Python among them
    metrics: dict[str, Metadata]  # name of a file in reports/metrics -> its content
    sidecars: dict[str, Metadata]  # notebook -> metadata of its last execution

    @property
    def shop(self) -> str:
        """The shop of the run."""
        return self.metrics["data"]["shop"]

    @cached_property
    def stages(self) -> dict[str, Metadata]:
        """From dvc.lock: stage -> deps, params and outs, with their hashes."""
        return _stages(self.folder)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """One row per protocol, model and evaluated user: ndcg@10, precision@10, recall@10 (07_evaluate)."""
        return pl.read_parquet(self.folder / SCORES, glob=False)

    @cached_property
    def fingerprint(self) -> str:
        """12 digits that identify all inputs and metrics; times and pages do not count."""
        used = {name: [stage.get("deps"), stage.get("params")] for name, stage in self.stages.items()}
        content = json.dumps([used, self.metrics], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class History:
    """The archived runs, the oldest first, and one sentence for each damaged one."""

    runs: list[Run]
    damaged: list[str]

    def of(self, shop: str | None) -> list[Run]:
        """The runs of one shop; of all for None."""
        return [run for run in self.runs if shop in (None, run.shop)]


def problem(root: Path) -> str:
    """Why the project's files are not the result of one complete run of DVC; empty if they are.

    If a stage failed or did not run, or a notebook was run by hand, dvc.lock does not describe the inputs of the files,
    so they cannot be compared with other runs.
    """
    if unfinished := _unfinished_stage(root):
        return unfinished
    if (root / "params.yaml").exists() and not params.may_be_shown(root / "params.yaml"):
        return "params.yaml is not valid, and may hold a secret"
    try:
        hashes = _result_hashes(root)
    except (OSError, ValueError) as reason:
        return f"{dvc_graph.LOCK}, which dvc repro writes, cannot be read ({reason})"
    if SCORES.as_posix() not in hashes:
        return f"{dvc_graph.LOCK} does not list {SCORES.as_posix()}: stage 07_evaluate was not run by dvc repro"
    if different := [path for path, md5 in hashes.items() if _md5(root / path) != md5]:
        return f"{', '.join(different)}: differs from {dvc_graph.LOCK}, so not written by dvc repro, which fixes it"
    return "" if shop_of(root) else "reports/metrics/data.json names no shop"


def _unfinished_stage(root: Path) -> str:
    """Which notebook failed, was stopped or did not run, the first one; empty if there is none."""
    for name in dvc_graph.notebooks(dvc_graph.read_or_unresolved(root)):
        sidecar = read(root / paths.SIDECARS / f"{name}.json")
        if sidecar.get("state") != "ok":
            outcome = {"failed": "failed", "stopped": "was stopped"}.get(sidecar.get("state"), "has not run")
            return f"{sidecar.get('title') or name} {outcome}"
    return ""


def _result_hashes(root: Path) -> dict[str, str]:
    """Path -> hash in dvc.lock, for the metrics and the scores."""
    outs = [out for stage in _stages(root).values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if _is_result(out["path"])}


def save(root: Path) -> Run | None:
    """Archive the state of the project in `root` as a run, and delete the shop's oldest runs beyond `MAX_RUNS`.

    Returns
    -------
    Run or None
        None if nothing was archived: the state is not a complete run (see `problem`), or the shop's last archived run
        had the same inputs and metrics (only the index was rebuilt, or a rerun was forced).
    """
    if reason := problem(root):
        log.info("This run is not archived: %s.", reason)
        return None
    run, before = current(root), history(root).of(shop_of(root))
    if before and before[-1].fingerprint == run.fingerprint:
        return None
    number = max((int(path.name) for path in _numbered(root)), default=0) + 1
    archived = _write(root, run, number)
    for old in [*before, archived][:-MAX_RUNS]:
        shutil.rmtree(root / paths.RUNS / str(old.number))
    return archived


def current(root: Path) -> Run:
    """The project's current state as a run; it must be complete (see `problem`)."""
    metadata = {"when": clock.now().isoformat(timespec="seconds"), "revision": git.revision(root)}
    return _read(root, 0, {**metadata, "packages": packages()})


def history(root: Path) -> History:
    """All archived runs that can be read; damaged ones are reported and left out."""
    runs, damaged = [], []
    for folder in _folders(root):
        try:
            metadata = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
            if changed := [name for name, md5 in metadata["files"].items() if _md5(folder / name) != md5]:
                raise ValueError(f"{changed[0]} is missing or was changed")
            run = _read(folder, int(folder.name), metadata)
            if not run.shop:
                raise ValueError("reports/metrics/data.json names no shop")
            runs.append(run)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
            where = f"{paths.RUNS.as_posix()}/{folder.name}"
            damaged.append(
                f"Run {folder.name} cannot be read and is left out ({reason}). Delete {where} to remove this message."
            )
    return History(runs, damaged)


def shop_of(root: Path) -> str | None:
    """The shop of the current metrics; None if there are none yet."""
    return read(root / paths.METRICS / "data.json").get("shop")


def packages() -> dict[str, str]:
    """The versions of Python and of the dependencies in pyproject.toml, if the project is installed."""
    try:
        requirements = metadata.requires("recomart") or []
    except metadata.PackageNotFoundError:
        requirements = []
    names = sorted({re.match(r"[\w.-]+", line)[0] for line in requirements if "extra ==" not in line})
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def _read(folder: Path, number: int, metadata: Metadata) -> Run:
    fields = {name: metadata[name] for name in ("when", "revision", "packages")}
    metrics = {path.stem: read_metrics(folder, path.stem) for path in files.listed(folder / paths.METRICS, "*.json")}
    sidecars = {path.stem: read(path) for path in files.listed(folder / paths.SIDECARS, "*.json")}
    return Run(number, folder, **fields, metrics=metrics, sidecars=sidecars)


def _write(root: Path, run: Run, number: int) -> Run:
    """Copy the files into a scratch folder and rename that last, so that a folder with a number is complete."""
    archive = root / paths.RUNS
    jsons = [path for place in (paths.METRICS, paths.SIDECARS) for path in files.listed(root / place, "*.json")]
    sources = [root / dvc_graph.LOCK, root / dvc_graph.PARAMS, root / SCORES, *jsons]
    names = {path.relative_to(root).as_posix(): _md5(path) for path in sources}
    metadata = {"when": run.when, "revision": run.revision, "packages": run.packages, "files": names}
    with scratch_folder(archive) as scratch:
        new = scratch / "run"
        for name in names:
            files.copy(root / name, new / name)
        files.write_text(new / RUN_FILE, json.dumps(metadata, indent=1))
        files.move_folder(new, archive / str(number))
    return _read(archive / str(number), number, metadata)


def _folders(root: Path) -> list[Path]:
    """The folders of runs, the oldest first."""
    return [path for path in _numbered(root) if path.is_dir()]


def _numbered(root: Path) -> list[Path]:
    """Everything in the archive whose name is a number; whatever has another name is not ours."""
    numbered = [path for path in (root / paths.RUNS).glob("*") if path.name.isascii() and path.name.isdecimal()]
    return sorted(numbered, key=lambda path: int(path.name))


def _stages(folder: Path) -> dict[str, Metadata]:
    """The stages in dvc.lock that are part of a run (see `AROUND`); ValueError if it is not a valid lock file."""
    return {name: stage for name, stage in dvc_graph.locked(folder).items() if name not in AROUND}


def _is_result(path: str) -> bool:
    return path.startswith(f"{paths.METRICS.as_posix()}/") or path == SCORES.as_posix()


def _md5(path: Path) -> str | None:
    """The hash of a file as DVC computes it; None if there is no such file."""
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else None
