"""Generated parts of documents: `make docs` writes them between their marks.

    <!-- made: graph -->  ...  <!-- end -->

The graph is drawn from dvc.yaml. Numbers come from docs/results/online_retail.json, which `make results` writes after a
finished run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from recomart.project import dvc_graph, params
from recomart_lib.core import files, paths, text

RESULTS = "docs/results/online_retail.json"
PAGES = ("README.md", "docs/architecture.md", "docs/formulation.md")
MARKED = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
METRICS = ("precision@10", "recall@10", "ndcg@10")
MEANING = {"all": "repeat purchases count", "novel": "only what is new to the user"}

Results = dict[str, Any]  # see tools/results.py


def filled(text: str, root: Path) -> str:
    """Return a document with its generated parts up to date, for the project in `root`."""
    results = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    # always the default shop, whichever params.yaml names: documents describe that one
    stages = dvc_graph.read(root, {"base": params.Base().model_dump()})
    parts = {"graph": graph(stages), "headline": headline(results), "targets": targets(results)}
    return MARKED.sub(lambda match: f"{match[1]}{parts[match[2]]}\n{match[3]}", text)


def graph(stages: dvc_graph.Stages) -> str:
    """Draw dvc.yaml as a Mermaid flowchart: stages, the data folders between them, and what the index page reads."""
    written_by = {path: name for name, stage in stages.items() for path in _folders(stage, "outs")}
    inputs = {name: [*_folders(stage, "deps"), *_folders(stage, "params")] for name, stage in stages.items()}
    upstream = dvc_graph.upstream(stages)
    folders = sorted({*written_by, *(path for read in inputs.values() for path in read)})
    lines = [f'{node_id(name)}["<b>{name}</b><br/>{stage.get("desc", "")}"]' for name, stage in stages.items()]
    lines += [f'{node_id(path)}[("{path}")]' for path in folders]
    lines += [f"{node_id(name)} --> {node_id(path)}" for path, name in written_by.items()]
    lines += [f"{node_id(path)} --> {node_id(name)}" for name, read in inputs.items() for path in read]
    drawn = {(written_by.get(path), name) for name, read in inputs.items() for path in read}
    lines += [
        f"{node_id(earlier)} -.-> {node_id(name)}"
        for name in stages
        for earlier in upstream[name]
        if (earlier, name) not in drawn
    ]
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {line}" for line in lines), "```"])


def _folders(stage: dict[str, Any], key: str) -> list[str]:
    """Return the data folders, and the files directly in data/, that a stage names; others appear as dotted lines."""
    entries = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in stage.get(key) or []]
    return [entry for entry in entries if entry.startswith("data/")]


def node_id(name: str) -> str:
    """Return the id of a stage or folder in the flowchart."""
    return "n_" + re.sub(r"\W", "_", name)


def headline(results: Results) -> str:
    """Return the README's table: the best models, the baselines to beat, targets, floor and ceiling."""
    data = results["data"]
    title = f"{data['title']} ({data['rows']:,} rows), test = the {data['horizon_days']} days from {data['cut'][:10]}"
    rows = [[title, *METRICS], ["---"] * 4]
    for protocol, baseline in (("all", "own_history_decayed"), ("novel", "ease")):
        users, best = results["users"][f"evaluated_{protocol}"], results[protocol]
        words = f"*{protocol}*: {MEANING[protocol]} ({users:,} users); best model: {best['model']}"
        rows.append([words, *(f"**{best[m]:.3f}** ({_interval(best, m)})" for m in METRICS)])
        scores = results["models"][protocol][baseline]
        rows.append([f"{baseline}, the baseline to beat in *{protocol}*", *(f"{scores[m]:.3f}" for m in METRICS)])
    met = "; ".join(_reached(results, protocol) for protocol in MEANING)
    rows.append([f"targets: {met}", *(f"{_row(results, 'all', m)['threshold']:.2f}" for m in METRICS)])
    for words, key in (("popularity", "floor_popularity"), ("the best possible list", "ceiling")):
        both = [" / ".join(f"{_row(results, protocol, m)[key]:.3f}" for protocol in MEANING) for m in METRICS]
        rows.append([f"{words}, *all* / *novel*", *both])
    return _table(rows)


def _interval(scores: dict[str, Any], metric: str) -> str:
    return f"{scores[f'{metric}_low']:.3f} to {scores[f'{metric}_high']:.3f}"


def targets(results: Results) -> str:
    """Return the target card: one row per target and protocol."""
    rows = [["target", "protocol", "value (95 % interval)", "popularity", "ceiling", "verdict"], ["---"] * 6]
    for row in results["targets"]:
        value = f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        numbers = [f"{row[key]:.3f}" for key in ("floor_popularity", "ceiling")]
        rows.append([row["target"], row["protocol"], value, *numbers, row["verdict"]])
    quality = results["quality"]
    verdict = "met" if quality["score"] >= quality["min_score"] else "missed"
    rows.append([f"data quality >= {quality['min_score']:.0f} %", "", text.quality(quality["score"]), "", "", verdict])
    return _table(rows)


def _reached(results: Results, protocol: str) -> str:
    """Return e.g. `all met in *all*`, `in *novel* recall only`, `none met in *all*`."""
    met = [m.split("@")[0] for m in METRICS if _row(results, protocol, m)["verdict"] != "missed"]
    if len(met) in (0, len(METRICS)):
        return f"{'all' if met else 'none'} met in *{protocol}*"
    return f"in *{protocol}* {' and '.join(met)} only"


def _row(results: Results, protocol: str, metric: str) -> dict[str, Any]:
    return next(r for r in results["targets"] if r["protocol"] == protocol and r["target"].startswith(metric))


def _table(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    for name in PAGES:
        page = paths.place(name)
        files.write_text(page, filled(page.read_text(encoding="utf-8"), paths.root()))
