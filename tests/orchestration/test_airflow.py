"""dvc.yaml as an Airflow DAG: the same tasks and edges, whatever its words hold; and the real Airflow 3 takes it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recomart.orchestration.airflow import write
from recomart.project import dvc_graph
from recomart_lib.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent.absolute()
AIRFLOW = "apache-airflow>=3"
SIMPLE = {"make": {"cmd": "x", "outs": ["data"]}, "use": {"cmd": "y", "desc": "Use it", "deps": ["data/part"]}}
NASTY = """It's "quoted" \\ {{ params }} {% raw %} {# #}\n\"\"\" + __import__('os') # é \u202e"""
# in Airflow's environment: what it makes of a folder of DAG files, as its scheduler will read it from the database
LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
dags = {name: DagSerialization.from_dict(DagSerialization.to_dict(dag)) for name, dag in bag.dags.items()}
facts = {name: {
    "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
    "about": {task.task_id: task.doc_md for task in dag.tasks},
    "commands": {task.task_id: task.bash_command for task in dag.tasks},
    "operators": sorted({task.task_type for task in dag.tasks}),
    "retries": sorted({(task.retries, task.retry_delay.total_seconds(), task.retry_exponential_backoff,
                        task.max_retry_delay.total_seconds()) for task in dag.tasks}),
    "paused": dag.is_paused_upon_creation, "catchup": dag.catchup, "schedule": dag.timetable.summary,
    "at_once": [dag.max_active_runs, dag.max_active_tasks], "tags": sorted(dag.tags), "description": dag.description,
} for name, dag in dags.items()}
json.dump({"errors": bag.import_errors, "dags": facts}, open(sys.argv[2], "w"))
"""


def project(folder: Path, stages: dict, values: dict | None = None) -> Path:
    """A folder with a dvc.yaml of these stages and a params.yaml of these values."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8")
    (folder / "params.yaml").write_text(yaml.safe_dump(values or {}), encoding="utf-8")
    return folder


def constants(text: str) -> dict:
    """The constants of a DAG file: PROJECT, PROGRAMS, STAGES."""
    assigned = (node for node in ast.parse(text).body if isinstance(node, ast.Assign))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}


def keywords(text: str) -> dict:
    """The arguments of the DAG that are constants."""
    block = next(node for node in ast.parse(text).body if isinstance(node, ast.With))
    given = {keyword.arg: keyword.value for keyword in block.items[0].context_expr.keywords}
    return {name: value.value for name, value in given.items() if isinstance(value, ast.Constant)}


def edges_by_dvc(folder: Path, shop: str) -> set[tuple[str, str]]:
    """The edges that DVC itself finds in this project's dvc.yaml, for a shop whose files lie at their usual place."""
    for name in ("dvc.yaml", "params.yaml", "shops"):
        shutil.copytree(ROOT / name, folder / name) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, folder)
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    values["base"] |= {"shop": shop, "source": f"data/source/{shop}"}
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    subprocess.run([BIN / "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    drawn = subprocess.run([BIN / "dvc", "dag", "--dot"], cwd=folder, check=True, capture_output=True, text=True)
    lines = [line.strip().rstrip(";").split(" -> ") for line in drawn.stdout.splitlines() if " -> " in line]
    return {(before.strip('"'), after.strip('"')) for before, after in lines}


@pytest.mark.parametrize("shop", ["simulated", "online_retail"])
def test_stages_and_edges_are_those_that_dvc_finds(tmp_path, shop):
    by_dvc = edges_by_dvc(tmp_path, shop)
    written = constants(write(tmp_path, BIN))["STAGES"]
    assert list(written) == list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert {(other, name) for name, (_, before) in written.items() for other in before} == by_dvc
    assert (("simulate", "01_ingest") in by_dvc) == (shop == "simulated")
    assert written["02_validate"][0] == "Can we trust the delivered data?"


def test_the_file_is_a_program_that_knows_where_the_project_and_its_programs_are():
    text = write(ROOT, BIN)
    compile(text, "dag.py", "exec")
    assert text.isascii()
    assert text.endswith("\n")
    assert write(ROOT, BIN) == text
    found = constants(text)
    assert found["PROJECT"] == ROOT.as_posix()
    assert (Path(found["PROGRAMS"]) / "dvc").exists()


# YAML reads the character NEL as an end of line, so the reader of dvc.yaml refuses it
WORDS = st.text(st.characters(blacklist_characters="\x85", blacklist_categories=["Cs"]))


@given(words=WORDS, folder=st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"])))
def test_no_word_breaks_out_of_its_literal(tmp_path_factory, words, folder):
    root = tmp_path_factory.getbasetemp() / "words"
    plain = write(project(root, SIMPLE), Path("/bin"))
    stages = {**SIMPLE, "use": {**SIMPLE["use"], "desc": words}}
    text = write(project(root, stages), Path("/opt") / folder)
    assert constants(text)["STAGES"]["use"] == (words, ["make"])
    assert constants(text)["PROGRAMS"] == (Path("/opt") / folder).as_posix()
    tree = [ast.dump(node) for node in ast.parse(text).body]
    same = [ast.dump(node) for node in ast.parse(plain).body]
    assert sum(a != b for a, b in zip(tree, same, strict=True)) <= 2  # PROGRAMS and STAGES


def test_schedule_retries_and_name_are_as_requested(tmp_path):
    project(tmp_path, SIMPLE)
    usual = keywords(write(tmp_path, BIN))
    assert (usual["schedule"], usual["dag_id"], usual["catchup"]) == ("@daily", "recomart", False)
    assert usual["is_paused_upon_creation"] is True
    text = write(tmp_path, BIN, schedule="30 3 * * 1-5", retries=7, dag_id="second_shop")
    assert (keywords(text)["schedule"], keywords(text)["dag_id"]) == ("30 3 * * 1-5", "second_shop")
    assert '"retries": 7,' in text
    assert keywords(write(tmp_path, BIN, schedule="off"))["schedule"] is None


def test_limits_of_stages_are_those_of_params_yaml_and_two_minutes(tmp_path):
    """In these minutes a stage ends itself and says why; Airflow terminates one that does not."""
    assert constants(write(project(tmp_path, SIMPLE), BIN))["LIMITS"] == {}
    text = write(project(tmp_path, SIMPLE, {"limits": {"stage_s": {"make": 60}}}), BIN)
    assert constants(text)["LIMITS"] == {"make": 180}
    assert "execution_timeout=timedelta(seconds=LIMITS[name]) if name in LIMITS else None," in text


@pytest.mark.parametrize(
    "schedule", ["", "daily", "@fortnightly", "0 3 * *", "0 3 * * * *", "0 3 * * ')", "0\n3 * * *"]
)
def test_a_wrong_schedule_is_refused(tmp_path, schedule):
    with pytest.raises(UserError, match="use off, one of @hourly, @daily"):
        write(project(tmp_path, SIMPLE), BIN, schedule=schedule)


@pytest.mark.parametrize("name", ["two words", "a;b", "-x", "{{ds}}", "a.sh", ""])
def test_names_that_airflow_or_a_shell_would_misread_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="is not a valid DAG id"):
        write(project(tmp_path, SIMPLE), BIN, dag_id=name)
    with pytest.raises(UserError, match="is not a valid task id"):
        write(project(tmp_path, {name: {"cmd": "x"}}), BIN)


def test_a_project_without_stages_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"dvc\.yaml is missing or has no stages"):
        write(tmp_path, BIN)
    with pytest.raises(UserError, match="has no stages"):
        write(project(tmp_path, {}), BIN)
    with pytest.raises(UserError, match=r"Stage 'many' .* foreach"):
        write(project(tmp_path, {"many": {"foreach": ["a"], "do": {"cmd": "x"}}}), BIN)
    (tmp_path / "dvc.yaml").write_text("stages: [")
    with pytest.raises(UserError, match=r"dvc\.yaml is not valid YAML, line 1"):
        write(tmp_path, BIN)


def test_the_command_prints_the_file(call, tmp_path, monkeypatch):
    project(tmp_path / "shop", SIMPLE)
    status, output, _ = call("airflow-dag", "--root", str(tmp_path / "shop"), "--retries", "1")
    assert (status, output) == (0, write((tmp_path / "shop").resolve(), BIN, retries=1))
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    assert call("airflow-dag", "--retries", "1")[1] == output
    status, output, complaint = call("airflow-dag", "--root", str(tmp_path))
    assert (status, output) == (1, "")
    assert complaint.startswith("Error: ")
    assert "dvc.yaml is missing" in complaint


def test_the_graph_fills_in_what_params_yaml_says(tmp_path):
    reads = {"deps": ["${base.source}"], "params": [{"shops/${ base.shop }.yaml": []}]}
    stages = {"a": {"outs": ["data/x"]}, "b": {**reads, "outs": ["${base.missing}", "${base.shop.deeper}"]}}
    read = dvc_graph.read(project(tmp_path, stages, {"base": {"source": "data/x", "shop": "tiny"}}))
    assert dvc_graph.upstream(read) == {"a": [], "b": ["a"]}
    assert read["b"]["params"] == [{"shops/tiny.yaml": []}]
    assert read["b"]["outs"] == stages["b"]["outs"]


@pytest.fixture(scope="session")
def airflow() -> Path:
    """The programs of a real Airflow, in an environment of its own: made once (a few hundred MB), then kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "recomart" / "airflow-{}.{}".format(*sys.version_info)
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", AIRFLOW]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"NO AIRFLOW: pip could not install {AIRFLOW}: {done.stderr.strip()[-500:]}")
        (folder / "complete").touch()
    return folder / "bin"


@pytest.fixture
def home(tmp_path) -> Path:
    """A home for Airflow, with a folder for DAG files."""
    (tmp_path / "home/dags").mkdir(parents=True)
    return tmp_path / "home"


def in_airflow(home: Path, *command: str | Path) -> subprocess.CompletedProcess:
    """Run a program of Airflow's environment, far from the project's: its own home and SQLite, nothing of ours."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "RECOMART_ROOT")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": os.defpath}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)


def look(airflow: Path, home: Path) -> dict:
    """What Airflow makes of the DAG files in its home."""
    done = in_airflow(home, airflow / "python", "-c", LOOK, str(home / "dags"), str(home / "facts.json"))
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return json.loads((home / "facts.json").read_text())


@pytest.mark.slow
def test_the_real_airflow_takes_the_dag_of_this_project(airflow, home, call):
    status, text, _ = call("airflow-dag", "--root", str(ROOT))
    assert status == 0
    (home / "dags/recomart.py").write_text(text, encoding="utf-8")
    found = look(airflow, home)
    assert found["errors"] == {}
    assert list(found["dags"]) == ["recomart"]
    dag, stages = found["dags"]["recomart"], dvc_graph.read(ROOT)
    assert dag["tasks"] == {name: sorted(before) for name, before in dvc_graph.upstream(stages).items()}
    assert dag["about"] == {name: stage["desc"] for name, stage in stages.items()}
    assert dag["commands"] == {name: f"dvc repro --single-item {name}" for name in stages}
    assert dag["operators"] == ["BashOperator"]
    assert dag["retries"] == [[3, 60.0, 2.0, 1800.0]]  # twice as long each time
    assert (dag["paused"], dag["catchup"], dag["schedule"]) == (True, False, "0 0 * * *")
    assert (dag["at_once"], dag["tags"]) == ([1, 1], ["dvc", "recomart"])
    assert dag["description"]


@pytest.mark.slow
def test_the_real_airflow_finds_what_is_wrong(airflow, home):
    """The test above can fail: a schedule that only looks like cron is an error of import."""
    text = write(ROOT, BIN, schedule="99 99 * * *")
    (home / "dags/recomart.py").write_text(text, encoding="utf-8")
    found = look(airflow, home)
    assert found["dags"] == {}
    assert len(found["errors"]) == 1


@pytest.mark.slow
def test_a_run_in_the_real_airflow_runs_the_stages_and_stops_where_one_fails(airflow, home, tmp_path):
    take = {"cmd": "cp ${base.source} taken.txt", "deps": ["${base.source}"], "outs": ["taken.txt"]}
    counts = {
        "take": {**take, "desc": NASTY},
        "count": {"cmd": "wc -l < taken.txt > count.txt", "deps": ["taken.txt"], "outs": ["count.txt"]},
    }
    folder = project(tmp_path / "a project's folder", counts, {"base": {"source": "came.txt"}})
    (folder / "came.txt").write_text("a\nb\n")
    subprocess.run([BIN / "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    (home / "dags/recomart.py").write_text(write(folder, BIN, "off", retries=0), encoding="utf-8")
    dag = look(airflow, home)["dags"]["recomart"]
    assert (dag["about"]["take"], dag["schedule"]) == (NASTY, "None")
    migrated = in_airflow(home, airflow / "airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-2_000:]
    done = in_airflow(home, airflow / "airflow", "dags", "test", "recomart")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    assert (folder / "count.txt").read_text().split() == ["2"]
    assert set(yaml.safe_load((folder / "dvc.lock").read_text())["stages"]) == {"take", "count"}
    (folder / "came.txt").unlink()
    (folder / "count.txt").unlink()
    failed = in_airflow(home, airflow / "airflow", "dags", "test", "recomart")
    assert failed.returncode != 0
    assert not (folder / "count.txt").exists()  # DVC would have brought it back
    assert "came.txt" in failed.stdout + failed.stderr
