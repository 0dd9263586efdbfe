"""`recomart stream`: events through Kafka into the lake, as they happen."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli.options import examples, rate, user
from recomart.cli.output import plain, say, show
from recomart.project import params
from recomart.project.params import Params
from recomart.streaming import consumer, demo, producer, status
from recomart_lib.core import paths, shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.features import online_events
from recomart_lib.prepare import cleaning
from recomart_lib.recommend import live_lists
from recomart_lib.stream import commit_log, compaction, latency
from recomart_lib.stream.commit_log import Zone
from recomart_lib.stream_report import sessions

app = typer.Typer(help="Bring events through Kafka into the lake, as they happen.", no_args_is_help=True)


@app.command("demo", epilog=examples("recomart stream demo", "recomart stream demo --user C000042 --seconds 60"))
def stream_demo(
    user: Annotated[str | None, user("one who did little")] = None,
    seconds: Annotated[int, typer.Option(metavar="N", help="How long events are sent.", min=1, max=600)] = 20,
    rate: Annotated[float, rate(least=1, most=2000)] = 200,
) -> None:
    """Watch the events of a user arrive, with nothing to install.

    An embedded broker, a producer and a consumer run. The events are invented
    from the shop's users and products, and thrown away at the end: the lake
    stays as it is.
    """

    everything = params.load()
    known = _events(None, None)
    active = known.group_by("user_id").len().sort("len", "user_id").get_column("user_id")
    watched, items = user or active[0], pl.read_parquet(paths.place(paths.VALIDATED, "items.parquet"))
    n = round(seconds * rate)
    events = demo.invent(items, active, watched, n, rate, everything.base.seed)
    say(f"{plural(n, 'event')} at {rate:,.0f}/s; of {plain(watched)} every {demo.WATCHED_EVERY_S} s.")
    names, n_shown, before = items.select("item_id", "name"), 0, []
    for seen in demo.run(events, watched, rate, everything, _until_told()):
        late = "" if seen.late["p50"] is None else f", from event to disk p50 {seen.late['p50']:,.0f} ms"
        say(f"{seen.second:4.0f} s: {plural(seen.n_events, 'event')} durable{late}")
        fresh = seen.watched.slice(n_shown).join(names, on="item_id", how="left", maintain_order="left")
        for row in fresh.iter_rows(named=True):
            say(f"        {plain(watched)} {row['event_type']} {plain(row['name'] or row['item_id'])}", bold=True)
        if fresh.height:
            before = _told_list(watched, seen.watched, everything, names, before)
        n_shown = seen.watched.height
    say(f"{plural(seen.n_events, 'event')} of {n:,} durable, each once (the first waited for the group to form).")


def _told_list(
    user_id: str, events: pl.DataFrame, everything: Params, names: pl.DataFrame, before: list[str]
) -> list[str]:
    """Show the user's list with these events, what is new in it marked by +; returns its products."""

    fresh, chosen = cleaning.weigh(events, everything.prepare), everything.recommend
    found = live_lists.list_of(user_id, fresh, everything.prepare, chosen.protocol, 5)
    if found is None:
        if not before:
            say("        (the list that follows is shown once the pipeline has run: make repro)")
        return [""]
    listed = found.join(names, on="item_id", how="left", maintain_order="left").select("item_id", "name")
    items = listed.get_column("item_id").to_list()
    told = [
        f"{'+ ' if before and item not in before else ''}{plain(name or item)}" for item, name in listed.iter_rows()
    ]
    say("        is shown: " + ", ".join(told))
    return items


@app.command(
    "produce", epilog=examples("recomart stream produce --rate 1000", "recomart stream produce --live --limit 100")
)
def stream_produce(
    rate: Annotated[float | None, rate("as fast as possible")] = None,
    speed_up: Annotated[
        float | None, typer.Option(metavar="N", help="Keep the events' own pace, N times faster.", min=0.001)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first N events.", min=1, show_default="all")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="They happen now: present times, ids of their own.")] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Parquet file of events.", show_default="the validated ones")
    ] = None,
) -> None:
    """Replay the shop's events onto the topic, in the order of their times.

    Each tells when it was sent.
    """

    if rate and speed_up:
        raise UserError("--rate and --speed-up exclude each other.")
    settings, events = params.load().stream, _events(file, limit)
    n = producer.produce(events, settings, rate, _until_told(), speed_up, live)
    say(f"{plural(n, 'event')} on {settings.topic}.")


@app.command("consume", epilog=examples("recomart stream consume", "recomart stream consume --idle 10"))
def stream_consume(
    idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="End when nothing has come for so long.", min=0.1, show_default="never"),
    ] = None,
) -> None:
    """Bring events into the streaming zone, until SIGTERM or Ctrl-C.

    Start several to share the partitions. Every stream.compact_every_s, small
    files are merged, too.
    """

    everything = params.load()
    shop, zone = shops.load(everything.base.shop), zone_of(everything)
    fresh = online_events.Fresh(paths.root(), shop.name, everything.prepare, "purchase" in shop.relevant_events)
    fresh.fill(commit_log.read_since(zone, fresh.known))
    ended = threading.Event()
    merging = threading.Thread(target=compaction.keep_small, args=(zone, everything.stream.compact_every_s, ended))
    merging.start()
    try:
        n = consumer.run(zone, everything.stream, everything.validate_, _until_told(), idle, fresh.add)
    finally:
        ended.set()
        merging.join()
        fresh.close()
    say(f"{plural(n, 'event')} made durable in {zone.root}.")


@app.command("status", epilog=examples("recomart stream status", "recomart stream status --minutes 60"))
def stream_status(
    minutes: Annotated[int, typer.Option(metavar="N", help="Rates and latencies of the last N minutes.", min=1)] = 5,
) -> None:
    """Show what is durable, what waits, how fast and how late.

    Without a broker it is what the streaming zone knows.
    """

    everything = params.load()
    zone, ends = zone_of(everything), None
    if everything.stream.bootstrap_servers:
        try:
            ends = status.broker_ends(everything.stream)
        except UserError as problem:
            say(problem)
    parts = status.partitions(zone, ends)
    if not parts.height:
        say(f"Nothing has come yet: {zone.root}")
        return
    show(parts)
    recent = sessions.latest(zone, minutes)
    say(f"last {minutes} min: {_sentence(recent)}; {recent['events_per_s']:,.0f}/s")
    say(f"ever: {_sentence(sessions.ever(zone))}")
    if (reasons := sessions.dead_reasons(zone)).height:
        show(reasons)


def _sentence(found: dict[str, float]) -> str:

    counts = f"{found['n_messages']:,} messages = {found['n_events']:,} events + {found['n_dead']:,} dead letters + "
    late = [f"{name} {found[name]:,.0f} ms" for name in latency.NAMES if found[name] is not None]
    return counts + "; ".join([f"{found['n_duplicates']:,} duplicates", *late])


@app.command("compact", epilog=examples("recomart stream compact"))
def stream_compact() -> None:
    """Merge the small files of the streaming zone into one per day, as stage 01_ingest does."""

    zone = zone_of(params.load())
    state = compaction.compact(zone)
    n = sum(day["rows"] for day in state["days"].values())
    say(f"{plural(n, 'event')} of {plural(len(state['days']), 'day')} in {zone.root}.")


def _events(file: Path | None, limit: int | None) -> pl.DataFrame:

    path = file or paths.place(paths.VALIDATED, "events.parquet")
    if not path.exists():
        raise UserError(f"{path} is missing: nothing to replay. Run: dvc repro 02_validate")
    events = pl.scan_parquet(path).sort("timestamp", "event_id")
    return (events.head(limit) if limit else events).collect()


def zone_of(everything: Params) -> Zone:
    """The streaming zone of the shop in use."""

    shop = shops.load(everything.base.shop)
    return Zone(paths.place(paths.STREAMING), shop.name, shop.time_zone)


def _until_told() -> Callable[[], bool]:
    """True once SIGTERM or SIGINT came: then work is finished, not broken off."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told.is_set
