"""The index page: correct states and verdicts, and clear messages for what is missing."""

import json
import re
import subprocess

import pytest
import yaml

from recomart.project.git import revision
from recomart.reports import formats, index, targets
from recomart_lib.core.colours import MODEL_COLOURS, colour

LOADS = re.compile(r"""(?:src|srcset|poster)\s*=|<link\b|@import|url\(""")
TAG = re.compile(r"<[^>]+>")
PIPELINE = {
    "ingest": {"cmd": "recomart stage 01_ingest", "outs": [{"data/raw": {"persist": True}}]},
    "validate": {"cmd": "recomart stage 02_validate", "deps": ["data/raw"], "outs": ["data/validated"]},
    "explore": {"cmd": "recomart stage 03_explore", "deps": ["data/raw/source=x"]},
    "prepare": {"cmd": "recomart stage 04_prepare", "deps": ["data/validated/events"], "metrics": [{"m.json": {}}]},
    "evaluate": {"cmd": "recomart stage 07_evaluate", "deps": ["m.json"]},
    "index": {"cmd": "recomart index", "deps": ["reports/sidecars"]},
}


def sidecar(root, stage, state="ok", **facts):
    facts = {
        "stage": stage,
        "title": stage.replace("_", " ").title(),
        "question": "why?",
        "state": state,
        "started": "2025-11-23T13:00:00+00:00",
        "seconds": 83,
        "error": None,
        "rows": {"users": 10000},
        "shop": "simulated",
        **facts,
    }
    write(root / f"reports/sidecars/{stage}.json", facts)


def write(path, facts):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": PIPELINE}, sort_keys=False), encoding="utf-8")
    (tmp_path / "params.yaml").write_text("base:\n  shop: simulated  # which\n\ntrain:\n  k: 20\n", encoding="utf-8")
    for stage in ("01_ingest", "02_validate", "03_explore", "04_prepare"):
        sidecar(tmp_path, stage)
    return tmp_path


def page_of(root):
    return index.build(root).read_text(encoding="utf-8")


def states(page):
    """Stage -> the text of its chip."""
    section = page[page.index('id="stages"') : page.index('id="models"')]
    rows = re.findall(r"<tr>.*?</tr>", section, flags=re.DOTALL)[1:]
    return {re.search(r"\d\d", row)[0]: re.search(r'class="chip[^>]*>([^<]+)', row)[1] for row in rows}


def test_states_in_pipeline_order(root):
    assert states(page_of(root)) == {"01": "ok", "02": "ok", "03": "ok", "04": "ok", "07": "not run yet"}


def test_what_follows_a_failed_stage_is_stale(root):
    sidecar(root, "07_evaluate")
    sidecar(root, "02_validate", state="failed", error="quality is <b>93 %</b>")
    page = page_of(root)
    # 03 only reads results of 01, so it is not stale
    assert states(page) == {"01": "ok", "02": "failed", "03": "ok", "04": "stale", "07": "stale"}
    assert page.index("quality is &lt;b&gt;93 %&lt;/b&gt;") < page.index('id="stages"')
    assert "from an earlier run" in page


def test_a_stage_that_was_stopped_is_not_said_to_have_failed(root):
    sidecar(root, "02_validate", state="stopped", error="stopped by the signal SIGTERM")
    page = page_of(root)
    assert states(page)["02"] == "stopped"
    assert states(page)["04"] == "stale"
    assert "was stopped.</strong>" in page
    assert "stopped by the signal SIGTERM" in page


def test_the_longest_section_of_a_stage_is_named(root):
    sidecar(root, "03_explore", sections=[{"title": "A", "seconds": 2}, {"title": "<b>B</b>", "seconds": 9.5}])
    page = page_of(root)
    assert "&lt;b&gt;B&lt;/b&gt; 9.5 s" in page


def test_a_stage_that_never_ran_is_not_stale(root):
    sidecar(root, "02_validate", state="failed", error="x")
    assert states(page_of(root))["07"] == "not run yet"


def test_what_to_do_about_the_data_is_said_and_where_faults_are_planted(root):
    fix = {"problem": "9 rows <b>.", "rows": 9, "share": 0.1, "effect": "They are lost.", "where": "02_validate.html"}
    quality = {"score": 96.0, "min_score": 95.0, "fixes": [{**fix, "how": "Record an id <i>."}, fix]}
    write(root / "reports/metrics/quality.json", quality)
    page = page_of(root)
    assert "They are lost. <b>What to do:</b> Record an id &lt;i&gt;." in page
    assert page.count("What to do:") == 1  # of an older version: without
    assert "planted" not in page
    write(root / "reports/metrics/quality.json", {**quality, "planted": "Faults are planted."})
    assert "<p>Faults are planted.</p>" in page_of(root)


def test_only_existing_reports_are_linked(root):
    (root / "reports/01_ingest.html").write_text("x")
    write(root / "reports/01_ingest.ipynb", {})
    write(root / "reports/profiles/users.html", {})
    page = page_of(root)
    always = {"#main", "index.html", "changes.html", "search.html"}
    reports = {"01_ingest.html", "01_ingest.ipynb", "profiles/users.html"}
    assert set(re.findall(r'href="([^"]+)"', page)) == always | reports


def test_the_model_card_is_linked_where_there_is_one(root):
    assert "Model card" not in page_of(root)
    for suffix in ("md", "html"):
        (root / f"reports/model_card.{suffix}").parent.mkdir(exist_ok=True)
        (root / f"reports/model_card.{suffix}").write_text("x")
    assert {"model_card.html", "model_card.md"} <= set(re.findall(r'href="([^"]+)"', page_of(root)))


def test_missing_metrics_are_named(root):
    page = page_of(root)
    for name in ("quality", "evaluation", "data"):
        assert f"reports/metrics/{name}.json is missing" in page
    assert "not measured" in page


@pytest.mark.parametrize("text", ["", '{"cut off', "{}"])
def test_page_survives_broken_files(root, text):
    for path in ("metrics/evaluation.json", "metrics/quality.json", "sidecars/07_evaluate.json"):
        write(root / "reports" / path, {})
        (root / "reports" / path).write_text(text)
    assert "Not measured yet" in page_of(root)


def test_empty_project(tmp_path):
    page = page_of(tmp_path)
    assert "No stages: " in page
    assert "params.yaml is missing" in page


def metrics(root, evil=""):
    scores = {"precision@10": 0.1, "recall@10": 0.2, "ndcg@10": 0.3, "ndcg@10_ci": [0.28, 0.32], "mrr@10": float("nan")}
    target = {
        "target": "ndcg@10 >= 0.20",
        "protocol": "all",
        "model": f"ease{evil}",
        "value": 0.3,
        "low": 0.28,
        "high": 0.32,
        "floor_random": 0.001,
        "floor_popularity": 0.05,
        "ceiling": 1.0,
        "verdict": "clearly met",
    }
    missed = {**target, "protocol": "novel", "value": 0.05, "low": 0.04, "high": 0.06, "verdict": "missed"}
    write(
        root / "reports/metrics/evaluation.json",
        {
            "all": {"als": {**scores, "ndcg@10": 0.1}, f"ease{evil}": scores},
            "novel": {"ease": scores},
            "users": {"test_users": 3000},
            "targets": [target, missed],
            "chosen": {"all": f"ease{evil}", "novel": "ease"},
        },
    )
    counts = {"delivered": 12345, "good": 12000, "score": 94.96}
    rule = {"table": "users", "rule": f"age{evil}", "severity": "error", "sentence": f"age{evil}", "n_failed": 3}
    quality = {"score": 94.96, "min_score": 95.0, "tables": {f"users{evil}": counts}, "rules": [rule]}
    write(root / "reports/metrics/quality.json", quality)
    write(root / "reports/metrics/headline.json", {"model": "ease", "all": scores, "novel": {}})
    write(root / "reports/metrics/data.json", {"title": f"Shop{evil}", "n_events": 54321, "first": f"2025{evil}"})


def test_numbers_and_verdicts(root):
    metrics(root)
    page = page_of(root)
    for text in ("0.280 to 0.320", "clearly met", "missed", "12,345", "54,321", "1 min 23 s"):
        assert text in page
    assert "94.9 %" in page  # never rounded up to the gate
    models = page[page.index('id="models"') :]
    assert models.index(">ease") < models.index(">als")
    assert MODEL_COLOURS["ease"] in models


def test_pipeline_time_is_evaluated_only_after_all_stages_ran(root):
    row = re.compile(r"Pipeline &lt; 24 h.*?</span>", re.DOTALL)
    assert "not measured" in row.search(page_of(root))[0]
    sidecar(root, "07_evaluate")
    assert "6 min 55 s" in row.search(page_of(root))[0]


@pytest.mark.parametrize(("p99", "verdict"), [(329.4, "met"), (1_200.0, "missed"), (None, "not measured")])
def test_feature_latency_is_evaluated_if_the_stream_reported_it(root, p99, verdict):
    write(root / "reports/metrics/stream.json", {"to_features_ms": {"p99": p99}})
    row = re.search(r"Event to feature.*", TAG.sub("", page_of(root)))[0]
    assert verdict in row
    assert (f"{p99:,.0f} ms" in row) if p99 else ("ms" not in row)


def test_the_targets_are_read_without_the_index(root, monkeypatch):
    monkeypatch.setattr(index, "_gather", None)
    assert [row["verdict"] for row in targets.read(root)] == 3 * ["not measured"]
    metrics(root)
    rows = {row["target"]: row["verdict"] for row in targets.read(root)}
    assert rows["data quality >= 95 %"] == "missed"
    assert len(rows) > 3


def test_verdicts_of_an_earlier_version_are_understood(root):
    metrics(root)
    path = root / "reports/metrics/evaluation.json"
    path.write_text(path.read_text().replace("clearly met", "surely met"))
    page = page_of(root)
    assert "surely met" not in page
    assert '<span class="chip ok">clearly met</span>' in page


def test_data_cannot_act_and_nothing_is_loaded(root):
    evil = "\"'><script>alert(1)</script>"
    metrics(root, evil)
    texts = dict.fromkeys(("error", "title", "question", "started", "shop"), evil)
    sidecar(root, "07_evaluate", state="failed", rows={evil: 1}, **texts)
    page = page_of(root)
    assert not LOADS.search(page)
    assert page.count("<script") == 1  # the page's own, admitted by its hash
    assert "http" not in page.replace("http-equiv", "")
    assert "&lt;script&gt;" in page


def test_parameters_keep_their_comments(root):
    assert "shop: simulated  # which" in page_of(root)


@pytest.mark.parametrize(
    "text", ["stream:\n  client: {sasl.password: hunter22}\n", 'stream:\n  client: {sasl.password: "hunter22}\n']
)
def test_parameters_with_a_secret_are_not_shown(root, text):
    (root / "params.yaml").write_text(text)
    page = page_of(root)
    assert "hunter22" not in page
    assert "it may hold a secret" in page


def test_revision(root):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)

    assert revision(root) == "no git"
    git("init")
    assert revision(root) == "no git"  # nothing committed yet
    git("add", "params.yaml", "dvc.yaml")
    git("commit", "-m", "first")
    assert re.fullmatch(r"[0-9a-f]{7,}", revision(root))  # files that a run writes to reports/ do not count
    (root / "params.yaml").write_text("base: {}\n")
    assert revision(root).endswith(" + uncommitted changes")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (83, "1 min 23 s"),
        (7500, "2 h 5 min"),
        (None, "-"),
    ],
)
def test_duration(seconds, text):
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (97.8, "97.8 %"),
        (94.999, "94.9 %"),
        (100, "100 %"),
        (float("nan"), "-"),
        (None, "-"),
    ],
)
def test_quality(value, text):
    assert formats.quality(value) == text


def test_times_are_shown_in_utc():
    assert formats.utc("2025-12-31T23:59:00+02:00") == "2025-12-31 21:59"


def test_colours_are_fixed_and_different():
    assert len(set(MODEL_COLOURS.values())) == len(MODEL_COLOURS)
    assert colour("als") == MODEL_COLOURS["als"]
    assert colour("brand_new") == colour("brand_new")
    assert re.fullmatch("#[0-9A-F]{6}", colour("brand_new"))
