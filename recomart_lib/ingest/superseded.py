"""Superseded versions of streamed days leave the lake: the streaming zone has all their events.

A day of streamed events is a new version of its file whenever it has grown. Nobody reads the earlier ones: readers see
the newest version, and a repair counts for its own version only. Files that a shop delivered stay, in all versions, as
nobody else may have them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from recomart_lib.ingest import lake_verification, manifests
from recomart_lib.ingest.manifests import Manifest

log = logging.getLogger(__name__)


def prune(raw: Path, shop: str, table: str, names: Collection[str]) -> list[str]:
    """Delete all but the newest version of each of these files; returns the deleted paths.

    A file whose newest version is damaged keeps the others. The manifest is deleted last, so what a killed process
    leaves is deleted the next time.
    """
    newest = manifests.newest(raw, shop, table)
    earlier = [
        manifest
        for manifest in manifests.versions(raw, shop, table)
        if manifest["file"] in names and manifest["path"] != newest[manifest["file"]]["path"]
    ]
    damaged = {
        name: problem
        for name in {m["file"] for m in earlier}
        if (problem := lake_verification.problem(raw, newest[name]))
    }
    for name, problem in sorted(damaged.items()):
        log.warning("%s: its earlier versions stay in the lake, as of the newest one, %s", name, problem)
    deleted = [manifest for manifest in earlier if manifest["file"] not in damaged]
    for manifest in deleted:
        _delete(raw, manifest)
    if deleted:
        log.info("%s: %d superseded versions of streamed days were deleted from the lake", table, len(deleted))
    return [manifest["path"] for manifest in deleted]


def _delete(raw: Path, manifest: Manifest) -> None:
    rows = raw / manifest["path"]
    for path in (rows, rows.with_suffix(".rejects.parquet"), rows.with_suffix(".json")):
        path.unlink(missing_ok=True)
    if not any(rows.parent.iterdir()):  # the day of most rows may have changed with the shop's time zone
        rows.parent.rmdir()
