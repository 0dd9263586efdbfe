"""The metadata that each stage writes to reports/sidecars, and the state of every stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recomart.project import dvc_graph
from recomart_lib.core import paths

Metadata = dict[str, Any]


def read(path: Path) -> Metadata:
    """Read a JSON object; a missing or truncated file counts as empty, so that the index can report a crash."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def stages(root: Path) -> list[Metadata]:
    """Metadata of all stages in pipeline order, each with its question and its state: ok, failed, stale or not run yet.

    Stale: an earlier stage failed, so the report is that of a previous run.
    """
    sidecars = {path.stem: read(path) for path in sorted((root / paths.SIDECARS).glob("*.json"))}
    dag = dvc_graph.read_or_unresolved(root)
    stage_of = dvc_graph.notebooks(dag)
    failed = {
        stage_of[name] for name, metadata in sidecars.items() if metadata.get("state") == "failed" and name in stage_of
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
                "report": (root / paths.REPORTS / f"{name}.html").exists(),
            }
        )
    return states
