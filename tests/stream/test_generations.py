"""Generations of a topic: which log belongs to a topic that may have been recreated."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.stream import commit_log, compaction, generations


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


def put(zone: commit_log.Zone, log: str, topic_id: str | None, first: int = 0, n: int = 2) -> None:
    """A commit of `n` events, named after their log and offset; the topic's id as a version before them: none."""
    topic, _, partition = log.rpartition("-")
    offsets = range(first, first + n)
    columns = {"event_id": [f"{log}:{offset}" for offset in offsets], "offset": offsets}
    rows = pl.DataFrame({**{name: [None] * n for name in commit_log.ROWS}, **columns}, schema=commit_log.ROWS)
    rows = rows.with_columns(topic=pl.lit(topic), partition=pl.lit(int(partition), pl.Int32))
    rows = rows.with_columns(timestamp=pl.lit("2026-01-01").str.to_datetime("%Y-%m-%d", time_zone="UTC"))
    stats = {"n_messages": n, "n_duplicates": 0, "latency": {}, "sent": 0}
    if topic_id:
        stats["topic_id"] = topic_id
    commit_log.commit(
        zone, log, first, first + n, rows.cast(commit_log.ROWS), pl.DataFrame(schema=commit_log.DEAD), lambda: stats
    )


@pytest.mark.parametrize("compacted", [False, True])
def test_another_id_is_another_generation(zone, compacted):
    assert generations.log_of(zone, "t", 0, "A") == "t-0"
    put(zone, "t-0", "A")
    put(zone, "t-10", "A")  # another partition
    put(zone, "t-t-0", "C")  # another topic
    if compacted:
        compaction.compact(zone)
    assert generations.log_of(zone, "t", 0, "A") == "t-0"
    assert generations.log_of(zone, "t", 0, "B") == "t@2-0"
    put(zone, "t@2-0", "B")
    assert generations.log_of(zone, "t", 0, "B") == "t@2-0"
    assert generations.log_of(zone, "t", 0, "A") == "t-0"  # the first cluster again
    assert generations.log_of(zone, "t", 0, "D") == "t@3-0"
    assert commit_log.read(zone).height == 8


def test_a_log_without_an_id_adopts_any_and_without_an_id_the_newest_continues(zone):
    put(zone, "t-0", None)
    assert generations.log_of(zone, "t", 0, "A") == "t-0"
    put(zone, "t-0", "A", 2)
    assert generations.log_of(zone, "t", 0, "B") == "t@2-0"
    put(zone, "t@2-0", "B")
    assert generations.log_of(zone, "t", 0, None) == "t@2-0"


def test_generations_are_numbers_not_text(zone):
    for number in ("", "@2", "@9", "@10"):
        put(zone, f"t{number}-0", f"id{number}")
    assert generations.log_names(zone, "t", 0) == ["t-0", "t@2-0", "t@9-0", "t@10-0"]
    assert generations.log_of(zone, "t", 0, "new") == "t@11-0"
    assert generations.previous_log(zone, "t@11-0") == "t@10-0"
    assert generations.previous_log(zone, "t@2-0") == "t-0"
    assert generations.previous_log(zone, "t-0") is None


def test_ids_are_remembered_across_generations(zone):
    put(zone, "t-0", "A", n=3)
    compaction.compact(zone)
    put(zone, "t@2-0", "B", n=2)
    assert generations.last_ids(zone, "t", 0, 3) == ["t-0:2", "t@2-0:0", "t@2-0:1"]
    assert generations.last_ids(zone, "t", 0, 2) == ["t@2-0:0", "t@2-0:1"]


def test_a_note_of_sent_dead_letters_counts_until_a_commit_says_more(zone):
    put(zone, "t-0", "A")
    commit_log.note_sent(zone, "t-0", 2)
    assert commit_log.position(zone, "t-0").sent == 2
    compaction.compact(zone)
    assert commit_log.position(zone, "t-0").sent == 2
    assert commit_log.position(zone, "t@2-0").sent == 0
