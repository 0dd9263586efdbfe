"""`recomart index` and `recomart reports`: build the index of the reports, and open it."""

from __future__ import annotations

import os
import sys

import typer

from recomart.cli.options import examples
from recomart.cli.output import say
from recomart.reports import changes, index, model_card
from recomart.runs import archive
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

index_app, reports_app = typer.Typer(), typer.Typer()


@index_app.command(epilog=examples("recomart index"))
def build_index() -> None:
    """Rebuild reports/index.html and the model card from what the stages left.

    A run that ended well, and is not as the last one, is kept;
    reports/changes.html compares the newest two.
    """

    root = paths.root()
    archive.keep(root)
    model_card.build(root)
    say(index.build(root, changes.build(root)))


@reports_app.command(epilog=examples("recomart reports"))
def open_reports() -> None:
    """Print where the reports are; on a desktop, open them."""
    page = paths.place(paths.REPORTS, "index.html")
    if not page.exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    say(page)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(page.as_uri())
