"""dvc.yaml as Dagster assets, one per stage, for `recomart ui`.

dvc.yaml remains the only pipeline definition: assets, dependencies and descriptions are read from it. Needs the extra
`orchestration`. See docs/orchestration.md.
"""

# no `from __future__ import annotations`: Dagster reads the type of `context` itself
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    Backoff,
    Definitions,
    Failure,
    Jitter,
    MaterializeResult,
    RetryPolicy,
    RetryRequested,
    define_asset_job,
    in_process_executor,
    multi_asset,
)

from recomart.orchestration import launchpad, metadata, process, triggers, workarounds
from recomart.project import dvc_graph, params
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError

INGEST = "01_ingest"
GROUPS = {
    "shop": "ingestion",
    "simulate": "ingestion",
    INGEST: "ingestion",
    "02_validate": "quality",
    "03_explore": "quality",
    "04_prepare": "features",
    "05_features": "features",
    "06_train": "model",
    "07_evaluate": "model",
    "08_recommend": "serving",
}  # all other stages: reporting
FULL_PIPELINE_JOB = "automated_pipeline_job"
JOBS = {
    "ingestion_only_job": ("Ingest the shop's delivery", ["shop", "simulate", INGEST]),
    "validation_only_job": ("Ingest and validate the delivery", ["shop", "simulate", INGEST, "02_validate"]),
    "feature_engineering_job": ("Prepare validated tables and compute features", ["shop", "04_prepare", "05_features"]),
    "model_training_job": ("Train, evaluate, recommend", ["06_train", "07_evaluate", "08_recommend"]),
}
# requested explicitly: as a policy of the asset, Dagster would also retry cancelled runs;
# retries after about 10, 30, 70, 150 and 310 s: a stage of another run may hold DVC's lock that long
RETRY = RetryPolicy(max_retries=5, delay=10, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


def define(retry: RetryPolicy = RETRY) -> Definitions:
    """Assets, checks, jobs, schedule and sensors of the current project."""
    # the graph of the simulated shop is valid for every shop in the launchpad: `simulate` does nothing for the others
    stages = dvc_graph.read(paths.root(), {"base": params.Base().model_dump()})
    notebook_of = {stage: notebook for notebook, stage in dvc_graph.notebooks(stages).items()}
    parents = dvc_graph.upstream(stages)
    assets = [asset(name, stage, parents[name], notebook_of, retry) for name, stage in stages.items()]
    jobs = {
        name: define_asset_job(name, AssetSelection.assets(*selected), description=text)
        for name, (text, selected) in JOBS.items()
    }
    jobs[FULL_PIPELINE_JOB] = define_asset_job(
        FULL_PIPELINE_JOB, AssetSelection.all(), description="All stages of dvc.yaml"
    )
    return Definitions(
        assets=assets,
        jobs=list(jobs.values()),
        schedules=[triggers.daily_schedule(jobs[FULL_PIPELINE_JOB])],
        sensors=[triggers.new_data_sensor(jobs[FULL_PIPELINE_JOB], INGEST), triggers.failure_webhook()],
        resources={"params": launchpad.resource()},
        executor=in_process_executor,  # DVC runs one stage at a time
    )


def asset(
    name: str, stage: dict[str, Any], parents: list[str], notebooks: dict[str, str], retry: RetryPolicy
) -> AssetsDefinition:
    """One stage as an asset; materialising it is `dvc repro --single-item`."""
    notebook = notebooks.get(name)
    spec = AssetSpec(
        name,
        deps=parents,
        description=stage.get("desc"),
        group_name=GROUPS.get(name, "reporting"),
        kinds={"jupyter", "dvc"} if notebook else {"python", "dvc"},
    )

    @multi_asset(
        name=name,
        specs=[spec],
        check_specs=metadata.specs(name, notebook),
        required_resource_keys={"params"},
        op_tags={"stage": name},
    )
    def materialise(context: AssetExecutionContext) -> Iterator[Any]:
        try:
            yield from _materialise(context, name, parents, notebooks)
        except process.StageFailedError as error:
            attempt = context.op_execution_context.retry_number
            if error.is_transient and attempt < retry.max_retries:
                raise RetryRequested(retry.max_retries, retry.calculate_delay(attempt + 1)) from error
            raise Failure(str(error)) from None
        except UserError as error:
            raise Failure(str(error)) from None

    return materialise


def _materialise(
    context: AssetExecutionContext, name: str, parents: list[str], notebooks: dict[str, str]
) -> Iterator[MaterializeResult | AssetCheckResult]:
    root, notebook = paths.root(), notebooks.get(name)
    delivery = _delivery() if name == INGEST else {}
    try:
        stage_run = process.run_stage(root, name, notebook, context.log.info, force=_has_api(name), run=context.run_id)
    except process.StageFailedError as error:
        if not error.is_transient:
            yield from metadata.checks(root, notebook)
        raise
    sources = [notebooks[parent] for parent in parents if parent in notebooks]
    yield MaterializeResult(metadata=metadata.metadata(root, name, notebook, sources, stage_run) | delivery)
    yield from metadata.checks(root, notebook)


def _delivery() -> dict[str, str]:
    """The fingerprint of what 01_ingest will read, for the sensor; empty if there is no source folder yet."""
    try:
        return {triggers.FINGERPRINT_KEY: triggers.fingerprint(paths.root())}
    except (UserError, FileNotFoundError):
        return {}


def _has_api(name: str) -> bool:
    """Whether the stage must run although no file changed: DVC cannot detect changes behind an API."""
    return name == INGEST and shops.load(params.load().base.shop).api is not None


workarounds.use_simple_selection_parser()
definitions = define()
