"""docs/results/<shop>.json: the numbers that documents quote, taken from the finished run in this folder.

    make results

It holds all of reports/metrics/headline.json, and in addition: `data` (title, rows delivered, cut, horizon_days),
`users` and `targets` (of evaluation.json), `quality` (score, min_score), `models` (protocol -> model -> metric at 10).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from recomart_lib.core import files, paths
from recomart_lib.core.errors import UserError


def gather(headline: dict, evaluation: dict, data: dict, quality: dict) -> dict[str, Any]:
    """Combine the contents of four files in reports/metrics."""
    rows = sum(table["delivered"] for table in quality["tables"].values())
    models = {
        protocol: {
            model: {name: value for name, value in scores.items() if name.endswith("@10")}
            for model, scores in evaluation[protocol].items()
        }
        for protocol in ("all", "novel")
    }
    return {
        **headline,
        "data": {"rows": rows, **{key: data[key] for key in ("title", "cut", "horizon_days")}},
        "users": evaluation["users"],
        "targets": evaluation["targets"],
        "quality": {key: quality[key] for key in ("score", "min_score")},
        "models": models,
    }


def read(name: str) -> dict[str, Any]:
    """Read a file of reports/metrics. Raises UserError if it is missing."""
    path = paths.place(paths.METRICS, f"{name}.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: results come from a finished run. Run: make repro") from None


if __name__ == "__main__":
    try:
        content = gather(*(read(name) for name in ("headline", "evaluation", "data", "quality")))
        target = paths.output("docs/results", f"{read('data')['shop']}.json")
    except UserError as problem:
        sys.exit(f"Error: {problem}")
    files.write_text(target, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{target}\n")
