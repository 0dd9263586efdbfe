"""Real jobs on a small shop, and the web UI in a real browser (slow)."""

from __future__ import annotations

import http.server
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from projects import BIN, change, new_project, run

dagster = pytest.importorskip("dagster", reason="NO DAGSTER: pip install --no-deps -r requirements-orchestration.lock")
# ruff: noqa: E402
from recomart.orchestration import ui as launcher
from recomart_lib.core.errors import UserError

MODULE = "recomart.orchestration.definitions"
GROUPS = ("ingestion", "quality", "features", "model", "serving", "reporting")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = new_project(tmp_path_factory.mktemp("shop"))
    change(folder, train={"models": {"popularity": {}, "own_history": {}}, "n_trials": 1, "n_backtests": 1})
    (folder / ".dagster").mkdir()
    shutil.copy(folder / "recomart/orchestration/templates/dagster.yaml", folder / ".dagster")
    return folder


def surroundings(project: Path) -> dict[str, str]:
    paths = {"RECOMART_ROOT": str(project), "DAGSTER_HOME": str(project / ".dagster"), "PYTHONPATH": str(project)}
    return {**os.environ, **paths, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def start(project: Path, *command: str, **how) -> subprocess.Popen:
    command = (sys.executable, "-m", "dagster", *command)
    return subprocess.Popen(command, cwd=project, env=surroundings(project), start_new_session=True, **how)


def execute(project: Path, job: str) -> str:
    process = start(
        project, "job", "execute", "-m", MODULE, "-j", job, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output, _ = process.communicate()
    return f"{output}\nstatus {process.returncode}"


@pytest.mark.slow
def test_the_jobs_succeed_one_after_the_other(project):
    for job in (
        "ingestion_only_job",
        "validation_only_job",
        "feature_engineering_job",
        "model_training_job",
        "automated_pipeline_job",
    ):
        output = execute(project, job)
        assert output.endswith("status 0"), output[-3_000:]
    assert "Asset check 'leakage_audit' on '05_features' passed" in output
    assert run(project, "dvc", "status").stdout.startswith("Data and pipelines are up to date")


@pytest.mark.slow
def test_a_dirty_shop_fails_at_the_gate_with_the_rules_named(project):
    change(project, validate={"min_quality": 0.999})
    output = execute(project, "validation_only_job")
    change(project, validate={"min_quality": 0.95})
    assert output.endswith("status 1")
    assert "below validate.min_quality = 99.9 %; most failures: " in output
    assert "Asset check 'quality_gate' on '02_validate' did not pass" in output
    assert output.count("> recomart stage 02_validate") == 1
    assert execute(project, "validation_only_job").endswith("status 0")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_cancelled_run_stops_its_kernel_and_the_next_one_goes_on(project):
    assert execute(project, "validation_only_job").endswith("status 0")
    change(project, explore={"top_n": 9})
    command = ("asset", "materialize", "-m", MODULE, "--select", "03_explore")
    process = start(project, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if "03_explore: started" in line:
            break
    deadline, below = time.monotonic() + 60, []
    while not any("ipykernel" in " ".join(one.cmdline()) for one in below) and time.monotonic() < deadline:
        below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert not psutil.wait_procs(below, timeout=10)[1]
    assert run(project, "dvc", "status", check=False).returncode == 0
    done = start(project, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "RUN_SUCCESS" in done.communicate()[0]


@pytest.fixture
def webhook() -> Iterator[tuple[str, queue.Queue]]:
    """The address of a server on this machine, and what was posted to it."""
    received: queue.Queue = queue.Queue()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()


class ServedUi(NamedTuple):
    """A running `recomart ui`: its addresses, its process, and the file with its output."""

    address: str
    reports: str
    process: subprocess.Popen
    output: Path

    def daemon(self) -> psutil.Process:
        return next(child for child in self.children() if "recomart.orchestration.daemon" in child.cmdline())

    def code_server(self) -> psutil.Process:
        return next(child for child in self.children() if "code-server" in child.cmdline())

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ask(self, query: str) -> dict:
        return httpx.post(f"{self.address}/graphql", json={"query": query}, timeout=30).json()["data"]


def free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in (first, second)]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def ui(project, webhook, monkeypatch, tmp_path) -> Iterator[ServedUi]:
    """`recomart ui` on free ports."""
    monkeypatch.setenv("RECOMART_WEBHOOK", webhook[0])
    port, reports_port = free_ports()
    command = (sys.executable, "-m", "recomart.cli.app", "ui", "--port", str(port), "--reports-port", str(reports_port))
    output = tmp_path / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            command, cwd=project, env=surroundings(project), start_new_session=True, stdout=file, stderr=file
        )
    served = ServedUi(f"http://localhost:{port}", f"http://localhost:{reports_port}", process, output)
    wait_until(lambda: "The web UI is at" in output.read_text(), 60, output.read_text())
    wait_until(lambda: MODULE in str(served.ask(LOCATIONS)), 60, "the definitions were not loaded")
    tree = [psutil.Process(process.pid), *served.children()]
    yield served
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    for one in psutil.wait_procs(tree, timeout=30)[1]:
        one.kill()


LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"


def test_a_port_that_is_taken_is_reported_before_anything_starts(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for ports in ((port, free_ports()[0]), (free_ports()[0], port)):
            with pytest.raises(UserError, match=rf"^Port {port} cannot be used: .*recomart ui --port N"):
                launcher.serve(tmp_path, *ports)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_nothing_is_left_behind(ui, number):
    """Ctrl-C reaches all processes of a terminal; the others only the first one; SIGKILL gives it no time."""
    children = ui.children()
    assert len(children) >= 3
    if number == "SIGINT":
        os.killpg(ui.process.pid, signal.SIGINT)
    else:
        ui.process.send_signal(signal.Signals[number])
    assert ui.process.wait(30) == (-signal.SIGKILL if number == "SIGKILL" else 0), ui.output.read_text()
    left = psutil.wait_procs(children, timeout=90 if number == "SIGKILL" else 5)[1]  # code servers wait for 45 s
    assert not left
    assert "Traceback" not in ui.output.read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_dead_process_is_reported(ui):
    dead = ui.code_server()
    dead.kill()
    wait_until(lambda: "Code server process has exited" in ui.output.read_text(), 30, "the code server is dead")
    wait_until(lambda: ui.code_server().pid != dead.pid, 30, "no code server was started")
    wait_until(lambda: "LOADED" in str(ui.ask(LOCATIONS)), 30, "the new one is not used")
    ui.daemon().kill()
    assert ui.process.wait(60) == 1
    assert "The Dagster daemon ended by itself (exit status -9; " in ui.output.read_text()


ATTACKS = """
<form method=post target=sink action="UI/graphql?query=MUTATION"><input name=a></form>
<iframe name=sink></iframe> <iframe id=framed src="UI/"></iframe> <img src="UI/graphql?query=MUTATION">
<script>
document.forms[0].submit();
const body = JSON.stringify({query: "MUTATION"}), results = [];
const done = (name, how) => { results.push(name + " " + how); document.title = results.sort().join(", "); };
const send = (name, options) => fetch("UI/graphql", {method: "POST", body, ...options})
  .then(response => done(name, response.type), () => done(name, "failed"));
send("text", {mode: "no-cors"});
send("json", {headers: {"Content-Type": "application/json"}});
const socket = new WebSocket("UI/graphql".replace("http", "ws"), "graphql-ws");
socket.onopen = () => done("socket", "opened");
socket.onerror = () => done("socket", "failed");
</script>
"""
MUTATION = "mutation { setAutoMaterializePaused(paused: true) }"


@pytest.fixture
def hostile_page(ui) -> Iterator[str]:
    """The address of a page of another origin that attacks the web UI in every way that a browser offers."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACKS.replace("UI", ui.address).replace("MUTATION", MUTATION).encode())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def tab(chromium) -> Iterator[Any]:
    """A tab of Chromium."""
    page = chromium.new_page(viewport={"width": 1400, "height": 800})
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.mark.slow
def test_a_hostile_page_in_the_same_browser_changes_nothing(ui, hostile_page, tab):
    assert ui.ask(MUTATION.replace("true", "false")) == {"setAutoMaterializePaused": False}
    tab.goto(hostile_page)
    tab.wait_for_function("document.title.split(', ').length == 3")
    assert tab.title() == "json failed, socket failed, text failed"
    tab.wait_for_timeout(2_000)  # form and image
    assert ui.ask("{ instance { autoMaterializePaused } }") == {"instance": {"autoMaterializePaused": False}}
    said = ui.output.read_text()
    assert said.count("refused: POST '/graphql'") == 2, said  # the preflight of the JSON is refused instead
    for refused in ("OPTIONS '/graphql'", "GET '/graphql'", "GET '/'", "WebSocket '/graphql'"):
        assert f"refused: {refused}" in said


@pytest.mark.slow
def test_a_job_launched_in_the_browser_succeeds_and_shows_its_metadata(ui, tab, tmp_path):
    """Screenshots go to RECOMART_SCREENSHOTS, if that names a folder: docs/images were made so."""
    pictures = Path(os.environ.get("RECOMART_SCREENSHOTS", tmp_path))
    expanded = ",".join(f"global@global:{group}" for group in GROUPS)
    tab.goto(f"{ui.address}/asset-groups?expanded={expanded}")
    for stage in ("01_ingest", "05_features", "index"):
        tab.get_by_text(stage, exact=True).first.wait_for()
    tab.wait_for_timeout(3_000)  # the graph moves into its place
    tab.screenshot(path=pictures / "orchestration_graph.png")
    tab.goto(f"{ui.address}/locations/{MODULE}/jobs/validation_only_job/playground")
    tab.get_by_text("data/source/simulated").first.wait_for()
    tab.get_by_role("button", name="Launch Run").click()
    tab.wait_for_url("**/runs/*")
    tab.get_by_text("Success", exact=True).first.wait_for(timeout=600_000)
    tab.wait_for_timeout(2_000)
    tab.screenshot(path=pictures / "orchestration_run.png")
    tab.goto(f"{ui.address}/assets/02_validate")
    for text in ("quality score", "rows out", "MD5 in dvc.lock", "preview"):
        tab.get_by_text(text).first.wait_for()
    tab.screenshot(path=pictures / "orchestration_asset.png")
    tab.goto(f"{ui.address}/notebook?repoLocName={MODULE}&path=reports/02_validate.ipynb")
    tab.get_by_text("Can we trust the delivered data?").first.wait_for()
    problems = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.goto(f"{ui.reports}/02_validate.html")
    tab.get_by_role("button", name="sort by").first.click()  # the page's script has run
    tab.locator("[aria-sort=ascending]").first.wait_for()
    assert not problems
    assert "refused" not in ui.output.read_text()


def cursor(project: Path, sensor: str) -> str | None:
    """What the sensor remembers of its last look."""
    with dagster.DagsterInstance.from_config(str(project / ".dagster")) as instance:
        states = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
    return states[0].instigator_data.cursor if states and states[0].instigator_data else None


@pytest.mark.slow
def test_new_files_start_a_run_whose_failure_is_sent_to_the_webhook(project, ui, webhook):
    """The daemon's own work: no sensor is called by hand."""
    assert execute(project, "ingestion_only_job").endswith("status 0")
    change(project, validate={"min_quality": 0.999})
    assert start(project, "sensor", "start", "new_data_sensor", "-m", MODULE).wait() == 0
    deadline = time.monotonic() + 180
    while cursor(project, "new_data_sensor") is None:
        assert time.monotonic() < deadline, "the sensor was never looked at"
        time.sleep(1)
    deliveries = project / "data/source/simulated/transactions"
    shutil.copy(max(deliveries.iterdir()), deliveries / "transactions_2031-01-01.csv")
    payload = webhook[1].get(timeout=300)
    change(project, validate={"min_quality": 0.95})
    assert start(project, "sensor", "stop", "new_data_sensor", "-m", MODULE).wait() == 0
    assert (payload["job"], payload["shop"]) == ("automated_pipeline_job", "simulated")
    assert "below validate.min_quality = 99.9 %" in payload["stages"].get("02_validate", ""), payload
    with dagster.DagsterInstance.from_config(str(project / ".dagster")) as instance:
        started = [run for run in instance.get_runs() if run.tags.get("dagster/sensor_name") == "new_data_sensor"]
    assert [run.run_id for run in started] == [payload["run_id"]]
