"""Automation: the daily schedule, the sensor for new data, and the webhook for failed runs."""

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
from recomart_lib.core import paths, shops, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.redaction import redact
from recomart_lib.core.secure_transport import may_carry_secret

WEBHOOK = "RECOMART_WEBHOOK"
FINGERPRINT_KEY = "delivery"  # metadata of 01_ingest: the fingerprint of the data that it read
ACTIVE_STATUSES = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def fingerprint(root: Path) -> str:
    """A hash of the names, sizes and times of the shop's delivered files and the streaming zone's commits.

    Tables behind an API are excluded: 01_ingest itself writes the files that it fetches.

    Raises
    ------
    UserError
        If params.yaml, the shop file or the source folder is missing or invalid.
    """
    parameters = params.load(root / "params.yaml")
    shop, source = shops.load(parameters.base.shop), root / parameters.base.source
    follow_links = parameters.ingest.follow_links
    tables = [table for table in shop.sources if shop.table(table).kind != "rest"]
    delivered = [file for table in tables for file in source_files.files(shop, table, source, follow_links)]
    committed = (root / paths.STREAMING).rglob("*.json")
    return _digest([*delivered, *committed])


def _digest(files: Iterable[Path]) -> str:
    entries = [(str(file), state.st_size, state.st_mtime_ns) for file in files if (state := file.stat())]
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()[:16]


def daily_schedule(job: Any) -> ScheduleDefinition:
    """A daily run of `job` at 05:00 in the active shop's time zone; off until enabled."""
    zone = shops.load(params.load().base.shop).time_zone
    description = f"Runs outdated stages every day at 05:00 {zone}; always fetches the tables of a shop with an API."
    return ScheduleDefinition(
        "daily_run", cron_schedule="0 5 * * *", execution_timezone=zone, job=job, description=description
    )


def new_data_sensor(job: JobDefinition | Any, ingest: str) -> SensorDefinition:
    """A sensor that starts `job` when there are files or streamed events that the stage `ingest` has not read."""

    @sensor(
        name="new_data_sensor",
        job=job,
        minimum_interval_seconds=30,
        description="Starts a run when the shop delivers new files or the stream commits new events.",
    )
    def check_for_new_data(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        try:
            current = fingerprint(paths.root())
        except (UserError, FileNotFoundError) as error:
            return SkipReason(str(error))
        if current == context.cursor:
            return SkipReason("No new data.")
        if context.instance.get_runs(RunsFilter(statuses=ACTIVE_STATUSES), limit=1):
            return SkipReason("A run is queued or in progress; new data will be checked after it.")
        first = context.cursor is None
        context.update_cursor(current)
        if first:
            return SkipReason("The sensor detects new files from now on.")
        if current == last_ingested(context, ingest):
            return SkipReason("A run has already ingested the new data.")
        return RunRequest(run_key=current)

    return check_for_new_data


def last_ingested(context: SensorEvaluationContext, ingest: str) -> str | None:
    """The fingerprint recorded by the latest materialisation of `ingest`."""
    event = context.instance.get_latest_materialization_event(AssetKey(ingest))
    value = event.asset_materialization.metadata.get(FINGERPRINT_KEY) if event and event.asset_materialization else None
    return value.value if value else None


def failure_webhook() -> SensorDefinition:
    """A sensor that reports failed runs to a webhook; on if RECOMART_WEBHOOK is set."""
    status = DefaultSensorStatus.RUNNING if os.environ.get(WEBHOOK) else DefaultSensorStatus.STOPPED

    @run_failure_sensor(
        name="failure_webhook",
        default_status=status,
        description=f"Posts the details of a failed run as JSON to the URL in {WEBHOOK}.",
    )
    def send_failure(context: RunFailureSensorContext) -> SkipReason | None:
        if not (url := os.environ.get(WEBHOOK)):
            return SkipReason(f"{WEBHOOK} is not set.")
        address = httpx.URL(url)
        if address.userinfo and not may_carry_secret(address.scheme, address.host):
            return SkipReason(f"{WEBHOOK} has a login, which is sent over https:// only.")
        httpx.post(url, json=failure_details(context), timeout=10).raise_for_status()
        return None

    return send_failure


def failure_details(context: RunFailureSensorContext) -> dict[str, Any]:
    """The webhook's JSON: run_id, job, shop, and the error of each failed stage."""
    run = context.dagster_run
    stages = {event.step_key: _error_message(event) for event in context.get_step_failure_events()}
    return {
        "text": f"RecoMart: {run.job_name} failed. "
        + (
            " ".join(f"{name}: {error}" for name, error in stages.items())
            or redact(context.failure_event.message or "")
        ),
        "run_id": run.run_id,
        "job": run.job_name,
        "shop": run.tags.get("recomart/shop"),
        "stages": stages,
    }


def _error_message(event: Any) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return redact(data.user_failure_data.description)
    return redact(data.error.message.strip() if data.error else event.message)
