"""Throughput and latency of one consumer that makes events durable, compared with a bare consumer that only reads.

    python bench/stream.py                 # starts an Apache Kafka from its jars: Java 17 and Maven
    python bench/stream.py --events 200000 --seconds 10

Throughput: a topic of four partitions, filled beforehand; from the first batch to the last, without joining the
group. Latency: a producer in its own process at a fixed rate; from `produced_at`, when the producer created the
message, until the batch was committed: Parquet and log synced to the disk. Every event is counted.

End to end: the service itself (`recomart stream consume`, merging small files every ten seconds) under that load, and
a probe that sends an event, polls `online_user` until it appears, and then reads the user's list. It reads the
pipeline's results (`make repro`).
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

SERVERS = "BENCH"  # the file in the working folder with the broker's address and the topic


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
    broker = json.loads((folder / SERVERS).read_text())
    return params.Stream(bootstrap_servers=broker["servers"], topic=broker["topic"], group=group)


def bare(folder: Path, n: int) -> dict[str, float]:
    """A consumer that reads and discards."""
    chosen = settings(folder, "bare")
    consumer = Consumer(
        client.client(chosen, streaming_consumer.SETTINGS, {"group.id": "bare", "auto.offset.reset": "earliest"})
    )
    consumer.subscribe([chosen.topic])
    first, n_read, start = 0, 0, 0.0
    while n_read < n:
        batch = len(consumer.consume(chosen.batch_max_events, chosen.batch_max_ms / 1000))
        n_read += batch
        if batch and not start:
            first, start = batch, time.perf_counter()
    seconds = time.perf_counter() - start
    consumer.close()
    return {"events_per_s": (n_read - first) / seconds}


def lake(folder: Path, n: int) -> dict[str, float]:
    """The service's consumer: reads, checks and stores; throughput and latency."""
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
    """Milliseconds from an event to the online features, and to the user's list."""
    root = _root(folder)
    command = [sys.executable, "-m", "recomart.cli.app", "stream", "consume"]
    with subprocess.Popen(command, env=os.environ | {"RECOMART_ROOT": str(root)}, stdout=subprocess.DEVNULL) as service:
        try:
            chosen, load = params.load(root / "params.yaml").stream, events(rate * seconds)
            for _ in _probes(root, chosen, 1):  # waits until the service has joined
                pass
            sender = threading.Thread(target=streaming_producer.produce, args=(load, chosen, rate))
            sender.start()
            latencies = np.array(list(_probes(root, chosen, None, sender.is_alive)))
            sender.join()
        finally:
            service.terminate()
    names = ("online_user", "list")
    quantiles = zip(names, np.percentile(latencies, [50, 99], axis=0).T, strict=True)
    return {
        "probes": len(latencies),
        **{f"{name}_p{q}_ms": v for name, pair in quantiles for q, v in zip((50, 99), pair, strict=True)},
    }


def _root(folder: Path) -> Path:
    """A project like this one, with its own stream."""
    if not (ROOT / paths.FEATURE_STORE).exists():
        sys.exit("The features are missing. Run: make repro")
    root, broker = folder / "project", json.loads((folder / SERVERS).read_text())
    (root / "data").mkdir(parents=True)
    for name in ("shops", "feature_store.yaml", *(f"data/{path.name}" for path in (ROOT / "data").iterdir())):
        if name != str(paths.STREAMING):
            (root / name).symlink_to(ROOT / name)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["stream"] |= {"bootstrap_servers": broker["servers"], "topic": broker["topic"], "compact_every_s": 10}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    return root


def _probes(
    root: Path, chosen: params.Stream, n: int | None, keep_running: Callable[[], bool] = lambda: True
) -> Iterator[tuple[float, float]]:
    """Events of new users, one at a time: milliseconds until each appears in the features, and in the list."""
    everything = params.load(root / "params.yaml")
    item = pl.read_parquet(root / paths.PREPARED / "live/items.parquet", glob=False)
    producer = Producer(client.client(chosen))
    for number in range(n or sys.maxsize):
        if not keep_running():
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
        visible_at = time.perf_counter()
        fresh = live_lists.fresh_events(user, root)
        if live_lists.live_list(user, fresh, everything.prepare, "all", 10, root) is None:
            sys.exit("The live model is missing. Run: make repro")
        yield (visible_at - start) * 1000, (time.perf_counter() - start) * 1000
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
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run(__file__, options.run[0], Path(options.run[1]))))
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from brokers import Kafka

    with tempfile.TemporaryDirectory() as place:
        folder, broker = Path(place), Kafka(Path(place) / "kafka")
        broker.start()
        try:
            use(folder, broker.address, broker.make("full"))
            if "error" in (wrote := measured(__file__, f"produce:{options.events}:0", folder)):
                sys.exit(f"The topic could not be filled: {wrote['text']}")
            for kind in ("bare", "lake"):
                print(f"{kind:>18}: {described(measured(__file__, f'{kind}:{options.events}', folder))}", flush=True)
            for rate in (1_000, 10_000):
                use(folder, broker.address, broker.make(f"rate-{rate}"))
                print(f"{rate:>10} events/s: {described(at_rate(folder, rate, rate * options.seconds))}", flush=True)
            use(folder, broker.address, broker.make("follows"))
            broker.make(params.Stream().dead_letter_topic)
            print(f"{'follows':>18}: {described(follows(folder, 1_000, options.seconds))}", flush=True)
        finally:
            broker.stop()


def use(folder: Path, servers: str, topic: str) -> None:
    (folder / SERVERS).write_text(json.dumps({"servers": servers, "topic": topic}))


def at_rate(folder: Path, rate: int, n: int) -> dict[str, float]:
    """The consumer starts first: it has five seconds to join."""
    delayed = "import sys, time, subprocess; time.sleep(5); subprocess.run(sys.argv[1:], check=True)"
    writes = [sys.executable, __file__, "--run", f"produce:{n}:{rate}", str(folder)]
    command = [sys.executable, "-c", delayed, *writes]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT):
        return measured(__file__, f"lake:{n}", folder)


def described(result: dict[str, float]) -> str:
    figures = {name: f"{value:,.0f}" if isinstance(value, float) else value for name, value in result.items()}
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())


if __name__ == "__main__":
    main()
