"""The whole pipeline, on a small shop, through the real DVC: what runs, what runs again, what a failure leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import polars as pl
import pytest
from projects import BIN, STAGES, change, ran, results, run, sidecar

from recomart_lib.features import feature_store


def test_every_stage_leaves_report_and_sidecar(project):
    for name in STAGES:
        page = (project / "reports" / f"{name}.html").read_text()
        assert "<h1" in page
        facts = sidecar(project, name)
        assert (facts["state"], facts["section"]) == ("ok", None)
        assert list(facts["parts"]) == ["check", "kernel", "imports", "sections", "report"]
        assert facts["sections"][0]["title"] == "Inputs"
        assert sum(facts["parts"].values()) <= facts["seconds"] + 0.1
        executed = nbformat.read(project / "reports" / f"{name}.ipynb", as_version=4)
        assert any(cell.get("outputs") for cell in executed.cells)
    assert "Recomart" in (project / "reports/index.html").read_text().title()


def test_one_run_has_one_id_in_sidecars_and_log(project):
    runs = {sidecar(project, name)["run"] for name in STAGES}
    assert len(runs) == 1
    lines = (project / "logs/recomart.log").read_text().splitlines()
    mine = [line.split(" ", 4) for line in lines if line.split()[2] in runs]
    assert {words[3] for words in mine} >= set(STAGES)
    # the library speaks in the kernel: that is there, once
    landed = [words[4] for words in mine if words[4].startswith("recomart_lib.ingest.landing events: ")]
    assert len(landed) == 1
    assert sum("06_train: Outputs (cell" in words[4] for words in mine) == 1


def test_machine_readable_results(project):
    metrics = project / "reports/metrics"
    quality = json.loads((metrics / "quality.json").read_text())
    assert quality["score"] == min(table["score"] for table in quality["tables"].values())
    for table in quality["tables"].values():
        placed = sum(table[place] for place in ("good", "quarantined", "duplicates", "excluded"))
        assert table["landed"] == placed
        assert table["delivered"] == table["landed"] + table["rejected"]
    evaluation = json.loads((metrics / "evaluation.json").read_text())
    for protocol in ("all", "novel"):
        for model in evaluation[protocol].values():
            low, high = model["ndcg@10_ci"]
            assert 0 <= low <= model["ndcg@10"] <= high <= 1
    assert evaluation["users"]
    assert json.loads((metrics / "headline.json").read_text())["all"]["ndcg@10"] >= 0


def test_everybody_gets_a_list_with_reasons(project):
    lists = pl.read_parquet(project / "data/recommendations/recommendations.parquet")
    users = pl.read_parquet(project / "data/validated/users.parquet")
    assert lists.columns == ["user_id", "item_id", "score", "rank", "model", "reason"]
    assert set(lists["user_id"]) == set(users["user_id"])
    assert lists.group_by("user_id").len()["len"].unique().to_list() == [10]
    assert lists["reason"].null_count() == 0


def test_nothing_runs_twice(project):
    assert ran(run(project, "dvc", "repro")) == []


@pytest.fixture(scope="module")
def colleague(project, tmp_path_factory) -> Path:
    """What somebody else has after `git clone` and `dvc pull`: nothing was run there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(project, "git", "config", "user.name", "Tester")
    run(project, "git", "config", "user.email", "tester@example.com")
    run(project, "dvc", "remote", "add", "--default", "shared", str(folder / "remote"))
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", "a run, and where it is kept")
    run(project, "dvc", "push")
    run(folder, "git", "clone", "-q", str(project), "clone")
    run(folder / "clone", "dvc", "pull")
    return folder / "clone"


def test_a_colleague_pulls_reports_whose_links_lead_somewhere(project, colleague):
    pages = sorted(path.relative_to(project) for path in (project / "reports").rglob("*.html"))
    assert Path("reports/index.html") in pages
    for page in pages:
        text = (colleague / page).read_text()
        assert text == (project / page).read_text()
        links = re.findall(r'href="([^"#:]+)(?:#[^"]*)?"', text)
        assert [link for link in links if not (colleague / page.parent / link).exists()] == [], page
        assert links or page.name != "index.html"


def test_a_colleague_has_nothing_to_run(project, colleague):
    assert "up to date" in run(colleague, "dvc", "status").stdout
    assert ran(run(colleague, "dvc", "repro")) == []
    assert run(colleague, "git", "status", "--porcelain").stdout == ""
    user = pl.read_parquet(colleague / "data/validated/users.parquet")["user_id"][0]
    assert feature_store.online_user(user, root=colleague) == feature_store.online_user(user, root=project)
    shown = [run(place, "recomart", "recommend", "--user", user).stdout for place in (project, colleague)]
    assert shown[0] == shown[1] != ""


def test_pages_load_nothing_from_elsewhere(project):
    for page in project.glob("reports/*.html"):
        loads = re.findall(
            r"""(?:src|href)\s*=\s*["'](?:https?:)?//[^"']+|@import|url\(\s*["']?http""", page.read_text()
        )
        assert not loads, page


def test_dvc_shows_metrics_plots_and_graph(project):
    assert "headline.json" in run(project, "dvc", "metrics", "show").stdout
    assert "01_ingest" in run(project, "dvc", "dag").stdout
    run(project, "dvc", "plots", "show")


def test_notebooks_run_by_hand(project):
    """nbval runs the stripped notebooks in the finished project: their cells must run with their defaults."""
    environment = {**os.environ, "RECOMART_ROOT": str(project), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    copy = shutil.copytree(
        project, project.parent / "by_hand", symlinks=True, ignore=shutil.ignore_patterns(".git", ".dvc")
    )
    environment["RECOMART_ROOT"] = str(copy)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "notebooks",
    ]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "passed" in done.stdout


def test_a_changed_parameter_runs_only_what_follows(project):
    change(project, recommend={"k": 5})
    assert ran(run(project, "dvc", "repro")) == ["08_recommend", "index"]
    page = (project / "reports/changes.html").read_text()
    assert "One thing changed: parameter recommend.k, from 10 to 5." in page
    assert "is the same for every one of" in page
    change(project, recommend={"k": 10})
    # DVC may put back what a stage left in this state, but never the pages: the run before is another one now
    assert ran(run(project, "dvc", "repro"))[-1] == "index"
    assert "parameter recommend.k, from 5 to 10." in (project / "reports/changes.html").read_text()
    assert sorted(path.name for path in (project / "data/runs").iterdir()) == ["1", "2", "3"]


def test_an_experiment_with_fewer_trials_repeats_none(project):
    """`dvc exp run -S` and `dvc exp show`; the trials of the run before are kept, so the file stays as it is."""
    before = (project / "data/tuning/ease.db").read_bytes()
    run(project, "git", "config", "user.name", "Tester")
    run(project, "git", "config", "user.email", "tester@example.com")
    run(project, "dvc", "exp", "run", "-S", "train.n_trials=2")
    search = json.loads((project / "reports/metrics/tuning.json").read_text())["search"]
    assert (search["ease"]["n_trials"], search["popularity"]["n_trials"]) == (2, 1)
    assert (project / "data/tuning/ease.db").read_bytes() == before
    assert "train.n_trials" in run(project, "dvc", "exp", "show", "--csv").stdout
    change(project, train={"n_trials": 3})
    run(project, "dvc", "repro")
    assert (project / "data/tuning/ease.db").read_bytes() == before


def test_a_forced_rerun_gives_equal_results(project):
    before = results(project)
    run(project, "dvc", "repro", "--force")
    after = results(project)
    assert before.keys() == after.keys()
    # 01 tells how many files were new since the last run
    different = [name for name in before if before[name] != after[name] and name != "reports/01_ingest.ipynb"]
    assert not different


def test_a_typo_is_told_before_any_kernel(project):
    good = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(good.replace("  ease:", "  eese:").replace("horizon_days:", "horizn_days:"))
    done = run(project, "recomart", "stage", "04_prepare", check=False)
    (project / "params.yaml").write_text(good)
    assert done.returncode == 1
    assert "prepare.horizn_days" in done.stderr
    assert "Did you mean 'horizon_days'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_kernel_that_dies_leaves_its_report(project):
    path = project / "notebooks/03_explore.ipynb"
    good = path.read_text()
    notebook = nbformat.reads(good, as_version=4)
    notebook.cells[4].source = "import os\nos.kill(os.getpid(), 9)"
    path.write_text(nbformat.writes(notebook))
    done = run(project, "recomart", "stage", "03_explore", check=False)
    path.write_text(good)
    assert done.returncode == 1
    assert "kernel died" in done.stderr
    assert "Traceback" not in done.stderr
    assert "kernel died" in (project / "reports/03_explore.html").read_text()
    facts = sidecar(project, "03_explore")
    assert (facts["state"], facts["section"]) == ("failed", "Inputs")
    assert facts["sections"][-1]["title"] == "Inputs"
    assert "Error: 03_explore, section 'Inputs': " in done.stderr
    told = (project / "logs/recomart.log").read_text().splitlines()[-1]
    assert "ERROR" in told
    assert "recomart.cli.app 03_explore, section 'Inputs': the notebook's kernel died" in told


def test_a_dirty_shop_stops_at_the_gate_and_leaves_its_report(project):
    change(project, validate={"min_quality": 0.999})
    done = run(project, "dvc", "repro", check=False)
    assert done.returncode != 0
    assert "below validate.min_quality" in done.stderr
    assert "Traceback" not in done.stderr
    page = (project / "reports/02_validate.html").read_text()
    assert "below validate.min_quality" in page[: page.find("<h1")]
    index = (project / "reports/index.html").read_text()
    assert "failed" in index
    assert "stale" in index
    told = "The last run is not kept to compare with: 02 Validate failed."
    assert told in index
    assert told in (project / "reports/changes.html").read_text()
    change(project, validate={"min_quality": 0.95})
    run(project, "dvc", "repro")
    assert "stale" not in (project / "reports/index.html").read_text()
    assert told not in (project / "reports/changes.html").read_text()
