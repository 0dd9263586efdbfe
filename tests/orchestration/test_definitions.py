"""Dagster over dvc.yaml: definitions, launchpad, failures, retries, cancelling, sensors; slow: real jobs, a browser."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import fake_project
import psutil
import pytest
import yaml

from recomart.orchestration import process
from recomart.project import dvc_graph, params, params_writer
from recomart_lib.core.errors import UserError

dagster = pytest.importorskip("dagster", reason="NO DAGSTER: pip install --no-deps -r requirements-orchestration.lock")
os.environ["RECOMART_ROOT"], before = str(fake_project.ROOT), os.environ.get("RECOMART_ROOT")
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap  # noqa: E402
from dagster_shared.yaml_utils import load_run_config_yaml  # noqa: E402

from recomart.orchestration import definitions, launchpad, metadata, triggers  # noqa: E402

os.environ.pop("RECOMART_ROOT")
if before:
    os.environ["RECOMART_ROOT"] = before

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
RETRY_IMMEDIATELY = dagster.RetryPolicy(max_retries=2, delay=0)


@pytest.fixture
def instance():
    with dagster.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def make(tmp_path, monkeypatch):
    """make(s02_validate={"error": ...}) -> the folder of a fake_project project, which is the one in use."""

    def project(**moods: dict) -> Path:
        folder = fake_project.project(tmp_path / "fake_project", **moods)
        monkeypatch.setenv("RECOMART_ROOT", str(folder))
        return folder

    return project


def run(job: str, instance, config: dict | None = None) -> dagster.ExecuteInProcessResult:
    found = definitions.define(RETRY_IMMEDIATELY).resolve_job_def(job)
    given = {"resources": {"params": {"config": config}}} if config else None
    return found.execute_in_process(run_config=given, instance=instance, raise_on_error=False)


def stages_of(job: str) -> set[str]:
    return {
        key.to_user_string() for key in definitions.definitions.resolve_job_def(job).asset_layer.executable_asset_keys
    }


class TestDefinitions:
    def test_assets_are_the_stages_of_dvc_yaml(self):
        stages = dvc_graph.read(fake_project.ROOT)
        graph = definitions.definitions.resolve_asset_graph()
        assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(stages)
        for name, before in dvc_graph.upstream(stages).items():
            node = graph.get(dagster.AssetKey(name))
            expected = {*before, "simulate"} if name == "01_ingest" else set(before)
            assert {key.to_user_string() for key in node.parent_keys} == expected
            assert node.description == stages[name]["desc"]
            assert "dvc" in node.kinds
            assert node.group_name in {"ingestion", "quality", "features", "model", "serving", "reporting"}

    def test_jobs(self):
        assert stages_of("automated_pipeline_job") == set(dvc_graph.read(fake_project.ROOT))
        assert stages_of("ingestion_only_job") == {"shop", "simulate", "01_ingest"}
        assert stages_of("validation_only_job") == {"shop", "simulate", "01_ingest", "02_validate"}
        assert stages_of("feature_engineering_job") == {"shop", "04_prepare", "05_features"}
        assert stages_of("model_training_job") == {"06_train", "07_evaluate", "08_recommend"}

    @pytest.mark.parametrize(
        ("words", "stages"), [("03_explore", {"03_explore"}), ("+02_validate", {"shop", "01_ingest", "02_validate"})]
    )
    def test_plain_selections_can_be_read(self, words, stages):
        """`dagster asset materialize --select`; DVC's antlr4 is too old for Dagster's grammar."""
        graph = definitions.definitions.resolve_asset_graph()
        found = dagster.AssetSelection.from_string(words).resolve(graph)
        assert {key.to_user_string() for key in found} == stages

    def test_checks_schedule_and_sensors(self):
        keys = definitions.definitions.resolve_asset_graph().asset_check_keys
        assert {(key.asset_key.to_user_string(), key.name) for key in keys} == {
            ("02_validate", "quality_gate"),
            ("02_validate", "reconciliation"),
            ("05_features", "leakage_audit"),
            ("07_evaluate", "targets"),
        }
        schedule = definitions.definitions.resolve_schedule_def("daily_run")
        assert schedule.default_status == dagster.DefaultScheduleStatus.STOPPED
        assert definitions.definitions.resolve_sensor_def("new_data_sensor")

    def test_only_what_may_pass_is_tried_again(self):
        assert definitions.RETRY.backoff == dagster.Backoff.EXPONENTIAL
        assert definitions.RETRY.jitter is not None
        for text in (
            "Unable to acquire lock. Most likely",
            "x: given up after 8 attempt(s); table",
            "Connection refused",
        ):
            assert process.StageFailedError(text).is_transient
        for text in ("The quality score is 80.00 %", "ValueError: no such column", "the notebook's kernel died"):
            assert not process.StageFailedError(text).is_transient


class TestLaunchpad:
    def refused(self, config: dict) -> str:
        job = definitions.definitions.resolve_job_def("validation_only_job")
        with pytest.raises(dagster.DagsterError) as raised:
            dagster.validate_run_config(job, {"resources": {"params": {"config": config}}})
        return f"{raised.value} {raised.value.__cause__}"

    def test_defaults_are_those_of_params_yaml(self):
        job = definitions.definitions.resolve_job_def("validation_only_job")
        offered = dagster.validate_run_config(job, {})["resources"]["params"]["config"]
        assert offered == yaml.safe_load((fake_project.ROOT / "params.yaml").read_text())

    def test_what_the_browser_sends_leaves_params_yaml_as_it_is(self, make):
        """It fills in what it knows of each type, and leaves out what is empty: a mapping must not come back so."""
        make()
        known = definitions.definitions.resolve_job_def("validation_only_job").get_job_snapshot()
        schema = known.config_schema_snapshot
        root = schema.get_config_snap(known.mode_def_snaps[0].root_config_key)
        sent = load_run_config_yaml(default_values_yaml_from_type_snap(schema, root))["resources"]["params"]["config"]
        assert sent["train"]["k"] == 20
        assert launchpad.changed_values(launchpad.validated(sent)) == {}
        chosen = {**sent, "train": {**sent["train"], "models": {"popularity": {}, "ease": {"reg": 5}}}}
        assert launchpad.changed_values(launchpad.validated(chosen)) == {
            "train": {"models": {"popularity": {}, "ease": {"reg": 5}}}
        }

    def test_wrong_values_are_refused_and_nothing_is_written(self):
        before = (fake_project.ROOT / "params.yaml").read_bytes()
        assert "n_trials" in self.refused({"train": {"n_trials": "many"}})
        assert "sparkle" in self.refused({"base": {"engine": "sparkle"}})
        assert "n_trails" in self.refused({"train": {"n_trails": 5}})
        assert "validate.min_quality: Input should be less than or equal to 1" in self.refused(
            {"validate": {"min_quality": 95.0}}
        )
        assert "train.k = 5 is less than" in self.refused({"train": {"k": 5}})
        assert "no_such_shop" in self.refused({"base": {"shop": "no_such_shop"}})
        assert "base.shop: a name has at most" in self.refused({"base": {"shop": "../../outside/evil"}})
        assert (fake_project.ROOT / "params.yaml").read_bytes() == before

    def test_every_value_has_the_comment_of_params_yaml(self):
        fields = launchpad.schema().fields["validate"].config_type.fields
        assert fields["min_quality"].description == "the gate: below it the pipeline stops"

    def test_another_shop_brings_its_folder(self, make):
        folder = make()
        values = params.load().model_dump(by_alias=True)
        values["base"]["shop"] = "online_retail"
        with pytest.raises(UserError, match="there is no folder data/source/online_retail"):
            launchpad.validated(values)
        (folder / "data/source/online_retail").mkdir()
        assert launchpad.validated(values)["base"]["source"] == "data/source/online_retail"

    def test_chosen_values_are_written_and_noted_in_the_run(self, make, instance):
        folder = make()
        before = (folder / "params.yaml").read_text()
        done = run("ingestion_only_job", instance, {"simulate": {"n_users": 77}, "validate": {"min_quality": 0.9}})
        assert done.success
        after = before.replace("n_users: 10000", "n_users: 77").replace("min_quality: 0.95  ", "min_quality: 0.9   ")
        assert (folder / "params.yaml").read_text() == after
        tags = instance.get_run_by_id(done.run_id).tags
        assert tags["recomart/params"] == "simulate.n_users = 77, validate.min_quality = 0.9"
        assert tags["recomart/shop"] == "simulated"

    def test_a_run_that_chooses_nothing_leaves_the_file_alone(self, make, instance):
        folder = make()
        before = (folder / "params.yaml").read_bytes()
        assert run("ingestion_only_job", instance).success
        assert (folder / "params.yaml").read_bytes() == before


class TestRuns:
    def test_a_job_runs_its_stages_and_says_what_they_made(self, make, instance):
        make()
        done = run("ingestion_only_job", instance)
        assert done.success
        event = done.asset_materializations_for_node("simulate")[0]
        assert event.metadata["DVC"].value == "stage executed"
        assert "made/simulate.txt | 6b2ded51d81a4403d8a4bd25fa1e57ee" in event.metadata["outputs"].value
        assert (event.metadata["rows out"].value, event.metadata["seconds"].value) == (7, 0.1)
        again = run("ingestion_only_job", instance).asset_materializations_for_node("simulate")[0]
        assert "up to date" in again.metadata["DVC"].value

    def test_log_lines_come_while_the_stage_works(self, make):
        folder, heard = make(), []
        process.run_stage(folder, "simulate", "simulate", heard.append)
        assert "simulate says hello" in heard

    def test_a_run_has_the_same_name_in_our_logs(self, make):
        ask, heard = "import os; print('named', os.environ['RECOMART_RUN_ID'])", []
        process.follow([sys.executable, "-c", ask], make(), heard.append, "0a1b-dagster")
        assert heard == ["named 0a1b-dagster"]

    def test_a_failed_gate_is_reported_and_not_retried(self, make, instance):
        sentence = "The quality score is 80.00 %, below 95.0 %; most failures: events.price_known (12 rows)."
        folder = make(s02_validate={"error": sentence})
        done = run("validation_only_job", instance)
        assert not done.success
        failure = next(event for event in done.all_events if event.is_step_failure)
        assert failure.event_specific_data.user_failure_data.description == sentence
        assert fake_project.tries(folder, "02_validate") == 1
        assert not [check for check in done.get_asset_check_evaluations() if check.passed]

    def test_what_may_pass_is_tried_again(self, make, instance):
        folder = make(s01_ingest={"error": "http://shop: given up after 8 attempt(s); table 'users' ...", "times": 2})
        assert run("ingestion_only_job", instance).success
        assert fake_project.tries(folder, "01_ingest") == 3

    def test_an_api_is_queried_in_every_run(self, make, instance):
        folder = make()
        for _ in range(2):
            assert run("ingestion_only_job", instance, {"base": {"shop": "simulated_api"}}).success
        assert (fake_project.tries(folder, "simulate"), fake_project.tries(folder, "01_ingest")) == (1, 2)

    def test_a_failure_before_the_notebook_is_reported_too(self, make):
        folder = make()
        with pytest.raises(process.StageFailedError, match=r"made/simulate\.txt"):
            process.run_stage(folder, "01_ingest", "01_ingest", lambda line: None)

    def test_stages_end_with_the_process_that_runs_dvc(self, make):
        ask, heard = "import os; print(os.environ['RECOMART_RUN_PROCESS'])", []
        process.follow([sys.executable, "-c", ask], make(), heard.append)
        assert heard == [str(os.getpid())]

    @POSIX
    def test_a_stage_that_does_not_end_itself_at_its_limit_is_terminated(self, make, monkeypatch):
        folder = make(s01_ingest={"sleep": True})
        path = folder / "params.yaml"
        path.write_text(path.read_text().replace("stage_s: {}", "stage_s: {01_ingest: 1}"))
        monkeypatch.setattr(process, "GRACE_S", (1, 1, 5))
        monkeypatch.setattr(process, "LIMIT_MARGIN_S", 2)
        process.run_stage(folder, "simulate", "simulate", lambda line: None)
        with pytest.raises(process.StageFailedError, match=r"did not end within 3 s \(limits\.stage_s of") as error:
            process.run_stage(folder, "01_ingest", "01_ingest", lambda line: None)
        assert not error.value.is_transient
        for pid in (folder / "pids").read_text().split() if (folder / "pids").exists() else []:
            assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE

    def test_a_project_in_use_is_tried_again(self):
        busy = "The project is in use by stage 06_train (process 7 on h, since today UTC). Wait until it has ended"
        assert process.StageFailedError(busy).is_transient

    def test_a_stopped_stage_says_so(self, make):
        folder = make()
        side = folder / "reports/sidecars/06_train.json"
        side.parent.mkdir(parents=True)
        side.write_text('{"state": "stopped", "started": "2026-11-27T00:00:00+00:00", "error": "stopped after 9 s"}')
        began = datetime(2026, 11, 27, tzinfo=UTC)
        assert process._failure_message(folder, "06_train", "06_train", began, []) == "stopped after 9 s"

    @POSIX
    def test_a_cancelled_run_leaves_nothing_behind_and_the_next_one_goes_on(self, make, instance, monkeypatch):
        folder = make(s01_ingest={"sleep": True})
        monkeypatch.setattr(process, "GRACE_S", (1, 1, 5))
        process.run_stage(folder, "simulate", "simulate", lambda line: None)

        def interrupt(*_) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)

        def listen(line: str) -> None:
            if "hello" in line:
                signal.alarm(1)

        with pytest.raises(KeyboardInterrupt):
            process.run_stage(folder, "01_ingest", "01_ingest", listen)
        for pid in (folder / "pids").read_text().split():
            assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
        fake_project.mood(folder)
        assert run("ingestion_only_job", instance).success
        assert (fake_project.tries(folder, "simulate"), fake_project.tries(folder, "01_ingest")) == (1, 2)


class TestMetadata:
    @pytest.fixture
    def results(self, tmp_path):
        for name in ("quality", "evaluation", "headline"):
            path = tmp_path / f"reports/metrics/{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(fake_project.ROOT / f"reports/metrics/{name}.json", path)
        return tmp_path

    def quality(self, root: Path) -> dict[str, bool]:
        return {check.check_name: check.passed for check in metadata.checks(root, "02_validate")}

    def change(self, root: Path, table: str, key: str, by: int) -> None:
        path = root / "reports/metrics/quality.json"
        content = json.loads(path.read_text())
        content["tables"][table][key] += by
        path.write_text(json.dumps(content))

    def test_quality(self, results):
        assert self.quality(results) == {"quality_gate": True, "reconciliation": True}

    @pytest.mark.parametrize("key", ["landed", "rejected", "good", "duplicates"])
    def test_a_lost_row_is_noticed(self, results, key):
        self.change(results, "events", key, -1)
        assert self.quality(results) == {"quality_gate": True, "reconciliation": False}

    def test_a_missing_report_passes_nothing(self, tmp_path):
        assert self.quality(tmp_path) == {"quality_gate": False, "reconciliation": False}

    def test_missed_targets_warn(self, results):
        (found,) = metadata.checks(results, "07_evaluate")
        rows = json.loads((results / "reports/metrics/evaluation.json").read_text())["targets"]
        assert found.passed == all(row["verdict"] != "missed" for row in rows)
        assert found.severity == dagster.AssetCheckSeverity.WARN
        assert found.metadata["missed"].value == sum(row["verdict"] == "missed" for row in rows)

    @pytest.mark.parametrize(("state", "passed"), [("ok", True), ("failed", False)])
    def test_leakage_audit(self, tmp_path, state, passed):
        path = tmp_path / "reports/sidecars/05_features.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"state": state, "error": None if passed else "order_count leaks"}))
        (found,) = metadata.checks(tmp_path, "05_features")
        assert found.passed is passed

    def test_the_report_is_linked_where_it_can_be_opened(self, results, monkeypatch):
        page = results / "reports/02_validate.html"
        page.touch()
        ran = process.StageRun(executed=True, started=datetime.now(UTC))
        (results / "dvc.lock").write_text("stages: {}")
        for served, link in ((None, page.as_uri()), ("http://there:3001/", "http://there:3001/02_validate.html")):
            monkeypatch.setenv("RECOMART_REPORTS_URL", served) if served else monkeypatch.delenv(
                "RECOMART_REPORTS_URL", raising=False
            )
            entries = metadata.metadata(results, "02_validate", "02_validate", [], ran)
            assert entries["report"].value == link

    def test_the_first_small_figure_is_the_preview(self, tmp_path):
        cells = [{"outputs": [{"data": {"image/png": "a" * 200}}]}, {}, {"outputs": [{"data": {"image/png": "bb\n"}}]}]
        (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells}))
        assert process.first_figure(tmp_path / "x.ipynb", max_length=100) == "data:image/png;base64,bb"
        assert process.first_figure(tmp_path / "y.ipynb") is None
        picture = '<img alt="x" src="data:image/svg+xml;base64,PHN2Zy8+">'
        vector = [
            {"outputs": [{"data": {"text/html": ["<table>"]}}, {"data": {"text/html": [picture[:9], picture[9:]]}}]}
        ]
        (tmp_path / "z.ipynb").write_text(json.dumps({"cells": vector}))
        assert process.first_figure(tmp_path / "z.ipynb") == "data:image/svg+xml;base64,PHN2Zy8+"


class TestSensors:
    def tick(self, instance, cursor: str | None) -> tuple[object, str | None]:
        context = dagster.build_sensor_context(instance=instance, cursor=cursor)
        sensor = definitions.define(RETRY_IMMEDIATELY).resolve_sensor_def("new_data_sensor")
        return sensor(context), context.cursor

    def test_new_files_start_one_run(self, make, instance):
        folder = make()
        answer, cursor = self.tick(instance, None)
        assert isinstance(answer, dagster.SkipReason)
        answer, cursor = self.tick(instance, cursor)
        assert answer.skip_message == "No new data."
        (folder / "data/source/simulated/transactions/transactions_2025-01-02.csv").write_text("new")
        answer, after = self.tick(instance, cursor)
        assert answer.run_key == after != cursor
        assert self.tick(instance, after)[0].skip_message == "No new data."

    def test_a_link_out_of_the_source_folder_is_no_new_data(self, make, tmp_path):
        folder = make()
        before = triggers.fingerprint(folder)
        (tmp_path / "outside.csv").write_text("secret")
        link = folder / "data/source/simulated/transactions/transactions_2025-01-03.csv"
        link.symlink_to(tmp_path / "outside.csv")
        assert triggers.fingerprint(folder) == before

    def test_a_commit_of_the_stream_is_new_data(self, make):
        folder = make()
        before = triggers.fingerprint(folder)
        commit = folder / "data/streaming/simulated/commits/t-0/1.json"
        commit.parent.mkdir(parents=True)
        commit.write_text("{}")
        assert triggers.fingerprint(folder) != before

    def test_no_start_while_a_run_is_at_work(self, make, instance):
        make()
        job = definitions.define(RETRY_IMMEDIATELY).resolve_job_def("ingestion_only_job")
        instance.create_run_for_job(job, status=dagster.DagsterRunStatus.STARTED)
        answer, cursor = self.tick(instance, "old")
        assert "in progress" in answer.skip_message
        assert cursor == "old"

    def test_files_that_a_run_has_ingested_start_no_run(self, make, instance):
        make()
        assert run("ingestion_only_job", instance).success
        answer, _ = self.tick(instance, "old")
        assert answer.skip_message == "A run has already ingested the new data."

    def test_a_missing_folder_is_reported(self, make, instance):
        shutil.rmtree(make() / "data/source/simulated")
        assert "there is no folder" in self.tick(instance, "old")[0].skip_message

    def test_a_failed_run_is_sent_to_the_webhook(self, make, instance, monkeypatch):
        received = []

        class Listener(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        make(s01_ingest={"error": "users.csv lacks the column 'id'"})
        done = run("ingestion_only_job", instance)
        event = next(event for event in done.all_events if event.event_type_value == "PIPELINE_FAILURE")
        context = dagster.build_run_status_sensor_context(
            "failure_webhook", event, instance, instance.get_run_by_id(done.run_id)
        ).for_run_failure()
        sensor = definitions.define(RETRY_IMMEDIATELY).resolve_sensor_def("failure_webhook")
        monkeypatch.delenv("RECOMART_WEBHOOK", raising=False)
        assert "not set" in sensor(context).skip_message
        with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            monkeypatch.setenv("RECOMART_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
            sensor(context)
            server.shutdown()
        (payload,) = received
        assert (payload["job"], payload["run_id"], payload["shop"]) == ("ingestion_only_job", done.run_id, "simulated")
        assert "users.csv lacks the column 'id'" in payload["stages"]["01_ingest"]


def test_params_file_keeps_comments(tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(fake_project.ROOT / "params.yaml", path)
    before = path.read_text()
    params_writer.update(path, {"train": {"n_trials": 9}})
    assert path.read_text() == before.replace("n_trials: 6 ", "n_trials: 9 ")
    assert params.load(path).train.n_trials == 9
