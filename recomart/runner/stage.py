"""Run a stage: check, execute its notebook, write a report."""

from __future__ import annotations

import ast
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import polars as pl

from recomart.project import logs, params, processes
from recomart.project.params import Params
from recomart.reports import changes, index
from recomart.runner import execution, leftovers, notebook_file, notebook_html, signals
from recomart.runner.signals import Stopped, Stopper
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import clock, disk, files, paths, project_lock, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.redaction import redact
from recomart_lib.core.shops import Shop
from recomart_lib.features import definitions, engine
from recomart_lib.ingest import ingestion, lake
from recomart_lib.train import selection
from recomart_lib.validate import quality_rules

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
    execution.remove_sockets()


def _run(name: str, timer: StageTimer, stopper: Stopper) -> None:
    with _sidecar(name, timer) as metadata:
        timer.start("check")
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {metadata['title']}", id="0")])
        try:
            notebook = notebook_file.read(name)
            metadata |= {"title": title_of(notebook), "question": question_of(notebook)}
            stopper.after(_limit(name), f"limits.stage_s.{name}")
            parameters = check(name, notebook)
        except (UserError, Stopped) as error:
            _write_report(name, notebook, str(error), isinstance(error, Stopped))
            raise
        log.info("%s: started", name)
        executed, error, stopped = execution.execute(name, notebook, parameters, timer)
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
    raise UserError(f"There is no stage '{word}'. {suggestion(word, list(STAGES))}")


def check(name: str, notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Check what can be checked before a kernel starts: params.yaml, the shop and its files, the parameters cell.

    Returns
    -------
    dict
        The values for the notebook's parameters cell.
    """
    settings = params.load()
    shop = shops.load(settings.base.shop)
    quality_rules.rules(quality_rules.of_shop(settings.validate_, shop))
    selection.check(settings.train)
    definitions.definitions(settings.train.feature_service)
    engine.check(settings.base.engine)
    if name == "01_ingest":
        ingestion.check(shop, paths.place(settings.base.source), settings.ingest)
    elif not paths.place(paths.RAW, f"source={shop.name}").is_dir():
        raise UserError(f"Nothing of shop '{shop.name}' is ingested yet. Run: dvc repro")
    return _parameters(name, notebook, settings)


def _limit(name: str) -> float | None:
    """The stage's longest run time in seconds, from params.yaml; None: no limit."""
    limits = params.load().limits.stage_s
    if unknown := [stage for stage in limits if stage not in STAGES]:
        raise UserError(
            f"params.yaml: limits.stage_s: there is no stage '{unknown[0]}'. {suggestion(unknown[0], list(STAGES))}"
        )
    return limits.get(name)


def _parameters(name: str, notebook: nbformat.NotebookNode, settings: Params) -> dict[str, Any]:
    section = settings.section(STAGES[name]).model_dump()
    available = {**settings.base.model_dump(), **section}
    declared = declared_parameters(notebook)
    if unknown := [parameter for parameter in declared if parameter not in available]:
        raise UserError(
            f"notebooks/{name}.ipynb declares '{unknown[0]}', which is in neither base nor "
            f"{STAGES[name]} of params.yaml. {suggestion(unknown[0], list(available))}"
        )
    if missing := [parameter for parameter in section if parameter not in declared]:
        raise UserError(f"notebooks/{name}.ipynb: the parameters cell lacks {', '.join(missing)}.")
    return {parameter: available[parameter] for parameter in declared}


def declared_parameters(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The assignments in the cell tagged `parameters`: name -> default."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise UserError(f"A stage notebook must have exactly one cell tagged 'parameters'; found {len(cells)}.")
    try:
        statements = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
        return {node.targets[0].id: ast.literal_eval(node.value) for node in statements}
    except (SyntaxError, ValueError, AttributeError) as error:
        raise UserError(
            f"The cell tagged 'parameters' must assign one plain value to one name per statement: {error}."
        ) from None


def _write_report(name: str, executed: nbformat.NotebookNode, error: str | None, stopped: bool = False) -> None:
    """Write the executed notebook to reports/, cleaned, as a notebook and as HTML."""
    cleaned = notebook_html.clean(executed)
    html = notebook_html.render(cleaned, title_of(cleaned), error, "was stopped" if stopped else "failed")
    files.write_text(paths.place(paths.REPORTS, f"{name}.ipynb"), nbformat.writes(cleaned) + "\n")
    files.write_text(paths.place(paths.REPORTS, f"{name}.html"), html)


@contextmanager
def _sidecar(name: str, timer: StageTimer) -> Iterator[dict[str, Any]]:
    """Write the stage's metadata to reports/sidecars/<name>.json; a failure also rebuilds the index, as DVC stops."""
    started, began = clock.now(), time.perf_counter()
    title = name.replace("_", " ").title()  # as in the notebook, unless it cannot be read
    metadata: dict[str, Any] = {"stage": name, "title": title, "question": None}
    metadata |= {"run": logs.run_id(), "started": started.isoformat(timespec="seconds")}
    metadata |= {"state": "ok", "error": None, "section": None, "shop": None, "rows": {}}
    try:
        yield metadata
        shop = shops.load(params.load().base.shop)
        metadata |= {"shop": shop.name, "rows": _rows(name, shop)}
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


def _record(name: str, metadata: dict[str, Any]) -> None:
    text = json.dumps(metadata, indent=1, ensure_ascii=False)
    files.write_text(paths.place(paths.SIDECARS, f"{name}.json"), text)
    log.info("%s: %s after %.1f s", name, metadata["state"], metadata["seconds"])
    if metadata["state"] != "ok":
        index.build(paths.root(), changes.build(paths.root()))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The first heading, `05 Features`."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def question_of(notebook: nbformat.NotebookNode) -> str:
    """The question that the notebook answers: the first paragraph below its title, which is bold."""
    paragraphs = [part for part in notebook.cells[0].source.split("\n\n")[1:] if part.strip()]
    return paragraphs[0].replace("\n", " ").strip("* ") if paragraphs else ""


def _rows(name: str, shop: Shop) -> dict[str, int]:
    """The number of rows that the stage wrote, by table."""
    if name == "01_ingest":
        return {table: lake.table(paths.place(paths.RAW), shop.name, table).height for table in shop.delivered}
    folders = {
        "02_validate": [paths.VALIDATED, paths.QUARANTINE],
        "04_prepare": [paths.PREPARED],
        "05_features": [paths.FEATURES],
        "06_train": [paths.MODELS],
        "08_recommend": [paths.RECOMMENDATIONS],
    }.get(name, [])
    files = [path for folder in folders for path in sorted(paths.place(folder).glob("*.parquet"))]
    data = paths.place("data")
    return {str(path.relative_to(data).with_suffix("")): _height(path) for path in files}


def _height(path: Path) -> int:
    return pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
