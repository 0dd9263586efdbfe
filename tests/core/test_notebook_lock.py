"""A notebook by hand holds the project's lock while a cell writes."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from filelock import FileLock, Timeout

from recomart_lib.core import files, notebook_lock, paths, project_lock
from recomart_lib.core.project_lock import BusyError
from recomart_lib.core.scratch import scratch_folder


class Events:
    """IPython's events: functions that are called at the end of a cell."""

    def __init__(self) -> None:
        self.functions = []

    def register(self, name: str, function) -> None:
        assert name == "post_run_cell"
        self.functions.append(function)

    def unregister(self, _: str, function) -> None:
        self.functions.remove(function)

    def end_of_cell(self) -> None:
        for function in self.functions[:]:
            function(None)


@pytest.fixture
def events(tmp_path, monkeypatch) -> Events:
    """The events of an IPython shell in a project."""
    events = Events()
    shell = SimpleNamespace(events=events)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    monkeypatch.setenv(notebook_lock.NOTEBOOK, "/home/x/notebooks/04_prepare.ipynb")
    monkeypatch.delenv(project_lock.HELD_BY, raising=False)
    return events


def is_held() -> bool:
    lock = FileLock(paths.output(project_lock.LOCK))
    try:
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def test_a_cell_holds_it_from_its_first_write_to_its_end(events, tmp_path):
    assert not is_held()
    files.write_text(tmp_path / "data/a.txt", "a")
    assert is_held()
    assert "a cell of 04_prepare.ipynb" in (tmp_path / project_lock.HOLDER).read_text()
    files.write_text(tmp_path / "data/b.txt", "b")
    events.end_of_cell()
    assert not is_held()
    assert events.functions == []
    files.write_text(tmp_path / "data/c.txt", "c")
    assert is_held()
    events.end_of_cell()


def test_a_cell_holds_it_while_it_uses_a_scratch_folder(events, tmp_path):
    """The next stage deletes what is in there, as that of a killed one."""
    with scratch_folder(tmp_path / "data"):
        assert is_held()
    events.end_of_cell()


def test_a_cell_that_writes_while_a_stage_runs_is_refused(events, tmp_path):
    stage = FileLock(paths.output(project_lock.LOCK))
    with stage:
        (tmp_path / project_lock.HOLDER).write_text(
            '{"what": "stage 06_train", "brief": false, "pid": 7, "host": "h", "since": "today"}'
        )
        with pytest.raises(BusyError, match=r"in use by stage 06_train \(process 7 on h, since today UTC\)"):
            files.write_text(tmp_path / "data/a.txt", "a")
    assert not (tmp_path / "data/a.txt").exists()


def test_files_outside_the_project_need_no_lock(events, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path / "project"))
    files.write_text(tmp_path / "elsewhere/a.txt", "a")
    assert not is_held()
    monkeypatch.delenv("RECOMART_ROOT")
    monkeypatch.chdir(tmp_path)
    files.write_text(tmp_path / "elsewhere/a.txt", "a")


def test_the_kernel_of_a_stage_takes_no_lock_of_its_own(events, tmp_path, monkeypatch):
    monkeypatch.setenv(project_lock.HELD_BY, "7")
    path = paths.output(project_lock.HOLDER)
    path.write_text('{"what": "stage 04_prepare", "brief": false, "pid": 7, "host": "h", "since": "today"}')
    files.write_text(tmp_path / "data/a.txt", "a")
    assert events.functions == []


def test_without_a_notebook_there_is_no_lock(events, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    files.write_text(tmp_path / "data/a.txt", "a")
    assert not is_held()
