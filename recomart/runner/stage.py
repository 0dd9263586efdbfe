"""Run one stage of the pipeline: check its prerequisites, execute its notebook, write a report.

The kernel starts first, and what takes long to import is imported where it is used: while the kernel starts and works,
or never.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recomart.project import logs, processes
from recomart.runner import execution, kernel, leftovers, signals
from recomart.runner.execution import Executor
from recomart.runner.signals import Stopped, Stopper
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import clock, disk, files, paths, project_lock
from recomart_lib.core.errors import UserError
from recomart_lib.core.redaction import redact

if TYPE_CHECKING:
    from nbformat import NotebookNode

log = logging.getLogger(__name__)

# Notebook -> its section of params.yaml (in addition to `base`).
STAGES = {
    "01_ingest": "ingest",
    "02_validate": "validate",
    "03_explore": "explore",
    "04_prepare": "prepare",
    "05_features": "features",
    "06_train": "train",
    "07_evaluate": "evaluate",
    "08_recommend": "recommend",
    "09_stream": "stream_report",
}


def run(name: str) -> None:
    """Run one stage headless, as `dvc repro` does.

    reports/<stage>.html and reports/<stage>.ipynb show the result or the failure; a failure also rebuilds the index.

    Parameters
    ----------
    name
        A name that `resolve` accepts: `02_validate`, `02` or `validate`.

    Raises
    ------
    UserError
        If there is no such stage, another process works on the project, or it failed; the message is for the user.
    Stopped
        If a signal or a limit has stopped it, or the `dvc` that ran it has ended; its kernel has ended, too.
    """
    name = resolve(name)
    logs.start(name)
    with (
        signals.stoppable(_leave_nothing) as stopper,
        project_lock.held(f"stage {name}", processes.outermost_dvc()),
    ):
        leftovers.remove()
        _run(name, StageTimer(name), stopper)


def _leave_nothing() -> None:
    """End what this process has started, before it ends itself."""
    processes.kill_descendants()
    kernel.remove_sockets()


def _run(name: str, timer: StageTimer, stopper: Stopper) -> None:
    with _sidecar(name, timer) as metadata:
        timer.start("check")
        with execution.starting(name) as executor:
            notebook, parameters = _checked(name, metadata, stopper, executor)
            log.info("%s: started", name)
            ThreadPoolExecutor(1).submit(_prepare_report)  # while the kernel is at work
            executed, error, stopped = executor.execute(notebook, parameters, timer)
        stopper.cancel_limit()
        metadata["section"] = timer.section if error else None
        timer.start("report")
        try:
            _write_report(name, executed, error, stopped is not None)
        except Stopped as late:
            _write_report(name, executed, str(late), stopped=True)
            raise
        if error:
            where = f"{name}, section '{metadata['section']}'" if metadata["section"] else name
            message = f"{where}: {error}\nFull report: {paths.REPORTS}/{name}.html"
            raise Stopped(message, stopped.status) if stopped else UserError(message)
        metadata |= _importing("report").result().verdict(executed)


def _checked(
    name: str, metadata: dict[str, Any], stopper: Stopper, executor: Executor
) -> tuple[NotebookNode, dict[str, Any]]:
    """The notebook and its parameters; what a check finds, or a signal, ends the kernel, and is on the report."""
    notebook = None
    try:
        notebook_file = _importing("notebook_file").result()
        notebook = notebook_file.read(name)
        metadata |= {"title": notebook_file.title_of(notebook), "question": notebook_file.question_of(notebook)}
        stopper.after(_limit(name), f"limits.stage_s.{name}")
        return notebook, _importing("checks").result().check(name, STAGES[name], notebook)
    except (UserError, Stopped) as error:
        executor.end()
        shown = notebook or _only_title(metadata["title"])
        _write_report(name, shown, str(error), isinstance(error, Stopped))
        raise


def _importing(module: str) -> Future[ModuleType]:
    """Import a module of the runner in a thread of its own.

    Signals interrupt the main thread only; an interrupted import of NumPy could not be repeated for the report.
    """
    return ThreadPoolExecutor(1).submit(import_module, f"recomart.runner.{module}")


def _prepare_report() -> None:
    """Import and compile what the report needs, which takes half a second. Writing it raises what this cannot do."""
    import_module("recomart.runner.report").prepare()


def _only_title(title: str) -> NotebookNode:
    import nbformat

    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {title}", id="0")])


def resolve(word: str) -> str:
    """The stage with this name, number or word: `02_validate`, `02` and `validate` are the same.

    The last stage has two words: `stream`, and its section of params.yaml, `stream_report`.

    Raises
    ------
    UserError
        If there is no such stage, suggesting a similar name.
    """
    for name, section in STAGES.items():
        if word in (name, *name.split("_", 1), section):
            return name
    from recomart_lib.core.config import suggestion

    raise UserError(f"There is no stage '{word}'. {suggestion(word, list(STAGES))}")


def _limit(name: str) -> float | None:
    """The stage's longest run time in seconds, from params.yaml; None: no limit."""
    from recomart.project import params
    from recomart_lib.core.config import suggestion

    limits = params.load().limits.stage_s
    if unknown := [stage for stage in limits if stage not in STAGES]:
        raise UserError(
            f"params.yaml: limits.stage_s: there is no stage '{unknown[0]}'. {suggestion(unknown[0], list(STAGES))}"
        )
    return limits.get(name)


def _write_report(name: str, executed: NotebookNode, error: str | None, stopped: bool = False) -> None:
    _importing("report").result().write(name, executed, error, stopped)


@contextmanager
def _sidecar(name: str, timer: StageTimer) -> Iterator[dict[str, Any]]:
    """Write the stage's metadata to reports/sidecars/<name>.json; a failure also rebuilds the index, as DVC stops."""
    started, began = clock.now(), time.perf_counter()
    title = name.replace("_", " ").title()  # as in the notebook, unless it cannot be read
    metadata: dict[str, Any] = {"stage": name, "title": title, "question": None}
    metadata |= {"run": logs.run_id(), "started": started.isoformat(timespec="seconds")}
    metadata |= {"state": "ok", "error": None, "section": None, "shop": None, "rows": {}}
    metadata |= {"verdict": None, "verdict_reason": None}
    try:
        yield metadata
        metadata |= _result(name)
    except BaseException as error:
        metadata["state"] = "stopped" if isinstance(error, Stopped) else "failed"
        metadata["error"] = redact(disk.explained(error) or str(error) or type(error).__name__)
        metadata["section"] = metadata["section"] or timer.section
        raise
    finally:
        metadata |= {"seconds": round(time.perf_counter() - began, 2)}
        metadata |= {"parts": timer.parts(), "sections": timer.sections()}
        try:
            _record(name, metadata)
        except OSError as problem:
            if metadata["state"] == "ok":
                raise
            log.error("%s", disk.explained(problem) or problem)  # the stage's own error is reported last


def _result(name: str) -> dict[str, Any]:
    """What only a stage that succeeded has in its metadata."""
    from recomart.project import params
    from recomart.runner import rows_written
    from recomart_lib.core import shops

    shop = shops.load(params.load().base.shop)
    return {"shop": shop.name, "rows": rows_written.of_stage(name, shop)}


def _record(name: str, metadata: dict[str, Any]) -> None:
    text = json.dumps(metadata, indent=1, ensure_ascii=False)
    files.write_text(paths.place(paths.SIDECARS, f"{name}.json"), text)
    log.info("%s: %s after %.1f s", name, metadata["state"], metadata["seconds"])
    if metadata["state"] != "ok":
        from recomart.reports import overview

        overview.build(paths.root())
