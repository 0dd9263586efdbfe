"""Compare runs: what is archived, what changed, what moved, and the page that shows it. Two stages, four users."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import polars as pl
import pytest
import yaml

from recomart.project import git
from recomart.reports import index as reports_index
from recomart.reports.changes import build, build_pair
from recomart.runs import archive, compare
from recomart_lib.core import paths
from recomart_lib.metrics.intervals import paired_test

STAGES = {
    "01_ingest": {"cmd": "recomart stage 01_ingest", "deps": ["data/source"], "outs": ["data/raw"]},
    "07_evaluate": {"cmd": "recomart stage 07_evaluate", "deps": ["data/raw"]},
    "index": {"cmd": "recomart index", "deps": ["reports/sidecars"]},
}
EVIL = "\"'><script>alert(1)</script>"
LOADS = re.compile(r"""(?:src|srcset|poster)\s*=|<link\b|@import|url\(""")
BEFORE = {"u1": 0.2, "u2": 0.4, "u3": 0.5, "u4": 0.1}
BETTER = {"u1": 0.3, "u2": 0.5, "u3": 0.7, "u4": 0.2}  # + 0.1, 0.1, 0.2, 0.1
START = datetime(2030, 1, 1, tzinfo=UTC)  # later than any test, so that new stages count as executed since
HOURS = count(1)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def table(scores):
    """protocol -> model -> user -> ndcg@10, as 07_evaluate leaves it."""
    rows = [
        (protocol, model, user, value, value / 2, value)
        for protocol, models in scores.items()
        for model, users in models.items()
        for user, value in users.items()
    ]
    names = ["ndcg@10", "precision@10", "recall@10"]
    schema = {"protocol": pl.String, "model": pl.String, "user_id": pl.String, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema, orient="row")


def state(root, shop="tiny", reg=5, source="aa", code="c1", users=BEFORE, model="ease", cut="2025-12-01", rows=10):
    """Leave in `root` what `dvc repro` would leave."""
    started = (START + timedelta(hours=next(HOURS))).isoformat()
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False), encoding="utf-8")
    (root / "params.yaml").write_text(yaml.safe_dump({"base": {"shop": shop}}), encoding="utf-8")
    head = {"model": model, "ndcg@10": sum(users.values()) / max(len(users), 1)}
    metrics = {
        "data": {"shop": shop, "cut": cut, "end": "2026-01-01", "fingerprint": f"f{source}", "n_events": rows},
        "headline": {"all": head, "novel": {"model": "pop", "ndcg@10": 0.1}},
        "quality": {"score": 96.0, "min_score": 95.0},
    }
    for name, content in metrics.items():
        write(root / f"reports/metrics/{name}.json", content)
    for name, stage_rows in {"01_ingest": {"raw/events": rows}, "07_evaluate": {}}.items():
        facts = {"title": name.replace("_", " ").title(), "started": started, "seconds": 60.0, "rows": stage_rows}
        write(root / f"reports/sidecars/{name}.json", {"stage": name, "state": "ok", "shop": shop, **facts})
    fixed = {"pop": {"u1": 0.1, "u2": 0.2}}
    (root / archive.SCORES).parent.mkdir(parents=True, exist_ok=True)
    table({"all": {model: users, **fixed}, "novel": fixed}).write_parquet(root / archive.SCORES)
    results = [*(f"reports/metrics/{name}.json" for name in metrics), archive.SCORES.as_posix()]
    lock(root, shop, reg, source, code, [{"path": path, "md5": md5(root / path)} for path in results], started)


def lock(root, shop, reg, source, code, results, started):
    raw = {"path": "data/raw", "md5": f"raw-{source}.dir"}
    ingest = {
        "deps": [{"path": "data/source", "md5": f"{source}.dir", "nfiles": 3}],
        "params": {"params.yaml": {"base.shop": shop}},
        "outs": [raw],
    }
    evaluate = {
        "deps": [raw, {"path": "recomart_lib/metrics", "md5": code}],
        "params": {"params.yaml": {"train": {"models": {"ease": {"reg": reg}}, "k": 20}}},
        "outs": [*results, {"path": "reports/07_evaluate.html", "md5": started}],
    }
    index = {"deps": [{"path": "reports/sidecars/01_ingest.json", "md5": started}]}
    content = {"schema": "2.0", "stages": {"01_ingest": ingest, "07_evaluate": evaluate, "index": index}}
    (root / "dvc.lock").write_text(yaml.safe_dump(content), encoding="utf-8")


def fail(root, name="07_evaluate"):
    write(
        root / f"reports/sidecars/{name}.json", {"stage": name, "title": "07 Evaluate", "state": "failed", "error": "x"}
    )


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def archived(tmp_path):
    """archived(reg=7) leaves a state, archives it, and returns the run (None: not archived)."""

    def run(**facts):
        state(tmp_path, **facts)
        return archive.save(tmp_path)

    run.root = tmp_path
    return run


def page_of(root):
    build(root)
    return (root / "reports/changes.html").read_text(encoding="utf-8")


class TestArchiving:
    def test_a_run_is_archived_unchanged(self, archived):
        run = archived()
        state(archived.root, reg=9, users=BETTER)
        (stored,) = archive.history(archived.root).runs
        assert (stored.number, stored.shop, stored.revision) == (1, "tiny", "no git")
        assert stored.scores.equals(run.scores)
        assert stored.scores.filter(model="ease")["ndcg@10"].to_list() == list(BEFORE.values())
        assert stored.fingerprint == run.fingerprint
        assert "index" not in stored.stages
        assert {"python", "polars"} <= set(stored.packages)

    def test_nothing_is_archived_if_nothing_differs(self, archived):
        assert archived().number == 1
        assert archive.save(archived.root) is None  # only the index was rebuilt
        assert archived() is None  # a forced rerun: other times, other pages
        assert archived(reg=6).number == 2
        assert archived().number == 3  # back again: it differs from the last one

    @pytest.mark.parametrize("change", [{"reg": 6}, {"source": "bb"}, {"code": "c2"}, {"users": BETTER}])
    def test_any_input_and_any_metric_makes_another_run(self, archived, change):
        archived()
        assert archived(**change).number == 2

    def test_a_failed_or_unfinished_run_is_not_archived(self, archived):
        archived()
        state(archived.root, reg=6)
        fail(archived.root)
        assert archive.save(archived.root) is None
        assert archive.problem(archived.root) == "07 Evaluate failed"
        side = archived.root / "reports/sidecars/07_evaluate.json"
        side.write_text(side.read_text().replace('"failed"', '"stopped"'))
        assert archive.problem(archived.root) == "07 Evaluate was stopped"
        (archived.root / "reports/sidecars/07_evaluate.json").unlink()
        assert archive.problem(archived.root) == "07_evaluate has not run"
        assert archive.save(archived.root) is None

    def test_a_secret_in_params_yaml_is_not_archived(self, archived):
        state(archived.root)
        with (archived.root / "params.yaml").open("a") as file:
            file.write("stream: {client: {sasl.password: hunter22}}\n")
        assert "may hold a secret" in archive.problem(archived.root)
        assert archive.save(archived.root) is None

    def test_a_file_written_by_hand_is_not_archived(self, archived):
        state(archived.root)
        assert archive.problem(archived.root) == ""
        write(archived.root / "reports/metrics/headline.json", {"all": {"model": "mine"}})
        assert "reports/metrics/headline.json" in archive.problem(archived.root)
        assert archive.save(archived.root) is None

    @pytest.mark.parametrize(
        ("lock", "message"),
        [
            (None, "cannot be read"),
            ("<<<<<<< HEAD\nstages: [", "not a valid dvc.lock"),
            ("schema: '2.0'", "not a valid dvc.lock"),
            ("stages: {01_ingest: {cmd: x}}", "does not list data/evaluation/per_user.parquet"),
        ],
    )
    def test_without_a_good_dvc_lock_nothing_is_archived(self, archived, lock, message):
        state(archived.root)
        (archived.root / "dvc.lock").unlink()
        if lock:
            (archived.root / "dvc.lock").write_text(lock)
        assert message in archive.problem(archived.root)
        assert archive.save(archived.root) is None
        assert message in page_of(archived.root)

    def test_the_oldest_of_the_same_shop_are_deleted(self, archived, monkeypatch):
        monkeypatch.setattr(archive, "MAX_RUNS", 2)
        archived(shop="other")
        for reg in range(4):
            archived(reg=reg)
        assert [run.number for run in archive.history(archived.root).runs] == [1, 4, 5]

    def test_leftovers_of_a_killed_attempt_do_no_harm(self, archived):
        write(archived.root / "data/runs/.scratch/killed/run/run.json", {})
        assert archived().number == 1
        assert sorted(path.name for path in (archived.root / paths.RUNS).iterdir()) == [".scratch", "1"]

    def test_a_run_appears_whole_or_not_at_all(self, archived, monkeypatch):
        archived()
        monkeypatch.setattr("recomart_lib.core.files.shutil.copyfile", full_disk)
        with pytest.raises(OSError, match="No space left"):
            archived(reg=6)
        assert [run.number for run in archive.history(archived.root).runs] == [1]
        assert list((archived.root / "data/runs/.scratch").iterdir()) == []

    def test_foreign_files_disturb_nobody(self, archived):
        runs, reports = archived.root / paths.RUNS, archived.root / "reports"
        write(runs / ".DS_Store", {})
        write(runs / "notes.txt", {})
        write(runs / "1", {})  # a file named like a run
        for folder in ("sidecars", "metrics"):
            write(reports / folder / "._01_ingest.json", {})
            (reports / folder / "x.json").mkdir(parents=True)
            (reports / folder / "y.json").symlink_to("/nowhere/at/all")
        write(reports / "sidecars/list.json", [])
        assert archived().number == 2
        assert archived(reg=6).number == 3
        assert [run.number for run in archive.history(archived.root).runs] == [2, 3]
        assert "compared with run 2" in page_of(archived.root)

    @pytest.mark.parametrize("damage", ["run.json", "dvc.lock", "data/evaluation/per_user.parquet"])
    def test_a_damaged_run_is_reported_and_left_out(self, archived, damage, caplog):
        archived()
        archived(reg=6)
        path = archived.root / "data/runs/1" / damage
        path.write_bytes(path.read_bytes()[:-3])
        history = archive.history(archived.root)
        assert [run.number for run in history.runs] == [2]
        assert "Run 1 cannot be read" in history.damaged[0]
        assert "Delete data/runs/1" in history.damaged[0]
        assert "Run 1 cannot be read" in page_of(archived.root)
        assert history.damaged[0] in caplog.text
        assert archived(reg=7).number == 3
        assert "Run 3 compared with run 2" in page_of(archived.root)

    def test_a_missing_file_is_damage(self, archived):
        archived()
        (archived.root / "data/runs/1/reports/metrics/data.json").unlink()
        assert "reports/metrics/data.json is missing" in archive.history(archived.root).damaged[0]


class TestInputs:
    def changes(self, archived, **change):
        return compare.inputs(archived(), archived(**change)).to_dicts()

    def test_a_parameter(self, archived):
        (row,) = self.changes(archived, reg=9, users=BETTER)
        assert row == {
            "kind": "parameter",
            "what": "train.models.ease.reg",
            "before": "5",
            "now": "9",
            "stages": ["07_evaluate"],
        }

    @pytest.mark.parametrize("file", ["shops/tiny.yaml", "data/shop.json"])
    def test_a_key_of_the_shop_file_but_not_its_defaults(self, archived, file):
        """Old runs recorded shops/<name>.yaml as it was written; the stage that writes data/shop.json is in no run."""

        def run(name, **keys):
            archived()
            content = yaml.safe_load((archived.root / "dvc.lock").read_text())
            content["stages"]["shop"] = {"deps": [{"path": "shops/tiny.yaml", "md5": str(keys)}]}
            content["stages"]["01_ingest"]["params"][name] = keys
            (archived.root / "dvc.lock").write_text(yaml.safe_dump(content))
            return archive.current(archived.root)

        old = ("parameter", "shop file: cut", '"auto"', '"2025-12-01"')
        state(archived.root)
        before = run(file, cut="auto", tables={"users": {"path": "a"}})
        assert before.stages.keys() == {"01_ingest", "07_evaluate"}
        now = run("data/shop.json", cut="2025-12-01", tables={"users": {"path": "a", "nulls": []}})
        rows = [row[:4] for row in compare.inputs(before, now).rows()]
        new_key = [("parameter", "shop file: tables.users.nulls", None, "[]")] if file == "data/shop.json" else []
        assert rows == [old, *new_key]

    def test_external_data_and_not_what_stages_produced_from_it(self, archived):
        (row,) = self.changes(archived, source="bb")
        assert row == {
            "kind": "data",
            "what": "data/source",
            "before": "aa.dir (3 files)",
            "now": "bb.dir (3 files)",
            "stages": ["01_ingest"],
        }

    def test_an_output_changed_by_something_else_is_an_input(self, archived):
        """The simulation wrote data/source, and a shop added a file; nothing else differs."""
        both = []
        for n, source in enumerate(("aa", "bb"), 1):
            state(archived.root, source=source)
            path = archived.root / "dvc.lock"
            content = yaml.safe_load(path.read_text())
            delivered = content["stages"]["01_ingest"]["deps"]
            content["stages"]["simulate"] = {"params": {"params.yaml": {"base.seed": 1}}, "outs": delivered}
            path.write_text(yaml.safe_dump(content))
            both.append(archive.save(archived.root))
            assert both[-1].number == n
        (row,) = compare.inputs(*both).to_dicts()
        assert (row["kind"], row["what"], row["stages"]) == ("data", "data/source", ["01_ingest"])
        ingest, evaluate = compare.stages(*both)
        assert (ingest["reasons"], evaluate["reasons"]) == (["data"], ["after 01_ingest"])

    def test_code(self, archived):
        (row,) = self.changes(archived, code="c2")
        assert (row["kind"], row["what"], row["before"], row["now"]) == (
            "code",
            "recomart_lib/metrics",
            "c1",
            "c2",
        )

    def test_a_package(self, archived, monkeypatch):
        before = archived()
        monkeypatch.setattr(archive, "packages", lambda: {**before.packages, "polars": "0.1"})
        (row,) = compare.inputs(before, archived(users=BETTER)).to_dicts()
        assert (row["kind"], row["what"], row["now"], row["stages"]) == ("package", "polars", "0.1", [])

    @pytest.mark.parametrize(
        ("reg", "rows"),
        [
            ({"low": 1}, {"": ("5", '{"low": 1}')}),
            ([5], {"": ("5", "[5]")}),
            (None, {"": ("5", "null")}),
            ("5", {"": ("5", '"5"')}),
        ],
    )
    def test_a_value_of_another_kind_is_one_change(self, archived, reg, rows):
        assert self.values(archived(), archived(reg=reg)) == rows

    def test_mappings_are_compared_key_by_key_and_added_or_removed_keys_have_one_side(self, archived):
        before, now = archived(reg={"low": 1, "log": None, "high": 3}), archived(reg={"low": 1, "high": 2, "step": 1})
        assert self.values(before, now) == {".high": ("3", "2"), ".log": ("null", None), ".step": (None, "1")}

    def values(self, before, now):
        rows = compare.inputs(before, now).to_dicts()
        return {row["what"].removeprefix("train.models.ease.reg"): (row["before"], row["now"]) for row in rows}

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"reg": 9}, "One thing changed: parameter train.models.ease.reg, from 5 to 9."),
            (
                {"reg": 9, "code": "c2"},
                "1 parameter (train.models.ease.reg) and 1 code folder (recomart_lib/metrics) changed.",
            ),
            ({"reg": 9, "source": "b"}, "Data (data/source) and 1 parameter (train.models.ease.reg) changed."),
            ({"users": BETTER}, "No data, parameter, code or package changed."),
        ],
    )
    def test_in_one_sentence(self, archived, change, sentence):
        assert compare.what_changed(compare.inputs(archived(), archived(**change))) == sentence

    def test_stages_say_why_they_ran_and_what_differs(self, archived):
        before, now = archived(), archived(source="bb", rows=12)
        ingest, evaluate = compare.stages(before, now)
        assert (ingest["ran"], ingest["reasons"], ingest["rows"]) == ("executed", ["data"], [("raw/events", 10, 12)])
        assert [path for path, *_ in ingest["results"]] == ["data/raw"]
        assert evaluate["reasons"] == ["after 01_ingest"]
        assert [path for path, *_ in evaluate["results"]] == [
            "reports/metrics/data.json"
        ]  # no page: they contain times

    def test_stages_report_what_was_not_executed(self, archived):
        before = archived()
        old = (archived.root / "reports/sidecars/01_ingest.json").read_text()
        state(archived.root, reg=6)
        (archived.root / "reports/sidecars/01_ingest.json").write_text(old)
        past = json.loads(old) | {"started": "2001-01-01T00:00:00+00:00"}
        write(archived.root / "reports/sidecars/07_evaluate.json", past)
        ingest, evaluate = compare.stages(before, archive.save(archived.root))
        assert (ingest["ran"], ingest["reasons"]) == ("not run again", [])
        assert (evaluate["ran"], evaluate["reasons"]) == ("from DVC's cache", ["parameter"])

    @pytest.mark.parametrize(
        ("before", "now", "command"),
        [
            ("a1", "b2", "git diff --stat a1 b2 -- recomart_lib/metrics"),
            ("a1", "b2 + uncommitted changes", "git diff --stat a1 -- recomart_lib/metrics"),
            ("a1", "a1 + uncommitted changes", "git diff --stat a1 -- recomart_lib/metrics"),
            ("a1 + uncommitted changes", "a1", ""),
            ("no git", "b2", ""),
        ],
    )
    def test_the_command_that_shows_the_code(self, archived, monkeypatch, before, now, command):
        monkeypatch.setattr(git, "revision", lambda root: before)
        old = archived()
        monkeypatch.setattr(git, "revision", lambda root: now)
        assert compare.git_diff_command(old, archived(code="c2")) == command


class TestRunsFromBefore:
    """A run archived when dvc.lock named each code file and metrics had other keys (`run_with_file_deps.json`)."""

    @pytest.fixture
    def before(self, tmp_path):
        content = json.loads(Path(__file__).with_name("run_with_file_deps.json").read_text(encoding="utf-8"))
        folder = tmp_path / "data/runs/1"
        run = content.pop("run.json")
        for name, part in content.items():
            write(folder / name, part)  # JSON is YAML, too
        chosen = content["reports/metrics/headline.json"]["all"]["model"]
        (folder / archive.SCORES).parent.mkdir(parents=True)
        table({"all": {chosen: BEFORE}, "novel": {}}).write_parquet(folder / archive.SCORES)
        names = [*content, archive.SCORES.as_posix()]
        write(folder / "run.json", {**run, "files": {name: md5(folder / name) for name in names}})
        (stored,) = archive.history(tmp_path).runs
        return stored

    @pytest.fixture
    def now(self, before, archived, monkeypatch):
        monkeypatch.setattr(git, "revision", lambda root: "b2")
        chosen = before.metrics["headline"]["all"]["model"]
        return archived(shop=before.shop, users=BETTER, model=chosen)

    def test_metrics_have_todays_keys(self, before):
        data, tuning = before.metrics["data"], before.metrics["tuning"]
        assert {"validation_start", "n_training_cuts"} <= set(data)
        assert set(data["windows"]) == {"validation", "test", "live"}
        assert {"validation", "n_training_users"} <= set(tuning)
        assert not {"valid_start", "n_lessons"} & set(data) | {"valid", "n_taught_users"} & set(tuning)
        verdicts = {row["verdict"] for row in before.metrics["evaluation"]["targets"]}
        assert "clearly met" in verdicts
        assert verdicts <= {"met", "clearly met", "missed"}

    def test_code_is_one_row_in_plain_words(self, before, now):
        assert (before.number, now.number) == (1, 2)
        assert compare.layout_changed(before, now)
        codes = compare.inputs(before, now).filter(kind="code").to_dicts()
        packages = [row for row in codes if not row["what"].startswith("notebooks/")]
        assert [(row["what"], row["before"], row["now"]) for row in packages] == [
            ("recomart_lib, recomart", f"{len(code_files(before))} files", "1 folder")
        ]
        sentence = compare.what_changed(compare.inputs(before, now))
        assert "code (paths are recorded differently: the layout changed)" in sentence
        assert "recomart_lib/" not in sentence
        alone = compare.what_changed(pl.DataFrame(packages, schema=compare.INPUTS))
        assert alone == "The code changed: the runs record code paths differently (the layout changed)."

    def test_the_git_command_names_both_packages(self, before, now):
        command = compare.git_diff_command(before, now)
        assert command == f"git diff --stat {before.revision} b2 -- recomart_lib recomart"

    def test_the_chosen_model_is_compared_and_the_page_is_written(self, before, now):
        row = compare.chosen(before, now).row(0, named=True)
        assert (row["n"], row["difference"]) == (4, pytest.approx(0.125))
        page = build_pair(now.folder.parents[2], before, now).read_text(encoding="utf-8")
        assert "Run 2 compared with run 1" in page
        assert "paths are recorded differently" in page
        assert "recomart_lib/errors.py" not in page

    def test_the_commands_read_both(self, call, before, now, monkeypatch):
        monkeypatch.setenv("RECOMART_ROOT", str(now.folder.parents[2]))
        assert before.revision in call("runs", "show")[1]
        assert "Since run 1: " in call("runs", "show", "2")[1]
        assert [run["run"] for run in json.loads(call("runs", "show", "--json")[1])["runs"]] == [1, 2]
        shown = json.loads(call("runs", "show", "2", "--json")[1])
        assert (shown["run"]["run"], shown["before"]["run"], set(shown)) == (
            2,
            1,
            {"run", "before", "chosen", "changes"},
        )
        assert shown["chosen"][0]["difference"] == pytest.approx(0.125)
        assert isinstance(shown["changes"][0]["stages"], list)
        status, output, _ = call("runs", "diff", "1", "2")
        assert (status, "changes_1_2.html" in output) == (0, True)

    def test_two_runs_with_folders_are_compared_folder_by_folder(self, archived):
        assert not compare.layout_changed(archived(), archived(code="c2"))


def code_files(run):
    deps = [dep["path"] for stage in run.stages.values() for dep in stage["deps"]]
    return {path for path in deps if path.startswith("recomart_lib/")}


class TestMoved:
    def test_paired_over_the_users_of_both(self, archived):
        before = archived()
        now = archived(users={"u1": 0.3, "u2": 0.5, "u3": 0.7, "u9": 1.0})
        row = compare.chosen(before, now).row(0, named=True)
        assert (row["n"], row["only_before"], row["only_now"]) == (3, 1, 1)
        assert row["before"] == pytest.approx(1.1 / 3)
        assert row["now"] == pytest.approx(1.5 / 3)
        assert row["difference"] == pytest.approx(0.4 / 3)  # 0.1, 0.1, 0.2
        # t-interval with two degrees of freedom: mean -+ 4.3027 * sqrt(0.01 / 3) / sqrt(3)
        assert row["low"] == pytest.approx(0.4 / 3 - 4.302653 * (0.01 / 3) ** 0.5 / 3**0.5, abs=1e-6)
        assert row["high"] == pytest.approx(0.4 / 3 + 4.302653 * (0.01 / 3) ** 0.5 / 3**0.5, abs=1e-6)
        assert row["p_value"] == paired_test([0.3, 0.5, 0.7], [0.2, 0.4, 0.5]).p_value

    def test_p_values_are_corrected_for_the_whole_table(self, archived):
        table = compare.chosen(archived(), archived(users=BETTER))
        assert table["protocol"].to_list() == ["all"] * 3 + ["novel"] * 3
        assert table["metric"].to_list() == ["ndcg@10", "precision@10", "recall@10"] * 2
        # 0.125 on average, standard error 0.025: t = 5 with three degrees of freedom, p = 0.0154
        assert table["p_value"].to_list() == pytest.approx([0.015392] * 3 + [1] * 3, abs=1e-6)
        assert table["p_holm"].to_list() == pytest.approx([6 * 0.015392] * 3 + [1] * 3, abs=1e-5)
        assert [compare.verdict(row) for row in table.to_dicts()] == ["no significant difference"] * 3 + [
            "unchanged"
        ] * 3

    @pytest.mark.parametrize(("factor", "word"), [(1, "better"), (-1, "worse")])
    def test_significant_differences_are_named_with_their_sign(self, archived, factor, word):
        old = {f"u{n}": 0.5 for n in range(40)}
        new = {f"u{n}": 0.5 + factor * (0.1 + n / 1000) for n in range(40)}
        table = compare.chosen(archived(users=old), archived(users=new))
        assert compare.verdict(table.row(0, named=True)) == word
        in_all, in_novel = compare.what_moved(table)
        assert in_all.startswith(f"ndcg@10 in all (ease) is {word}: 0.500 before")
        assert "p < 0.001, 40 users" in in_all
        assert in_novel == "ndcg@10 in novel (pop) is unchanged for all 2 users: 0.150."

    def test_another_model_may_be_chosen(self, archived):
        before, now = archived(), archived(model="als", users=BETTER)
        table = compare.chosen(before, now)
        assert table.row(0)[2:4] == ("ease", "als")
        assert "(ease before, als now) has no significant difference: " in compare.what_moved(table)[0]
        assert compare.models(before, now)["model_now"].to_list() == ["pop", "pop"]  # what both runs have

    def test_every_model_is_listed(self, archived):
        table = compare.models(archived(), archived(users=BETTER))
        same = "unchanged for every user: 1 model."
        sentences = [f"Protocol all: better: ease; {same}", f"Protocol novel: {same}"]
        assert compare.which_models(table) == sentences

    def test_no_user_in_common(self, archived):
        table = compare.chosen(archived(), archived(users={"v1": 0.5, "v2": 0.7}))
        row = table.row(0, named=True)
        assert (row["n"], row["only_before"], row["only_now"], row["difference"]) == (0, 4, 2, None)
        assert "0 users evaluated in both runs, too few to compare" in compare.what_moved(table)[0]
        assert "too few users in both" in page_of(archived.root)

    def test_one_user_in_common_proves_nothing(self, archived):
        archived()
        archived(users={"u1": 0.9})
        page = page_of(archived.root)
        assert "1 user evaluated in both runs, too few to compare" in page
        assert "- to -" in page  # no interval
        assert "inf" not in page.split("</style>")[1]

    def test_no_user_was_evaluated(self, archived):
        before, now = archived(users={}), archived(users={}, reg=6)
        assert compare.verdict(compare.chosen(before, now).row(0, named=True)) == "too few users in both"

    def test_different_windows_or_data_are_reported(self, archived):
        first = archived()
        assert compare.caveat(first, archived(reg=6)) == ""
        assert "The data changed" in compare.caveat(first, archived(source="bb"))
        assert "before: 2025-12-01 to 2026-01-01; now: 2025-11-01 to" in compare.caveat(
            first, archived(cut="2025-11-01")
        )


class TestPage:
    def test_the_first_run_has_nothing_to_compare_with(self, archived):
        assert "No run is archived yet" in page_of(archived.root)
        archived()
        assert "There is no earlier run to compare with yet" in page_of(archived.root)
        assert "Run 1 of shop tiny" in page_of(archived.root)

    def test_two_runs(self, archived):
        archived()
        archived(reg=9, users=BETTER)
        page = page_of(archived.root)
        assert "Run 2 compared with run 1" in page
        assert "One thing changed: parameter train.models.ease.reg, from 5 to 9." in page
        assert "+0.1250" in page
        assert page.count("<svg") == 4  # three tests of the chosen model that moved, and one of it as a model
        summary = build(archived.root)
        assert summary.startswith(
            "One thing changed: parameter train.models.ease.reg, from 5 to 9. ndcg@10 in all (ease)"
        )

    def test_the_run_before_is_of_the_same_shop(self, archived):
        archived(reg=1)
        archived(shop="other", reg=2)
        archived(reg=3)
        page = page_of(archived.root)
        assert "Run 3 compared with run 1" in page
        assert "from 1 to 3" in page

    def test_after_a_failure_the_page_says_so_and_shows_the_last_complete_runs(self, archived):
        archived()
        archived(reg=6)
        fail(archived.root)
        page = page_of(archived.root)
        assert "The last run is not archived: 07 Evaluate failed." in page
        assert "Run 2 compared with run 1" in page
        assert build(archived.root).startswith("The last run is not archived")

    def test_the_index_links_it_with_its_summary(self, archived):
        archived()
        archived(reg=9)
        page = reports_index.build(archived.root, build(archived.root)).read_text()
        assert 'href="changes.html"' in page
        assert "from 5 to 9" in page
        assert 'href="index.html"' in page_of(archived.root)

    def test_the_same_state_gives_the_same_bytes(self, archived):
        archived()
        archived(reg=9)
        assert page_of(archived.root) == page_of(archived.root)

    def test_data_cannot_act_and_nothing_is_loaded(self, archived):
        archived(shop=EVIL, model=EVIL)
        state(archived.root, shop=EVIL, model=EVIL, source=EVIL, code=EVIL, users=BETTER)
        write(
            archived.root / "reports/sidecars/01_ingest.json",
            {"title": EVIL, "state": "ok", "rows": {EVIL: 3}, "started": "2030-01-01T00:00:00+00:00", "seconds": 1},
        )
        archive.save(archived.root)
        page = page_of(archived.root)
        assert "Run 2 compared with run 1" in page
        assert not LOADS.search(page)
        assert page.count("<script") == 1  # ours, the only one that the policy allows
        assert "http" not in page.replace("http-equiv", "")
        assert "&lt;script&gt;" in page


class TestCommands:
    @pytest.fixture
    def run_command(self, call, archived, monkeypatch):
        monkeypatch.setenv("RECOMART_ROOT", str(archived.root))
        return lambda *words: call("runs", *words)

    def test_show(self, run_command, archived):
        assert "No run is archived yet" in run_command("show")[1]
        archived()
        archived(reg=9, users=BETTER)
        listed = run_command("show")[1]
        assert "tiny" in listed
        assert "0.425" in listed
        shown = run_command("show", "2")[1]
        assert "Since run 1: One thing changed: parameter train.models.ease.reg, from 5 to 9." in shown

    def test_diff(self, run_command, archived):
        archived()
        status, _, error = run_command("diff")
        assert (status, "fewer than two runs" in error) == (1, True)
        archived(reg=6)
        archived(reg=7)
        page_of(archived.root)
        official = (archived.root / "reports/changes.html").read_text()
        assert "changes_2_3.html" in run_command("diff")[1]
        assert "from 5 to 7" in run_command("diff", "1", "3")[1]
        assert "Run 3 compared with run 1" in (archived.root / "reports/changes_1_3.html").read_text()
        assert (archived.root / "reports/changes.html").read_text() == official

    def test_damage_is_reported(self, run_command, archived):
        archived()
        (archived.root / "data/runs/1/run.json").write_text("")
        status, out, error = run_command("show")
        assert (status, "No run is archived yet" in out) == (0, True)
        assert "Delete data/runs/1" in error

    def test_mistakes(self, run_command, archived):
        archived()
        archived(shop="other")
        assert "There is no run 7. Archived: 1, 2." in run_command("diff", "1", "7")[2]
        assert "There is no run 7" in run_command("show", "7")[2]
        assert "give two runs" in run_command("diff", "1")[2]
        assert "not comparable" in run_command("diff", "1", "2")[2]

    def test_the_index_command_keeps_and_links(self, call, archived, monkeypatch):
        monkeypatch.setenv("RECOMART_ROOT", str(archived.root))
        state(archived.root)
        (archived.root / "params.yaml").write_text("base: {shop: simulated}\n")
        assert call("index")[0] == 0
        assert (archived.root / "data/runs/1/run.json").exists()
        assert "changes.html" in (archived.root / "reports/index.html").read_text()
