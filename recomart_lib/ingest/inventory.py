"""Which files a lake has had: so that a file whose manifest was deleted, or its newest version, is missed.

The inventory is a JSON file beside the tables of a shop, written by 01_ingest. A file that it names must stay in the
lake, in this version or a later one. Hashes cannot show that, as a file without a manifest is not read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.ingest import manifests

FILE = "inventory.json"


class Version(NamedTuple):
    """The newest version of a file that the lake has had."""

    sequence: int
    sha256: str


Inventory = dict[str, dict[str, Version]]  # table -> file -> version
_STORED = TypeAdapter(Inventory)


def check(raw: Path, shop: str, tables: list[str]) -> None:
    """Compare these tables of the lake with the inventory, and add their new files and versions to it.

    Raises
    ------
    UserError
        If a file of the inventory, or the version that it names, is not in the lake any more.
    """
    stored, present = _read(raw, shop), {table: _present(raw, shop, table) for table in tables}
    if names := _lost(stored, present):
        raise UserError(
            f"The lake has lost the newest version of {plural(len(names), 'file')}: {', '.join(names[:5])}"
            f"{', ...' if names[5:] else ''}. Run `dvc checkout data/raw`, which restores what DVC's cache has, or put "
            f"back what was delivered. If this was on purpose, delete {_path(raw, shop)} as well."
        )
    if (changed := stored | present) != stored:
        text = json.dumps({table: changed[table] for table in sorted(changed)}, indent=1, ensure_ascii=False)
        files.write_text(_path(raw, shop), text + "\n")


def lost(raw: Path, shop: str) -> list[str]:
    """Each `<table>/<file>` of the inventory that is missing in the lake, or its newest version."""
    stored = _read(raw, shop)
    return _lost(stored, {table: _present(raw, shop, table) for table in stored})


def _lost(stored: Inventory, present: Inventory) -> list[str]:
    return [
        f"{table}/{file}"
        for table in present
        for file, version in stored.get(table, {}).items()
        if not _follows(present[table].get(file), version)
    ]


def _follows(present: Version | None, stored: Version) -> bool:
    """Whether the lake has this version or a later one; the same content may have been ingested again."""
    return present is not None and (present.sequence > stored.sequence or present.sha256 == stored.sha256)


def _present(raw: Path, shop: str, table: str) -> dict[str, Version]:
    newest = manifests.newest(raw, shop, table)
    return {file: Version(manifest.get("sequence", 0), manifest["sha256"]) for file, manifest in newest.items()}


def _path(raw: Path, shop: str) -> Path:
    return raw / f"source={shop}" / FILE


def _read(raw: Path, shop: str) -> Inventory:
    path = _path(raw, shop)
    if not path.is_file():  # nothing was ingested yet, or by an earlier version of RecoMart
        return {}
    try:
        return _STORED.validate_json(path.read_bytes())
    except ValueError as problem:
        raise UserError(
            f"The inventory {path} is damaged ({manifests.reason(problem)}). Delete it and run `dvc checkout data/raw` "
            "or, to take what the lake has now as complete, `recomart stage 01_ingest`."
        ) from None
