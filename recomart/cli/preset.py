"""`recomart preset`: groups of settings, such as a larger experiment, and params.yaml."""

from __future__ import annotations

import json
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion
from recomart.cli.options import Json, examples
from recomart.cli.output import echo, show_table
from recomart.cli.writing import writing
from recomart.project import presets
from recomart_lib.core import paths
from recomart_lib.core.yaml_reader import read_yaml

app = typer.Typer(help="Show presets, and write one into params.yaml.", no_args_is_help=True)


@app.command("show", epilog=examples("recomart preset show"))
def preset_show(as_json: Json = False) -> None:
    """List the settings that presets change: their values in params.yaml and in each preset."""
    content = read_yaml(paths.place("params.yaml"))
    values = {name: presets.read(name) for name in presets.names()}
    keys = dict.fromkeys(key for preset in values.values() for key in preset)
    held = {
        key: {
            "params.yaml": presets.current(content, key),
            **{name: preset[key] for name, preset in values.items() if key in preset},
        }
        for key in keys
    }
    columns = ["params.yaml", *values]
    rows = [
        {"setting": key, **{name: json.dumps(row[name]) if name in row else "" for name in columns}}
        for key, row in held.items()
    ]
    show_table("settings", pl.DataFrame(rows), raw=[{"setting": key, **row} for key, row in held.items()])


@app.command("use", epilog=examples("recomart preset use thorough", "recomart preset use default"))
def preset_use(
    name: Annotated[
        str, typer.Argument(metavar="PRESET", help="A preset in presets/.", autocompletion=completion.presets)
    ],
) -> None:
    """Write the values of a preset into params.yaml; comments are kept.

    The next `dvc repro` runs the stages whose settings have changed.
    `recomart preset use default` goes back.
    """
    with writing("recomart preset use"):  # the stages of a run read params.yaml one after the other
        changes = presets.use(name)
    for key, value in changes.items():
        echo(f"params.yaml: {key} = {json.dumps(value)}")
    if not changes:
        echo(f"params.yaml: unchanged, it has the values of the preset {name}")
