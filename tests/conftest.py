"""Fixtures that several test modules share: a tiny shop of three CSV files, and the folder of the real data."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import polars as pl
import pytest
import yaml
from brokers import embedded_broker, kafka  # noqa: F401
from browsers import chromium  # noqa: F401
from hypothesis import settings
from projects import finished_project, project  # noqa: F401
from recommend_data import finished  # noqa: F401

from recomart.cli import app
from recomart_lib.core import schemas, shops
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import lake
from recomart_lib.ingest.sources import records
from recomart_lib.stream.commit_log import Zone

settings.register_profile("any speed", deadline=None)  # no test depends on speed
settings.load_profile("any speed")

ROOT = Path(__file__).resolve().parents[1]
PLAIN_STYLE = dict(plt.rcParams)
USERS = "id,joined,sex,age,land\nu1,2024-01-01,F,30,DE\nu2,2024-01-02,m,40,FR\nu3,2024-01-03,,,\n"
ITEMS = "id,title,kind,maker,price\na,Anvil,tools,Acme,10\nb,Bolt,tools,Acme,1\nc,Cake,food,,5\n"
EVENTS = """id,who,what,act,at,n,price,stars,order
e1,u1,a,view,2024-02-01 10:00:00,,,,
e2,u1,a,purchase,2024-02-01 10:05:00,2,10,,o1
e3,u2,b,purchase,2024-02-02 09:00:00,1,1,,o2
e4,u2,c,rating,2024-02-03 09:00:00,,,4,
e5,u3,c,purchase,2024-03-01 00:00:00,1,5,,o3
"""
DECLARED: dict[str, Any] = {
    "title": "Tiny",
    "currency": "EUR",
    "time_zone": "UTC",
    "simulated": False,
    "cut": "auto",
    "horizon_days": "auto",
    "relevant_events": ["purchase"],
    "tables": {
        "users": {
            "kind": "csv",
            "path": "users.csv",
            "columns": {"user_id": "id", "signup_date": "joined", "gender": "sex", "age": "age", "country": "land"},
        },
        "items": {
            "kind": "csv",
            "path": "items.csv",
            "columns": {"item_id": "id", "name": "title", "category": "kind", "brand": "maker", "price": "price"},
        },
        "events": {
            "kind": "csv",
            "path": "events*.csv",
            "columns": {
                "event_id": "id",
                "user_id": "who",
                "item_id": "what",
                "event_type": "act",
                "timestamp": "at",
                "quantity": "n",
                "price": "price",
                "rating": "stars",
                "order_id": "order",
            },
        },
    },
}


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by the position of its bytes: an archive holds its time, and each worker packs one."""
    return argname if isinstance(val, bytes | bytearray) else None


@dataclass(frozen=True)
class TinyShop:
    """A shop, the folder with its files, and its YAML file."""

    shop: Shop
    source: Path
    file: Path


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)


def rows(table: str, *records: dict[str, Any]) -> pl.DataFrame:
    """Rows of one of the three tables (missing values null), with the provenance columns of raw tables."""
    columns = schemas.TABLES[table]
    raw = [
        {**dict.fromkeys(columns), **record, "source_file": "f", "source_line": n} for n, record in enumerate(records)
    ]
    return pl.DataFrame(raw, schema={**columns, **schemas.PROVENANCE})


def Chunk(rows: pl.DataFrame, rejects: pl.DataFrame | None = None) -> records.Chunk:  # noqa: N802
    """A chunk that readers pass to the lake, by default without rejected lines."""
    return records.Chunk(rows, pl.DataFrame(schema=schemas.REJECTS) if rejects is None else rejects)


def unreadable(name: str, n: int) -> pl.DataFrame:
    """`n` unreadable lines of a file."""
    lines = [(name, 1000 + line, f"raw {line}", "not a record") for line in range(n)]
    return pl.DataFrame(lines, schema=schemas.REJECTS, orient="row")


def ingest_chunks(
    raw: Path,
    table: str,
    *chunks: records.Chunk,
    name: str = "f",
    shop: str = "x",
    text: str = "",
    previous: lake.Manifest | None = None,
) -> lake.Manifest:
    """Ingest these chunks as a file of this name; its bytes are `text` (by default its name)."""
    raw.mkdir(parents=True, exist_ok=True)
    file = raw.parent / "delivered"
    file.write_text(text or name)
    with lake.staging(raw, chunks) as staged:
        return lake.commit(staged, raw, shop, table, file, name, lake.content_hash(file, name, "declared"), previous)


def full_shop(zone: str = "UTC", mapped: bool = True, **tables: Table) -> Shop:
    """A shop that delivers all columns (`mapped=False`: events without an id of their own)."""
    declared = {}
    for name, columns in schemas.TABLES.items():
        kept = {column: column for column in columns if mapped or column != "event_id"}
        declared[name] = tables.get(name) or Table(kind="csv", path="*", columns=kept)
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": zone, "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables=declared)


@pytest.fixture(scope="session", autouse=True)
def signals_reach_what_tests_start() -> None:
    """Under `nohup` and in the background of a shell, some signals are ignored, also by all programs started there."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", lambda *_: None)):
        if signal.getsignal(number := getattr(signal, name, signal.SIGINT)) is signal.SIG_IGN:
            signal.signal(number, handler)  # this process still survives a hangup


@pytest.fixture(autouse=True)
def figure_style() -> Iterator[None]:
    """Begin each test in matplotlib's style: a notebook that ran in this process before has set its own."""
    with plt.rc_context(PLAIN_STYLE):
        yield


@pytest.fixture
def close_figures() -> Iterator[None]:
    """Close all figures after a test that draws."""
    yield
    plt.close("all")


@pytest.fixture
def tiny_shop() -> Callable[..., TinyShop]:
    """`tiny_shop(folder, users=.., items=.., events=.., **keys)` writes a shop: its files and its YAML keys."""

    def write(folder: Path, users: str = USERS, items: str = ITEMS, events: str = EVENTS, **keys: Any) -> TinyShop:
        source = folder / "source"
        source.mkdir(parents=True)
        for name, text in {"users": users, "items": items, "events": events}.items():
            (source / f"{name}.csv").write_text(text, encoding="utf-8")
        file = folder / "shops" / "tiny.yaml"
        file.parent.mkdir()
        file.write_text(yaml.safe_dump({**DECLARED, **keys}, sort_keys=False), encoding="utf-8")
        return TinyShop(shops.read(file), source, file)

    return write


@pytest.fixture
def tiny(tiny_shop: Callable[..., TinyShop], tmp_path: Path) -> TinyShop:
    """The tiny shop in the folder of the test."""
    return tiny_shop(tmp_path)


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    """The streaming zone of the tiny shop, empty."""
    return Zone(tmp_path / "streaming", "tiny", "UTC")


@pytest.fixture
def call(monkeypatch, capsys):
    """call("shop", "use", ...) -> (exit status, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["recomart", *words])
        with pytest.raises(SystemExit) as exit_info:
            app.main()
        captured = capsys.readouterr()
        return exit_info.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets; without it the test is skipped."""
    folder = Path(os.environ.get("RECOMART_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"NO REAL DATA: there is no folder {folder}. RECOMART_DATA may name another.")
    return folder


# With several workers (`make test`), the longest files start first, so that no worker ends long after the others: the
# first builds the finished project that some others wait for, the second mostly waits for Kafka. The other files of
# whole/ come in the middle, when the project is ready.
LONGEST = (
    "whole/test_pipeline.py",
    "streaming/test_consumer.py",
    "features/test_feature_store.py",
    "whole/test_rerun.py",
    "whole/test_by_hand.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files of tests; within a file the order stays."""

    def place(item: pytest.Item) -> tuple[int, str]:
        name = item.path.relative_to(ROOT / "tests").as_posix()
        rank = LONGEST.index(name) if name in LONGEST else len(LONGEST)
        return rank, name.replace("whole/", "n/")

    items.sort(key=place)
