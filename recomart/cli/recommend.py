"""`recomart recommend`: a user's recommendations, and their reasons."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from recomart.cli import document, product_lists
from recomart.cli.options import Json, examples, user
from recomart.cli.output import echo, printable, show_table
from recomart.project import params
from recomart_lib import models
from recomart_lib.core import paths, shops, tables
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.recommend import explain, live_lists
from recomart_lib.recommend.suggestions import purchase_history

app = typer.Typer()
EXAMPLES = examples(
    "recomart recommend --user C000042 -k 10",
    "recomart recommend --user C000042 --why",
    "recomart recommend --item P00001 --bought-together",
)


@app.command(epilog=EXAMPLES)
def recommend(
    user: Annotated[str | None, user("none")] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help="A product's id.")] = None,
    category: Annotated[
        str | None, typer.Option("--category", metavar="NAME", help="A category; needs --customers.")
    ] = None,
    trending: Annotated[
        bool, typer.Option("--trending", help="Show the products that sell more than in their own past.")
    ] = False,
    bought_together: Annotated[
        bool, typer.Option("--bought-together", help="With --item: products from the same orders.")
    ] = False,
    customers: Annotated[
        bool, typer.Option("--customers", help="With --item or --category: the best customers for a mailing.")
    ] = False,
    k: Annotated[int, typer.Option("--k", "-k", metavar="N", help="Number of rows to show.", min=1)] = 10,
    why: Annotated[
        bool, typer.Option("--why", help="Also show the purchase history and each score's contributions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the recommendations for a user or a product, best first, with reasons.

    The list is that of stage 08_recommend or, if the user has newer events, one
    computed from these. Unknown users get the default list for new users.
    All lists obey the shop's own rules: section lists of the shop file.
    For a product, similar ones are shown unless another option is given.
    """
    _check_options(user, item, category, trending, bought_together, customers, why)
    if user is not None:
        _show_user(user, k, why)
    elif item is not None:
        product_lists.show_item(item, bought_together, customers, k)
    elif category is not None:
        product_lists.show_category(category, k)
    else:
        product_lists.show_trending(k)


def _check_options(
    user: str | None,
    item: str | None,
    category: str | None,
    trending: bool,
    bought_together: bool,
    customers: bool,
    why: bool,
) -> None:
    if sum([user is not None, item is not None, category is not None, trending]) != 1:
        raise typer.BadParameter("give one of --user ID, --item ID, --category NAME or --trending")
    if bought_together and (item is None or customers):
        raise typer.BadParameter("--bought-together goes with --item ID, without --customers")
    if customers and item is None and category is None:
        raise typer.BadParameter("--customers goes with --item ID or --category NAME")
    if category is not None and not customers:
        raise typer.BadParameter("--category NAME goes with --customers")
    if why and user is None:
        raise typer.BadParameter("--why goes with --user ID")


def _show_user(user: str, k: int, why: bool) -> None:
    """Show the user's list: the live one, or the stored one."""
    if _show_live_list(user, k):
        return
    lists = _read("recommendations.parquet").filter(user_id=user)
    is_known = lists.height > 0
    if not is_known:
        echo(f"Unknown user '{user}'. The default list for new users:")
        lists = _read("default_list.parquet")
    items = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    shown = lists.sort("rank").head(k).join(items, on="item_id", how="left", maintain_order="left")
    columns = ["rank", "item_id", "name", *(["model", "reason"] if is_known else [])]
    document.record("list", {"kind": "stored" if is_known else "default"})
    show_table("recommendations", shown.select(columns))
    if shown.height < k:
        echo(f"The list has {shown.height:,} products; increase recommend.k in params.yaml for more.")
    if why and is_known:
        _explain(shown, items)


def _show_live_list(user: str, k: int) -> bool:
    """Show the list computed from the user's newer events, and these events; False if there is none."""
    fresh = live_lists.fresh_events(user)
    if not fresh.height:
        return False
    parameters = params.load()
    shop = shops.load(parameters.base.shop)
    ranked = live_lists.live_list(user, fresh, parameters.prepare, parameters.recommend.protocol, k, shop=shop)
    if ranked is None:
        echo("There are newer events, but no live model yet (run: dvc repro 08_recommend). The stored list:")
        return False
    if not ranked.height:
        echo("With the newer events, the user has every product: nothing is new. The stored list:")
        return False
    items = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    listed = live_lists.with_reasons(ranked, items, shop.lists).select("rank", "item_id", "name", "reason")
    document.record("list", {"kind": "live"})
    show_table("recommendations", listed)
    echo(f"{plural(fresh.height, 'event')} since the last run changed the list; the most recent:")
    newest = fresh.reverse().join(items, on="item_id", how="left", maintain_order="left").rename({"timestamp": "at"})
    show_table("newest_events", newest.select("event_type", "item_id", "name", "at").head(5))
    return True


def _explain(shown: pl.DataFrame, items: pl.DataFrame) -> None:
    live = tables.read_all(paths.PREPARED / "live", "users", "items", "interactions")
    pairs = explain.with_indices(shown, live)
    if not pairs.height:
        echo("The user has no purchase history yet: the list contains the bestsellers.")
        return
    user = pairs.get_column("user_id")[0]
    purchases = purchase_history(user, live, items)
    echo(f"\nThe user bought {plural(purchases.height, 'product')}; the most recent:")
    show_table("newest_purchases", purchases.head(5))
    names = live["items"].join(items, on="item_id", how="left").select("item_idx", "name")
    model = models.load(paths.place(paths.RECOMMENDATIONS, "model"))
    contributions = explain.contributions(model, pairs, _read("columns.parquet").filter(user_id=user), names)
    if document.record_table("contributions", contributions):
        return
    echo(f"\nThe largest contributions to each score of {model.name}:")
    for row in shown.iter_rows(named=True):
        echo(f"{row['rank']}. {printable(row['name'] or row['item_id'])}", bold=True)
        for part in contributions.filter(item_id=row["item_id"]).iter_rows(named=True):
            value = "" if part["value"] is None else f": {part['value']}"
            echo(f"   {part['contribution']:+.3g}  {printable(part['cause'] + value)}")


def _read(name: str) -> pl.DataFrame:
    if not paths.place(paths.RECOMMENDATIONS, name).exists():
        raise UserError("There are no recommendations yet. Run: dvc repro")
    return tables.read(paths.RECOMMENDATIONS, name)
