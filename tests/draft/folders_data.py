"""The simulated shop and the public data sets, each as it comes, and with its columns renamed and in another order."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from draft import made_files
from draft.answers import Answer, Place
from draft.made_files import Format

from recomart.simulator import shop as simulator
from recomart_lib.core.yaml_reader import read_yaml

ROOT = Path(__file__).resolve().parents[2]
SIZE = simulator.ShopSize(n_users=400, n_items=150, n_orders=1_600, n_days=120)
N_DAYS = 8  # files of online_retail, spread over the year
Names = dict[str, str]

# Delivered name -> a name that says nothing, or one of another language.
FOREIGN_SIMULATED = {
    "customer_id": "kundennummer",
    "signup_date": "registriert_am",
    "gender": "geschlecht",
    "age": "alter",
    "country": "land",
    "city": "stadt",
    "product_id": "artikelnummer",
    "title": "bezeichnung",
    "category": "kategorie",
    "brand": "marke",
    "price": "preis",
    "available": "lieferbar",
    "stock": "lagerbestand",
    "transaction_id": "vorgang",
    "action": "aktion",
    "timestamp": "zeitpunkt",
    "quantity": "menge",
    "unit_price": "einzelpreis",
    "rating": "bewertung",
    "order_id": "bestellnummer",
}
FOREIGN_RETAIL = {
    "InvoiceNo": "factura",
    "StockCode": "referencia",
    "Description": "descripcion",
    "Quantity": "cantidad",
    "InvoiceDate": "fecha_factura",
    "UnitPrice": "precio_unitario",
    "CustomerID": "cliente",
    "Country": "pais",
}
FOREIGN_AMAZON = {
    "user_id": "utilisateur",
    "item_id": "produit",
    "rating": "note",
    "timestamp": "horodatage",
    "title": "titre",
    "brand": "marque",
    "category": "categorie",
    "price": "prix",
}


def data() -> Path:
    """The folder of the public data sets; it may be missing."""
    return Path(os.environ.get("RECOMART_DATA") or ROOT.parent / "shared" / "data")


def declared(name: str, **either: set[str | None]) -> Answer:
    """The right answers for a shop of the project: its shop file."""
    content = read_yaml(ROOT / "shops" / f"{name}.yaml")
    keys = {key: content[key] for key in ("currency", "time_zone")}
    places: dict[Place, set[str | None]] = {tuple(place.split("__")): names for place, names in either.items()}
    return Answer({**content["tables"]}, either=places, keys=keys)


def simulated(folder: Path) -> Answer:
    """The simulated shop, with its errors."""
    simulator.simulate(SIZE, 0, folder)
    return declared("simulated")


def online_retail(folder: Path) -> Answer:
    """Some days of UCI Online Retail."""
    files = sorted((data() / "online_retail").glob("*.csv"))
    folder.mkdir(parents=True, exist_ok=True)
    for path in files[:: len(files) // N_DAYS + 1]:
        shutil.copyfile(path, folder / path.name)
    return declared("online_retail")


def movielens_100k(folder: Path) -> Answer:
    """MovieLens-100K as it comes: no header lines. A genre may be left out: the files do not name the columns."""
    shutil.copytree(data() / "ml-100k", folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return declared("movielens_100k", items__category={None}, users__city={None})


def amazon_beauty(folder: Path) -> Answer:
    """A part of Amazon Reviews 2023."""
    shutil.copytree(data() / "amazon_beauty", folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return declared("amazon_beauty")


def changed(make: Callable[[Path], Answer], name: str, names: Names | None) -> Callable[[Path], Answer]:
    """The same folder with other names of columns (None: names that say nothing), in another order."""

    def write(folder: Path) -> Answer:
        answer = make(folder)
        shuffler = random.Random(name)
        tables = {table: _changed(folder, spec, names, shuffler) for table, spec in answer.tables.items()}
        events = names if names is not None else tables["events"].pop("names")
        for spec in tables.values():
            spec.pop("names", None)
            if spec["kind"] == "derived":
                spec["columns"] = {ours: _new(theirs, events) for ours, theirs in spec["columns"].items()}
        return replace(answer, tables=tables)

    write.__name__, write.__doc__ = name, f"{make.__doc__} {changed.__doc__}"
    return write


def _changed(folder: Path, spec: dict[str, Any], names: Names | None, shuffler: random.Random) -> dict[str, Any]:
    """Rewrite the files of one table; returns its declaration, with the new `names` of its columns."""
    spec = {**spec}
    if spec["kind"] == "derived":
        return spec
    files = sorted(folder.glob(spec["path"]))
    old = spec.get("header") or _read(files[0], spec).columns
    order = shuffler.sample(old, len(old))
    flags = {column for members in spec.get("flags", {}).values() for column in members}
    in_order = iter([column for column in old if column in flags])  # another file names them in their order
    order = [next(in_order) if column in flags else column for column in order]
    if names is None:
        names = {column: f"c{place}" for place, column in enumerate(order, 1)}
    for path in files:
        table = _read(path, spec).select(order).rename(names, strict=False)
        _write(table, path, spec)
    spec["columns"] = {ours: _new(theirs, names) for ours, theirs in spec["columns"].items()}
    if "header" in spec:
        spec["header"] = [_new(column, names) for column in order]
    if "flags" in spec:
        spec["flags"] = {flag: [_new(column, names) for column in members] for flag, members in spec["flags"].items()}
    return spec | {"names": names}


def _new(name: str, names: Names) -> str:
    return names.get(name, name)


def _read(path: Path, spec: dict[str, Any]) -> pl.DataFrame:
    if spec["kind"] == "parquet":
        return pl.read_parquet(path.read_bytes())
    if spec["kind"] == "json":
        return pl.read_json(path.read_bytes(), infer_schema_length=None)
    text = path.read_text(encoding=spec.get("encoding", "utf-8"))
    header = spec.get("header")
    options = {"separator": spec.get("separator", ","), "infer_schema": False, "new_columns": header}
    return pl.read_csv(text.encode(), has_header=not header, **options)


def _write(table: pl.DataFrame, path: Path, spec: dict[str, Any]) -> None:
    form = Format(
        kind=spec["kind"],
        separator=spec.get("separator", ","),
        encoding=spec.get("encoding", "utf-8"),
        header="header" not in spec,
    )
    made_files.write(table, path, form)


FOLDERS = (
    simulated,
    changed(simulated, "simulated_neutral", None),
    changed(simulated, "simulated_foreign", FOREIGN_SIMULATED),
)
PUBLIC = (  # made of the public data sets
    online_retail,
    changed(online_retail, "online_retail_neutral", None),
    changed(online_retail, "online_retail_foreign", FOREIGN_RETAIL),
    movielens_100k,
    changed(movielens_100k, "movielens_shuffled", {}),
    amazon_beauty,
    changed(amazon_beauty, "amazon_beauty_neutral", None),
    changed(amazon_beauty, "amazon_beauty_foreign", FOREIGN_AMAZON),
)
