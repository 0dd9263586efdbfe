"""`recomart index` and `recomart reports`: build the index of the reports, and open it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from recomart.cli.options import examples
from recomart.cli.output import echo
from recomart.cli.writing import writing
from recomart.exports import places
from recomart.reports import model_card, overview, share
from recomart.runs import archive
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural

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
        echo(overview.build(root))


@reports_app.callback(invoke_without_command=True, epilog=examples("recomart reports"))
def open_reports(context: typer.Context) -> None:
    """Print the path of the reports, and open them on a desktop."""
    if context.invoked_subcommand:
        return
    page = paths.place(paths.REPORTS, "index.html")
    if not page.exists():
        raise UserError("There are no reports yet. Run: make repro (or: dvc repro)")
    echo(page)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(page.as_uri())


@reports_app.command("share", epilog=examples("recomart reports share --out exports/reports.zip"))
def share_reports(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
) -> None:
    """Pack the pages into a ZIP file that is safe to send.

    Without ids of users, delivered lines, places on this machine and the state
    of the code. Executed notebooks and profiles are left out.
    """
    if out.suffix.lower() != ".zip":
        raise typer.BadParameter(f"{out} does not end with .zip")
    places.check(out)
    shared = share.pack(paths.root(), out)
    echo(f"{out}: {plural(len(shared.pages), 'page')}, {plural(shared.n_masked, 'value')} masked")
    echo(f"Left out: {', '.join(shared.left_out) or 'nothing'}")
