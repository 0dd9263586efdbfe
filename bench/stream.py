"""How fast one consumer makes streamed events durable, and how late, beside a bare consumer that only reads.

    python bench/stream.py                 # starts an Apache Kafka from its jars: Java 17 and Maven
    python bench/stream.py --events 200000 --seconds 10

Throughput: a topic of four partitions that is full already; from the first batch to the last, without joining the
group. Latency: a producer in a process of its own at a set rate; from `produced_at`, when the producer made the
message, until the batch was committed: Parquet and log synced to the disk. Every event is counted.

Follows: the service itself (`recomart stream consume`, merging its small files every ten seconds) under that load, and
a reader that sends an event of its own and asks until `online_user` shows it, then for the user's list. It needs the
pipeline's results (`make repro`); they are only read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from confluent_kafka import Consumer, Producer
from own_process import ROOT, measured

from recomart.project import params
from recomart.streaming import client, messages
from recomart.streaming import consumer as streaming_consumer
from recomart.streaming import producer as streaming_producer
from recomart_lib.core import paths
from recomart_lib.features import feature_store
from recomart_lib.recommend import live_lists
from recomart_lib.stream import commit_log
from recomart_lib.validate.settings import Validate

SERVERS = "BENCH"  # the file in the working folder that tells where the broker listens, and which topic


def events(n: int) -> pl.DataFrame:
    """Events of one day, as a busy shop has them."""
    rng, at = np.random.default_rng(0), int(datetime.now(UTC).timestamp() * 1e6)
    kind = np.array(["view", "cart", "purchase"])[rng.choice(3, n, p=[0.7, 0.2, 0.1])]
    return pl.DataFrame(
        {
            "event_id": [f"{uuid.UUID(int=int(high))}" for high in rng.integers(0, 2**62, n)],
            "user_id": pl.Series(rng.integers(0, 100_000, n)).cast(pl.String).str.zfill(6),
            "item_id": pl.Series(rng.integers(0, 20_000, n)).cast(pl.String).str.zfill(5),
            "event_type": kind,
            "timestamp": pl.Series(at + np.arange(n) // 100).cast(pl.Datetime("us", "UTC")),
            "quantity": rng.integers(1, 5, n),
            "price": rng.integers(100, 10_000, n) / 100,
            "rating": pl.Series([None] * n, dtype=pl.Float64),
            "order_id": pl.Series([None] * n, dtype=pl.String),
        }
    )


def settings(folder: Path, group: str) -> params.Stream:
    told = json.loads((folder / SERVERS).read_text())
    return params.Stream(bootstrap_servers=told["servers"], topic=told["topic"], group=group)


def bare(folder: Path, n: int) -> dict[str, float]:
    """A consumer that reads and forgets."""
    chosen = settings(folder, "bare")
    consumer = Consumer(
        client.client(chosen, streaming_consumer.SETTINGS, {"group.id": "bare", "auto.offset.reset": "earliest"})
    )
    consumer.subscribe([chosen.topic])
    first, seen, start = 0, 0, 0.0
    while seen < n:
        got = len(consumer.consume(chosen.batch_max_events, chosen.batch_max_ms / 1000))
        seen += got
        if got and not start:
            first, start = got, time.perf_counter()
    seconds = time.perf_counter() - start
    consumer.close()
    return {"events_per_s": (seen - first) / seconds}


def lake(folder: Path, n: int) -> dict[str, float]:
    """The consumer of the lake: reads, judges, and makes durable; how many, how fast, how late."""
    chosen, counts, moments, late = settings(folder, "lake"), [], [], []

    def follow(rows: pl.DataFrame) -> None:
        counts.append(rows.height)
        moments.append(time.perf_counter())
        late.append((datetime.now(UTC).timestamp() * 1e6 - rows["produced_at"].dt.epoch("us").to_numpy()) / 1000)

    zone = commit_log.Zone(Path(tempfile.mkdtemp(dir=folder)), "bench", "UTC")
    streaming_consumer.run(zone, chosen, Validate(), lambda: sum(counts) >= n, 60, follow)
    stored = commit_log.read(zone)
    assert stored["event_id"].n_unique() == stored.height == n, f"{stored.height} of {n} events in the lake"
    p50, p95, p99 = np.percentile(np.concatenate(late), [50, 95, 99])
    speed = (n - counts[0]) / (moments[-1] - moments[0])
    return {"events_per_s": speed, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "batches": len(counts)}


def follows(folder: Path, rate: int, seconds: int) -> dict[str, float]:
    """From an event until it shows in the online features, and in the user's list: milliseconds."""
    root = _root(folder)
    command = [sys.executable, "-m", "recomart.cli.app", "stream", "consume"]
    with subprocess.Popen(command, env=os.environ | {"RECOMART_ROOT": str(root)}, stdout=subprocess.DEVNULL) as service:
        try:
            chosen, load = params.load(root / "params.yaml").stream, events(rate * seconds)
            for _ in _probes(root, chosen, 1):  # until it has joined
                pass
            sender = threading.Thread(target=streaming_producer.produce, args=(load, chosen, rate))
            sender.start()
            took = np.array(list(_probes(root, chosen, None, sender.is_alive)))
            sender.join()
        finally:
            service.terminate()
    names = ("online_user", "list")
    quantiles = zip(names, np.percentile(took, [50, 99], axis=0).T, strict=True)
    return {
        "probes": len(took),
        **{f"{name}_p{q}_ms": v for name, pair in quantiles for q, v in zip((50, 99), pair, strict=True)},
    }


def _root(folder: Path) -> Path:
    """A project like this one, with a stream of its own."""
    if not (ROOT / paths.FEATURE_STORE).exists():
        sys.exit("The features are missing. Run: make repro")
    root, told = folder / "project", json.loads((folder / SERVERS).read_text())
    (root / "data").mkdir(parents=True)
    for name in ("shops", "feature_store.yaml", *(f"data/{path.name}" for path in (ROOT / "data").iterdir())):
        if name != str(paths.STREAMING):
            (root / name).symlink_to(ROOT / name)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["stream"] |= {"bootstrap_servers": told["servers"], "topic": told["topic"], "compact_every_s": 10}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    return root


def _probes(
    root: Path, chosen: params.Stream, n: int | None, go_on: Callable[[], bool] = lambda: True
) -> Iterator[tuple[float, float]]:
    """Events of new users, one after the other: milliseconds until each shows in its features, and its list."""
    everything, item = params.load(root / "params.yaml"), pl.read_parquet(root / paths.PREPARED / "live/items.parquet")
    producer = Producer(client.client(chosen))
    for number in range(n or sys.maxsize):
        if not go_on():
            return
        user, start = f"probe-{n}-{number}", time.perf_counter()
        event = events(1).with_columns(
            user_id=pl.lit(user),
            event_id=pl.lit(user),
            item_id=pl.lit(item["item_id"][0]),
            event_type=pl.lit("purchase"),
        )
        producer.produce(chosen.topic, messages.write(event, datetime.now(UTC))[0], user)
        producer.poll(0)
        while feature_store.online_user(user, root=root)["as_of"] is None:
            time.sleep(0.002)
        seen = time.perf_counter()
        fresh = live_lists.fresh_events(user, root)
        if live_lists.list_of(user, fresh, everything.prepare, "all", 10, root) is None:
            sys.exit("The live model is missing. Run: make repro")
        yield (seen - start) * 1000, (time.perf_counter() - start) * 1000
        time.sleep(0.02)


def produce(folder: Path, n: int, rate: float | None) -> None:
    streaming_producer.produce(events(n), settings(folder, "none"), rate)


def run(script: str, what: str, folder: Path) -> dict[str, float]:
    """One measurement; `what` is bare:<events>, lake:<events>, or produce:<events>:<rate>."""
    kind, n, *rate = what.split(":")
    if kind == "produce":
        produce(folder, int(n), float(rate[0]) or None)
        return {}
    return {"bare": bare, "lake": lake}[kind](folder, int(n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--run", nargs=2, metavar=("WHAT", "FOLDER"))
    asked = parser.parse_args()
    if asked.run:
        print(json.dumps(run(__file__, asked.run[0], Path(asked.run[1]))))
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from brokers import Kafka

    with tempfile.TemporaryDirectory() as place:
        folder, broker = Path(place), Kafka(Path(place) / "kafka")
        broker.start()
        try:
            use(folder, broker.address, broker.make("full"))
            if "error" in (wrote := measured(__file__, f"produce:{asked.events}:0", folder)):
                sys.exit(f"The topic could not be filled: {wrote['text']}")
            for kind in ("bare", "lake"):
                print(f"{kind:>18}: {told(measured(__file__, f'{kind}:{asked.events}', folder))}", flush=True)
            for rate in (1_000, 10_000):
                use(folder, broker.address, broker.make(f"rate-{rate}"))
                print(f"{rate:>10} events/s: {told(at_rate(folder, rate, rate * asked.seconds))}", flush=True)
            use(folder, broker.address, broker.make("follows"))
            broker.make(params.Stream().dead_letter_topic)
            print(f"{'follows':>18}: {told(follows(folder, 1_000, asked.seconds))}", flush=True)
        finally:
            broker.stop()


def use(folder: Path, servers: str, topic: str) -> None:
    (folder / SERVERS).write_text(json.dumps({"servers": servers, "topic": topic}))


def at_rate(folder: Path, rate: int, n: int) -> dict[str, float]:
    """The consumer is there first: it is given five seconds to join."""
    late = "import sys, time, subprocess; time.sleep(5); subprocess.run(sys.argv[1:], check=True)"
    writes = [sys.executable, __file__, "--run", f"produce:{n}:{rate}", str(folder)]
    command = [sys.executable, "-c", late, *writes]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT):
        return measured(__file__, f"lake:{n}", folder)


def told(found: dict[str, float]) -> str:
    figures = {name: f"{value:,.0f}" if isinstance(value, float) else value for name, value in found.items()}
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())


if __name__ == "__main__":
    main()
