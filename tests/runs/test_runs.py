"""Run against run: what is kept, what changed, what moved, and the page that tells it. Two stages, four users."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl
import pytest
import yaml

from recomart.project import git
from recomart.reports import index as reports_index
from recomart.reports.changes import build
from recomart.runs import archive, compare
from recomart_lib.core import paths
from recomart_lib.metrics.intervals import paired_test

STAGES = {
    "01_ingest": {"cmd": "recomart stage 01_ingest", "deps": ["data/source"], "outs": ["data/raw"]},
    "07_evaluate": {"cmd": "recomart stage 07_evaluate", "deps": ["data/raw"]},
    "index": {"cmd": "recomart index", "deps": ["reports/sidecars"]},
}
EVIL = "\"'><script>alert(1)</script>"
LOADS = re.compile(r"""(?:src|srcset|poster)\s*=|<link\b|@import|url\(|<script""")
BEFORE = {"u1": 0.2, "u2": 0.4, "u3": 0.5, "u4": 0.1}
BETTER = {"u1": 0.3, "u2": 0.5, "u3": 0.7, "u4": 0.2}  # + 0.1, 0.1, 0.2, 0.1
START = datetime(2030, 1, 1, tzinfo=UTC)  # later than any test, so that what is new was executed since
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
    for name, left in {"01_ingest": {"raw/events": rows}, "07_evaluate": {}}.items():
        facts = {"title": name.replace("_", " ").title(), "started": started, "seconds": 60.0, "rows": left}
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
        "deps": [raw, {"path": "recomart_lib/metrics/ranking.py", "md5": code}],
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


@pytest.fixture
def kept(tmp_path):
    """kept(reg=7) leaves a state, keeps it, and returns the run (None: not kept)."""

    def run(**facts):
        state(tmp_path, **facts)
        return archive.keep(tmp_path)

    run.root = tmp_path
    return run


def page_of(root):
    build(root)
    return (root / "reports/changes.html").read_text(encoding="utf-8")


class TestKeeping:
    def test_a_run_is_kept_as_it_was(self, kept):
        run = kept()
        state(kept.root, reg=9, users=BETTER)
        (found,) = archive.history(kept.root).runs
        assert (found.number, found.shop, found.revision) == (1, "tiny", "no git")
        assert found.scores.equals(run.scores)
        assert found.scores.filter(model="ease")["ndcg@10"].to_list() == list(BEFORE.values())
        assert found.fingerprint == run.fingerprint
        assert "index" not in found.stages
        assert {"python", "polars"} <= set(found.packages)

    def test_nothing_is_kept_where_nothing_differs(self, kept):
        assert kept().number == 1
        assert archive.keep(kept.root) is None  # a mere rebuild of the index
        assert kept() is None  # a forced rerun: other times, other pages
        assert kept(reg=6).number == 2
        assert kept().number == 3  # back again: it differs from the last one

    @pytest.mark.parametrize("change", [{"reg": 6}, {"source": "bb"}, {"code": "c2"}, {"users": BETTER}])
    def test_any_input_and_any_metric_makes_another_run(self, kept, change):
        kept()
        assert kept(**change).number == 2

    def test_a_failed_or_unfinished_run_is_not_kept(self, kept):
        kept()
        state(kept.root, reg=6)
        fail(kept.root)
        assert archive.keep(kept.root) is None
        assert archive.problem(kept.root) == "07 Evaluate failed"
        (kept.root / "reports/sidecars/07_evaluate.json").unlink()
        assert archive.problem(kept.root) == "07_evaluate has not run"
        assert archive.keep(kept.root) is None

    def test_what_was_made_by_hand_is_not_kept(self, kept):
        state(kept.root)
        assert archive.problem(kept.root) == ""
        write(kept.root / "reports/metrics/headline.json", {"all": {"model": "mine"}})
        assert "reports/metrics/headline.json" in archive.problem(kept.root)
        assert archive.keep(kept.root) is None

    @pytest.mark.parametrize(
        ("lock", "said"),
        [
            (None, "cannot be read"),
            ("<<<<<<< HEAD\nstages: [", "no file of DVC"),
            ("schema: '2.0'", "no file of DVC"),
            ("stages: {01_ingest: {cmd: x}}", "does not know data/evaluation/per_user.parquet"),
        ],
    )
    def test_without_a_good_dvc_lock_nothing_is_kept(self, kept, lock, said):
        state(kept.root)
        (kept.root / "dvc.lock").unlink()
        if lock:
            (kept.root / "dvc.lock").write_text(lock)
        assert said in archive.problem(kept.root)
        assert archive.keep(kept.root) is None
        assert said in page_of(kept.root)

    def test_the_oldest_of_the_same_shop_are_forgotten(self, kept, monkeypatch):
        monkeypatch.setattr(archive, "KEPT", 2)
        kept(shop="other")
        for reg in range(4):
            kept(reg=reg)
        assert [run.number for run in archive.history(kept.root).runs] == [1, 4, 5]

    def test_what_is_left_of_a_killed_attempt_does_no_harm(self, kept):
        write(kept.root / "data/runs/.new/run.json", {})
        assert kept().number == 1
        assert [path.name for path in (kept.root / paths.RUNS).iterdir()] == ["1"]

    @pytest.mark.parametrize("damage", ["run.json", "dvc.lock", "data/evaluation/per_user.parquet"])
    def test_a_damaged_run_is_told_of_and_left_out(self, kept, damage, caplog):
        kept()
        kept(reg=6)
        path = kept.root / "data/runs/1" / damage
        path.write_bytes(path.read_bytes()[:-3])
        history = archive.history(kept.root)
        assert [run.number for run in history.runs] == [2]
        assert "Run 1 cannot be read" in history.damaged[0]
        assert "Delete data/runs/1" in history.damaged[0]
        assert "Run 1 cannot be read" in page_of(kept.root)
        assert history.damaged[0] in caplog.text
        assert kept(reg=7).number == 3
        assert "Run 3 against run 2" in page_of(kept.root)

    def test_a_missing_file_is_damage(self, kept):
        kept()
        (kept.root / "data/runs/1/reports/metrics/data.json").unlink()
        assert "reports/metrics/data.json is missing" in archive.history(kept.root).damaged[0]


class TestInputs:
    def found(self, kept, **change):
        return compare.inputs(kept(), kept(**change)).to_dicts()

    def test_a_parameter(self, kept):
        (row,) = self.found(kept, reg=9, users=BETTER)
        assert row == {
            "kind": "parameter",
            "what": "train.models.ease.reg",
            "before": "5",
            "now": "9",
            "stages": ["07_evaluate"],
        }

    def test_data_from_outside_and_not_what_stages_made_of_it(self, kept):
        (row,) = self.found(kept, source="bb")
        assert row == {
            "kind": "data",
            "what": "data/source",
            "before": "aa.dir (3 files)",
            "now": "bb.dir (3 files)",
            "stages": ["01_ingest"],
        }

    def test_what_changed_beside_its_maker_is_a_cause(self, kept):
        """The simulation wrote data/source, and a shop added a file; nothing else differs."""
        both = []
        for n, source in enumerate(("aa", "bb"), 1):
            state(kept.root, source=source)
            path = kept.root / "dvc.lock"
            content = yaml.safe_load(path.read_text())
            made = content["stages"]["01_ingest"]["deps"]
            content["stages"]["simulate"] = {"params": {"params.yaml": {"base.seed": 1}}, "outs": made}
            path.write_text(yaml.safe_dump(content))
            both.append(archive.keep(kept.root))
            assert both[-1].number == n
        (row,) = compare.inputs(*both).to_dicts()
        assert (row["kind"], row["what"], row["stages"]) == ("data", "data/source", ["01_ingest"])
        ingest, evaluate = compare.stages(*both)
        assert (ingest["reasons"], evaluate["reasons"]) == (["data"], ["after 01_ingest"])

    def test_code(self, kept):
        (row,) = self.found(kept, code="c2")
        assert (row["kind"], row["what"], row["before"], row["now"]) == (
            "code",
            "recomart_lib/metrics/ranking.py",
            "c1",
            "c2",
        )

    def test_a_package(self, kept, monkeypatch):
        before = kept()
        monkeypatch.setattr(archive, "packages", lambda: {**before.packages, "polars": "0.1"})
        (row,) = compare.inputs(before, kept(users=BETTER)).to_dicts()
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
    def test_a_value_of_another_kind_is_one_change(self, kept, reg, rows):
        assert self.told(kept(), kept(reg=reg)) == rows

    def test_mappings_are_told_key_by_key_and_what_is_new_or_gone_has_no_other_side(self, kept):
        before, now = kept(reg={"low": 1, "log": None, "high": 3}), kept(reg={"low": 1, "high": 2, "step": 1})
        assert self.told(before, now) == {".high": ("3", "2"), ".log": ("null", None), ".step": (None, "1")}

    def told(self, before, now):
        rows = compare.inputs(before, now).to_dicts()
        return {row["what"].removeprefix("train.models.ease.reg"): (row["before"], row["now"]) for row in rows}

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"reg": 9}, "One thing changed: parameter train.models.ease.reg, from 5 to 9."),
            ({"reg": 9, "code": "c2"}, "1 parameter (train.models.ease.reg) and 1 code file (ranking.py) changed."),
            ({"reg": 9, "source": "b"}, "Data (data/source) and 1 parameter (train.models.ease.reg) changed."),
            ({"users": BETTER}, "No data, parameter, code or package changed."),
        ],
    )
    def test_in_one_sentence(self, kept, change, said):
        assert compare.what_changed(compare.inputs(kept(), kept(**change))) == said

    def test_stages_say_why_they_ran_and_what_differs(self, kept):
        before, now = kept(), kept(source="bb", rows=12)
        ingest, evaluate = compare.stages(before, now)
        assert (ingest["ran"], ingest["reasons"], ingest["rows"]) == ("executed", ["data"], [("raw/events", 10, 12)])
        assert [path for path, *_ in ingest["made"]] == ["data/raw"]
        assert evaluate["reasons"] == ["after 01_ingest"]
        assert [path for path, *_ in evaluate["made"]] == ["reports/metrics/data.json"]  # no page: these hold times

    def test_stages_tell_what_was_not_executed(self, kept):
        before = kept()
        old = (kept.root / "reports/sidecars/01_ingest.json").read_text()
        state(kept.root, reg=6)
        (kept.root / "reports/sidecars/01_ingest.json").write_text(old)
        past = json.loads(old) | {"started": "2001-01-01T00:00:00+00:00"}
        write(kept.root / "reports/sidecars/07_evaluate.json", past)
        ingest, evaluate = compare.stages(before, archive.keep(kept.root))
        assert (ingest["ran"], ingest["reasons"]) == ("not run again", [])
        assert (evaluate["ran"], evaluate["reasons"]) == ("from DVC's cache", ["parameter"])

    @pytest.mark.parametrize(
        ("before", "now", "command"),
        [
            ("a1", "b2", "git diff --stat a1 b2 -- recomart_lib/metrics/ranking.py"),
            ("a1", "b2 + uncommitted changes", "git diff --stat a1 -- recomart_lib/metrics/ranking.py"),
            ("a1", "a1 + uncommitted changes", "git diff --stat a1 -- recomart_lib/metrics/ranking.py"),
            ("a1 + uncommitted changes", "a1", ""),
            ("no git", "b2", ""),
        ],
    )
    def test_the_command_that_shows_the_code(self, kept, monkeypatch, before, now, command):
        monkeypatch.setattr(git, "revision", lambda root: before)
        old = kept()
        monkeypatch.setattr(git, "revision", lambda root: now)
        assert compare.look_at_code(old, kept(code="c2")) == command


class TestMoved:
    def test_paired_over_the_users_of_both(self, kept):
        before = kept()
        now = kept(users={"u1": 0.3, "u2": 0.5, "u3": 0.7, "u9": 1.0})
        row = compare.chosen(before, now).row(0, named=True)
        assert (row["n"], row["only_before"], row["only_now"]) == (3, 1, 1)
        assert row["before"] == pytest.approx(1.1 / 3)
        assert row["now"] == pytest.approx(1.5 / 3)
        assert row["difference"] == pytest.approx(0.4 / 3)  # 0.1, 0.1, 0.2
        # t-interval with two degrees of freedom: mean -+ 4.3027 * sqrt(0.01 / 3) / sqrt(3)
        assert row["low"] == pytest.approx(0.4 / 3 - 4.302653 * (0.01 / 3) ** 0.5 / 3**0.5, abs=1e-6)
        assert row["high"] == pytest.approx(0.4 / 3 + 4.302653 * (0.01 / 3) ** 0.5 / 3**0.5, abs=1e-6)
        assert row["p_value"] == paired_test([0.3, 0.5, 0.7], [0.2, 0.4, 0.5]).p_value

    def test_p_values_are_corrected_for_the_whole_table(self, kept):
        table = compare.chosen(kept(), kept(users=BETTER))
        assert table["protocol"].to_list() == ["all"] * 3 + ["novel"] * 3
        assert table["metric"].to_list() == ["ndcg@10", "precision@10", "recall@10"] * 2
        # 0.125 on average, standard error 0.025: t = 5 with three degrees of freedom, p = 0.0154
        assert table["p_value"].to_list() == pytest.approx([0.015392] * 3 + [1] * 3, abs=1e-6)
        assert table["p_holm"].to_list() == pytest.approx([6 * 0.015392] * 3 + [1] * 3, abs=1e-5)
        assert [compare.verdict(row) for row in table.to_dicts()] == ["not to be told apart"] * 3 + ["the same"] * 3

    @pytest.mark.parametrize(("factor", "word"), [(1, "better"), (-1, "worse")])
    def test_what_is_sure_is_said_and_the_sign_turns_it(self, kept, factor, word):
        old = {f"u{n}": 0.5 for n in range(40)}
        new = {f"u{n}": 0.5 + factor * (0.1 + n / 1000) for n in range(40)}
        table = compare.chosen(kept(users=old), kept(users=new))
        assert compare.verdict(table.row(0, named=True)) == word
        in_all, in_novel = compare.what_moved(table)
        assert in_all.startswith(f"ndcg@10 in all (ease) is {word}: 0.500 before")
        assert "p < 0.001, 40 users" in in_all
        assert in_novel == "ndcg@10 in novel (pop) is the same for every one of 2 users: 0.150."

    def test_another_model_may_be_chosen(self, kept):
        before, now = kept(), kept(model="als", users=BETTER)
        table = compare.chosen(before, now)
        assert table.row(0)[2:4] == ("ease", "als")
        assert "(ease before, als now) is not to be told apart from before: " in compare.what_moved(table)[0]
        assert compare.models(before, now)["model_now"].to_list() == ["pop", "pop"]  # what both runs have

    def test_every_model_is_told(self, kept):
        table = compare.models(kept(), kept(users=BETTER))
        same = "the same for every user: 1 model."
        told = [f"Protocol all: better: ease; {same}", f"Protocol novel: {same}"]
        assert compare.which_models(table) == told

    def test_no_user_in_common(self, kept):
        table = compare.chosen(kept(), kept(users={"v1": 0.5, "v2": 0.7}))
        row = table.row(0, named=True)
        assert (row["n"], row["only_before"], row["only_now"], row["difference"]) == (0, 4, 2, None)
        assert "0 users judged in both runs, too few to compare" in compare.what_moved(table)[0]
        assert "too few users in both" in page_of(kept.root)

    def test_one_user_in_common_proves_nothing(self, kept):
        kept()
        kept(users={"u1": 0.9})
        page = page_of(kept.root)
        assert "1 user judged in both runs, too few to compare" in page
        assert "- to -" in page  # no interval
        assert "inf" not in page.split("</style>")[1]

    def test_nobody_was_judged(self, kept):
        before, now = kept(users={}), kept(users={}, reg=6)
        assert compare.verdict(compare.chosen(before, now).row(0, named=True)) == "too few users in both"

    def test_windows_or_data_that_differ_are_said(self, kept):
        first = kept()
        assert compare.caveat(first, kept(reg=6)) == ""
        assert "The data changed" in compare.caveat(first, kept(source="bb"))
        assert "before: 2025-12-01 to 2026-01-01; now: 2025-11-01 to" in compare.caveat(first, kept(cut="2025-11-01"))


class TestPage:
    def test_the_first_run_has_nothing_to_compare_with(self, kept):
        assert "No run is kept yet" in page_of(kept.root)
        kept()
        assert "There is no earlier run to compare with yet" in page_of(kept.root)
        assert "Run 1 of shop tiny" in page_of(kept.root)

    def test_two_runs(self, kept):
        kept()
        kept(reg=9, users=BETTER)
        page = page_of(kept.root)
        assert "Run 2 against run 1" in page
        assert "One thing changed: parameter train.models.ease.reg, from 5 to 9." in page
        assert "+0.1250" in page
        assert page.count("<svg") == 4  # three tests of the chosen model that moved, and one of it as a model
        short = build(kept.root)
        assert short.startswith(
            "One thing changed: parameter train.models.ease.reg, from 5 to 9. ndcg@10 in all (ease)"
        )

    def test_the_run_before_is_of_the_same_shop(self, kept):
        kept(reg=1)
        kept(shop="other", reg=2)
        kept(reg=3)
        page = page_of(kept.root)
        assert "Run 3 against run 1" in page
        assert "from 1 to 3" in page

    def test_after_a_failure_the_page_says_so_and_shows_the_last_whole_runs(self, kept):
        kept()
        kept(reg=6)
        fail(kept.root)
        page = page_of(kept.root)
        assert "The last run is not kept to compare with: 07 Evaluate failed." in page
        assert "Run 2 against run 1" in page
        assert build(kept.root).startswith("The last run is not kept")

    def test_the_index_links_it_with_its_sentence(self, kept):
        kept()
        kept(reg=9)
        page = reports_index.build(kept.root, build(kept.root)).read_text()
        assert 'href="changes.html"' in page
        assert "from 5 to 9" in page
        assert 'href="index.html"' in page_of(kept.root)

    def test_the_same_state_gives_the_same_bytes(self, kept):
        kept()
        kept(reg=9)
        assert page_of(kept.root) == page_of(kept.root)

    def test_data_cannot_act_and_nothing_is_loaded(self, kept):
        kept(shop=EVIL, model=EVIL)
        state(kept.root, shop=EVIL, model=EVIL, source=EVIL, code=EVIL, users=BETTER)
        write(
            kept.root / "reports/sidecars/01_ingest.json",
            {"title": EVIL, "state": "ok", "rows": {EVIL: 3}, "started": "2030-01-01T00:00:00+00:00", "seconds": 1},
        )
        archive.keep(kept.root)
        page = page_of(kept.root)
        assert "Run 2 against run 1" in page
        assert not LOADS.search(page)
        assert "http" not in page.replace("http-equiv", "")
        assert "&lt;script&gt;" in page


class TestCommands:
    @pytest.fixture
    def said(self, call, kept, monkeypatch):
        monkeypatch.setenv("RECOMART_ROOT", str(kept.root))
        return lambda *words: call("runs", *words)

    def test_show(self, said, kept):
        assert "No run is kept yet" in said("show")[1]
        kept()
        kept(reg=9, users=BETTER)
        listed = said("show")[1]
        assert "tiny" in listed
        assert "0.425" in listed
        one = said("show", "2")[1]
        assert "Since run 1: One thing changed: parameter train.models.ease.reg, from 5 to 9." in one

    def test_diff(self, said, kept):
        kept()
        status, _, complaint = said("diff")
        assert (status, "no two runs" in complaint) == (1, True)
        kept(reg=6)
        kept(reg=7)
        page_of(kept.root)
        official = (kept.root / "reports/changes.html").read_text()
        assert "changes_2_3.html" in said("diff")[1]
        assert "from 5 to 7" in said("diff", "1", "3")[1]
        assert "Run 3 against run 1" in (kept.root / "reports/changes_1_3.html").read_text()
        assert (kept.root / "reports/changes.html").read_text() == official

    def test_damage_is_told(self, said, kept):
        kept()
        (kept.root / "data/runs/1/run.json").write_text("")
        status, out, complaint = said("show")
        assert (status, "No run is kept yet" in out) == (0, True)
        assert "Delete data/runs/1" in complaint

    def test_mistakes(self, said, kept):
        kept()
        kept(shop="other")
        assert "There is no run 7. Known: 1, 2." in said("diff", "1", "7")[2]
        assert "There is no run 7" in said("show", "7")[2]
        assert "against which?" in said("diff", "1")[2]
        assert "not comparable" in said("diff", "1", "2")[2]

    def test_the_index_command_keeps_and_links(self, call, kept, monkeypatch):
        monkeypatch.setenv("RECOMART_ROOT", str(kept.root))
        state(kept.root)
        (kept.root / "params.yaml").write_text("base: {shop: simulated}\n")
        assert call("index")[0] == 0
        assert (kept.root / "data/runs/1/run.json").exists()
        assert "changes.html" in (kept.root / "reports/index.html").read_text()
