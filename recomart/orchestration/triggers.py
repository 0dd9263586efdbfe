"""What starts runs by itself, and who is told when one fails: the daily schedule, the sensor for data, the webhook."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from dagster import (
    AssetKey,
    DagsterRunStatus,
    DefaultSensorStatus,
    JobDefinition,
    RunFailureSensorContext,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    run_failure_sensor,
    sensor,
)

from recomart.project import params
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError

WEBHOOK = "RECOMART_WEBHOOK"
SEEN = "delivery"  # metadata of 01_ingest: the fingerprint of what it found
BUSY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def fingerprint(root: Path) -> str:
    """One word for what the shop has delivered and what the streaming zone has committed: names, sizes and times.

    Tables behind an API are not among it: 01_ingest itself writes the files that it fetches.

    Raises
    ------
    UserError
        If params.yaml, the shop file or the source folder is not as it should be.
    """
    base = params.load(root / "params.yaml").base
    shop, source = shops.load(base.shop), root / base.source
    tables = [table for table in shop.delivered if shop.table(table).kind != "rest"]
    delivered = [file for table in tables for file in shops.files(shop, table, source)]
    committed = (root / paths.STREAMING).rglob("*.json")
    return _digest([*delivered, *committed])


def _digest(files: Iterable[Path]) -> str:
    found = [(str(file), state.st_size, state.st_mtime_ns) for file in files if (state := file.stat())]
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()[:16]


def daily(job: Any) -> ScheduleDefinition:
    """Everything, once a day, by the clock of the shop in use; off until somebody switches it on."""
    zone = shops.load(params.load().base.shop).time_zone
    said = f"What is out of date, every day at 05:00 {zone}; of a shop behind an API its tables are fetched anew."
    return ScheduleDefinition(
        "daily_run", cron_schedule="0 5 * * *", execution_timezone=zone, job=job, description=said
    )


def arrivals(job: JobDefinition | Any, ingest: str) -> SensorDefinition:
    """A sensor that starts `job` when files or streamed events came that the stage `ingest` has not seen."""

    @sensor(
        name="new_data_sensor",
        job=job,
        minimum_interval_seconds=30,
        description="Starts a run when the shop delivers new files, or the stream commits new events.",
    )
    def new_data_sensor(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        try:
            now = fingerprint(paths.root())
        except (UserError, FileNotFoundError) as problem:
            return SkipReason(str(problem))
        if now == context.cursor:
            return SkipReason("Nothing new.")
        if context.instance.get_runs(RunsFilter(statuses=BUSY), limit=1):
            return SkipReason("A run is queued or at work; what is new will be looked at after it.")
        first = context.cursor is None
        context.update_cursor(now)
        if first:
            return SkipReason("From now on new files are noticed.")
        if now == seen_by(context, ingest):
            return SkipReason("A run has landed what is new.")
        return RunRequest(run_key=now)

    return new_data_sensor


def seen_by(context: SensorEvaluationContext, ingest: str) -> str | None:
    """The fingerprint that the newest materialisation of `ingest` found."""
    event = context.instance.get_latest_materialization_event(AssetKey(ingest))
    kept = event.asset_materialization.metadata.get(SEEN) if event and event.asset_materialization else None
    return kept.value if kept else None


def failures() -> SensorDefinition:
    """A sensor that tells of failed runs; at work where RECOMART_WEBHOOK is set."""
    status = DefaultSensorStatus.RUNNING if os.environ.get(WEBHOOK) else DefaultSensorStatus.STOPPED

    @run_failure_sensor(
        name="failure_webhook",
        default_status=status,
        description=f"Sends a failed run's story as JSON to the address in {WEBHOOK}.",
    )
    def failure_webhook(context: RunFailureSensorContext) -> SkipReason | None:
        if not (url := os.environ.get(WEBHOOK)):
            return SkipReason(f"{WEBHOOK} is not set.")
        httpx.post(url, json=story(context), timeout=10).raise_for_status()
        return None

    return failure_webhook


def story(context: RunFailureSensorContext) -> dict[str, Any]:
    """What the webhook is sent: run_id, job, shop, and of each failed stage the error."""
    run = context.dagster_run
    stages = {event.step_key: _sentence(event) for event in context.get_step_failure_events()}
    return {
        "text": f"RecoMart: {run.job_name} failed. "
        + (" ".join(f"{name}: {error}" for name, error in stages.items()) or context.failure_event.message or ""),
        "run_id": run.run_id,
        "job": run.job_name,
        "shop": run.tags.get("recomart/shop"),
        "stages": stages,
    }


def _sentence(event: Any) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message.strip() if data.error else event.message
