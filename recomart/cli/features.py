"""`recomart features`: what is known, how it is defined, what was registered when."""

from __future__ import annotations

import json
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion
from recomart.cli.options import Rows, examples, user
from recomart.cli.output import facts, say, show, word
from recomart_lib.core import paths
from recomart_lib.core.text import plural
from recomart_lib.features import definitions, feature_store, registry_history, store_config

app = typer.Typer(help="Look at the features, their live values and their versions.", no_args_is_help=True)


def _version(words: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar=words, help="A registered version.", autocompletion=completion.services)


@app.command("show", epilog=examples("recomart features show", "recomart features show order_count"))
def show_features(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A feature, like order_count or user.order_count.",
            show_default="all, listed",
            autocompletion=completion.features,
        ),
    ] = None,
    rows: Rows = 200,
) -> None:
    """List the features, or tell about those of one name."""

    if name is None:
        show(definitions.table().select("entity", "name", "formula", "unit", "since"), rows)
        return
    for d in definitions.find(name):
        held_by = [service for service, held in definitions.SERVICES.items() if d in held]
        say(d.ref, bold=True)
        facts(
            {
                "formula": d.formula,
                "unit": d.unit,
                "type": d.dtype,
                "null means": d.null,
                "reads": ", ".join(d.reads) or "the shop's own table",
                "owner": d.owner,
                "in": ", ".join(held_by),
            }
        )


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
        typer.Option(metavar="ID", help="A product's id; may be repeated.", show_default="the user's history"),
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
    products: Annotated[int, typer.Option(metavar="N", help="How many products of the history to show.", min=1)] = 6,
) -> None:
    """Show the live features of a user, and of the user with each product.

    Of the history, the products with the largest implicit score are shown
    first.
    """

    service = service or definitions.NEWEST
    person = feature_store.online_user(user, service)
    if person["as_of"] is None:
        say(f"Nothing is known of user '{user}': no event by the last run, or no such user.")
        return
    facts(person)
    pairs = feature_store.online(user, list(dict.fromkeys(item)) if item else None, service)
    pairs = pairs.select("item_id", pl.col("^interaction__.*$").name.replace("^interaction__", ""))
    if not item:
        say(f"\n{plural(pairs.height, 'product')} in the history; those with the largest implicit score:")
        pairs = pairs.sort("implicit_score", "item_id", descending=[True, False], nulls_last=True).head(products)
    show(_upright(pairs))


def _upright(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per feature, one column per product."""

    features = [name for name in pairs.columns if name != "item_id"]
    words = {row["item_id"]: [word(row[name]) for name in features] for row in pairs.iter_rows(named=True)}
    return pl.DataFrame({"": features, **words})  # no id is empty


@app.command("history", epilog=examples("recomart features history", "recomart features history --rows 3"))
def history(rows: Rows = 20) -> None:
    """List what was registered when, the last change first.

    One row per change: its versions, and what stands for definitions, data and
    settings.
    """

    found = registry_history.runs(store_config.registry_url(paths.root())).reverse()
    services = pl.col("services").map_elements(lambda text: ", ".join(json.loads(text)), pl.String)
    show(found.with_columns(pl.col("applied_at").str.to_datetime(time_zone="UTC"), services), rows)


@app.command("diff", epilog=examples("recomart features diff recommender_v1 recommender_v2"))
def diff(old: Annotated[str, _version("OLD")], new: Annotated[str, _version("NEW")], rows: Rows = 200) -> None:
    """Compare two registered versions: features added, removed, changed."""

    found = registry_history.diff(store_config.registry_url(paths.root()), old, new)
    show(found, rows) if found.height else say(f"{old} and {new} hold the same features.")


@app.command("apply", epilog=examples("recomart features apply", "recomart features apply --replace"))
def apply(
    replace: Annotated[bool, typer.Option("--replace", help="Let registered versions change, knowingly.")] = False,
) -> None:
    """Register entities, views and versions, as stage 05_features does; nothing is computed."""

    made_of = feature_store.made_of()
    registered = feature_store.apply(**made_of, replace=replace)
    views = registered.group_by("view", maintain_order=True).len()
    say(", ".join(f"{view}: {count:,} features" for view, count in views.iter_rows()))
    say(f"Versions: {', '.join(definitions.SERVICES)}. Data: {made_of['data_version']}")
