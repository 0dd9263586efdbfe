"""What `recomart shop draft` asks, writes and shows."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import typer

from recomart.cli import document
from recomart.cli.output import echo, show_table, warn
from recomart.cli.writing import writing
from recomart.draft import drafting, report, shop_yaml, trial
from recomart.draft.questions import Ask, Question, take_default
from recomart.project import params
from recomart_lib.core import files, names, paths, shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural, printable


def draft(folder: Path, name: str | None, yes: bool, force: bool) -> None:
    """Write shops/<name>.yaml for the files of a folder, and show what it says."""
    shop = names.check(name, "--name") if name is not None else drafting.name_of(folder)
    path = paths.place(paths.SHOPS, f"{shop}.yaml")
    if path.exists() and not force:
        raise UserError(f"{paths.SHOPS}/{shop}.yaml exists. Choose another --name, or replace it with --force.")
    made = drafting.make(folder, shop, _ask(yes))
    text = trial.checked_text(made, params.load().ingest)
    with writing("recomart shop draft"):
        path.parent.mkdir(exist_ok=True)
        files.write_text(path, text)
    shops.read(path)
    _show(made, text)
    if not document.record("shop", {"name": shop, "file": f"{paths.SHOPS}/{shop}.yaml", "folder": str(folder)}):
        echo(f"\nWritten: {paths.SHOPS}/{shop}.yaml. Look at the lines with `# ?`, then:")
        for command in shop_yaml.next_commands(shop, folder):
            echo(f"  {command}")


def _show(made: drafting.Draft, text: str) -> None:
    lines = report.in_doubt(text)
    if not document.record("in_doubt", lines) and lines:
        echo(f"In doubt ({plural(len(lines), 'line')}):")
        for line in lines:
            echo(f"  {line}")
        echo("")
    show_table("files", report.files(made))
    rows = report.columns(made)
    if not document.is_open():
        echo("")
    shown = pl.DataFrame([{**row, "samples": ", ".join(row["samples"])} for row in rows])
    show_table("columns", shown, raw=rows)
    for sentence in made.remarks:
        warn(sentence)


def _ask(yes: bool) -> Ask:
    """Questions are asked in a terminal only."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return take_default if yes or not is_terminal or document.is_open() else _prompt


def _prompt(question: Question) -> str:
    echo(question.text)
    for number, option in enumerate(question.options, start=1):
        echo(f"  {number}: {printable(option)}{' (default)' if number == 1 else ''}")
    while True:
        answer = typer.prompt("Number", default=1, type=int)
        if 1 <= answer <= len(question.options):
            return question.options[answer - 1]
        echo(f"Write a number from 1 to {len(question.options)}.")
