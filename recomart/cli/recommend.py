"""`recomart recommend`: what a user is shown, and why."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from recomart.cli.options import examples, user
from recomart.cli.output import plain, say, show
from recomart.project import params
from recomart_lib import models
from recomart_lib.core import paths, tables
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.recommend import explain, live_lists
from recomart_lib.recommend.suggestions import history

app = typer.Typer()
EXAMPLES = examples("recomart recommend --user C000042 -k 10", "recomart recommend --user C000042 --why")


@app.command(epilog=EXAMPLES)
def recommend(
    user: Annotated[str, user()],
    k: Annotated[int, typer.Option("--k", "-k", metavar="N", help="How many products to show.", min=1)] = 10,
    explain: Annotated[bool, typer.Option("--why", help="Also the history, and the parts of each score.")] = False,
) -> None:
    """Show the products that a user is recommended, best first, and for what reason.

    It is the list of stage 08_recommend; after newer events, the list that they
    make. Whom nobody knows gets what strangers are shown.
    """

    if _show_anew(user, k):
        return
    lists = _read("recommendations.parquet").filter(user_id=user)
    known = lists.height > 0
    if not known:
        say(f"Nobody knows '{user}'. Strangers are shown:")
        lists = _read("strangers.parquet")
    items = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    shown = lists.sort("rank").head(k).join(items, on="item_id", how="left", maintain_order="left")
    show(shown.select("rank", "item_id", "name", *(["model", "reason"] if known else [])))
    if shown.height < k:
        say(f"The list has {shown.height:,} products; params.yaml: recommend.k makes it longer.")
    if explain and known:
        _explain(shown, items)


def _show_anew(user: str, k: int) -> bool:
    """Show the list that the user's fresh events make, and those; whether there are any."""

    fresh = live_lists.fresh_events(user)
    if not fresh.height:
        return False
    everything = params.load()
    ranked = live_lists.list_of(user, fresh, everything.prepare, everything.recommend.protocol, k)
    if ranked is None:
        say("There are newer events, but no live model yet (run: dvc repro 08_recommend). The stored list:")
        return False
    items = tables.read(paths.PREPARED, "items.parquet").select("item_id", "name")
    known = ranked.join(items, on="item_id", how="left", maintain_order="left")
    known = known.join(
        items.rename({"item_id": "because", "name": "cause"}), on="because", how="left", maintain_order="left"
    )
    known = known.with_columns(pl.coalesce("cause", "because"))  # a product may have no name
    moment = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S")
    reason = (
        pl.when(pl.col("event_type").is_not_null())
        .then(pl.format("{} of {}, {} (new)", "event_type", "cause", moment))
        .when(pl.col("because").is_not_null())
        .then(pl.format("You chose {} before.", "cause"))
        .otherwise(pl.lit("Popular in the shop."))
    )
    show(known.select("rank", "item_id", "name", reason=reason))
    say(f"{plural(fresh.height, 'event')} since the last run changed the list; the newest:")
    newest = fresh.reverse().join(items, on="item_id", how="left", maintain_order="left").rename({"timestamp": "at"})
    show(newest.select("event_type", "item_id", "name", "at").head(5))
    return True


def _explain(shown: pl.DataFrame, items: pl.DataFrame) -> None:

    live = tables.read_all(paths.PREPARED / "live", "users", "items", "interactions")
    pairs = explain.indexed(shown, live)
    if not pairs.height:
        say("The user has no history yet: the list is that of the bestsellers.")
        return
    user = pairs.get_column("user_id")[0]
    had = history(user, live, items)
    say(f"\nThe user took {plural(had.height, 'product')}, last:")
    show(had.head(5))
    names = live["items"].join(items, on="item_id", how="left").select("item_idx", "name")
    model = models.load(paths.place(paths.RECOMMENDATIONS, "model"))
    parts = explain.told(model, pairs, _read("columns.parquet").filter(user_id=user), names)
    say(f"\nThe largest parts of each score of {model.name}:")
    for row in shown.iter_rows(named=True):
        say(f"{row['rank']}. {plain(row['name'] or row['item_id'])}", bold=True)
        for part in parts.filter(item_id=row["item_id"]).iter_rows(named=True):
            value = "" if part["value"] is None else f": {part['value']}"
            say(f"   {part['contribution']:+.3g}  {plain(part['cause'] + value)}")


def _read(name: str) -> pl.DataFrame:

    if not paths.place(paths.RECOMMENDATIONS, name).exists():
        raise UserError("Nothing was recommended yet. Run: dvc repro")
    return tables.read(paths.RECOMMENDATIONS, name)
