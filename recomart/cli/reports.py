"""`recomart index` and `recomart reports`: build the index of the reports, and open it."""

from __future__ import annotations

import os
import sys

import typer

from recomart.cli.options import examples
from recomart.cli.output import echo
from recomart.cli.writing import writing
from recomart.reports import changes, index, model_card
from recomart.runs import archive
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

index_app, reports_app = typer.Typer(), typer.Typer()


@index_app.command(epilog=examples("recomart index"))
def build_index() -> None:
    """Rebuild reports/index.html and the model card from the stages' results.

    A successful run that differs from the last one is archived;
    reports/changes.html compares the newest two runs.
    """
    root = paths.root()
    with writing("recomart index"):
        archive.save(root)
        model_card.build(root)
        echo(index.build(root, changes.build(root)))


@reports_app.command(epilog=examples("recomart reports"))
def open_reports() -> None:
    """Print the path of the reports, and open them on a desktop."""
    page = paths.place(paths.REPORTS, "index.html")
    if not page.exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    echo(page)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(page.as_uri())
