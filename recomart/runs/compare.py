"""Compare two runs: which data, parameters, code or packages changed, and which metrics, by how much and how certainly.

Pure functions: two `archive.Run` in, tables and sentences out. Sentences are plain text; the page escapes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from recomart.project.dvc_graph import PARAMS
from recomart.runs.archive import Run
from recomart_lib.core import paths
from recomart_lib.core.text import number, plural

# One row: one input that differs between the runs. `before` and `now`: a value (JSON), a short hash, a version, or null
# if it did not exist; `stages` read it. For what stages produce for other stages, see `stages`.
INPUTS = {"kind": pl.String, "what": pl.String, "before": pl.String, "now": pl.String, "stages": pl.List(pl.String)}
KINDS = {"data": "data", "parameter": "parameters", "code": "code folders", "package": "packages"}

# One row: one metric of one model on the users evaluated in both runs. `before` and `now` are means over these users;
# `only_before` and `only_now` count the others; `same`: no user's value differs.
MOVED = {
    "protocol": pl.String,
    "metric": pl.String,
    "model_before": pl.String,
    "model_now": pl.String,
    "n": pl.Int64,
    "only_before": pl.Int64,
    "only_now": pl.Int64,
    "before": pl.Float64,
    "now": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "same": pl.Boolean,
    "p_holm": pl.Float64,
}
SIGNIFICANCE = 0.05  # for p-values corrected for multiple tests, as in 07_evaluate
TIMED = ("data/feature_store", "reports/")  # contain times, so they differ after every execution
ABSENT = object()  # unlike null, which is a value
PACKAGES = ("recomart_lib/", "recomart/")
CODE = (*PACKAGES, "notebooks/", "feature_store.yaml")
SHOP_FILE = "shop file: "  # the prefix of its keys
LAYOUT = "recomart_lib, recomart"  # the row that stands for code paths that cannot be compared one by one

NO_DIFFERENCE, UNCHANGED, TOO_FEW = "no significant difference", "unchanged", "too few users in both"

Case = tuple[str, str, str, str]  # protocol, metric, model before, model now


def inputs(before: Run, now: Run) -> pl.DataFrame:
    """The inputs that changed: data, parameters, code, packages. Columns `INPUTS`.

    What a stage produced from changed inputs is not listed. An output is listed if it differs although the inputs of
    its stage do not: something else wrote to it, as when a shop delivers a file beside those of the simulation.

    Old runs recorded each code file (`recomart_lib/metrics.py`), newer ones folders (`recomart_lib/metrics`). If the
    runs have no code path of the packages in common, one row stands for all of them (see `layout_changed`). Old runs
    recorded the shop file as it was written, newer ones with the defaults of the keys that it leaves out.
    """
    produced = _produced(before, now)
    values = {kind: [_inputs(run, kind, produced) for run in (before, now)] for kind in ("data", "parameter", "code")}
    if layout_changed(before, now):
        values["code"] = [_as_one(files) for files in values["code"]]
    values["package"] = [{name: (version, []) for name, version in run.packages.items()} for run in (before, now)]
    rows = [row for kind, both in values.items() for row in _differing(kind, *both)]
    table = pl.DataFrame(rows, schema=INPUTS, orient="row")
    if _has_defaults(before) != _has_defaults(now):  # the defaults of the newer run are no change
        one_sided = pl.col("before").is_null() | pl.col("now").is_null()
        table = table.filter(~(pl.col("what").str.starts_with(SHOP_FILE) & one_sided))
    return table


def stages(before: Run, now: Run) -> list[dict[str, Any]]:
    """What happened to every stage with a notebook, in the order of the newer run.

    Returns
    -------
    list of dict
        stage, title, ran (executed, not run again, from DVC's cache), reasons (kinds of its own inputs that changed,
        and stages whose changed results it reads), seconds_before, seconds, results (path, before, now: results that
        differ), rows (table, before, now: row counts that differ).
    """
    changed = inputs(before, now)
    producers = {out: name for run in (before, now) for name in run.stages for out in _hashes(run, name, "outs")}
    compared = []
    for name in now.stages:
        old, new = before.sidecars.get(name, {}), now.sidecars.get(name, {})
        if not new:
            continue
        compared.append(
            {
                "stage": name,
                "title": new.get("title") or name,
                "ran": _how_it_ran(before, old, new),
                "reasons": _reasons(before, now, name, changed, producers),
                "seconds_before": old.get("seconds"),
                "seconds": new.get("seconds"),
                "results": list(_differences(_results(before, name), _results(now, name))),
                "rows": list(_differences(old.get("rows") or {}, new.get("rows") or {})),
            }
        )
    return compared


def chosen(before: Run, now: Run) -> pl.DataFrame:
    """The models chosen in both runs: each protocol's ndcg, precision and recall at 10. Columns `MOVED`.

    This compares the lists that users receive, even if another model was chosen. p_holm is corrected for all rows.
    """
    from recomart_lib.evaluate import evaluation  # imports SciPy, which a first run does not need

    heads = [run.metrics.get("headline", {}) for run in (before, now)]
    named = [(protocol, *(head.get(protocol, {}).get("model") for head in heads)) for protocol in ("all", "novel")]
    cases = [
        (protocol, f"{name}@10", old, new)
        for protocol, old, new in named
        if old and new
        for name in evaluation.WITH_INTERVAL
    ]
    return moved(before, now, cases)


def models(before: Run, now: Run, metric: str = "ndcg@10") -> pl.DataFrame:
    """Every model evaluated in both runs, compared with itself. Columns `MOVED`; p_holm is corrected per protocol."""
    evaluated = [_evaluated(run) for run in (before, now)]
    both = sorted(set(evaluated[0]) & set(evaluated[1]))
    protocols = dict.fromkeys(protocol for protocol, _ in both)
    parts = [
        moved(before, now, [(protocol, metric, name, name) for of, name in both if of == protocol])
        for protocol in protocols
    ]
    table = pl.concat(parts) if parts else pl.DataFrame(schema=MOVED)
    return table.sort("protocol", pl.col("difference").abs(), "model_now", descending=[False, True, False])


def moved(before: Run, now: Run, cases: Sequence[Case]) -> pl.DataFrame:
    """Paired tests (`intervals.paired_test`) over the users of both runs, corrected for multiple tests (Holm)."""
    from recomart_lib.metrics import intervals

    rows = [_paired(before.scores, now.scores, case) for case in cases]
    table = pl.DataFrame(rows, schema={name: kind for name, kind in MOVED.items() if name != "p_holm"}, orient="row")
    return table.with_columns(p_holm=pl.Series(intervals.holm(table["p_value"].to_list()), dtype=pl.Float64))


def verdict(row: dict[str, Any]) -> str:
    """The verdict for a row of `MOVED`."""
    if row["n"] < 2:
        return TOO_FEW
    if row["same"]:
        return UNCHANGED
    if row["p_holm"] >= SIGNIFICANCE:
        return NO_DIFFERENCE
    return "better" if row["difference"] > 0 else "worse"


def what_changed(table: pl.DataFrame) -> str:
    """One sentence on `inputs`: a single change in full, several as counts."""
    if not table.height:
        return "No data, parameter, code or package changed."
    first = table.row(0, named=True)
    if table.height == 1 and first["what"] == LAYOUT:
        return "The code changed: the runs record code paths differently (the layout changed)."
    if table.height == 1:
        old, new = (("nothing" if first[side] is None else first[side]) for side in ("before", "now"))
        return f"One thing changed: {first['kind']} {first['what']}, from {old} to {new}."
    names = [(kind, table.filter(pl.col("kind") == kind)["what"].to_list()) for kind in KINDS]
    listed = _listed([_counted(kind, changed) for kind, changed in names if changed])
    return f"{listed[0].upper()}{listed[1:]} changed."


def what_moved(table: pl.DataFrame, metric: str = "ndcg@10") -> list[str]:
    """One sentence per protocol on `chosen`: how much better or worse the lists are, and how certainly."""
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return ["No user was evaluated in both runs, so no metric can be compared."]
    return [_sentence(row) for row in rows.iter_rows(named=True)]


def which_models(table: pl.DataFrame) -> list[str]:
    """One sentence per protocol on `models`, with the models grouped by verdict."""
    if not table.height:
        return ["No model was evaluated in both runs."]
    parts = []
    for (protocol,), part in table.group_by("protocol", maintain_order=True):
        groups: dict[str, list[str]] = {}
        for row in part.iter_rows(named=True):
            groups.setdefault(verdict(row), []).append(row["model_now"])
        same = groups.pop(UNCHANGED, [])
        clauses = [f"{word}: {_few(names, 6)}" for word, names in groups.items()]
        clauses += [f"unchanged for every user: {plural(len(same), 'model')}"] if same else []
        parts.append(f"Protocol {protocol}: {'; '.join(clauses)}.")
    return parts


def caveat(before: Run, now: Run) -> str:
    """What limits the comparison: other test windows, other data; empty if nothing does."""
    old, new = before.metrics["data"], now.metrics["data"]
    if [old.get(name) for name in ("cut", "end")] != [new.get(name) for name in ("cut", "end")]:
        was, is_ = (f"{_day(metadata.get('cut'))} to {_day(metadata.get('end'))}" for metadata in (old, new))
        return (
            f"The test windows differ (before: {was}; now: {is_}). The same users are compared, but in different "
            "periods: a difference reflects models and seasons together."
        )
    if old.get("fingerprint") != new.get("fingerprint"):
        return "The data changed, perhaps also in the test window: a difference reflects data and models together."
    return ""


def headline(changed: pl.DataFrame, moved_metrics: pl.DataFrame) -> str:
    """The summary for the index page: what changed since the previous run (`inputs`), and what moved (`chosen`)."""
    return " ".join([what_changed(changed), *what_moved(moved_metrics)])


def p_value(value: float) -> str:
    """`0.021`, `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def git_diff_command(before: Run, now: Run) -> str:
    """The command that shows the changes in code; empty if no commit identifies them."""
    changed = inputs(before, now).filter(pl.col("kind") == "code")["what"].to_list()
    old, new = (run.revision.split(" ")[0] for run in (before, now))
    to = [] if "uncommitted" in now.revision else [new]
    if not changed or "no" in (old, new) or to == [old]:  # "no git"; or the same commit, without what was uncommitted
        return ""
    return " ".join(["git diff --stat", old, *to, "--", *(LAYOUT.split(", ") if LAYOUT in changed else changed)])


def layout_changed(before: Run, now: Run) -> bool:
    """Whether the runs record the code of the packages under entirely different paths."""
    old, new = (set(_inputs(run, "code", set())) for run in (before, now))
    old, new = ({path for path in paths_ if path.startswith(PACKAGES)} for paths_ in (old, new))
    return bool(old and new) and not old & new


def _has_defaults(run: Run) -> bool:
    """Whether the run recorded the shop file with all defaults."""
    return any(paths.RESOLVED_SHOP.as_posix() in (stage.get("params") or {}) for stage in run.stages.values())


def _produced(before: Run, now: Run) -> set[str]:
    """The outs of all stages whose deps or parameters differ between the runs."""
    kinds = ("deps", "params")
    used = [{name: [stage.get(kind) for kind in kinds] for name, stage in run.stages.items()} for run in (before, now)]
    changed = [name for name, *_ in _differences(*used)]
    return {out for stage in changed for run in (before, now) for out in _hashes(run, stage, "outs")}


def _inputs(run: Run, kind: str, produced: set[str]) -> dict[str, tuple[Any, list[str]]]:
    """Input -> its value or hash, and the stages that read it; without what stages `produced`."""
    read_by: dict[str, tuple[Any, list[str]]] = {}
    for stage in run.stages:
        values = _parameters(run.stages[stage]) if kind == "parameter" else _hashes(run, stage, "deps")
        for what, value in values.items():
            if kind == "parameter" or (what not in produced and (kind == "code") == what.startswith(CODE)):
                read_by.setdefault(what, (value, []))[1].append(stage)
    return read_by


def _as_one(files: dict[str, tuple[Any, list[str]]]) -> dict[str, tuple[Any, list[str]]]:
    """One entry, `LAYOUT`, for all code of the packages: how many paths there are, and the stages that read them."""
    package_paths = [path for path in files if path.startswith(PACKAGES)]
    stages_ = dict.fromkeys(stage for path in package_paths for stage in files[path][1])
    others = {path: entry for path, entry in files.items() if path not in package_paths}
    kind = "file" if any(path.endswith(".py") for path in package_paths) else "folder"
    return {**others, LAYOUT: (plural(len(package_paths), kind), list(stages_))}


def _differing(kind: str, old: dict, new: dict) -> Iterator[tuple]:
    """Rows of `INPUTS`; if both values are mappings, one row per key that differs."""
    for what in sorted(old.keys() | new.keys()):
        (was, readers_before), (is_, readers) = old.get(what, (ABSENT, [])), new.get(what, (ABSENT, []))
        for name, *values in _split(what, was, is_):
            yield kind, name, *(_text(kind, value) for value in values), readers or readers_before


def _parameters(stage: dict[str, Any]) -> dict[str, Any]:
    """`train` -> its value; keys of the shop file are prefixed with `SHOP_FILE`."""
    return {
        f"{'' if file == PARAMS else SHOP_FILE}{key}": value
        for file, values in (stage.get("params") or {}).items()
        for key, value in values.items()
    }


def _split(key: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _split(f"{key}.{name}", old.get(name, ABSENT), new.get(name, ABSENT))
    elif old != new:
        yield key, old, new


def _text(kind: str, value: Any) -> str | None:
    if value is ABSENT:
        return None
    return json.dumps(value, ensure_ascii=False, default=str) if kind == "parameter" else value


def _hashes(run: Run, stage: str, side: str) -> dict[str, str]:
    """Path -> the first digits of its hash, and its number of files, for a stage's deps or outs."""
    entries = run.stages.get(stage, {}).get(side) or []
    return {entry["path"]: f"{str(entry.get('md5', '?'))[:8]}{_size(entry)}" for entry in entries}


def _results(run: Run, stage: str) -> dict[str, str]:
    """The outs of a stage that depend on its inputs only."""
    kept, hashes = paths.METRICS.as_posix(), _hashes(run, stage, "outs")
    return {path: value for path, value in hashes.items() if path.startswith(kept) or not path.startswith(TIMED)}


def _size(entry: dict[str, Any]) -> str:
    return f" ({plural(entry['nfiles'], 'file')})" if "nfiles" in entry else ""


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, before, now) for all values that differ; None: absent."""
    keys = sorted(old.keys() | new.keys())
    return ((key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))


def _reasons(before: Run, now: Run, stage: str, changed: pl.DataFrame, producers: dict[str, str]) -> list[str]:
    """Why a stage had to run: `code`, `parameter`, `data`, or `after 04_prepare`."""
    own = changed.filter(pl.col("stages").list.contains(stage))["kind"].unique(maintain_order=True).to_list()
    different = [path for path, *_ in _differences(_hashes(before, stage, "deps"), _hashes(now, stage, "deps"))]
    causes = set(changed["what"])
    after = dict.fromkeys(producers[path] for path in different if path in producers and path not in causes)
    return [*own, *(f"after {name}" for name in after)]


def _how_it_ran(before: Run, old: dict[str, Any], new: dict[str, Any]) -> str:
    """DVC may restore the results of an earlier run with the same inputs; the sidecar is then that run's."""
    started = [datetime.fromisoformat(sidecar["started"]) for sidecar in (old, new) if sidecar.get("started")]
    if len(started) == 2 and started[0] == started[1]:
        return "not run again"
    return "executed" if started and started[-1] >= datetime.fromisoformat(before.when) else "from DVC's cache"


def _evaluated(run: Run) -> list[tuple[str, str]]:
    return run.scores.select("protocol", "model").unique().rows()


def _paired(old: pl.DataFrame, new: pl.DataFrame, case: Case) -> tuple:
    from recomart_lib.metrics import intervals

    protocol, metric, model_before, model_now = case
    was, is_ = _values(old, protocol, model_before, metric), _values(new, protocol, model_now, metric)
    both = was.join(is_, on="user_id", suffix="_now").sort("user_id")
    a, b = both["value_now"].to_numpy(), both["value"].to_numpy()
    test = intervals.paired_test(a, b)
    means = (float(b.mean()), float(a.mean())) if test.n else (None, None)
    others = was.height - test.n, is_.height - test.n
    numbers = (test.difference, test.low, test.high, test.p_value) if test.n else (None, None, None, 1.0)
    return *case, test.n, *others, *means, *numbers, bool((a == b).all())


def _values(scores: pl.DataFrame, protocol: str, model: str, metric: str) -> pl.DataFrame:
    rows = scores.filter(pl.col("protocol") == protocol, pl.col("model") == model)
    return rows.select("user_id", value=pl.col(metric))


def _sentence(row: dict[str, Any]) -> str:
    was, is_ = row["model_before"], row["model_now"]
    subject = f"{row['metric']} in {row['protocol']} ({is_ if was == is_ else f'{was} before, {is_} now'})"
    word = verdict(row)
    if word == TOO_FEW:
        return f"{subject}: {plural(row['n'], 'user')} evaluated in both runs, too few to compare."
    if row["same"]:
        return f"{subject} is unchanged for all {plural(row['n'], 'user')}: {row['now']:.3f}."
    change = f"{row['before']:.3f} before, {row['now']:.3f} now, difference {row['difference']:+.4f}"
    p = p_value(row["p_holm"])
    evidence = [f"95 % interval {row['low']:+.4f} to {row['high']:+.4f}", f"p {p if p.startswith('<') else f'= {p}'}"]
    statement = "has no significant difference" if word == NO_DIFFERENCE else f"is {word}"
    return f"{subject} {statement}: {change} ({', '.join([*evidence, plural(row['n'], 'user')])})."


def _counted(kind: str, names: list[str]) -> str:
    """`2 code folders (recomart_lib/core, recomart_lib/train)`"""
    if LAYOUT in names:
        return "code (paths are recorded differently: the layout changed)"
    many = KINDS[kind] if len(names) > 1 or kind == "data" else {"code": "code folder"}.get(kind, kind)
    count = f"{number(len(names))} " if kind != "data" else ""
    return f"{count}{many} ({_few(names, 3)})"


def _few(names: Iterable[str], most: int) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _day(moment: str | None) -> str:
    return str(moment or "?")[:10]
