"""Names of stages on the command line, and notebooks that cannot be run."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from filelock import FileLock

from recomart.runner import checks, execution, notebook_html, stage
from recomart.runner.signals import Stopped
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import project_lock
from recomart_lib.core.errors import UserError


@pytest.mark.parametrize("name", stage.STAGES)
def test_a_stage_has_a_name_a_number_and_a_word(name):
    number, word = name.split("_", 1)
    assert {stage.resolve(text) for text in (name, number, word)} == {name}


def test_the_last_stage_has_two_words():
    assert stage.resolve("stream") == stage.resolve("stream_report") == "09_stream"


def test_no_two_stages_share_a_word():
    words = [word for name, section in stage.STAGES.items() for word in {name, *name.split("_", 1), section}]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("validte", "Did you mean '02_validate'?"),
        ("5_features", "Did you mean '05_features'?"),
        ("0", "Known: 01_ingest, "),
        ("", "Known: 01_ingest, "),
        ("2_", "Known: 01_ingest, "),
    ],
)
def test_an_unknown_stage_gets_a_suggestion(word, suggestion):
    with pytest.raises(UserError, match="There is no stage") as error:
        stage.resolve(word)
    assert suggestion in str(error.value)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with one notebook; no stage has run."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks/04_prepare.ipynb", tmp_path / "notebooks")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def conflict(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:3], "<<<<<<< HEAD\n", lines[3], "=======\n", lines[3], ">>>>>>> theirs\n", *lines[4:]])


def changed(text: str, **keys: object) -> str:
    return json.dumps({**json.loads(text), **keys}, indent=1)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (conflict, "line 4 is a mark of a merge conflict (<<<<<<< HEAD). Resolve the conflict, or"),
        (lambda _: "", "the file is empty."),
        (lambda _: " \n", "the file is empty."),
        (lambda text: text[:300], "is not JSON. Correct it, or"),
        (lambda text: text.replace('"cells": [', '"cells" [', 1), "line 2 is not JSON."),
        (lambda _: "[]", "it has not the structure of a notebook"),
        (lambda _: "{}", "it has not the structure of a notebook"),
        (lambda text: changed(text, metadata={}), "its metadata name no Python kernel."),
        (lambda text: changed(text, metadata={"language_info": {"name": "R"}}), "no Python kernel."),
        (lambda text: changed(text, cells=[]), "its first cell, which has the title, is missing or empty."),
        (lambda text: changed(text, cells=[{"cell_type": "code"}]), "it has not the structure of a notebook"),
    ],
)
def test_a_notebook_that_is_none_is_one_sentence_on_the_report_and_on_the_index(project, damage, sentence):
    path = project / "notebooks/04_prepare.ipynb"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError) as error:
        stage.run("04_prepare")
    message = str(error.value)
    assert message.startswith("notebooks/04_prepare.ipynb is no notebook: ")
    assert sentence in message
    assert message.endswith("restore the file: git checkout HEAD notebooks/04_prepare.ipynb")
    assert "\n" not in message
    for page in ("04_prepare.html", "index.html"):
        assert "is no notebook" in (project / "reports" / page).read_text()
    facts = json.loads((project / "reports/sidecars/04_prepare.json").read_text())
    assert (facts["state"], facts["title"], facts["error"]) == ("failed", "04 Prepare", message)


def test_a_missing_notebook_and_one_that_is_not_utf8_are_named(project):
    path = project / "notebooks/04_prepare.ipynb"
    path.write_bytes(b'{\n "cells": "\xff"}')
    with pytest.raises(UserError, match="line 2 is not UTF-8"):
        stage.run("04_prepare")
    path.unlink()
    with pytest.raises(UserError, match=r"it cannot be read \(No such file or directory\)"):
        stage.run("04_prepare")


def test_an_invalid_params_yaml_is_on_the_report_and_on_the_index(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("base:", "base:\n\tshop: simulated"))
    with pytest.raises(UserError, match="a tab; indent with spaces"):
        stage.run("04_prepare")
    for page in ("04_prepare.html", "index.html"):
        assert "a tab; indent with spaces" in (project / "reports" / page).read_text()


def test_an_error_with_a_secret_is_nowhere_with_it(project, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "correct-horse")
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("base:", "base:\n  correct-horse: 1"))
    with pytest.raises(UserError):
        stage.run("04_prepare")
    for file in ("04_prepare.html", "04_prepare.ipynb", "index.html", "sidecars/04_prepare.json"):
        assert "correct-horse" not in (project / "reports" / file).read_text()
    assert "base.***: unknown key" in (project / "reports/sidecars/04_prepare.json").read_text()


@pytest.mark.parametrize("source", ["a = ", "a = b", "a.b = 1"])
def test_a_parameters_cell_that_is_no_list_of_values_is_one_sentence(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})])
    with pytest.raises(UserError, match="must assign one plain value to one name"):
        checks.declared_parameters(notebook)


def test_a_full_disk_is_one_sentence_and_leaves_the_last_report(project, monkeypatch):
    """Papermill writes the notebook after each cell; here, the disk is full at the first."""

    def execute_notebook(_: object, output: str, *__: object, **___: object) -> None:
        Path(output).write_text('{"cells": [')
        raise OSError(28, "No space left on device", output)

    monkeypatch.setattr("papermill.execute_notebook", execute_notebook)
    monkeypatch.setattr(checks, "check", lambda *_: {})
    for suffix in ("html", "ipynb"):
        (project / "reports").mkdir(exist_ok=True)
        (project / f"reports/04_prepare.{suffix}").write_text("the last report")
    with pytest.raises(OSError, match="No space left"):
        stage.run("04_prepare")
    assert {(project / f"reports/04_prepare.{suffix}").read_text() for suffix in ("html", "ipynb")} == {
        "the last report"
    }
    assert not list((project / "reports/.scratch").iterdir())
    assert "the disk is full. Free some space" in (project / "reports/index.html").read_text()


def test_a_sidecar_that_cannot_be_written_does_not_hide_the_error(project, caplog):
    (project / "notebooks/04_prepare.ipynb").write_text("")
    (project / "reports").mkdir()
    (project / "reports/sidecars").touch()
    with pytest.raises(UserError, match="the file is empty"):
        stage.run("04_prepare")
    assert "reports/sidecars cannot be written: a file, or a link to nothing, is where a folder" in caplog.text


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_during_the_checks_is_on_the_report_and_on_the_index(project, monkeypatch, name):
    monkeypatch.setattr(checks, "check", lambda *_: signal.raise_signal(getattr(signal, name)))
    with pytest.raises(Stopped, match=f"stopped by the signal {name}"):
        stage.run("04_prepare")
    facts = json.loads((project / "reports/sidecars/04_prepare.json").read_text())
    assert (facts["state"], facts["error"], facts["section"]) == ("stopped", f"stopped by the signal {name}", None)
    assert "This stage was stopped." in (project / "reports/04_prepare.html").read_text()
    assert "04 Prepare was stopped." in (project / "reports/index.html").read_text()


def test_a_signal_while_modules_are_imported_leaves_none_half_imported(project, monkeypatch):
    """Signals interrupt the main thread; NumPy, for one, cannot be imported a second time."""
    imported, threads = stage.import_module, []

    def import_module(name: str) -> object:
        threads.append(threading.current_thread())
        if len(threads) == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
        return imported(name)

    monkeypatch.setattr(stage, "import_module", import_module)
    with pytest.raises(Stopped, match="stopped by the signal SIGTERM"):
        stage.run("04_prepare")
    assert threading.main_thread() not in threads
    assert "This stage was stopped." in (project / "reports/04_prepare.html").read_text()


def test_a_signal_while_the_report_is_written_is_reported_too(project, monkeypatch):
    notebook = nbformat.read(project / "notebooks/04_prepare.ipynb", as_version=4)
    render = notebook_html.render

    def rendered(*arguments: object) -> str:
        monkeypatch.setattr(notebook_html, "render", render)
        signal.raise_signal(signal.SIGTERM)
        return render(*arguments)

    monkeypatch.setattr(checks, "check", lambda *_: {})
    monkeypatch.setattr(execution.Executor, "execute", lambda *_: execution.Execution(notebook, None, None))
    monkeypatch.setattr(notebook_html, "render", rendered)
    with pytest.raises(Stopped):
        stage.run("04_prepare")
    assert "stopped by the signal SIGTERM" in (project / "reports/04_prepare.html").read_text()
    assert json.loads((project / "reports/sidecars/04_prepare.json").read_text())["state"] == "stopped"


def test_a_stage_that_was_stopped_in_its_notebook_names_its_section(project, monkeypatch):
    notebook = nbformat.read(project / "notebooks/04_prepare.ipynb", as_version=4)

    def execute(_: object, __: object, ___: object, timer: StageTimer) -> execution.Execution:
        timer.start("sections", "Where is the cut?")
        return execution.Execution(notebook, "stopped by the signal SIGINT", Stopped("", 130))

    monkeypatch.setattr(checks, "check", lambda *_: {})
    monkeypatch.setattr(execution.Executor, "execute", execute)
    with pytest.raises(Stopped, match=r"section 'Where is the cut\?': stopped by the signal SIGINT") as error:
        stage.run("04_prepare")
    assert error.value.status == 130
    facts = json.loads((project / "reports/sidecars/04_prepare.json").read_text())
    assert (facts["state"], facts["section"]) == ("stopped", "Where is the cut?")


def test_a_limit_of_an_unknown_stage_is_one_sentence(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("stage_s: {}", "stage_s: {04_prepar: 60}"))
    with pytest.raises(UserError, match=r"limits\.stage_s: there is no stage '04_prepar'\. Did you mean '04_prepare'"):
        stage.run("04_prepare")


def test_a_stage_of_another_process_is_not_disturbed(project):
    """Neither its report nor its sidecar is written by one that is refused."""
    (project / "data").mkdir()
    with FileLock(project / project_lock.LOCK), pytest.raises(project_lock.BusyError):
        (project / project_lock.HOLDER).write_text(
            '{"what": "stage 06_train", "brief": false, "pid": 7, "host": "h", "since": "today"}'
        )
        stage.run("04_prepare")
    assert not (project / "reports").exists()
