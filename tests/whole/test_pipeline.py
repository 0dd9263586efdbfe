"""The whole pipeline, on a small shop, through the real DVC: what runs, what runs again, what a failure leaves."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import nbformat
import polars as pl
import pytest
from projects import STAGES, ran, run, sidecar

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
    ingested = [words[4] for words in mine if words[4].startswith("recomart_lib.ingest.ingestion events: ")]
    assert len(ingested) == 1
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
    assert lists.columns == ["user_id", "item_id", "score", "rank", "model", "reason_kind", "reason"]
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


# question -> (page, what answers it, in the text before `until`)
QUESTIONS = {
    "Is the data good enough, and what was dropped?": (
        "index.html",
        r"The data (passes|does not pass) the quality gate: [\d.]+ % .* [\d.]+ % of the delivered events are used",
    ),
    "What is left of rows and users, and why?": (
        "index.html",
        r"delivered [\d,]+ read [\d,]+ .*kept [\d,]+ .*used for training [\d,]+ .*evaluated [\d,]+ .*"
        r"get personal lists [\d,]+ .*known before [\d,]+ .*evaluated: discovery [\d,]+",
    ),
    "Which model, and what is it?": (
        "index.html",
        r"Proposal\. The “ ?[^”]+”: \w+ .* It makes (lists as delivered|discovery): ",
    ),
    "How much better than bestsellers and the best simple rival, how sure?": (
        "index.html",
        r"Of ten products on a list, [\d.]+ were bought within \d+ days from [\d-]+ \([\d.]+ to [\d.]+\): .*"
        r"the strongest simple rival, “[^”]+” \([\d.]+\)\. .*"
        r"How sure\. The (lead over|lag behind) this rival is (not )?significant: "
        r"ndcg@10 [+-][\d.]+ \([+-][\d.]+ to [+-][\d.]+\), p ",
    ),
    "Is it stable over time?": (
        "index.html",
        r"At \d of \d cuts in time no other model was better.*: ndcg@10 [\d.]+.* newest, [\d.]+"
        r".* unseen when the model was chosen",
    ),
    "For whom is it worse?": (
        "index.html",
        r"Of the evaluated customers, [\d.]+ % get a worse list than from .*bestsellers",
    ),
    "How old is the data?": ("index.html", r"Age of the data [\d,]+ days?( \(\d+ years\))? last event \d{4}-\d\d-\d\d"),
    "Which protocol matters?": ("index.html", r"Which lists decide\? (Lists as delivered|Discovery) decides"),
    "What should be fixed first?": ("index.html", r"What to fix in your data (\S+ ){4}"),
    "Why is product X shown to customer Y?": (
        "08_recommend.html",
        r"Customer 1 \([a-z ,]+\): [\d,]+ products? chosen before Suggestions, and why .*You (chose|saw|rated) this",
    ),
    "What may be forwarded?": (
        "index.html",
        r"In short Of ten products that the “ ?[^”]+” would have shown, .+ The data passes .+ Next\. ",
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_page_answers_what_every_reader_asks(project, question):
    name, answer = QUESTIONS[question]
    page = (project / "reports" / name).read_text(encoding="utf-8")
    text = html.unescape(" ".join(re.sub(r"<(svg|script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL).split()))
    assert re.search(answer, re.sub(r" (?=[:;,.”])", "", text)), text[:3000]


def test_links_of_the_index_lead_somewhere(project):
    reports = project / "reports"
    for name, anchor in re.findall(r'href="([^"#]*)#?([^"]*)"', (reports / "index.html").read_text(encoding="utf-8")):
        page = reports / (name or "index.html")
        assert page.exists(), name
        assert not anchor or f'id="{anchor}"' in page.read_text(encoding="utf-8"), (name, anchor)
