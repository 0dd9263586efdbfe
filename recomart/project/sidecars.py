"""The metadata that each stage writes to reports/sidecars, and the state of every stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recomart.project import dvc_graph
from recomart_lib.core import files, paths

Metadata = dict[str, Any]
VERDICTS = ("passed", "warning", "no data")  # of a stage that completed, in its own summary (`text.at_a_glance`)
FAILURES = ("failed", "stopped")  # states of a stage that did not complete; stopped: by a signal or a limit


def read(path: Path) -> Metadata:
    """Read a JSON object; a file that is missing, truncated, unreadable or no object counts as empty.

    So the index can report a crash, and foreign files disturb nobody.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def stages(root: Path) -> list[Metadata]:
    """Metadata of all stages in pipeline order, each with its question and its state: ok, failed, stopped, stale or
    not run yet.

    Stale: an earlier stage failed or was stopped, so the report is that of a previous run. `verdict`: one of VERDICTS;
    `verdict_reason`: the sentence for it; both are None if the stage did not complete, or its summary has none.
    """
    sidecars = {path.stem: read(path) for path in files.listed(root / paths.SIDECARS, "*.json")}
    dag = dvc_graph.read_or_unresolved(root)
    stage_of = dvc_graph.notebooks(dag)
    failed = {
        stage_of[name] for name, metadata in sidecars.items() if metadata.get("state") in FAILURES and name in stage_of
    }
    stale = dvc_graph.downstream(dag, failed)
    states = []
    for name in stage_of or sidecars:
        metadata = sidecars.get(name, {})
        state = metadata.get("state", "not run yet")
        states.append(
            {
                **metadata,
                "stage": name,
                "question": metadata.get("question") or dag.get(stage_of.get(name), {}).get("desc"),
                "title": metadata.get("title") or name,
                "state": "stale" if state == "ok" and stage_of.get(name) in stale else state,
                "verdict": metadata.get("verdict") if metadata.get("verdict") in VERDICTS else None,
                "verdict_reason": metadata.get("verdict_reason"),
                "report": (root / paths.REPORTS / f"{name}.html").exists(),
            }
        )
    return states


def shown_state(stage: Metadata) -> str:
    """What is reported about a stage: its state, or, if it completed with a warning or without data, that.

    >>> shown_state({"state": "ok", "verdict": "no data"}), shown_state({"state": "stale", "verdict": "warning"})
    ('no data', 'stale')
    """
    return stage["verdict"] if stage["state"] == "ok" and stage.get("verdict") in VERDICTS[1:] else stage["state"]
