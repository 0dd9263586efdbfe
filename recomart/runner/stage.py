"""Run a stage: check, execute its notebook with Papermill, leave a report. Only this module knows Papermill."""

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
from recomart.runner import notebook_html
from recomart.runner.stage_timer import Watch
from recomart_lib.core import paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.features import definitions, engine
from recomart_lib.ingest import lake, landing
from recomart_lib.train import selection
from recomart_lib.validate import quality_rules

log = logging.getLogger(__name__)

# kernels talk through files that only their user may read, where the system has such; through TCP anybody here could
TRANSPORT = "tcp" if os.name == "nt" else "ipc"

# Notebook -> the section of params.yaml that it reads (beside `base`).
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

    Whatever happens, reports/<name>.html and reports/<name>.ipynb show it, and the index is true afterwards.

    Raises
    ------
    UserError
        If the stage could not do its work; the message is meant for people.
    """
    if name not in STAGES:
        raise UserError(f"There is no stage '{name}'. {suggestion(name, list(STAGES))}")
    logs.start(name)
    notebook = nbformat.read(paths.place(paths.NOTEBOOKS, f"{name}.ipynb"), as_version=4)
    watch = Watch(name)
    with _sidecar(name, notebook, watch) as facts:
        watch.enter("check")
        try:
            parameters = check(name, notebook)
        except UserError as problem:
            _leave_report(name, notebook, str(problem))
            raise
        log.info("%s: started", name)
        executed, error = _execute(name, parameters, watch, n_cells=len(notebook.cells) + 1)  # with the parameters'
        facts["section"] = watch.section if error else None
        watch.enter("report")
        _leave_report(name, executed, error)
        if error:
            where = f"{name}, section '{facts['section']}'" if facts["section"] else name
            raise UserError(f"{where}: {error}\nThe whole story: {paths.REPORTS}/{name}.html")


def check(name: str, notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """All that can be known before a kernel starts: params.yaml, the shop file, its files, the parameters cell.

    Returns
    -------
    dict
        The values that the notebook's parameters cell gets.
    """
    everything = params.load()
    shop = shops.load(everything.base.shop)
    quality_rules.rules(everything.validate_)
    selection.check(everything.train)
    definitions.definitions(everything.train.feature_service)
    engine.check(everything.base.engine)
    if name == "01_ingest":
        landing.check(shop, paths.place(everything.base.source))
    elif not paths.place(paths.RAW, f"source={shop.name}").is_dir():
        raise UserError(f"Nothing of shop '{shop.name}' was ingested yet. Run: dvc repro")
    return _parameters(name, notebook, everything)


def _parameters(name: str, notebook: nbformat.NotebookNode, everything: Params) -> dict[str, Any]:
    section = everything.section(STAGES[name]).model_dump()
    offered = {**everything.base.model_dump(), **section}
    declared = declared_parameters(notebook)
    if strangers := [parameter for parameter in declared if parameter not in offered]:
        raise UserError(
            f"notebooks/{name}.ipynb declares '{strangers[0]}', which params.yaml does not have in base or "
            f"{STAGES[name]}. {suggestion(strangers[0], list(offered))}"
        )
    if forgotten := [parameter for parameter in section if parameter not in declared]:
        raise UserError(f"notebooks/{name}.ipynb: its parameters cell lacks {', '.join(forgotten)}.")
    return {parameter: offered[parameter] for parameter in declared}


def declared_parameters(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The plain assignments of the cell tagged `parameters`: name -> default."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise UserError(f"A stage notebook has one cell tagged 'parameters'; found {len(cells)}.")
    statements = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in statements}


def _execute(
    name: str, parameters: dict[str, Any], watch: Watch, n_cells: int
) -> tuple[nbformat.NotebookNode, str | None]:
    """The executed notebook, and what stopped it, in one sentence (None: nothing)."""
    import papermill  # two seconds of imports: a mistake in params.yaml should be told at once
    from nbclient.exceptions import DeadKernelError

    output = paths.output(paths.REPORTS, f"{name}.ipynb")
    speak = f"--IPKernelApp.exec_lines={logs.kernel_line(name)}"
    error = None
    watch.enter("kernel")
    # Python's hashes are seeded by chance otherwise, and with them the order of sets
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        papermill.execute_notebook(
            paths.place(paths.NOTEBOOKS, f"{name}.ipynb"),
            output,
            parameters,
            kernel_name="python3",
            cwd=paths.root(),
            progress_bar=False,  # of cells, which tell little: sections are logged, and long steps have a bar
            stderr_file=logs.Relay(),  # what the notebook logs is seen while it runs; reports leave it out
            on_cell_start=lambda cell, cell_index: watch.before_cell(cell, cell_index + 1, n_cells),
            config=Config({"KernelManager": {"transport": TRANSPORT}, "NotebookClient": {"extra_arguments": [speak]}}),
        )
    except (DeadKernelError, TimeoutError) as problem:
        error = f"the notebook's kernel died ({problem}); most often the machine had no memory left"
    except papermill.PapermillExecutionError as problem:
        known = problem.ename in ("UserError", "GateError")
        error = problem.evalue if known else f"{problem.ename}: {problem.evalue}"
    return nbformat.read(output, as_version=4), error


def _leave_report(name: str, executed: nbformat.NotebookNode, error: str | None) -> None:
    cleaned = notebook_html.clean(executed)
    nbformat.write(cleaned, paths.output(paths.REPORTS, f"{name}.ipynb"))
    html = notebook_html.render(cleaned, title_of(cleaned), error)
    paths.output(paths.REPORTS, f"{name}.html").write_text(html, encoding="utf-8")


@contextmanager
def _sidecar(name: str, notebook: nbformat.NotebookNode, watch: Watch) -> Iterator[dict[str, Any]]:
    """Write what happened to reports/sidecars/<name>.json; a failure also rebuilds the index, since DVC stops then."""
    started, clock = datetime.now(UTC), time.perf_counter()
    facts: dict[str, Any] = {"stage": name, "title": title_of(notebook), "question": question_of(notebook)}
    facts |= {"run": logs.run_id(), "started": started.isoformat(timespec="seconds")}
    facts |= {"state": "ok", "error": None, "section": None, "shop": None, "rows": {}}
    try:
        yield facts
        shop = shops.load(params.load().base.shop)
        facts |= {"shop": shop.name, "rows": _rows(name, shop)}
    except BaseException as problem:
        stopped = {"error": str(problem) or type(problem).__name__, "section": facts["section"] or watch.section}
        facts |= {"state": "failed"} | stopped
        raise
    finally:
        facts |= {"seconds": round(time.perf_counter() - clock, 2)}
        facts |= {"parts": watch.parts(), "sections": watch.sections()}
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        paths.output(paths.SIDECARS, f"{name}.json").write_text(text, encoding="utf-8")
        log.info("%s: %s after %.1f s", name, facts["state"], facts["seconds"])
        if facts["state"] == "failed":
            index.build(paths.root(), changes.build(paths.root()))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The first heading, `05 Features`."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def question_of(notebook: nbformat.NotebookNode) -> str:
    """The question that the notebook answers: the first paragraph under its heading, in bold there."""
    paragraphs = [part for part in notebook.cells[0].source.split("\n\n")[1:] if part.strip()]
    return paragraphs[0].replace("\n", " ").strip("* ") if paragraphs else ""


def _rows(name: str, shop: Shop) -> dict[str, int]:
    """How many rows the stage left, by table."""
    if name == "01_ingest":
        return {table: lake.landed(paths.place(paths.RAW), shop.name, table).height for table in shop.delivered}
    folders = {
        "02_validate": [paths.VALIDATED, paths.QUARANTINE],
        "04_prepare": [paths.PREPARED],
        "05_features": [paths.FEATURES],
        "06_train": [paths.MODELS],
        "08_recommend": [paths.RECOMMENDATIONS],
    }.get(name, [])
    found = [path for folder in folders for path in sorted(paths.place(folder).glob("*.parquet"))]
    data = paths.place("data")
    return {str(Path(path).relative_to(data).with_suffix("")): _height(path) for path in found}


def _height(path: Path) -> int:
    return pl.scan_parquet(path).select(pl.len()).collect().item()
