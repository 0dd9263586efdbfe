"""Run a stage: check, execute its notebook with Papermill, write a report. Only this module uses Papermill."""

from __future__ import annotations

import ast
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
from traitlets.config import Config

from recomart.project import logs, params
from recomart.project.params import Params
from recomart.reports import changes, index
from recomart.runner import notebook_file, notebook_html
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import disk, files, paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.parquet import scratch_folder
from recomart_lib.core.shops import Shop
from recomart_lib.features import definitions, engine
from recomart_lib.ingest import ingestion, lake
from recomart_lib.train import selection
from recomart_lib.validate import quality_rules

log = logging.getLogger(__name__)

# kernels communicate through sockets that only their user may access; a TCP port is open to all users of the machine
TRANSPORT = "tcp" if os.name == "nt" else "ipc"

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
        If there is no such stage, or it failed; the message is for the user.
    """
    name = resolve(name)
    logs.start(name)
    timer = StageTimer(name)
    with _sidecar(name, timer) as metadata:
        timer.start("check")
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {metadata['title']}", id="0")])
        try:
            notebook = notebook_file.read(name)
            metadata |= {"title": title_of(notebook), "question": question_of(notebook)}
            parameters = check(name, notebook)
        except UserError as error:
            _write_report(name, notebook, str(error))
            raise
        log.info("%s: started", name)
        executed, error = _execute(name, parameters, timer, n_cells=len(notebook.cells) + 1)  # Papermill adds one
        metadata["section"] = timer.section if error else None
        timer.start("report")
        _write_report(name, executed, error)
        if error:
            where = f"{name}, section '{metadata['section']}'" if metadata["section"] else name
            raise UserError(f"{where}: {error}\nFull report: {paths.REPORTS}/{name}.html")


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
        ingestion.check(shop, paths.place(settings.base.source))
    elif not paths.place(paths.RAW, f"source={shop.name}").is_dir():
        raise UserError(f"Nothing of shop '{shop.name}' is ingested yet. Run: dvc repro")
    return _parameters(name, notebook, settings)


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


def _execute(
    name: str, parameters: dict[str, Any], timer: StageTimer, n_cells: int
) -> tuple[nbformat.NotebookNode, str | None]:
    """Execute the notebook; returns it and its error as one sentence (None if it succeeded)."""
    import papermill  # takes two seconds: errors in params.yaml are reported before
    from nbclient.exceptions import DeadKernelError

    start_logs = f"--IPKernelApp.exec_lines={logs.kernel_line(name)}"
    error = None
    timer.start("kernel")
    # string hashes, and with them the order of sets, are random otherwise
    os.environ["PYTHONHASHSEED"] = "0"
    # the last report stays in its place until this one is complete
    with scratch_folder(paths.place(paths.REPORTS)) as folder:
        output = folder / f"{name}.ipynb"
        try:
            papermill.execute_notebook(
                paths.place(paths.NOTEBOOKS, f"{name}.ipynb"),
                output,
                parameters,
                kernel_name="python3",
                cwd=paths.root(),
                progress_bar=False,  # it would count cells; sections are logged, and long steps have their own bars
                stderr_file=logs.StderrRelay(),  # shows the notebook's log while it runs; reports leave it out
                on_cell_start=lambda cell, cell_index: timer.on_cell_start(cell, cell_index + 1, n_cells),
                config=Config(
                    {"KernelManager": {"transport": TRANSPORT}, "NotebookClient": {"extra_arguments": [start_logs]}}
                ),
            )
        except (DeadKernelError, TimeoutError) as failure:
            error = f"the notebook's kernel died ({failure}); most often the machine ran out of memory"
        except papermill.PapermillExecutionError as failure:
            error = _sentence(failure.ename, failure.evalue)
        return nbformat.read(output, as_version=4), error


def _sentence(name: str, message: str) -> str:
    """A notebook's error in one sentence; `name` is that of its type."""
    if name in ("UserError", "GateError"):
        return message
    return disk.explained(f"{name}: {message}") or f"{name}: {message}"


def _write_report(name: str, executed: nbformat.NotebookNode, error: str | None) -> None:
    """Write the executed notebook to reports/, cleaned, as a notebook and as HTML."""
    cleaned = notebook_html.clean(executed)
    html = notebook_html.render(cleaned, title_of(cleaned), error)
    files.write_text(paths.place(paths.REPORTS, f"{name}.ipynb"), nbformat.writes(cleaned) + "\n")
    files.write_text(paths.place(paths.REPORTS, f"{name}.html"), html)


@contextmanager
def _sidecar(name: str, timer: StageTimer) -> Iterator[dict[str, Any]]:
    """Write the stage's metadata to reports/sidecars/<name>.json; a failure also rebuilds the index, as DVC stops."""
    started, clock = datetime.now(UTC), time.perf_counter()
    title = name.replace("_", " ").title()  # as in the notebook, unless it cannot be read
    metadata: dict[str, Any] = {"stage": name, "title": title, "question": None}
    metadata |= {"run": logs.run_id(), "started": started.isoformat(timespec="seconds")}
    metadata |= {"state": "ok", "error": None, "section": None, "shop": None, "rows": {}}
    try:
        yield metadata
        shop = shops.load(params.load().base.shop)
        metadata |= {"shop": shop.name, "rows": _rows(name, shop)}
    except BaseException as error:
        metadata |= {"state": "failed", "error": disk.explained(error) or str(error) or type(error).__name__}
        metadata["section"] = metadata["section"] or timer.section
        raise
    finally:
        metadata |= {"seconds": round(time.perf_counter() - clock, 2)}
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
    if metadata["state"] == "failed":
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
