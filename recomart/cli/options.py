"""The words that commands share: an option has the same name and the same sentence wherever it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recomart.cli import completion


def table_argument(default: str) -> typer.models.ArgumentInfo:
    return typer.Argument(
        metavar="TABLE", help="users, items or events.", show_default=default, autocompletion=completion.tables
    )


def folder_argument(words: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="FOLDER", help=words)


Rows = Annotated[int, typer.Option("--rows", metavar="N", help="How many rows to show.", min=1)]
Source = Annotated[
    Path | None,
    typer.Option("--source", metavar="FOLDER", help="Where the shop's files lie.", show_default="data/source/SHOP"),
]
Shop = Annotated[
    str | None,
    typer.Option(
        "--shop",
        metavar="SHOP",
        help="A shop of shops/.",
        show_default="the one in use",
        autocompletion=completion.shops,
    ),
]


def user(default: str | None = None) -> Any:
    """`--user ID`; `default` says in words who is meant without it."""
    return typer.Option("--user", metavar="ID", help="A user's id.", show_default=default or False)


def rate(default: str | None = None, least: float = 0.1, most: float | None = None) -> Any:
    """`--rate N`; `default` says in words how fast it is without it."""
    return typer.Option(
        "--rate", metavar="N", help="Events per second.", show_default=default or True, min=least, max=most
    )


def examples(*lines: str) -> str:
    """The end of a command's help: calls that are true, each of which a test parses."""
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])
