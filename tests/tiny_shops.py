"""Random tiny shops, and a fast way to run the stages on one: the notebooks' code in this process, without a kernel."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import yaml

from recomart.runner import checks, stage
from recomart_lib.core.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
STAGES = [name for name in stage.STAGES if name != "09_stream"]  # that one needs a stream
START = datetime(2025, 1, 1, tzinfo=UTC)
# Few and small models: what is tried is whether the stages hold, not how well models rank.
TRAIN = {
    "k": 20,
    "n_trials": 1,
    "models": {
        "popularity": {},
        "recent_popularity": {},
        "segment_popularity": {},
        "own_history": {},
        "own_history_decayed": {},
        "repurchase": {"n_trees": 5},
        "content": {},
        "item_knn": {},
        "ease": {},
        "basket": {},
        "als": {"n_factors": 2, "n_epochs": 2},
        "blend": {"n_factors": 2},
        "bpr": {"n_factors": 2, "n_epochs": 2},
        "two_stage": {"n_trees": 5},
        "svdpp": {"n_factors": 2, "n_epochs": 2},
        "svd": {"n_factors": 2, "n_epochs": 2},
    },
}
PARAMS = {"validate": {"min_quality": 0.0}, "evaluate": {"n_bootstrap": 10}, "train": TRAIN}
# Column -> how its cells may look; None is an empty cell. Every shop takes 0 to 3 of a column's values.
VALUES: dict[str, dict[str, list[str]]] = {
    "users": {
        "signup_date": ["2024-12-01", "2024-12-24", "2024-06-01"],
        "gender": ["f", "m", "x"],
        "age": ["30", "31", "70"],
        "country": ["DE", "FR", "US"],
        "city": ["Ulm", "Metz", "Reno"],
    },
    "items": {
        "name": ["Apple", "Bread", "Cake"],
        "category": ["food", "tools", "toys"],
        "brand": ["Acme", "Bolt", "Cog"],
        "price": ["1.99", "10", "0.5"],
    },
    "events": {
        "quantity": ["1", "0.53", "12"],
        "price": ["1.99", "10", "0.5"],
        "rating": ["5", "1", "4.5"],
        "order_id": ["o1", "o2", "o3"],
    },
}
KINDS = [["view"], ["rating"], ["purchase"], ["purchase", "return"], ["view", "cart", "purchase", "return", "rating"]]


@dataclass(frozen=True)
class TinyShop:
    """A shop file, and the rows of its files by table; an absent table is derived from the events.

    The file of a table in `blank` has a header line only.
    """

    declared: dict[str, Any]
    rows: dict[str, list[dict[str, str]]]
    protocol: str = "all"
    blank: tuple[str, ...] = ()


def draw(seed: int) -> TinyShop:
    """A random shop: few users, items, days and events; columns that are absent, empty, constant or of few values."""
    random = Random(seed)
    n_users, n_items = random.choice([1, 2, 3, 12]), random.choice([1, 2, 3, 12])
    kinds = random.choice(KINDS)
    rows = {
        "users": [{"user_id": f"u{n}"} | _cells("users", random) for n in range(n_users)],
        "items": [{"item_id": f"i{n}"} | _cells("items", random) for n in range(n_items)],
    }
    n_days = random.choice([1, 7, 30, 100, 100])
    rows["events"] = _events(random, kinds, n_users, n_items, n_days)
    for table, records in rows.items():
        _reduce(table, records, random)
    for table in [table for table in ("users", "items") if random.random() < 0.3]:
        del rows[table]
        if random.random() < 0.5:
            _derive(table, rows["events"], random)
    blank = tuple(table for table in rows if random.random() < 0.04)
    relevant = [kind for kind in ("purchase", "rating", "view") if kind in kinds][:1]
    horizon = random.choice(["auto", *[max(1, n_days // 5)] * 3])  # "auto": 30 days
    keys = {"horizon_days": horizon, "relevant_events": relevant, "time_zone": random.choice(["UTC", "Asia/Tokyo"])}
    return TinyShop(declare(rows, **keys), rows, random.choice(["all", "novel"]), blank)


def declare(rows: dict[str, list[dict[str, str]]], **keys: object) -> dict[str, Any]:
    """The shop file of these rows; columns of events such as `users.country` are those of derived tables."""
    tables: dict[str, dict[str, Any]] = {}
    for table, records in rows.items():
        columns = {name: name for name in records[0] if "." not in name}
        tables[table] = {"kind": "csv", "path": f"{table}.csv", "columns": columns}
    for name in [name for name in rows["events"][0] if "." in name]:
        table, _, column = name.partition(".")
        tables.setdefault(table, {"kind": "derived", "columns": {}})["columns"][column] = name
    shop = {"title": "Tiny", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    return {**shop, "horizon_days": "auto", "relevant_events": ["purchase"], "tables": tables, **keys}


def _cells(table: str, random: Random) -> dict[str, str]:
    return {name: random.choice(values) for name, values in VALUES[table].items()}


def _derive(table: str, events: list[dict[str, str]], random: Random) -> None:
    """Give events the cells of a derived table."""
    for event in events:
        cells = _cells(table, Random(event["user_id" if table == "users" else "item_id"]))
        event |= {f"{table}.{name}": random.choice([value, ""]) for name, value in cells.items()}


def _events(random: Random, kinds: list[str], n_users: int, n_items: int, n_days: int) -> list[dict[str, str]]:
    events = []
    for n in range(random.choice([1, 10, 40, 150, 150])):
        kind = random.choice(kinds)
        moment = START + timedelta(seconds=random.randrange(n_days * 24 * 3600))
        event = {
            "event_id": f"e{n}",
            "user_id": f"u{random.randrange(n_users)}",
            "item_id": f"i{random.randrange(n_items)}",
            "event_type": kind,
            "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}",
        } | _cells("events", random)
        events.append(event if kind == "rating" else event | {"rating": ""})
    return events


def _reduce(table: str, records: list[dict[str, str]], random: Random) -> None:
    """Take a column away, empty it, or give it one value; the ratings of rating events stay."""
    for name, values in VALUES[table].items():
        how = random.choice(["absent", "empty", "constant", "some empty", "kept", "kept"])
        for record in records:
            if name == "rating" and record["event_type"] == "rating":
                record[name] = values[0] if how == "constant" else record[name]
            elif how == "absent" and name != "rating":
                del record[name]
            elif how == "empty" or (how == "some empty" and random.random() < 0.5):
                record[name] = ""
            elif how == "constant" and record[name]:
                record[name] = values[0]


def write(folder: Path, shop: TinyShop) -> None:
    """Write the shop as a project: params.yaml, its shop file, and its files in data/source/tiny."""
    source = folder / "data/source/tiny"
    source.mkdir(parents=True)
    (folder / "shops").mkdir()
    for name in ("dvc.yaml", "feature_store.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "shops/tiny.yaml").write_text(yaml.safe_dump(shop.declared, sort_keys=False))
    params = {
        "base": {"shop": "tiny", "source": "data/source/tiny"},
        "recommend": {"protocol": shop.protocol},
        **PARAMS,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for table, records in shop.rows.items():
        with (source / f"{table}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows([] if table in shop.blank else records)


def run(names: list[str] = STAGES) -> str | None:
    """Run stages of the project in the current folder until one fails; the sentence of its `UserError`, None: all ran.

    What a notebook draws is drawn. Any other error is raised: users would see a traceback.
    """
    for name in names:
        try:
            _run(name)
        except UserError as problem:
            return f"{name}: {problem}"
    return None


def _run(name: str) -> None:
    notebook = nbformat.read(Path("notebooks", f"{name}.ipynb"), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    values = checks.check(name, stage.STAGES[name], notebook)
    with _drawing() as namespace:
        for cell in cells:
            exec(compile(cell.source, f"{name}, cell {cell.id}", "exec"), namespace)
            if "parameters" in cell.metadata.get("tags", []):
                namespace.update(values)


@contextmanager
def _drawing() -> Iterator[dict[str, Any]]:
    """A namespace for a notebook's code; `plt.show` draws all figures, as a kernel does."""
    shown: Callable[..., None] = plt.show
    plt.show = lambda: [_draw(number) for number in plt.get_fignums()]
    try:
        yield {"__name__": "__main__"}
    finally:
        plt.show = shown
        plt.close("all")


def _draw(number: int) -> None:
    figure = plt.figure(number)
    figure.set_dpi(30)
    figure.canvas.draw()
    plt.close(figure)
