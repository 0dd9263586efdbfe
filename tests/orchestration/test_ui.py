"""Real jobs on a small shop, and the web UI in a real browser (all slow)."""

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
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from projects import BIN, change, new_project, run

dagster = pytest.importorskip("dagster", reason="NO DAGSTER: pip install --no-deps -r requirements-orchestration.lock")
pytestmark = pytest.mark.slow
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


def test_a_dirty_shop_fails_at_the_gate_with_the_rules_named(project):
    change(project, validate={"min_quality": 0.999})
    output = execute(project, "validation_only_job")
    change(project, validate={"min_quality": 0.95})
    assert output.endswith("status 1")
    assert "below validate.min_quality = 99.9 %; most failures: " in output
    assert "Asset check 'quality_gate' on '02_validate' did not pass" in output
    assert output.count("> recomart stage 02_validate") == 1
    assert execute(project, "validation_only_job").endswith("status 0")


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


@pytest.fixture
def ui(project, webhook, monkeypatch) -> Iterator[str]:
    """The address of `dagster dev` on a free port."""
    monkeypatch.setenv("RECOMART_WEBHOOK", webhook[0])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(
        project,
        "dev",
        "-m",
        MODULE,
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                httpx.get(f"{address}/server_info").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        yield address
    finally:
        tree = [process, *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            for one in tree:
                one.kill()


def test_a_job_launched_in_the_browser_succeeds_and_shows_its_metadata(ui, tmp_path):
    """Screenshots go to RECOMART_SCREENSHOTS, if that names a folder: docs/images were made so."""
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: pip install playwright")
    if not (browser := shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        pytest.skip("NO BROWSER: there is no chromium here")
    pictures = Path(os.environ.get("RECOMART_SCREENSHOTS", tmp_path))
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1400, "height": 800})
        page.set_default_timeout(60_000)
        expanded = ",".join(f"global@global:{group}" for group in GROUPS)
        page.goto(f"{ui}/asset-groups?expanded={expanded}")
        for stage in ("01_ingest", "05_features", "index"):
            page.get_by_text(stage, exact=True).first.wait_for()
        page.wait_for_timeout(3_000)  # the graph moves into its place
        page.screenshot(path=pictures / "orchestration_graph.png")
        page.goto(f"{ui}/locations/{MODULE}/jobs/validation_only_job/playground")
        page.get_by_text("data/source/simulated").first.wait_for()
        page.get_by_role("button", name="Launch Run").click()
        page.wait_for_url("**/runs/*")
        page.get_by_text("Success", exact=True).first.wait_for(timeout=180_000)
        page.wait_for_timeout(2_000)
        page.screenshot(path=pictures / "orchestration_run.png")
        page.goto(f"{ui}/assets/02_validate")
        for text in ("quality score", "rows out", "MD5 in dvc.lock", "preview"):
            page.get_by_text(text).first.wait_for()
        page.screenshot(path=pictures / "orchestration_asset.png")
        chromium.close()


def cursor(project: Path, sensor: str) -> str | None:
    """What the sensor remembers of its last look."""
    with dagster.DagsterInstance.from_config(str(project / ".dagster")) as instance:
        states = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
    return states[0].instigator_data.cursor if states and states[0].instigator_data else None


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
