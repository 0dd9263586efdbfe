"""The small shop's pipeline run again, through the real DVC: what an edit makes stale, what a failure leaves."""

from __future__ import annotations

import json
import sys

import nbformat
import pytest
from projects import change, ran, results, run, sidecar

from recomart.project import dvc_graph
from recomart.runner.stage import STAGES as STAGE_FOLDERS

EDIT_EACH = """
import json, sys
from pathlib import Path
from dvc.repo import Repo
stale = {}
for word in sys.argv[1:]:
    path = Path("recomart_lib", word, "takeaways.py")
    text = path.read_text()
    path.write_text(text + "# an edit\\n")
    with Repo() as repo:
        status = repo.status()
    stale[word] = [stage for stage, changes in status.items() if any("changed deps" in change for change in changes)]
    path.write_text(text)
with Repo() as repo:
    stale[""] = sorted(repo.status())
print(json.dumps(stale))
"""


def test_an_edited_sentence_makes_its_stage_and_followers_stale_and_no_other(project):
    """For all nine stages, as DVC itself sees it; afterwards everything is up to date again."""
    python = [sys.executable, "-c", EDIT_EACH, *STAGE_FOLDERS.values()]
    stale = json.loads(run(project, *python).stdout.splitlines()[-1])
    graph = dvc_graph.read(project)
    for name, word in STAGE_FOLDERS.items():
        assert name in stale[word]
        assert set(stale[word]) <= {name} | dvc_graph.downstream(graph, [name])
    assert stale[""] == []


def stale_by_the_shop_file(project) -> set[str]:
    """The stages that read a key of data/shop.json which differs from their last run."""
    run(project, "dvc", "repro", "shop")
    status = json.loads(run(project, "dvc", "status", "--json").stdout)
    changed = {stage: [entry.get("changed deps", {}) for entry in entries] for stage, entries in status.items()}
    return {stage for stage, entries in changed.items() if any("data/shop.json" in deps for deps in entries)}


def test_an_edit_of_the_shop_file_concerns_only_the_stages_that_read_the_key(project):
    """Keys that the file leaves out, like `rules`, have their defaults: adding them with these changes nothing."""
    path = project / "shops/simulated.yaml"
    good = path.read_text()
    path.write_text(good.replace("about:", "rules: {}\nabout: Edited.", 1))
    assert stale_by_the_shop_file(project) == set()
    path.write_text(good + "\nrules: {event_user_known: off}\n")
    assert stale_by_the_shop_file(project) == {"02_validate"}
    path.write_text(good.replace("currency:", "currency: CHF #", 1))
    assert stale_by_the_shop_file(project) == {"03_explore"}
    path.write_text(good)
    assert stale_by_the_shop_file(project) == set()


def test_a_changed_parameter_runs_only_what_follows(project):
    change(project, recommend={"k": 5})
    assert ran(run(project, "dvc", "repro")) == ["08_recommend", "index"]
    page = (project / "reports/changes.html").read_text()
    assert "One thing changed: parameter recommend.k, from 10 to 5." in page
    assert "is unchanged for all" in page
    change(project, recommend={"k": 10})
    # DVC may put back what a stage left in this state, but never the pages: the run before is another one now
    assert ran(run(project, "dvc", "repro"))[-1] == "index"
    assert "parameter recommend.k, from 5 to 10." in (project / "reports/changes.html").read_text()
    assert sorted(path.name for path in (project / "data/runs").glob("[0-9]*")) == ["1", "2", "3"]


def test_an_experiment_with_fewer_trials_repeats_none(project):
    """`dvc exp run -S` and `dvc exp show`; the trials of the run before are kept, so the file stays as it is."""
    before = (project / "data/tuning/ease.json").read_bytes()
    run(project, "git", "config", "user.name", "Tester")
    run(project, "git", "config", "user.email", "tester@example.com")
    run(project, "dvc", "exp", "run", "-S", "train.n_trials=2")
    search = json.loads((project / "reports/metrics/tuning.json").read_text())["search"]
    assert (search["ease"]["n_trials"], search["popularity"]["n_trials"]) == (2, 1)
    assert (project / "data/tuning/ease.json").read_bytes() == before
    assert "train.n_trials" in run(project, "dvc", "exp", "show", "--csv").stdout
    change(project, train={"n_trials": 3})
    run(project, "dvc", "repro")
    assert (project / "data/tuning/ease.json").read_bytes() == before


@pytest.mark.slow
def test_a_forced_rerun_gives_equal_results(project):
    before = results(project)
    run(project, "dvc", "repro", "--force")
    after = results(project)
    assert before.keys() == after.keys()
    # 01 reports how many files were new since the last run
    different = [name for name in before if before[name] != after[name] and name != "reports/01_ingest.ipynb"]
    assert not different


def test_a_typo_is_reported_before_any_kernel(project):
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
    last = (project / "logs/recomart.log").read_text().splitlines()[-1]
    assert "ERROR" in last
    assert "recomart.cli.app 03_explore, section 'Inputs': the notebook's kernel died" in last


def test_a_dirty_shop_stops_at_the_gate_and_leaves_its_report(project):
    change(project, validate={"min_quality": 0.999})
    done = run(project, "dvc", "repro", check=False)
    assert done.returncode != 0
    assert "below validate.min_quality" in done.stderr
    assert "Traceback" not in done.stderr
    page = (project / "reports/02_validate.html").read_text()
    assert "below validate.min_quality" in page[: page.find("<h2")]
    index = (project / "reports/index.html").read_text()
    assert "failed" in index
    assert "stale" in index
    note = "The last run is not archived: 02 Validate failed."
    assert note in index
    assert note in (project / "reports/changes.html").read_text()
    change(project, validate={"min_quality": 0.95})
    run(project, "dvc", "repro")
    assert "stale" not in (project / "reports/index.html").read_text()
    assert note not in (project / "reports/changes.html").read_text()
