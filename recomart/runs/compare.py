"""Run against run: which data, parameter, code or package changed, and which metric moved by how much, and how surely.

Pure: two `runs.Run` in, tables and sentences out. Sentences are plain text, for a page that escapes what it shows.
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
from recomart_lib.evaluate import evaluation
from recomart_lib.metrics import intervals

# One row: one thing that went into the runs and is not the same in both. `before` and `now`: a value (JSON), a short
# hash, a version, or null where it was not there; `stages` read it. What a stage made for others: see `stages`.
INPUTS = {"kind": pl.String, "what": pl.String, "before": pl.String, "now": pl.String, "stages": pl.List(pl.String)}
KINDS = {"data": "data", "parameter": "parameters", "code": "code files", "package": "packages"}

# One row: one metric of one model on the users whom both runs judged. `before` and `now` are means over these users;
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
SURE = 0.05  # as in 07_evaluate: p-values, corrected for their number
CLOCKED = ("data/feature_store", "reports/")  # hold times, so they differ whenever they are made
ABSENT = object()  # other than null, which is a value
CODE = ("recomart_lib/", "notebooks/", "feature_store.yaml")

Case = tuple[str, str, str, str]  # protocol, metric, model before, model now


def inputs(before: Run, now: Run) -> pl.DataFrame:
    """What went in and changed: data, parameters, code, packages. Columns `INPUTS`.

    Data that a stage made of changed inputs is no cause. What differs though its maker's inputs do not is one: somebody
    else wrote to it, as a shop delivers a file beside those that the simulation wrote.
    """
    made = {out for stage in _touched(before, now) for run in (before, now) for out in _hashes(run, stage, "outs")}
    kinds = ("data", "parameter", "code")
    parts = [_differing(kind, *(_inputs(run, kind, made) for run in (before, now))) for kind in kinds]
    versions = [{name: (version, []) for name, version in run.packages.items()} for run in (before, now)]
    rows = [row for part in [*parts, _differing("package", *versions)] for row in part]
    return pl.DataFrame(rows, schema=INPUTS, orient="row")


def stages(before: Run, now: Run) -> list[dict[str, Any]]:
    """What became of every stage that has a notebook, in the order of the run now.

    Returns
    -------
    list of dict
        stage, title, ran (executed, not run again, from DVC's cache), reasons (what of its own inputs changed, and
        after which stages it comes), seconds_before, seconds, made (path, before, now: what it left and is not the
        same), rows (table, before, now: numbers of rows that differ).
    """
    changed = inputs(before, now)
    makers = {out: name for run in (before, now) for name in run.stages for out in _hashes(run, name, "outs")}
    told = []
    for name in now.stages:
        old, new = before.sidecars.get(name, {}), now.sidecars.get(name, {})
        if not new:
            continue
        told.append(
            {
                "stage": name,
                "title": new.get("title") or name,
                "ran": _fate(before, old, new),
                "reasons": _reasons(before, now, name, changed, makers),
                "seconds_before": old.get("seconds"),
                "seconds": new.get("seconds"),
                "made": list(_unlike(_results(before, name), _results(now, name))),
                "rows": list(_unlike(old.get("rows") or {}, new.get("rows") or {})),
            }
        )
    return told


def chosen(before: Run, now: Run) -> pl.DataFrame:
    """The models that were chosen then and now: each protocol's ndcg, precision and recall at 10. Columns `MOVED`.

    What is compared is what people get; the model itself may be another one. p_holm is corrected for all rows.
    """
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
    """Every model that was judged in both runs, against itself. Columns `MOVED`; p_holm is corrected per protocol."""
    found = [_judged(run) for run in (before, now)]
    both = sorted(set(found[0]) & set(found[1]))
    protocols = dict.fromkeys(protocol for protocol, _ in both)
    parts = [
        moved(before, now, [(protocol, metric, name, name) for of, name in both if of == protocol])
        for protocol in protocols
    ]
    table = pl.concat(parts) if parts else pl.DataFrame(schema=MOVED)
    return table.sort("protocol", pl.col("difference").abs(), "model_now", descending=[False, True, False])


def moved(before: Run, now: Run, cases: Sequence[Case]) -> pl.DataFrame:
    """Paired tests (`metrics.paired_test`) over the users whom both runs judged, corrected for their number (Holm)."""
    rows = [_paired(before.scores, now.scores, case) for case in cases]
    table = pl.DataFrame(rows, schema={name: kind for name, kind in MOVED.items() if name != "p_holm"}, orient="row")
    return table.with_columns(p_holm=pl.Series(intervals.holm(table["p_value"].to_list()), dtype=pl.Float64))


def verdict(row: dict[str, Any]) -> str:
    """The word for a row of `MOVED`."""
    if row["n"] < 2:
        return "too few users in both"
    if row["same"]:
        return "the same"
    if row["p_holm"] >= SURE:
        return "not to be told apart"
    return "better" if row["difference"] > 0 else "worse"


def what_changed(table: pl.DataFrame) -> str:
    """One sentence on `inputs`: a single change is told in full, many are counted."""
    if not table.height:
        return "No data, parameter, code or package changed."
    first = table.row(0, named=True)
    if table.height == 1:
        old, new = (("nothing" if first[side] is None else first[side]) for side in ("before", "now"))
        return f"One thing changed: {first['kind']} {first['what']}, from {old} to {new}."
    told = [(kind, table.filter(pl.col("kind") == kind)["what"].to_list()) for kind in KINDS]
    listed = _listed([_counted(kind, names) for kind, names in told if names])
    return f"{listed[0].upper()}{listed[1:]} changed."


def what_moved(table: pl.DataFrame, metric: str = "ndcg@10") -> list[str]:
    """One sentence per protocol on `chosen`: by how much what people get is better or worse, and how surely."""
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return ["Nobody was judged in both runs, so no metric can be compared."]
    return [_sentence(row) for row in rows.iter_rows(named=True)]


def which_models(table: pl.DataFrame) -> list[str]:
    """One sentence per protocol on `models`, in the words of 07_evaluate: better, worse, not to be told apart."""
    if not table.height:
        return ["No model was judged in both runs."]
    parts = []
    for (protocol,), part in table.group_by("protocol", maintain_order=True):
        groups: dict[str, list[str]] = {}
        for row in part.iter_rows(named=True):
            groups.setdefault(verdict(row), []).append(row["model_now"])
        same = groups.pop("the same", [])
        told = [f"{word}: {_few(names, 6)}" for word, names in groups.items()]
        told += [f"the same for every user: {plural(len(same), 'model')}"] if same else []
        parts.append(f"Protocol {protocol}: {'; '.join(told)}.")
    return parts


def caveat(before: Run, now: Run) -> str:
    """Whether the two runs were asked the same; empty if so."""
    old, new = before.metrics["data"], now.metrics["data"]
    if [old.get(name) for name in ("cut", "end")] != [new.get(name) for name in ("cut", "end")]:
        was, is_ = (f"{_day(facts.get('cut'))} to {_day(facts.get('end'))}" for facts in (old, new))
        return (
            f"The test windows differ (before: {was}; now: {is_}). The same users are compared, but by what they did "
            "at different times: a difference tells of models and seasons together."
        )
    if old.get("fingerprint") != new.get("fingerprint"):
        return (
            "The data changed, so what users did in the test window may have, too: a difference tells of data and "
            "models together."
        )
    return ""


def headline(changed: pl.DataFrame, people: pl.DataFrame) -> str:
    """What the index page says: what changed since the run before (of `inputs`), and what moved (of `chosen`)."""
    return " ".join([what_changed(changed), *what_moved(people)])


def p_value(value: float) -> str:
    """`0.021`, `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def look_at_code(before: Run, now: Run) -> str:
    """The command that shows what changed in the code; empty where no commit tells it."""
    files = inputs(before, now).filter(pl.col("kind") == "code")["what"].to_list()
    old, new = (run.revision.split(" ")[0] for run in (before, now))
    to = [] if "uncommitted" in now.revision else [new]
    if not files or "no" in (old, new) or to == [old]:  # "no git"; or both of one commit, what lay between is gone
        return ""
    return " ".join(["git diff --stat", old, *to, "--", *files])


def _touched(before: Run, now: Run) -> list[str]:
    """The stages whose deps or parameters are not the same in both runs."""
    sides = ("deps", "params")
    used = [{name: [stage.get(side) for side in sides] for name, stage in run.stages.items()} for run in (before, now)]
    return [name for name, *_ in _unlike(*used)]


def _inputs(run: Run, kind: str, made: set[str]) -> dict[str, tuple[Any, list[str]]]:
    """What -> its value or hash, and the stages that read it; without what stages `made`."""
    found: dict[str, tuple[Any, list[str]]] = {}
    for stage in run.stages:
        values = _parameters(run.stages[stage]) if kind == "parameter" else _hashes(run, stage, "deps")
        for what, value in values.items():
            if kind == "parameter" or (what not in made and (kind == "code") == what.startswith(CODE)):
                found.setdefault(what, (value, []))[1].append(stage)
    return found


def _differing(kind: str, old: dict, new: dict) -> Iterator[tuple]:
    """Rows of `INPUTS`: mappings on both sides are told key by key."""
    for what in sorted(old.keys() | new.keys()):
        (was, readers_before), (is_, readers) = old.get(what, (ABSENT, [])), new.get(what, (ABSENT, []))
        for name, *sides in _split(what, was, is_):
            yield kind, name, *(_text(kind, side) for side in sides), readers or readers_before


def _parameters(stage: dict[str, Any]) -> dict[str, Any]:
    """`train` -> its value; keys of other files than params.yaml bear the file's name."""
    return {
        f"{'' if file == PARAMS else f'{file}: '}{key}": value
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
    """Path -> the first digits of its hash, and how many files it has, of a stage's deps or outs."""
    entries = run.stages.get(stage, {}).get(side) or []
    return {one["path"]: f"{str(one.get('md5', '?'))[:8]}{_size(one)}" for one in entries}


def _results(run: Run, stage: str) -> dict[str, str]:
    """The outs of a stage that are equal whenever its inputs are."""
    kept, hashes = paths.METRICS.as_posix(), _hashes(run, stage, "outs")
    return {path: value for path, value in hashes.items() if path.startswith(kept) or not path.startswith(CLOCKED)}


def _size(entry: dict[str, Any]) -> str:
    return f" ({plural(entry['nfiles'], 'file')})" if "nfiles" in entry else ""


def _unlike(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, before, now) for all that is not the same; None: not there."""
    keys = sorted(old.keys() | new.keys())
    return ((key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))


def _reasons(before: Run, now: Run, stage: str, changed: pl.DataFrame, makers: dict[str, str]) -> list[str]:
    """Why a stage had to run: `code`, `parameter`, `data`, or `after 04_prepare`."""
    own = changed.filter(pl.col("stages").list.contains(stage))["kind"].unique(maintain_order=True).to_list()
    fed = [path for path, *_ in _unlike(_hashes(before, stage, "deps"), _hashes(now, stage, "deps"))]
    causes = set(changed["what"])
    after = dict.fromkeys(makers[path] for path in fed if path in makers and path not in causes)
    return [*own, *(f"after {name}" for name in after)]


def _fate(before: Run, old: dict[str, Any], new: dict[str, Any]) -> str:
    """DVC puts back what it knows of an earlier run with the same inputs: the sidecar then is that run's."""
    started = [datetime.fromisoformat(facts["started"]) for facts in (old, new) if facts.get("started")]
    if len(started) == 2 and started[0] == started[1]:
        return "not run again"
    return "executed" if started and started[-1] >= datetime.fromisoformat(before.when) else "from DVC's cache"


def _judged(run: Run) -> list[tuple[str, str]]:
    return run.scores.select("protocol", "model").unique().rows()


def _paired(old: pl.DataFrame, new: pl.DataFrame, case: Case) -> tuple:
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
    who = f"{row['metric']} in {row['protocol']} ({is_ if was == is_ else f'{was} before, {is_} now'})"
    word = verdict(row)
    if word == "too few users in both":
        return f"{who}: {plural(row['n'], 'user')} judged in both runs, too few to compare."
    if row["same"]:
        return f"{who} is the same for every one of {plural(row['n'], 'user')}: {row['now']:.3f}."
    change = f"{row['before']:.3f} before, {row['now']:.3f} now, difference {row['difference']:+.4f}"
    p = p_value(row["p_holm"])
    sure = [f"95 % interval {row['low']:+.4f} to {row['high']:+.4f}", f"p {p if p.startswith('<') else f'= {p}'}"]
    word = f"{word} from before" if word == "not to be told apart" else word
    return f"{who} is {word}: {change} ({', '.join([*sure, plural(row['n'], 'user')])})."


def _counted(kind: str, names: list[str]) -> str:
    """`2 code files (plots.py, tables.py)`"""
    short = [name.rpartition("/")[2] if kind == "code" else name for name in names]
    many = KINDS[kind] if len(names) > 1 or kind == "data" else {"code": "code file"}.get(kind, kind)
    count = f"{number(len(names))} " if kind != "data" else ""
    return f"{count}{many} ({_few(short, 3)})"


def _few(names: Iterable[str], most: int) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _day(moment: str | None) -> str:
    return str(moment or "?")[:10]
