"""`recomart features`: what is known, how it is defined, what was registered when."""

from __future__ import annotations

import json
from typing import Annotated

import polars as pl
import typer

from recomart_lib import feature_config, feature_history, feature_store, paths
from recomart_lib.cli_data import show
from recomart_lib.features import catalogue
from recomart_lib.takeaways import number, plural

features_app = typer.Typer(help="The features and their store.", no_args_is_help=True)

Rows = Annotated[int, typer.Option(help="How many rows to show.", min=1)]
Service = Annotated[str, typer.Option(help="A version of the feature service.")]


@features_app.command("apply")
def apply(
    replace: Annotated[bool, typer.Option("--replace", help="Let registered versions change, knowingly.")] = False,
) -> None:
    """Register entities, views and service versions, as stage 05_features does; nothing is computed."""
    made_of = feature_store.made_of()
    registered = feature_store.apply(**made_of, replace=replace)
    views = registered.group_by("view", maintain_order=True).len()
    typer.echo(", ".join(f"{view}: {count} features" for view, count in views.iter_rows()))
    typer.echo(f"Versions: {', '.join(catalogue.SERVICES)}. Data: {made_of['data_version']}")


@features_app.command("show")
def show_features(
    name: Annotated[str | None, typer.Argument(help="A feature, like order_count or user.order_count.")] = None,
    rows: Rows = 200,
) -> None:
    """List all features, or tell everything about those of one name."""
    if name is None:
        show(catalogue.table().select("entity", "name", "formula", "unit", "since"), rows)
        return
    for d in catalogue.find(name):
        held_by = [service for service, held in catalogue.SERVICES.items() if d in held]
        facts = {"formula": d.formula, "unit": d.unit, "type": d.dtype, "null means": d.null,
                 "reads": ", ".join(d.reads) or "the shop's own table", "owner": d.owner,
                 "in": ", ".join(held_by)}  # fmt: skip
        typer.secho(d.ref, bold=True)
        typer.echo("\n".join(f"  {key + ':':<12}{value}" for key, value in facts.items()))


@features_app.command("get")
def get(
    user: Annotated[str, typer.Option(help="A user id.")],
    item: Annotated[list[str] | None, typer.Option(help="Products; default: those of the user's history.")] = None,
    service: Service = catalogue.NEWEST,
    products: Annotated[int, typer.Option(help="How many products of the history to show.", min=1)] = 6,
) -> None:
    """The live features of a user, and of the user with each product, from the online store.

    Of the history, the products with the largest implicit score are shown first.
    """
    person = feature_store.online_user(user, service)
    if person["as_of"] is None:
        typer.echo(f"Nothing is known of user '{user}': no event by the last run, or no such user.")
        return
    typer.echo("\n".join(f"{name + ':':<26}{_word(value)}" for name, value in person.items()))
    pairs = feature_store.online(user, list(dict.fromkeys(item)) if item else None, service)
    pairs = pairs.select("item_id", pl.col("^interaction__.*$").name.replace("^interaction__", ""))
    if not item:
        typer.echo(f"\n{plural(pairs.height, 'product')} in the history; those with the largest implicit score:")
        pairs = pairs.sort("implicit_score", "item_id", descending=[True, False], nulls_last=True).head(products)
    show(_upright(pairs), pairs.width)


def _upright(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per feature, one column per product."""
    features = [name for name in pairs.columns if name != "item_id"]
    words = {row["item_id"]: [_word(row[name]) for name in features] for row in pairs.iter_rows(named=True)}
    return pl.DataFrame({"": features, **words})  # no id is empty


def _word(value: object) -> str:
    """A feature's value as people read it; nothing for a null."""
    if isinstance(value, int | float):
        return number(value)
    return "" if value is None else str(value)


@features_app.command("history")
def history(rows: Rows = 20) -> None:
    """What was registered when: versions, definitions, data and settings; one row per change."""
    found = feature_history.runs(feature_config.registry_url(paths.root()))
    shown = found.tail(rows).with_columns(
        services=pl.col("services").map_elements(lambda text: ", ".join(json.loads(text)), pl.String)
    )
    show(shown, rows)


@features_app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A registered version, like recommender_v1.")],
    new: Annotated[str, typer.Argument(help="Another one.")],
    rows: Rows = 200,
) -> None:
    """How two registered versions differ: features added, removed, changed."""
    found = feature_history.diff(feature_config.registry_url(paths.root()), old, new)
    show(found, rows) if found.height else typer.echo(f"{old} and {new} hold the same features.")
