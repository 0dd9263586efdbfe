"""`recomart shop`: the shops in shops/*.yaml, their data, and the active shop.

What reads or downloads files is imported by the commands that do so: `dvc repro` waits for `recomart shop resolve`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recomart.cli import completion, document
from recomart.cli.options import Json, Rows, Source, examples, folder_argument
from recomart.cli.output import echo, show_fields, show_table, warn
from recomart.cli.writing import writing
from recomart.project import params, params_writer
from recomart_lib.core import files, paths, shops, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import plural
from recomart_lib.ingest.settings import Ingest
from recomart_lib.validate import quality_rules

if TYPE_CHECKING:
    import polars as pl

MAX_NAMES = 20  # delivered columns that `check` lists as not mapped

app = typer.Typer(help="Show the shops and select the active one.", no_args_is_help=True)


def _name(description: str, default: str | None = None) -> typer.models.ArgumentInfo:
    return typer.Argument(
        metavar="SHOP", help=description, show_default=default or False, autocompletion=completion.shops
    )


@app.command("show", epilog=examples("recomart shop show", "recomart shop show online_retail"))
def shop_show(
    name: Annotated[str | None, _name("A shop in shops/.", "list all shops")] = None, as_json: Json = False
) -> None:
    """List the shops, or show one with its keys, their defaults, and its quality rules."""
    from recomart.cli import shop_details

    parameters = params.load()
    base = parameters.base
    if name is None:
        names = shops.all_names()
        rows = [{"shop": name, **_summary(name), "active": name == base.shop} for name in names]
        show_table("shops", _joined(rows, "tables"), raw=rows)
        return
    shop, folder = shops.load(name), _folder(name)
    show_fields(
        "shop",
        {
            "title": shop.title,
            "about": shop.about,
            "active": name == base.shop,
            "files in": folder,
            "API": shop.api and shop.api.url,
            "currency": shop.currency,
            "time zone": shop.time_zone,
            "cut": shop.cut,
            "horizon, days": shop.horizon_days,
            "relevant events": shop.relevant_events,
        },
    )
    tables = [_table(shop, table, folder) for table in ("users", "items", "events")]
    keys = shop_details.keys(shop)
    rules = shop_details.rules(parameters.validate_, shop)
    for name, table, raw in (
        ("tables", _joined(tables, "columns"), tables),
        ("keys", shop_details.as_text(keys), keys),
        ("rules", rules, None),
    ):
        if not document.is_open():
            echo("")
        show_table(name, table, raw=raw)


def _joined(rows: list[dict[str, Any]], column: str) -> pl.DataFrame:
    """The rows as a table, with a column of lists as text."""
    import polars as pl

    return pl.DataFrame([{**row, column: ", ".join(row[column])} for row in rows])


@app.command("resolve", epilog=examples("recomart shop resolve"))
def shop_resolve() -> None:
    """Write the active shop's file with all defaults to data/shop.json, in which DVC looks for changes.

    Stages read the shop file itself; `dvc repro` runs this command first.
    """
    parameters = params.load()
    shop = shops.load(parameters.base.shop)
    quality_rules.rules(quality_rules.of_shop(parameters.validate_, shop))
    shops.check_auth(shop, parameters.ingest.auth_variables)
    text = json.dumps(shops.resolved(shop), indent=1, ensure_ascii=False, sort_keys=True)
    with writing("recomart shop resolve"):
        files.write_text(paths.place(paths.RESOLVED_SHOP), text + "\n")
    echo(f"{paths.RESOLVED_SHOP}: shops/{shop.name}.yaml, with all defaults")


def _summary(name: str) -> dict[str, Any]:
    """A shop in one row; a shop with an invalid file is listed with its error."""
    try:
        shop = shops.load(name)
    except UserError as problem:
        return {"title": f"invalid: {str(problem).splitlines()[-1].strip()}", "tables": [], "files": ""}
    missing = [table for table in shop.delivered if not _n_files(shop, table, _folder(name))]
    status = "not fetched yet" if shop.api else "missing"
    files = f"{status}: {', '.join(missing)}" if missing else "complete"
    return {"title": shop.title, "tables": list(shop.delivered), "files": files}


def _table(shop: Shop, table: str, folder: Path) -> dict[str, Any]:
    declared = shop.table(table)
    n_files = None if declared.kind == "derived" else _n_files(shop, table, folder)
    return {
        "table": table,
        "kind": declared.kind,
        "path": declared.path,
        "files": n_files,
        "columns": list(declared.columns),
    }


def _n_files(shop: Shop, table: str, folder: Path) -> int:
    """The number of a table's files in the folder."""
    try:
        return len(source_files.files(shop, table, folder, params.load().ingest.follow_links))
    except UserError:  # there are none
        return 0


@app.command(
    "check",
    epilog=examples(
        "recomart shop check simulated",
        "recomart shop check shops/online_retail.yaml --source ../shared/data/online_retail",
        "recomart shop check online_retail --source ../shared/data/online_retail --rules",
    ),
)
def shop_check(
    shop: Annotated[str, _name("A shop in shops/, or the path of a shop file.")],
    source: Source = None,
    rows: Rows = 5,
    rules: Annotated[
        bool, typer.Option("--rules", help="Predict from a sample what the stages will say about the data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Validate a shop file, and show the first rows of its tables as the pipeline reads them.

    With --rules, 02's rules run on a sample of the files: the predicted score,
    what costs most and which key of the shop file changes it, how many users the
    windows can evaluate, which models will be left out, and how long a full run
    takes. Exit status 1 if a stage would stop.
    """
    from recomart_lib.ingest import ingestion

    path = Path(shop) if shop.endswith((".yaml", ".yml")) else paths.place(paths.SHOPS, f"{shop}.yaml")
    declared = shops.read(path) if Path(shop) == path else shops.load(shop)
    folder = source or _folder(declared.name)
    parameters = params.load()
    quality_rules.of_shop(parameters.validate_, declared)
    shops.check_auth(declared, parameters.ingest.auth_variables)
    echo(f"{path} is valid: {declared.title}.")
    if not rules:
        ingestion.check(declared, folder, parameters.ingest)
    for entry in source_files.left_out(declared, folder, parameters.ingest.follow_links):
        warn(f"{entry.file} is not read as {entry.table}: {entry.reason}.")
    for table in declared.delivered:
        try:
            _show_first_rows(declared, table, folder, rows, parameters.ingest)
        except UserError:
            if not rules:  # which report the problem, and go on with the other tables
                raise
    if rules:
        from recomart.cli import shop_rules

        shop_rules.show(declared, folder, parameters)


def _show_first_rows(shop: Shop, table: str, folder: Path, rows: int, limits: Ingest) -> None:
    declared = shop.table(table)
    if declared.kind == "rest" and not (folder / f"{table}.jsonl").exists():
        echo(f"\n{table}: not fetched yet; stage 01_ingest fetches {shop.api.url}/{declared.path}.")
    else:
        files = source_files.files(shop, table, folder, limits.follow_links)
        _first_rows(shop, table, folder, files, rows, limits)


def _first_rows(shop: Shop, table: str, folder: Path, files: list[Path], rows: int, limits: Ingest) -> None:
    from recomart_lib.ingest.sources import reader

    others = reader.joined(shop, table, folder, limits)
    delivered = next(reader.chunks(files[0], shop, table, limits=limits, others=others))
    echo(
        f"\n{table}: {plural(len(files), 'file')}; {files[0].name} (the first part of a large file): "
        f"{plural(delivered.rows.height, 'row')} readable, {delivered.rejects.height:,} rejected."
    )
    readable = delivered.rows.drop("source_file")
    show_table(table, readable.head(rows), rows, raw=readable)
    if unmapped := reader.unmapped(files[0], shop, table, limits, others):
        echo(f"not mapped: {', '.join(unmapped[:MAX_NAMES])}{', ...' if len(unmapped) > MAX_NAMES else ''}")
    rejects = delivered.rejects.select("source_line", "reason")
    show_table(f"{table}_rejected", rejects.head(rows), rows, raw=rejects, empty="")


@app.command(
    "draft", epilog=examples("recomart shop draft exports", "recomart shop draft exports --name garten --yes --force")
)
def shop_draft(
    folder: Annotated[Path, folder_argument("A folder with the files of a shop, as they were exported.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The shop's name.", show_default="made from FOLDER")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the first answer to each question.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing shop file.")] = False,
    as_json: Json = False,
) -> None:
    """Draft a shop file from a folder of files: which file is which table, and which column what.

    Reads a bounded part of each file. It decides by content first and by names
    second; a line that is in doubt ends in a comment that begins with `# ?`.
    Values that look like personal data are masked.
    """
    from recomart.cli import shop_draft

    shop_draft.draft(folder, name, yes, force)


@app.command(
    "use",
    epilog=examples(
        "recomart shop use simulated", "recomart shop use online_retail --source ../shared/data/online_retail"
    ),
)
def shop_use(
    name: Annotated[str | None, _name("A shop in shops/.", "the active shop")] = None, source: Source = None
) -> None:
    """Set the active shop and its source folder in params.yaml; comments are kept."""
    path = paths.place("params.yaml")
    parameters = params.load()
    before = parameters.base
    shop = shops.load(name or before.shop)
    shops.check_auth(shop, parameters.ingest.auth_variables)
    folder = source or (paths.SOURCE / shop.name)
    if shop.api:
        paths.place(folder).mkdir(parents=True, exist_ok=True)  # stage 01 fetches the tables into it
    if not shop.simulated and not paths.place(folder).is_dir():
        advice = f"Give the folder with the files of '{shop.name}': SOURCE=<folder>."
        raise UserError(f"There is no folder {folder}. {advice}{shops.fetch_hint(shop)}")
    unchanged = (before.shop, before.source) == (shop.name, folder.as_posix())
    if not unchanged:
        with writing("recomart shop use"):  # the stages of a run read params.yaml one after the other
            params_writer.update(path, {"base": {"shop": shop.name, "source": folder.as_posix()}})
    echo(
        f"params.yaml: base.shop = {shop.name}, base.source = {folder.as_posix()}{' (unchanged)' if unchanged else ''}"
    )


@app.command(
    "fetch", epilog=examples("recomart shop fetch movielens_100k", "recomart shop fetch movielens_100k --source ~/ml")
)
def shop_fetch(shop: Annotated[str, _name("A shop in shops/ with public data.")], source: Source = None) -> None:
    """Download and verify a shop's public data.

    An interrupted download resumes where it stopped.
    """
    from recomart import datasets

    declared, folder = shops.load(shop), source or paths.SOURCE / shop
    if declared.fetch:
        echo(f"{declared.title}: description and terms of use: {declared.fetch.page}")
    download = datasets.fetch(declared, paths.place(folder), params.load().ingest)
    size = f"{download.n_bytes / 1e6:.1f} MB downloaded" if download.n_bytes else "already downloaded"
    echo(f"{download.file.name}: {size}; the sha256 is correct.")
    for file, status in download.statuses.items():
        echo(f"  {folder / file}: {status}")
    echo(f"Next: make repro SHOP={shop}" + (f" SOURCE={source}" if source else ""))


def _folder(shop: str) -> Path:
    """base.source if this is the active shop, else the default folder."""
    base = params.load().base
    return paths.place(base.source if base.shop == shop else paths.SOURCE / shop)
