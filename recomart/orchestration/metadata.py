"""Metadata and asset checks for Dagster, read from the files that a stage wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue

from recomart.orchestration import process
from recomart.orchestration.process import StageRun
from recomart.project import sidecars
from recomart.project.stored_metrics import read_metrics
from recomart.reports import formats, targets
from recomart_lib.core import paths, shops
from recomart_lib.core.text import safe
from recomart_lib.ingest import lake

CHECKS = {
    "02_validate": {
        "quality_gate": "The quality score is at least validate.min_quality, and every table has good rows.",
        "reconciliation": "delivered = ingested + rejected; ingested = good + history + quarantined + duplicates "
        "+ excluded.",
    },
    "05_features": {"leakage_audit": "No feature uses events at or after its as_of time; a planted leak is detected."},
    "07_evaluate": {"targets": "Precision, recall and ndcg at 10 reach their targets (a warning if they do not)."},
}
REPORTS_URL = "RECOMART_REPORTS_URL"  # where reports/ is served: browsers do not follow links from web pages to files
HEADLINES = ("precision@10", "recall@10", "ndcg@10")


def specs(stage: str, notebook: str | None) -> list[AssetCheckSpec]:
    """The checks of a stage, by its notebook."""
    return [AssetCheckSpec(name, asset=stage, description=text) for name, text in CHECKS.get(notebook, {}).items()]


def metadata(root: Path, stage: str, notebook: str | None, sources: list[str], stage_run: StageRun) -> dict[str, Any]:
    """The metadata of a materialisation.

    Parameters
    ----------
    sources
        The notebooks of the stages that it reads; the rows that they wrote are its rows in.
    """
    sidecar = _sidecar(root, notebook)
    rows = sidecar.get("rows") or {}
    rows_in = _delivered(root, sidecar) if notebook == "01_ingest" else _rows_of(root, sources)
    fields: dict[str, Any] = {"DVC": "stage executed" if stage_run.executed else "stage was up to date"}
    if notebook:
        fields |= {
            "seconds": sidecar.get("seconds", 0.0),
            "rows in": sum(rows_in.values()),
            "rows out": sum(rows.values()),
        }
    if rows:
        fields["rows"] = MetadataValue.md(_table(("table", "rows out"), ((k, f"{v:,}") for k, v in rows.items())))
    fields |= _scores(root, stage, notebook)
    hashes = process.outputs(root, stage)
    fields["outputs"] = MetadataValue.md(_table(("path", "MD5 in dvc.lock"), hashes.items()))
    return fields | _pages(root, stage, notebook)


def checks(root: Path, notebook: str | None) -> Iterator[AssetCheckResult]:
    """The results of a stage's checks."""
    functions = {"quality_gate": _gate, "reconciliation": _reconciliation, "leakage_audit": _audit, "targets": _targets}
    for name in CHECKS.get(notebook, {}):
        yield functions[name](root)


def _gate(root: Path) -> AssetCheckResult:
    quality = _metrics(root, "quality")
    good = {name: table["good"] for name, table in quality.get("tables", {}).items()}
    worst = sorted(quality.get("rules", []), key=lambda rule: -rule["n_failed"])[:5]
    rows = [(f"{r['table']}.{r['rule']}", r["severity"], f"{r['n_failed']:,}") for r in worst if r["n_failed"]]
    return AssetCheckResult(
        check_name="quality_gate",
        passed=bool(good) and all(good.values()) and quality["score"] >= quality["min_score"],
        metadata={
            "score": quality.get("score", 0.0),
            "minimum": quality.get("min_score", 0.0),
            "rules with most failed rows": MetadataValue.md(_table(("rule", "severity", "rows"), rows)),
        },
    )


def _reconciliation(root: Path) -> AssetCheckResult:
    tables = _metrics(root, "quality").get("tables", {})
    parts = ("good", "history", "quarantined", "duplicates", "excluded")
    differences_by_table = {
        name: [t["delivered"] - t["landed"] - t["rejected"], t["landed"] - sum(t.get(part, 0) for part in parts)]
        for name, t in tables.items()
    }
    rows = [
        (name, *(f"{t.get(key, 0):,}" for key in ("delivered", "rejected", "landed", *parts)))
        for name, t in tables.items()
    ]
    shown = _table(("table", "delivered", "rejected", "ingested", *parts), rows)
    passed = bool(tables) and not any(any(differences) for differences in differences_by_table.values())
    return AssetCheckResult(check_name="reconciliation", passed=passed, metadata={"rows": MetadataValue.md(shown)})


def _audit(root: Path) -> AssetCheckResult:
    """The notebook fails on a leak, so the audit passes if the notebook completed."""
    sidecar = _sidecar(root, "05_features")
    result = {"result": sidecar.get("error") or "no leak; the planted leak was detected"}
    return AssetCheckResult(check_name="leakage_audit", passed=sidecar.get("state") == "ok", metadata=result)


def _targets(root: Path) -> AssetCheckResult:
    rows = _metrics(root, "evaluation").get("targets", [])
    missed = [row for row in rows if row.get("verdict") not in ("met", "clearly met")]
    return AssetCheckResult(
        check_name="targets",
        passed=bool(rows) and not missed,
        severity=AssetCheckSeverity.WARN,
        metadata={"missed": len(missed), "target card": MetadataValue.md(_card(rows))},
    )


def _scores(root: Path, stage: str, notebook: str | None) -> dict[str, Any]:
    if notebook == "02_validate":
        return {"quality score": _metrics(root, "quality").get("score", 0.0)}
    if notebook not in ("07_evaluate", None) or (notebook is None and stage != "index"):
        return {}
    headline = _metrics(root, "headline")
    scores = {
        f"{name} ({protocol})": float(headline[protocol][name])
        for protocol in ("all", "novel")
        for name in HEADLINES
        if headline.get(protocol, {}).get(name) is not None
    }
    return scores | {"target card": MetadataValue.md(_card(targets.read(root)))}


def _pages(root: Path, stage: str, notebook: str | None) -> dict[str, Any]:
    """Links to the report and the executed notebook, and a preview of its first figure."""
    page = root / paths.REPORTS / f"{notebook or stage}.html"
    served = os.environ.get(REPORTS_URL)
    address = f"{served.rstrip('/')}/{page.name}" if served else page.as_uri()
    links: dict[str, Any] = {"report": MetadataValue.url(address)} if page.exists() else {}
    executed = root / paths.REPORTS / f"{notebook}.ipynb"
    if notebook and executed.exists():
        links["notebook"] = MetadataValue.notebook(str(executed))
        if picture := process.first_figure(executed):
            links["preview"] = MetadataValue.md(f"![first figure]({picture})")
    return links


def _delivered(root: Path, sidecar: Mapping[str, Any]) -> dict[str, int]:
    """Delivered rows by table, including unreadable lines."""
    shop = shops.load(sidecar["shop"])
    newest = {table: lake.newest(root / paths.RAW, shop.name, table).values() for table in shop.delivered}
    return {
        table: sum(m["rows_landed"] + m["rows_rejected"] for m in manifests if not lake.is_repair(m))
        for table, manifests in newest.items()
    }


def _rows_of(root: Path, notebooks: list[str]) -> dict[str, int]:
    return {f"{name}/{table}": n for name in notebooks for table, n in (_sidecar(root, name).get("rows") or {}).items()}


def _sidecar(root: Path, notebook: str | None) -> dict[str, Any]:
    return sidecars.read(root / paths.SIDECARS / f"{notebook}.json")


def _metrics(root: Path, name: str) -> dict[str, Any]:
    return read_metrics(root, name)


def _card(rows: list[dict[str, Any]]) -> str:
    lines = [
        (row.get("protocol", ""), row["target"], row.get("shown") or formats.metric(row.get("value")), row["verdict"])
        for row in rows
    ]
    return _table(("protocol", "target", "measured", "verdict"), lines)


def _table(head: tuple[str, ...], rows: Any) -> str:
    """A table in Markdown."""
    lines = [" | ".join(safe(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in [" | ".join(head), " | ".join("---" for _ in head), *lines])
