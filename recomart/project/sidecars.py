"""The metadata that each stage leaves in reports/sidecars, and the state of every stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recomart.project import dvc_graph
from recomart_lib.core import paths

Facts = dict[str, Any]


def read(path: Path) -> Facts:
    """A JSON object; a file that is missing, or cut off by a crash, is an empty one: the page must tell of crashes."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def stages(root: Path) -> list[Facts]:
    """Sidecars in the pipeline's order, each with its question and true state: ok, failed, stale or not run yet.

    Stale: a stage before it failed, so its report tells of an earlier run.
    """
    sidecars = {path.stem: read(path) for path in sorted((root / paths.SIDECARS).glob("*.json"))}
    dag = dvc_graph.read(root)
    named = dvc_graph.notebooks(dag)
    failed = {named[name] for name, facts in sidecars.items() if facts.get("state") == "failed" and name in named}
    late = dvc_graph.downstream(dag, failed)
    found = []
    for name in named or sidecars:
        facts = sidecars.get(name, {})
        state = facts.get("state", "not run yet")
        found.append(
            {
                **facts,
                "stage": name,
                "question": facts.get("question") or dag.get(named.get(name), {}).get("desc"),
                "title": facts.get("title") or name,
                "state": "stale" if state == "ok" and named.get(name) in late else state,
                "report": (root / paths.REPORTS / f"{name}.html").exists(),
            }
        )
    return found
