"""`recomart stream`: events through Kafka into the lake."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli import document
from recomart.cli.options import Json, Rows, examples, rate, user
from recomart.cli.output import echo, printable, show_table
from recomart.project import params
from recomart.project.params import Params
from recomart.streaming import consumer, demo, producer, quarantine, status
from recomart_lib.core import clock, paths, shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.features import online_events
from recomart_lib.prepare import cleaning
from recomart_lib.recommend import live_lists
from recomart_lib.stream import commit_log, compaction, latency, verification
from recomart_lib.stream.commit_log import Zone
from recomart_lib.stream_report import sessions
from recomart_lib.validate import quality_rules

SHOWN_BYTES = 2_000  # of a dead letter

app = typer.Typer(help="Stream events through Kafka into the lake.", no_args_is_help=True)


@app.command("demo", epilog=examples("recomart stream demo", "recomart stream demo --user C000042 --seconds 60"))
def stream_demo(
    user: Annotated[str | None, user("the least active user")] = None,
    seconds: Annotated[int, typer.Option(metavar="N", help="Duration in seconds.", min=1, max=600)] = 20,
    rate: Annotated[float, rate(minimum=1, maximum=2000)] = 200,
) -> None:
    """Watch a user's events arrive in real time, without installing Kafka.

    Runs an embedded broker, a producer and a consumer. The events are simulated
    from the shop's users and products, and deleted at the end: the lake stays
    unchanged.
    """
    parameters = params.load()
    active = _events(None, None).group_by("user_id").len().sort("len", "user_id").get_column("user_id")
    watched, items = user or active[0], pl.read_parquet(paths.place(paths.VALIDATED, "items.parquet"), glob=False)
    n = round(seconds * rate)
    events = demo.generate(items, active, watched, n, rate, parameters.base.seed)
    echo(f"{plural(n, 'event')} at {rate:,.0f}/s; of {printable(watched)} every {demo.WATCHED_EVERY_S} s.")
    names, n_shown, previous = items.select("item_id", "name"), 0, []
    for state in demo.run(events, watched, rate, parameters, _stop_signal()):
        latency_p50 = "" if state.latency["p50"] is None else f", from event to disk p50 {state.latency['p50']:,.0f} ms"
        echo(f"{state.second:4.0f} s: {plural(state.n_events, 'event')} durable{latency_p50}")
        fresh = state.watched.slice(n_shown).join(names, on="item_id", how="left", maintain_order="left")
        for row in fresh.iter_rows(named=True):
            echo(
                f"        {printable(watched)} {row['event_type']} {printable(row['name'] or row['item_id'])}",
                bold=True,
            )
        if fresh.height:
            previous = _show_list(watched, state.watched, parameters, names, previous)
        n_shown = state.watched.height
    echo(f"{plural(state.n_events, 'event')} of {n:,} durable, exactly once.")
    echo("(The first events waited for the consumer group to form.)")


def _show_list(
    user_id: str, events: pl.DataFrame, parameters: Params, names: pl.DataFrame, previous: list[str]
) -> list[str]:
    """Show the user's list after these events, new products marked by +; returns its product ids."""
    weighted, settings = cleaning.weigh(events, parameters.prepare), parameters.recommend
    ranked = live_lists.live_list(user_id, weighted, parameters.prepare, settings.protocol, 5)
    if ranked is None:
        if not previous:
            echo("        (run the pipeline to see updated lists: make repro)")
        return [""]
    listed = ranked.join(names, on="item_id", how="left", maintain_order="left").select("item_id", "name")
    items = listed.get_column("item_id").to_list()
    labels = [
        f"{'+ ' if previous and item not in previous else ''}{printable(name or item)}"
        for item, name in listed.iter_rows()
    ]
    echo("        recommendations: " + ", ".join(labels))
    return items


@app.command(
    "produce", epilog=examples("recomart stream produce --rate 1000", "recomart stream produce --live --limit 100")
)
def stream_produce(
    rate: Annotated[float | None, rate("as fast as possible")] = None,
    speed_up: Annotated[
        float | None, typer.Option(metavar="N", help="Replay at the original pace, N times faster.", min=0.001)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first N events.", min=1, show_default="all")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Give the events the current time and new ids.")] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Parquet file of events.", show_default="the validated events")
    ] = None,
) -> None:
    """Replay the shop's events onto the topic, in time order.

    Each message carries its send time.
    """
    if rate and speed_up:
        raise UserError("--rate and --speed-up exclude each other.")
    settings, events = params.load().stream, _events(file, limit)
    n = producer.produce(events, settings, rate, _stop_signal(), speed_up, live)
    echo(f"{plural(n, 'event')} on {settings.topic}.")


@app.command("consume", epilog=examples("recomart stream consume", "recomart stream consume --idle 10"))
def stream_consume(
    idle: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Stop after this many seconds without a message.", min=0.1, show_default="never"
        ),
    ] = None,
) -> None:
    """Write events into the streaming zone until SIGTERM or Ctrl-C.

    Start several consumers to share the partitions. Small files are merged every
    stream.compact_every_s seconds.
    """
    parameters = params.load()
    shop, zone = shops.load(parameters.base.shop), zone_of(parameters)
    rules = quality_rules.of_shop(parameters.validate_, shop)
    restore, has_purchases = partial(commit_log.read_since, zone, intact_only=True), "purchase" in shop.relevant_events
    fresh = online_events.Fresh(paths.root(), shop.name, parameters.prepare, has_purchases, restore)
    stopped = threading.Event()
    compactor = threading.Thread(
        target=compaction.run_periodically, args=(zone, parameters.stream.compact_every_s, stopped)
    )
    compactor.start()
    try:
        n = consumer.run(zone, parameters.stream, rules, _stop_signal(), idle, fresh.add)
    finally:
        stopped.set()
        compactor.join()
        fresh.close()
    echo(f"{plural(n, 'event')} made durable in {zone.root}.")


@app.command("status", epilog=examples("recomart stream status", "recomart stream status --minutes 60"))
def stream_status(
    minutes: Annotated[int, typer.Option(metavar="N", help="Rates and latencies of the last N minutes.", min=1)] = 5,
    as_json: Json = False,
) -> None:
    """Show durable and pending events, throughput and latency.

    Without a broker, only the streaming zone is reported.
    """
    parameters, problems = params.load(), []
    zone, ends = zone_of(parameters), None
    if parameters.stream.bootstrap_servers:
        try:
            ends = status.broker_ends(zone, parameters.stream)
        except UserError as problem:
            problems.append(str(problem))
            echo(problem)
    document.record("problems", problems)
    partitions = status.partitions(zone, ends)
    show_table("partitions", partitions, empty=f"No events yet in {zone.root}")
    if not partitions.height:
        return
    for name in partitions.filter(pl.col("end") < pl.col("next")).get_column("partition"):
        problems.append(
            f"{name}: the broker has fewer messages than the zone: the topic was recreated, or lost messages."
        )
        echo(problems[-1])
    recent, totals = sessions.recent(zone, minutes), sessions.totals(zone)
    document.record("recent", {"minutes": minutes, **recent})
    document.record("total", totals)
    if not document.is_open():
        echo(f"last {minutes} min: {_sentence(recent)}; {recent['events_per_s']:,.0f}/s")
        echo(f"total: {_sentence(totals)}")
    show_table("dead_letter_reasons", sessions.dead_letter_reasons(zone), empty="")


def _sentence(totals: dict[str, float]) -> str:
    counts = f"{totals['n_messages']:,} messages = {totals['n_events']:,} events + {totals['n_dead']:,} dead letters + "
    latencies = [f"{name} {totals[name]:,.0f} ms" for name in latency.NAMES if totals[name] is not None]
    return counts + "; ".join([f"{totals['n_duplicates']:,} duplicates", *latencies])


@app.command("compact", epilog=examples("recomart stream compact"))
def stream_compact() -> None:
    """Merge the streaming zone's small files into one per day, as stage 01_ingest does."""
    zone = zone_of(params.load())
    state = compaction.compact_all(zone)
    rows = [day["rows"] for day in state["days"].values()]
    echo(f"{plural(sum(rows), 'event')} of {plural(sum(map(bool, rows)), 'day')} in {zone.root}.")


@app.command("verify", epilog=examples("recomart stream verify"))
def stream_verify(rows: Rows = 20, as_json: Json = False) -> None:
    """Check all commits, compactions and files of the streaming zone; exit status 1 if one is damaged.

    The zones of all shops are checked. Nothing is changed.
    """
    folder, checked, n_files = paths.place(paths.STREAMING), [], 0
    for zone in verification.zones(folder):
        problems, n = verification.verify(zone)
        checked.append(problems.with_columns(path=pl.concat_str(pl.lit(f"{zone.root.relative_to(folder)}/"), "path")))
        n_files += n
    problems = pl.concat([pl.DataFrame(schema=verification.PROBLEMS), *checked])
    show_table("problems", problems, rows, empty="")
    if problems.height:
        document.complete()
        raise UserError(
            f"{plural(problems.height, 'problem')} in {folder} ({plural(n_files, 'file')} checked). Restore these "
            "files from a backup; without one, see `Damaged files` in docs/streaming.md."
        )
    echo(f"All {plural(n_files, 'file')} of the streaming zone are unchanged.")


@app.command(
    "quarantine",
    epilog=examples("recomart stream quarantine --dry-run", "recomart stream quarantine --event-id T1 --reason test"),
)
def stream_quarantine(
    event_id: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="The event with this id, instead; may be repeated.",
            show_default="all events that the stream rejects today",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The reason for events named by id.")] = "removed by id",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the events.")] = False,
    rows: Rows = 20,
    as_json: Json = False,
) -> None:
    """Move durable events of the streaming zone to the dead letters.

    Without an id: events that an earlier version accepted, and the stream
    rejects today. Offsets stay as they are, and a corrected event may come again
    under its id. Dead letters go to their topic; without a broker, the next call
    sends them.
    """
    parameters = params.load()
    shop, zone = shops.load(parameters.base.shop), zone_of(parameters)
    rules = quality_rules.of_shop(parameters.validate_, shop)
    if event_id:
        chosen = quarantine.named(zone, event_id, reason)
    else:
        chosen = quarantine.rejected(zone, parameters.stream, rules, clock.now())
    if dry_run:
        _show_chosen(chosen, rows)
        echo(f"{plural(chosen.height, 'event')} would become dead letters. Nothing was changed.")
        return
    if chosen.height:
        chosen = quarantine.move(zone, chosen)
        online_events.forget(chosen, paths.root())
        _show_chosen(chosen, rows)
    else:
        document.record("events", [])
    echo(f"{plural(chosen.height, 'event')} moved to the dead letters of {zone.root}.")
    if chosen.height:
        echo("Leave them out of the lake and all later stages with: dvc repro")
    _send_moved(zone, parameters)


def _show_chosen(chosen: pl.DataFrame, rows: int) -> None:
    shown = chosen.select("event_id", "user_id", "timestamp", "topic", "partition", "offset", "reason")
    moment = pl.col("timestamp").dt.to_string("iso:strict")
    show_table("events", shown.with_columns(moment), rows, raw=shown)


def _send_moved(zone: Zone, parameters: Params) -> None:
    try:
        n = quarantine.send(zone, parameters.stream)
    except UserError as problem:
        echo(
            f"{problem}\nThey are not on the topic {parameters.stream.dead_letter_topic} yet: the next call sends them."
        )
        return
    if n:
        echo(f"{plural(n, 'dead letter')} sent to {parameters.stream.dead_letter_topic}.")


@app.command(
    "dead-letters", epilog=examples("recomart stream dead-letters", "recomart stream dead-letters --contains timestamp")
)
def stream_dead_letters(
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only those with this text in their reason.")
    ] = None,
    rows: Rows = 20,
    as_json: Json = False,
) -> None:
    """Show the dead letters of the streaming zone: place, reason and message.

    Of a long message, the first 2,000 bytes.
    """
    letters = commit_log.dead_letters(zone_of(params.load()))
    if contains:
        letters = letters.filter(pl.col("reason").str.contains(contains, literal=True))
    values = letters.get_column("value").bin.slice(0, SHOWN_BYTES).to_list()
    text = [None if value is None else value.decode(errors="replace") for value in values]
    show_table(
        "dead_letters", letters.select(*commit_log.ORIGIN, "reason", message=pl.Series(text, dtype=pl.String)), rows
    )


def _events(file: Path | None, limit: int | None) -> pl.DataFrame:
    path = file or paths.place(paths.VALIDATED, "events.parquet")
    if not path.exists():
        raise UserError(f"{path} is missing: nothing to replay. Run: dvc repro 02_validate")
    events = pl.scan_parquet(path, glob=False).sort("timestamp", "event_id")
    return (events.head(limit) if limit else events).collect()


def zone_of(parameters: Params) -> Zone:
    """The streaming zone of the active shop."""
    shop = shops.load(parameters.base.shop)
    return Zone(paths.place(paths.STREAMING), shop.name, shop.time_zone)


def _stop_signal() -> Callable[[], bool]:
    """A function that returns True after SIGTERM or SIGINT, so that the current work can be completed."""
    received = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: received.set())
    return received.is_set
