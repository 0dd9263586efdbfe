"""Generations of a topic: a topic that was deleted and recreated has offsets from 0 on again, and a log of its own.

    log/<topic>-<partition>/       the first topic of this name
    log/<topic>@2-<partition>/     its second generation, and so on: no name of a topic contains an @

Commits hold the id that the broker gave the topic (KIP-516), so the id shows to which generation a topic belongs. The
column `topic` of rows and dead letters holds <topic>@2, too: topic, partition and offset identify a message.
"""

from __future__ import annotations

import re

from recomart_lib.stream import commit_log
from recomart_lib.stream.commit_log import Zone


def log_names(zone: Zone, topic: str, partition: int) -> list[str]:
    """The logs of a topic's partition, oldest generation first."""
    name = re.compile(rf"{re.escape(topic)}(@\d+)?-{partition}")
    return sorted(filter(name.fullmatch, commit_log.partitions(zone)), key=_generation)


def _generation(name: str) -> int:
    topic, _, _ = name.rpartition("-")
    return int(topic.partition("@")[2] or 1)


def log_of(zone: Zone, topic: str, partition: int, topic_id: str | None) -> str:
    """The log to which a partition of this topic belongs; one that does not exist yet if the topic was recreated.

    Parameters
    ----------
    topic_id
        Of the topic at the broker; None if the broker gives none: then the newest generation is assumed. A log without
        an id, which an earlier version wrote, adopts this one.
    """
    names = log_names(zone, topic, partition)
    if not names:
        return f"{topic}-{partition}"
    ids = [commit_log.position(zone, name).topic_id for name in names]
    if topic_id is None or ids[-1] is None:
        return names[-1]
    if topic_id in ids:
        return names[ids.index(topic_id)]
    return f"{topic}@{_generation(names[-1]) + 1}-{partition}"


def previous_log(zone: Zone, name: str) -> str | None:
    """The newest log of the partition before this generation; None if it is the first."""
    topic, _, partition = name.rpartition("-")
    names = log_names(zone, topic.partition("@")[0], int(partition))
    older = [before for before in names if _generation(before) < _generation(name)]
    return older[-1] if older else None


def last_ids(zone: Zone, topic: str, partition: int, n: int) -> list[str]:
    """The ids of at least the last `n` events of a partition, of all generations, newest last."""
    ids: list[str] = []
    for name in reversed(log_names(zone, topic, partition)):
        if len(ids) < n:
            ids = commit_log.last_ids(zone, name, n - len(ids)) + ids
    return ids
