"""`recomart features`: definitions, online values and registered versions."""

from __future__ import annotations

import json
from typing import Annotated, Any

import polars as pl
import typer

from recomart.cli import completion, document
from recomart.cli.options import Json, Rows, examples, user
from recomart.cli.output import echo, format_value, show_fields, show_table
from recomart.cli.writing import writing
from recomart_lib.core import paths
from recomart_lib.core.text import plural
from recomart_lib.features import definitions, feature_store, registry_history, store_config
from recomart_lib.features.base import Definition

app = typer.Typer(help="Show the features, their online values and their versions.", no_args_is_help=True)


def _version(metavar: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar=metavar, help="A registered version.", autocompletion=completion.services)


@app.command("show", epilog=examples("recomart features show", "recomart features show order_count"))
def show_features(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A feature, like order_count or user.order_count.",
            show_default="list all features",
            autocompletion=completion.features,
        ),
    ] = None,
    rows: Rows = 200,
    as_json: Json = False,
) -> None:
    """List the features, or show the definition of one."""
    if name is None:
        show_table("features", definitions.table().select("entity", "name", "formula", "unit", "since"), rows)
        return
    found = {d.ref: _fields(d) for d in definitions.find(name)}
    if document.record("features", [{"feature": ref, **fields} for ref, fields in found.items()]):
        return
    for ref, fields in found.items():
        echo(ref, bold=True)
        reads = ", ".join(fields["reads"]) or "the shop's own table"
        show_fields("feature", {**fields, "reads": reads, "in": ", ".join(fields["in"])})


def _fields(d: Definition) -> dict[str, Any]:
    """A definition's facts; `reads` and `in` are lists."""
    return {
        "formula": d.formula,
        "unit": d.unit,
        "type": d.dtype,
        "null means": d.null,
        "reads": list(d.reads),
        "owner": d.owner,
        "in": [service for service, features in definitions.SERVICES.items() if d in features],
    }


@app.command(
    "get",
    epilog=examples(
        "recomart features get --user C000042", "recomart features get --user C000042 --item P00588 --item P02178"
    ),
)
def get(
    user: Annotated[str, user()],
    item: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A product's id.", show_default="the user's purchase history"),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="A version of the feature service.",
            show_default="the newest",
            autocompletion=completion.services,
        ),
    ] = None,
    products: Annotated[
        int, typer.Option(metavar="N", help="Number of products of the purchase history to show.", min=1)
    ] = 6,
    as_json: Json = False,
) -> None:
    """Show the online features of a user, and of the user with each product.

    Products of the purchase history with the largest implicit score come first.
    The option --item can be repeated.
    """
    service = service or definitions.NEWEST
    user_features = feature_store.online_user(user, service)
    if user_features["as_of"] is None:
        echo(f"Unknown user '{user}': no events before the last run.")
        document.record("user", None)
        return
    show_fields("user", user_features)
    pairs = feature_store.online(user, list(dict.fromkeys(item)) if item else None, service)
    pairs = pairs.select("item_id", pl.col("^interaction__.*$").name.replace("^interaction__", ""))
    if not item:
        echo(f"\n{plural(pairs.height, 'product')} in the purchase history; those with the largest implicit score:")
        pairs = pairs.sort("implicit_score", "item_id", descending=[True, False], nulls_last=True)
    most = pairs.height if item else products
    if not document.record_table("products", pairs, most):
        show_table("products", _transpose(pairs.head(most)))


def _transpose(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per feature, one column per product."""
    features = [name for name in pairs.columns if name != "item_id"]
    values = {row["item_id"]: [format_value(row[name]) for name in features] for row in pairs.iter_rows(named=True)}
    return pl.DataFrame({"": features, **values})  # no item_id is empty


@app.command("history", epilog=examples("recomart features history", "recomart features history --rows 3"))
def history(rows: Rows = 20, as_json: Json = False) -> None:
    """List the registrations, newest first.

    One row per change: versions, and hashes of definitions, data and settings.
    """
    registrations = registry_history.runs(store_config.registry_url(paths.root())).reverse()
    registrations = registrations.with_columns(pl.col("applied_at").str.to_datetime(time_zone="UTC"))
    services = pl.col("services").map_elements(lambda text: ", ".join(json.loads(text)), pl.String)
    texts = ("services", "settings")  # JSON in the registry
    raw = [
        {name: json.loads(value) if name in texts else value for name, value in row.items()}
        for row in registrations.iter_rows(named=True)
    ]
    show_table("registrations", registrations.with_columns(services), rows, raw=raw)


@app.command("diff", epilog=examples("recomart features diff recommender_v1 recommender_v2"))
def diff(
    old: Annotated[str, _version("OLD")],
    new: Annotated[str, _version("NEW")],
    rows: Rows = 200,
    as_json: Json = False,
) -> None:
    """Compare two registered versions: features added, removed, changed."""
    changes = registry_history.diff(store_config.registry_url(paths.root()), old, new)
    show_table("changes", changes, rows, empty=f"{old} and {new} have the same features.")


@app.command("apply", epilog=examples("recomart features apply", "recomart features apply --replace"))
def apply(
    replace: Annotated[bool, typer.Option("--replace", help="Allow changes to registered versions.")] = False,
) -> None:
    """Register entities, views and versions as stage 05_features does, without computing."""
    provenance = feature_store.provenance()
    with writing("recomart features apply"):
        registered = feature_store.apply(**provenance, replace=replace)
    views = registered.group_by("view", maintain_order=True).len()
    echo(", ".join(f"{view}: {count:,} features" for view, count in views.iter_rows()))
    echo(f"Versions: {', '.join(definitions.SERVICES)}. Data: {provenance['data_version']}")
