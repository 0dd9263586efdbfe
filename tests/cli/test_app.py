"""The command line: messages, exit statuses, and no traceback for user errors."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from recomart.cli import app
from recomart.project import params
from recomart.reports import model_card
from tools.docs_commands import commands, examples

EXAMPLES = [(words, line) for words, command, _ in commands() for line in examples(command)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project without data: parameters, pipeline and shops."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def test_shop_use_updates_params_and_keeps_comments(project, call):
    feed = project / "feed"
    feed.mkdir()
    status, printed, _ = call("shop", "use", "online_retail", "--source", str(feed))
    assert (status, "online_retail" in printed) == (0, True)
    base = params.load(project / "params.yaml").base
    assert (base.shop, base.source) == ("online_retail", feed.as_posix())
    comments = [line.split("#")[1] for line in (ROOT / "params.yaml").read_text().splitlines() if "#" in line]
    assert all(comment in (project / "params.yaml").read_text() for comment in comments)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shop", "use", "onlin_retail"], "Did you mean 'online_retail'?"),
        (["shop", "use", "online_retail"], "There is no folder data/source/online_retail"),
        (["shop", "check", "shops/none.yaml"], "no such file"),
        (["stage", "5_features"], "Did you mean '05_features'?"),
        (["stage", "validte"], "Did you mean '02_validate'?"),
        (["stage", "0"], "There is no stage '0'. Known: 01_ingest, 02_validate"),
        (["reports"], "There are no reports yet"),
    ],
)
def test_a_user_error_is_one_message_and_status_1(project, call, words, complaint):
    status, _, err = call(*words)
    assert status == 1
    assert complaint in err
    assert "Traceback" not in err


def test_the_simulated_shop_is_served_whichever_shop_is_in_use(project):
    yaml = (project / "params.yaml").read_text().replace("shop: simulated", "shop: online_retail")
    for size in ("n_users: 10000", "n_items: 5000", "n_orders: 35000", "n_days: 365"):
        yaml = yaml.replace(size, size.split()[0] + " 40")
    (project / "params.yaml").write_text(yaml)
    words = [sys.executable, "-m", "recomart.cli.app", "simulate", "--serve-api", "--port", "0", "--fault", "error=1"]
    environment = {**os.environ, "RECOMART_API_TOKEN": "abc"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            written, address = server.stdout.readline(), server.stdout.readline().split()[0]
            token, next_step = server.stdout.readline(), server.stdout.readline()
            with urlopen(address) as answer:
                assert set(json.load(answer)["tables"]) == {"users", "products", "transactions"}
            with urlopen(Request(f"{address}/faults", headers={"Authorization": "Bearer abc"})) as answer:
                assert json.load(answer)["error"] == 1
        finally:
            server.send_signal(signal.SIGINT)
        complaints = server.communicate(timeout=30)[1]
    assert "rows are intentionally invalid" in written
    assert "Requests need the token in RECOMART_API_TOKEN" in token
    assert "make repro SHOP=simulated_api" in next_step
    assert (server.returncode, complaints) == (0, "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fault", "drop=0.1"], "--fault needs --serve-api"),
        (["--serve-api", "--fault", "drop"], "expected a fault and its rate, like drop=0.1"),
        (["--serve-api", "--fault", "dorp=0.1"], "Did you mean 'drop'?"),
        (["--serve-api", "--fault", "drop=7"], "not a rate between 0 and 1"),
    ],
)
def test_a_wrong_fault_is_one_message(project, call, words, complaint):
    status, _, err = call("simulate", *words)
    assert status == 1
    assert complaint in err


def test_shop_check_shows_mapped_rows(project, call):
    (project / "feed").mkdir()
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    row = "1,85123A,HEART,-6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
    (project / "feed/a.csv").write_text(f"{header}\n{row}\n{row.replace('2.55', 'expensive')}\n")
    status, printed, _ = call(
        "shop", "check", str(project / "shops/online_retail.yaml"), "--source", str(project / "feed")
    )
    assert status == 0
    assert "1 row readable, 1 rejected" in printed
    assert "return" in printed
    assert "price: 'expensive' is not a number" in printed


def test_simulate_does_nothing_for_a_real_shop(project, call):
    (project / "feed").mkdir()
    call("shop", "use", "online_retail", "--source", str(project / "feed"))
    status, printed, _ = call("simulate")
    assert (status, "nothing to do" in printed) == (0, True)
    assert not list((project / "data/source/simulated").iterdir())


def test_the_version_is_that_of_the_package(call):
    status, printed, _ = call("--version")
    assert (status, bool(re.fullmatch(r"recomart \d+\.\d+\.\d+\n", printed))) == (0, True)


def test_stages_are_listed_in_order_with_question_state_and_time(project, call):
    sidecars = project / "reports/sidecars"
    sidecars.mkdir(parents=True)
    ran = {"started": "2026-11-24T16:10:28+00:00", "seconds": 1234.5, "question": "Really?"}
    (sidecars / "01_ingest.json").write_text(json.dumps({**ran, "state": "ok"}))
    (sidecars / "02_validate.json").write_text(json.dumps({**ran, "state": "failed"}))
    (sidecars / "03_explore.json").write_text(json.dumps({**ran, "state": "ok"}))
    status, printed, _ = call("stage")
    rows = [re.split(r"\s{2,}", line) for line in printed.splitlines()]
    assert (status, rows[0]) == (0, ["stage", "question", "state", "last run", "seconds"])
    assert rows[1] == ["01_ingest", "Really?", "ok", "2026-11-24 16:10:28", "1,234.5"]
    assert (rows[2][2], rows[3][2]) == ("failed", "stale")
    assert rows[4] == ["04_prepare", "What goes into the model, and where is the data split?", "not run yet", "-", "-"]
    assert [row[0] for row in rows[1:]] == [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["lak"], "Did you mean 'lake'?"),
        (["lake", "sho"], "Did you mean 'show'?"),
        (["recommend"], "give one of --user ID, --item ID"),
        (["lake", "show", "--rows", "many"], "--rows"),
        (["lake", "show", "--rows", "0"], "--rows"),
        (["recommend", "--user", "u", "--nope"], "--nope"),
        (["features", "diff", "recommender_v1"], "NEW"),
    ],
)
def test_an_invalid_call_has_status_2(call, words, complaint):
    status, printed, err = call(*words)
    assert (status, printed) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


NEEDS_PROJECT = [line for words, line in EXAMPLES if words not in ("recomart features show", "recomart known-answers")]


@pytest.mark.parametrize("line", [line for line in NEEDS_PROJECT if ".yaml" not in line and ">" not in line])
def test_outside_a_project_the_error_says_what_to_do(tmp_path, monkeypatch, call, line):
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    status, printed, err = call(*shlex.split(line)[1:])
    assert (status, printed) == (1, "")
    assert err == (
        f"Error: No RecoMart project at or above {tmp_path}: go to the folder with params.yaml, or set RECOMART_ROOT.\n"
    )
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_with_130_and_no_traceback(project, call, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model_card, "build", interrupted)
    status, _, err = call("index")
    assert (status, "Traceback" in err) == (130, False)


def test_a_bug_keeps_its_traceback(project, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(model_card, "build", broken)
    monkeypatch.setattr(sys, "argv", ["recomart", "index"])
    with pytest.raises(ZeroDivisionError):
        app.main()


@pytest.mark.parametrize("words", [["features", "show"], ["features", "show", "order_count"], ["--help"], ["shop"]])
def test_a_closed_pipe_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    called = [sys.executable, "-m", "recomart.cli.app", *words]
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(called, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""


def test_control_characters_in_errors_are_escaped(project, call):
    status, _, err = call("shop", "show", "\x1b[2Jshop")
    assert (status, "\x1b" in err) == (1, False)
    assert "'\\x1b[2Jshop' is not a name" in err


def test_help_needs_no_heavy_package():
    heavy = ["polars", "pandas", "numpy", "pyarrow", "pydantic", "yaml", "sqlalchemy", "feast", "nbformat", "IPython"]
    code = f"import sys, recomart.cli.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_a_stage_starts_its_kernel_before_it_imports_what_takes_long():
    heavy = ["polars", "pandas", "numpy", "pyarrow", "scipy", "nbformat", "papermill", "nbconvert", "IPython"]
    heavy += ["pydantic", "yaml"]
    code = f"import sys, recomart.cli.stage; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_resolving_the_shop_imports_nothing_that_reads_its_files():
    heavy = ["numpy", "httpx", "pyarrow", "recomart.datasets", "recomart_lib.ingest.ingestion"]
    code = f"import sys, recomart.cli.shop; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_the_command_modules_import_at_the_top():
    """Except completion.py and output.py, which import what a single Tab key or table needs, stage.py and shop.py."""
    for path in (ROOT / "recomart/cli").glob("*.py"):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        inner = {
            node.lineno for f in functions for node in ast.walk(f) if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert not inner or path.stem in ("completion", "output", "stage", "shop"), (path, inner)
