"""`recomart shop`: the shops of shops/*.yaml, their data, and which of them is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart import datasets
from recomart.cli import completion
from recomart.cli.options import Rows, Source, examples
from recomart.cli.output import facts, say, show
from recomart.project import params, params_writer
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import plural
from recomart_lib.ingest import landing
from recomart_lib.ingest.sources import reader

app = typer.Typer(help="Look at shops, and choose the one that is used.", no_args_is_help=True)


def _name(words: str, default: str | None = None) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="SHOP", help=words, show_default=default or False, autocompletion=completion.shops)


@app.command("show", epilog=examples("recomart shop show", "recomart shop show online_retail"))
def shop_show(name: Annotated[str | None, _name("A shop of shops/.", "all, listed")] = None) -> None:
    """List the shops, or tell about one."""

    base = params.load().base
    if name is None:
        names = sorted(file.stem for file in paths.place(paths.SHOPS).glob("*.yaml"))
        show(pl.DataFrame([{"shop": name, **_line(name), "in use": name == base.shop} for name in names]))
        return
    shop, folder = shops.load(name), _folder(name)
    facts(
        {
            "title": shop.title,
            "about": shop.about,
            "in use": name == base.shop,
            "files in": folder,
            "API": shop.api and shop.api.url,
            "currency": shop.currency,
            "time zone": shop.time_zone,
            "cut": shop.cut,
            "horizon, days": shop.horizon_days,
            "relevant": shop.relevant_events,
        }
    )
    say("")
    show(pl.DataFrame([_table(shop, table, folder) for table in ("users", "items", "events")]))


def _line(name: str) -> dict[str, str]:
    """A shop in one line; one whose file is wrong is in the list, too."""

    try:
        shop = shops.load(name)
    except UserError as problem:
        return {"title": f"wrong: {str(problem).splitlines()[-1].strip()}", "tables": "", "files": ""}
    missing = [table for table in shop.delivered if not _found(shop, table, _folder(name))]
    fate = "not fetched yet" if shop.api else "missing"
    found = f"{fate}: {', '.join(missing)}" if missing else "there"
    return {"title": shop.title, "tables": ", ".join(shop.delivered), "files": found}


def _table(shop: Shop, table: str, folder: Path) -> dict[str, str | int | None]:
    declared = shop.table(table)
    found = None if declared.kind == "derived" else _found(shop, table, folder)
    return {
        "table": table,
        "kind": declared.kind,
        "path": declared.path,
        "files": found,
        "columns": ", ".join(declared.columns),
    }


def _found(shop: Shop, table: str, folder: Path) -> int:
    """How many files of a table are there."""

    try:
        return len(shops.files(shop, table, folder))
    except UserError:  # it says that there are none
        return 0


@app.command(
    "check",
    epilog=examples(
        "recomart shop check simulated",
        "recomart shop check shops/online_retail.yaml --source ../shared/data/online_retail",
    ),
)
def shop_check(
    shop: Annotated[str, _name("A shop of shops/, or the path of a shop's file.")],
    source: Source = None,
    rows: Rows = 5,
) -> None:
    """Check a shop's file, and show the first rows of its tables as the pipeline sees them."""

    path = Path(shop) if shop.endswith((".yaml", ".yml")) else paths.place(paths.SHOPS, f"{shop}.yaml")
    found = shops.read(path) if Path(shop) == path else shops.load(shop)
    folder = source or _folder(found.name)
    say(f"{path} is well-formed: {found.title}.")
    landing.check(found, folder)
    for table in found.delivered:
        if found.table(table).kind == "rest" and not (folder / f"{table}.jsonl").exists():
            say(f"\n{table}: not fetched yet; stage 01_ingest asks {found.api.url}/{found.table(table).path} for it.")
        else:
            _first_rows(found, table, folder, rows)


def _first_rows(shop: Shop, table: str, folder: Path, rows: int) -> None:

    found = shops.files(shop, table, folder)
    delivered = next(reader.chunks(found[0], shop, table))
    say(
        f"\n{table}: {plural(len(found), 'file')}; {found[0].name} (its first part, if it is large): "
        f"{plural(delivered.rows.height, 'row')} can be read, {delivered.rejects.height:,} cannot."
    )
    show(delivered.rows.drop("source_file").head(rows))
    if delivered.rejects.height:
        show(delivered.rejects.select("source_line", "reason").head(rows))


@app.command(
    "use",
    epilog=examples(
        "recomart shop use simulated", "recomart shop use online_retail --source ../shared/data/online_retail"
    ),
)
def shop_use(
    name: Annotated[str | None, _name("A shop of shops/.", "the one in use")] = None, source: Source = None
) -> None:
    """Write a shop and the folder of its files into params.yaml; its comments stay."""

    path = paths.place("params.yaml")
    before = params.load().base
    shop = shops.load(name or before.shop)
    folder = source or (paths.SOURCE / shop.name)
    if shop.api:
        paths.place(folder).mkdir(parents=True, exist_ok=True)  # stage 01 fetches the tables into it
    if not shop.simulated and not paths.place(folder).is_dir():
        lie = f"Say where the files of '{shop.name}' lie: SOURCE=<folder>."
        raise UserError(f"There is no folder {folder}. {lie}{shops.hint(shop)}")
    same = (before.shop, before.source) == (shop.name, folder.as_posix())
    if not same:
        params_writer.put(path, {"base": {"shop": shop.name, "source": folder.as_posix()}})
    say(f"params.yaml: base.shop = {shop.name}, base.source = {folder.as_posix()}{', as before' if same else ''}")


@app.command(
    "fetch", epilog=examples("recomart shop fetch movielens_100k", "recomart shop fetch movielens_100k --source ~/ml")
)
def shop_fetch(shop: Annotated[str, _name("A shop of shops/ with public data.")], source: Source = None) -> None:
    """Download a shop's public data into its folder, and check it.

    What broke off goes on where it stopped.
    """

    found, folder = shops.load(shop), source or paths.SOURCE / shop
    if found.fetch:
        say(f"{found.title}: what it is, and its terms: {found.fetch.page}")
    got = datasets.fetch(found, paths.place(folder), params.load().ingest)
    came = f"{got.n_bytes / 1e6:.1f} MB came" if got.n_bytes else "nothing had to come"
    say(f"{got.file.name}: {came}; its sha256 is right.")
    for file, fate in got.fates.items():
        say(f"  {folder / file}: {fate}")
    say(f"Next: make repro SHOP={shop}" + (f" SOURCE={source}" if source else ""))


def _folder(shop: str) -> Path:
    """base.source where params.yaml speaks of this shop, else the default folder."""

    base = params.load().base
    return paths.place(base.source if base.shop == shop else paths.SOURCE / shop)
