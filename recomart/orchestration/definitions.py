"""dvc.yaml as Dagster assets, one per stage, for `dagster dev -m recomart.orchestration.definitions`.

docs/orchestration.md tells more. dvc.yaml stays the only graph: assets, their order and what they say are read from
it. Needs the extra `orchestration`.
"""

# no `from __future__ import annotations`: Dagster reads the type of `context` itself
import importlib
import sys
import types
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

from recomart.orchestration import launchpad, metadata, process, triggers
from recomart.project import dvc_graph, params
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError

GRAMMAR = "dagster._core.definitions.antlr_asset_selection.antlr_asset_selection"
INGEST = "01_ingest"
GROUPS = {
    "simulate": "ingestion",
    INGEST: "ingestion",
    "02_validate": "quality",
    "03_explore": "quality",
    "04_prepare": "features",
    "05_features": "features",
    "06_train": "model",
    "07_evaluate": "model",
    "08_recommend": "serving",
}  # every other stage: reporting
EVERYTHING = "automated_pipeline_job"
JOBS = {
    "ingestion_only_job": ("Land what the shop delivers", ["simulate", INGEST]),
    "validation_only_job": ("Land it, and judge it at the gate", ["simulate", INGEST, "02_validate"]),
    "feature_engineering_job": ("From validated tables to features", ["04_prepare", "05_features"]),
    "model_training_job": ("Train, evaluate, recommend", ["06_train", "07_evaluate", "08_recommend"]),
}
# asked for by hand: given to Dagster as a policy, it would try again what somebody cancelled;
# waits of about 10, 30, 70, 150 and 310 s: as long as a stage of another run may hold DVC's lock
RETRY = RetryPolicy(max_retries=5, delay=10, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


def define(retry: RetryPolicy = RETRY) -> Definitions:
    """Assets, checks, jobs, schedule and sensors of the project that `paths.root` finds."""
    # as for the simulated shop, whose files a stage makes: one graph is true for every shop of the launchpad, since for
    # the others `simulate` does nothing
    stages = dvc_graph.read(paths.root(), {"base": params.Base().model_dump()})
    named = {stage: notebook for notebook, stage in dvc_graph.notebooks(stages).items()}
    before = dvc_graph.upstream(stages)
    assets = [asset(name, stage, before[name], named, retry) for name, stage in stages.items()]
    jobs = {
        name: define_asset_job(name, AssetSelection.assets(*selected), description=text)
        for name, (text, selected) in JOBS.items()
    }
    jobs[EVERYTHING] = define_asset_job(EVERYTHING, AssetSelection.all(), description="Everything in dvc.yaml")
    return Definitions(
        assets=assets,
        jobs=list(jobs.values()),
        schedules=[triggers.daily(jobs[EVERYTHING])],
        sensors=[triggers.arrivals(jobs[EVERYTHING], INGEST), triggers.failures()],
        resources={"params": launchpad.resource()},
        executor=in_process_executor,  # DVC lets one stage at a time write
    )


def asset(
    name: str, stage: dict[str, Any], before: list[str], notebooks: dict[str, str], retry: RetryPolicy
) -> AssetsDefinition:
    """One stage as an asset; materialising it is `dvc repro --single-item`."""
    notebook = notebooks.get(name)
    spec = AssetSpec(
        name,
        deps=before,
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
            yield from _brought_up_to_date(context, name, before, notebooks)
        except process.StageFailedError as problem:
            tried = context.op_execution_context.retry_number
            if problem.may_pass and tried < retry.max_retries:
                raise RetryRequested(retry.max_retries, retry.calculate_delay(tried + 1)) from problem
            raise Failure(str(problem)) from None
        except UserError as problem:
            raise Failure(str(problem)) from None

    return materialise


def _brought_up_to_date(
    context: AssetExecutionContext, name: str, before: list[str], notebooks: dict[str, str]
) -> Iterator[MaterializeResult | AssetCheckResult]:
    root, notebook = paths.root(), notebooks.get(name)
    seen = _delivery() if name == INGEST else {}
    try:
        ran = process.run_stage(root, name, notebook, context.log.info, force=_behind_an_api(name), run=context.run_id)
    except process.StageFailedError as problem:
        if not problem.may_pass:
            yield from metadata.checks(root, notebook)
        raise
    sources = [notebooks[one] for one in before if one in notebooks]
    yield MaterializeResult(metadata=metadata.metadata(root, name, notebook, sources, ran) | seen)
    yield from metadata.checks(root, notebook)


def _delivery() -> dict[str, str]:
    """What 01_ingest is about to find, for the sensor; nothing where the source folder is not there yet."""
    try:
        return {triggers.SEEN: triggers.fingerprint(paths.root())}
    except (UserError, FileNotFoundError):
        return {}


def _behind_an_api(name: str) -> bool:
    """Whether the stage must run though its files did not change: DVC cannot see into an API."""
    return name == INGEST and shops.load(params.load().base.shop).api is not None


def _accept_plain_selections() -> None:
    """Let `dagster asset materialize --select` read names, `*` and `+`, for which Dagster has a simple parser, too.

    Its grammar needs a newer antlr4 than the one that DVC's omegaconf is bound to, and fails already when imported.
    """
    try:
        importlib.import_module(GRAMMAR)
    except (ImportError, TypeError, AttributeError):
        stand_in = types.ModuleType(GRAMMAR)
        stand_in.AntlrAssetSelectionParser = None  # calling it fails, and Dagster goes on with the simple parser
        sys.modules[GRAMMAR] = stand_in


_accept_plain_selections()
definitions = define()
