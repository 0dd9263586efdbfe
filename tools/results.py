"""docs/results/<shop>.json: what documents quote of a run, kept of the finished one in this folder.

    make results

All of reports/metrics/headline.json, and beside it: `data` (title, rows delivered, cut, horizon_days), `users` and
`targets` (of evaluation.json), `quality` (score, min_score), `models` (protocol -> model -> metric at 10).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError


def gather(headline: dict, evaluation: dict, data: dict, quality: dict) -> dict[str, Any]:
    """What is kept, from the content of four files in reports/metrics."""
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
    path = paths.place(paths.METRICS, f"{name}.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: results are those of a finished run. Run: make repro") from None


if __name__ == "__main__":
    try:
        kept = gather(*(read(name) for name in ("headline", "evaluation", "data", "quality")))
        target = paths.output("docs/results", f"{read('data')['shop']}.json")
    except UserError as problem:
        sys.exit(f"Error: {problem}")
    target.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target}\n")
