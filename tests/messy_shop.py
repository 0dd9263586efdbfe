"""A shop whose files have one damage of each kind that the dry run knows, and enough users for a sample."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

from recomart_lib.core import shops
from recomart_lib.core.shops import Shop

START = datetime(2025, 1, 1)
N_USERS, N_ITEMS = 300, 80
DECLARED: dict[str, Any] = {
    "title": "Messy",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "simulated": False,
    "cut": "auto",
    "horizon_days": 30,
    "relevant_events": ["purchase"],
    "tables": {
        "users": {
            "kind": "csv",
            "path": "users.csv",
            "columns": {"user_id": "id", "age": "age", "signup_date": "since"},
        },
        "items": {"kind": "csv", "path": "items.csv", "columns": {"item_id": "id", "name": "name", "price": "price"}},
        "events": {
            "kind": "csv",
            "path": "events*.csv",
            "columns": {
                "user_id": "user",
                "item_id": "item",
                "event_type": "action",
                "timestamp": "time",
                "quantity": "qty",
                "price": "price",
            },
            "event_values": {"buy": "purchase", "look": "view"},
        },
    },
}


def write(folder: Path, n_events: int = 6_000, n_files: int = 3, **keys: Any) -> Shop:
    """Write the files into `folder`/source, and return the shop; `keys` are those of tables.events of the shop file."""
    rng, source = Random(3), folder / "source"
    source.mkdir(parents=True)
    users = [f"u{n},{rng.choice([20, 30, 40, 50, 999])},2024-0{rng.randrange(1, 9)}-11" for n in range(N_USERS // 2)]
    items = [f"i{n},Item {n},{rng.choice(['9.5', '12', '7', '0'])}" for n in range(N_ITEMS)]
    _write(source / "users.csv", "id,age,since", users)
    _write(source / "items.csv", "id,name,price", [*items, "i1,Other,3"])
    lines = sorted(_event(rng, n) for n in range(n_events))
    size = -(-n_events // n_files)
    for number in range(n_files):
        part = [",".join((*line[1:4], line[0], *line[4:])) for line in lines[number * size : (number + 1) * size]]
        _write(source / f"events-{number}.csv", "user,item,action,time,qty,price", [*part, *part[:20], "1,2,3"])
    declared = DECLARED | {"tables": DECLARED["tables"] | {"events": DECLARED["tables"]["events"] | keys}}
    file = folder / "messy.yaml"
    file.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    return shops.read(file)


def _event(rng: Random, n: int) -> tuple[str, ...]:
    """time, user, item, action, quantity, price; a few per cent of each damage."""
    user = f"u{rng.randrange(N_USERS)}" if rng.random() > 0.1 else ""
    moment = START + timedelta(minutes=rng.randrange(200 * 1440))
    moment = datetime(2031, 1, 1) + timedelta(minutes=n) if rng.random() < 0.01 else moment
    action = rng.choices(["buy", "look", "zurueck"], [60, 38, 2])[0]
    quantity = rng.choices(["1", "2", "-1", "0", "many"], [60, 33, 5, 1, 1])[0]
    price = rng.choices(["5", "0", '"1,5"'], [96, 2, 2])[0]
    return f"{moment:%Y-%m-%d %H:%M:%S}", user, f"i{rng.randrange(N_ITEMS + 2)}", action, quantity, price


def _write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
