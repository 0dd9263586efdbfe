"""`kill -9` at any moment of ingestion: no reader sees half a file, and a rerun gives the same lake."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import DECLARED, EVENTS

from recomart_lib.core import shops
from recomart_lib.ingest import lake, lake_verification

INGEST = """
import sys
from pathlib import Path
from recomart_lib.core import shops
from recomart_lib.ingest import ingestion
from recomart_lib.ingest.settings import Ingest
shop = shops.read(Path(sys.argv[1]))
print("ready", flush=True)
ingestion.ingest(shop, Path(sys.argv[2]), Path(sys.argv[3]), Ingest(max_rejected=1))
"""
N_FILES, N_LINES = 40, 3_000
CLOCK = ("landed_at", "manifest_sha256")  # differ between two lakes with the same content


@pytest.fixture(scope="module")
def delivered(tmp_path_factory) -> tuple[Path, Path]:
    """A shop file and a source folder with many daily files, each with an unreadable line."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "source").mkdir()
    users = "\n".join(f"u{n},2024-01-01,F,30,DE" for n in range(500))
    (folder / "source" / "users.csv").write_text(f"id,joined,sex,age,land\n{users}\n")
    (folder / "source" / "items.csv").write_text("id,title,kind,maker,price\na,Anvil,tools,Acme,10\n")
    head = EVENTS.splitlines()[0]
    for day in range(N_FILES):
        lines = [f"{day}-{n},u{n % 500},a,view,2024-01-01 10:00:00,,,," for n in range(N_LINES)]
        (folder / "source" / f"events-{day:02d}.csv").write_text("\n".join([head, *lines, "broken"]) + "\n")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(DECLARED, sort_keys=False))
    return folder / "tiny.yaml", folder / "source"


def start(delivered: tuple[Path, Path], raw: Path) -> subprocess.Popen:
    """A process that ingests everything and has just started."""
    process = subprocess.Popen(
        [sys.executable, "-c", INGEST, *delivered, raw], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def content(raw: Path) -> dict[str, object]:
    """All files of a lake; of manifests everything but the time of ingestion (and the hash of all fields)."""
    contents: dict[str, object] = {}
    for path in sorted(path for path in raw.rglob("*") if path.is_file()):
        name = path.relative_to(raw).as_posix()
        text = path.read_bytes()
        contents[name] = {**json.loads(text), **dict.fromkeys(CLOCK)} if path.suffix == ".json" else text
    return contents


@pytest.mark.parametrize("n_kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_rerun_completes_a_killed_ingestion(delivered, tmp_path, n_kills):
    began = time.perf_counter()
    assert start(delivered, tmp_path / "whole" / "raw").wait() == 0
    seconds = time.perf_counter() - began
    whole = content(tmp_path / "whole" / "raw")
    rng, n_halfway = random.Random(0), 0
    for attempt in range(n_kills):
        raw = tmp_path / str(attempt) / "raw"
        process = start(delivered, raw)
        time.sleep(rng.uniform(0, seconds / 2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        n_halfway += 0 < readable(delivered[0], raw) < N_FILES
        assert start(delivered, raw).wait() == 0
        assert content(raw) == whole
    assert n_halfway, "no kill happened during ingestion: the test proves nothing"


def readable(shop: Path, raw: Path) -> int:
    """How many event files a reader sees; each is whole, and files that are not read have no manifest."""
    problems = lake.verify(raw)
    assert set(problems["problem"]) <= {lake_verification.NO_MANIFEST}
    if not lake.newest(raw, shops.read(shop).name, "events"):
        return 0
    events = lake.table(raw, shops.read(shop).name, "events")
    assert events.height == N_LINES * events.files.height == sum(batch.height for batch in events.batches())
    assert events.n_rejected == events.files.height
    return events.files.height
