"""Arguments and options that several commands share, so that each has one name and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recomart.cli import completion, document


def table_argument(default: str) -> typer.models.ArgumentInfo:
    return typer.Argument(
        metavar="TABLE", help="users, items or events.", show_default=default, autocompletion=completion.tables
    )


def folder_argument(description: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="FOLDER", help=description)


Rows = Annotated[int, typer.Option("--rows", metavar="N", help="Maximum number of rows to show.", min=1)]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead of tables.", callback=document.open_document),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--source", metavar="FOLDER", help="The folder with the shop's files.", show_default="data/source/SHOP"
    ),
]
Shop = Annotated[
    str | None,
    typer.Option(
        "--shop",
        metavar="SHOP",
        help="A shop in shops/.",
        show_default="the active shop",
        autocompletion=completion.shops,
    ),
]


def user(default: str | None = None) -> Any:
    """`--user ID`; `default` describes the user without this option."""
    return typer.Option("--user", metavar="ID", help="A user's id.", show_default=default or False)


def rate(default: str | None = None, minimum: float = 0.1, maximum: float | None = None) -> Any:
    """`--rate N`; `default` describes the rate without this option."""
    return typer.Option(
        "--rate", metavar="N", help="Events per second.", show_default=default or True, min=minimum, max=maximum
    )


def examples(*lines: str) -> str:
    """The examples at the end of a command's help; a test parses each of them."""
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])
