"""The public cases: feeds as people reported them. Their right answers are their shop files.

Three of the nineteen are no folder of files: a damaged notebook (15), a project without Git (17), a lake on another
disk (18). The catalogue of 01 comes through an API, so that its folder has two tables.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from draft.answers import Answer, Place

from recomart_lib.core.yaml_reader import read_yaml

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared" / "cases"
NO_FOLDER = ("15_notebook_that_git_could_not_merge", "17_project_without_git", "18_lake_on_another_disk")
# case -> our columns that may be mapped otherwise, and why
EITHER: dict[str, dict[Place, set[str | None]]] = {
    # every quantity and price is empty
    "26_features_equal_but_for_rounding": {("events", "quantity"): {None}, ("events", "price"): {None}},
}
REFUSED = {"16_not_a_text_file/data_targz": "tar"}


def folders() -> list[Callable[[Path], Answer]]:
    """A function per folder of data of a case."""
    sources = sorted(path for path in CASES.glob("*/data*") if path.is_dir())
    return [_copied(path) for path in sources]


def _copied(source: Path) -> Callable[[Path], Answer]:
    def write(folder: Path) -> Answer:
        shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        return _answer(source)

    name = source.parent.name if source.name == "data" else f"{source.parent.name}_{source.name.removeprefix('data_')}"
    write.__name__ = f"case_{name}"
    return write


def _answer(source: Path) -> Answer:
    case = source.parent.name
    content = read_yaml(source.parent / "shop.yaml")
    tables = {name: {**spec} for name, spec in content["tables"].items() if spec["kind"] != "rest"}
    answer = Answer(tables, keys={key: content[key] for key in ("currency", "time_zone")})
    refused = REFUSED.get(f"{case}/{source.name}")
    if case.startswith("16"):
        tables["events"]["path"] = "events.csv*"
        if "utf16" in source.name:
            tables["events"]["encoding"] = "utf-16" if source.name.endswith("bom") else "utf-16-le"
    return replace(answer, either=EITHER.get(case, {}), refused=refused)
