"""A partition that a consumer owns: its log in the zone, its next offset, and the ids of its latest events."""

from __future__ import annotations

import itertools

import polars as pl

from recomart_lib.stream import commit_log, generations
from recomart_lib.stream.commit_log import Zone


class OwnedPartition:
    """A partition that this consumer owns: its log, its next offset, and the ids of its latest events."""

    def __init__(self, zone: Zone, topic: str, partition: int, n_ids: int, topic_id: str | None) -> None:
        self._zone, self._topic, self.partition, self._n_ids = zone, topic, partition, n_ids
        self.name = generations.log_of(zone, topic, partition, topic_id)
        self.topic = self.name.rpartition("-")[0]  # with its generation
        self.next, self.sent, known_id = commit_log.position(zone, self.name)
        self.topic_id = topic_id or known_id
        self.send_until = 0  # offset before which dead letters are known; `sent` must reach it before it is committed
        self.committed = 0  # the group's offset; the embedded broker does not store one sent in a transaction
        self._load_ids()

    def _load_ids(self) -> None:
        self._n_moved = commit_log.latest_compaction(self._zone)["n_moved"]
        last = generations.last_ids(self._zone, self._topic, self.partition, self._n_ids)
        self._ids = dict.fromkeys(_hashes(last))

    def is_new(self, ids: pl.Series) -> pl.Series:
        """Which of these events are new (booleans); call `remember` once they are committed.

        An event that became a dead letter since the ids were read may come again, corrected, under its id.
        """
        is_known = pl.Series(map(self._ids.__contains__, _hashes(ids)), dtype=pl.Boolean)
        if is_known.any() and commit_log.latest_compaction(self._zone)["n_moved"] != self._n_moved:
            self._load_ids()
            return self.is_new(ids)
        return ~is_known & ids.is_first_distinct()

    def remember(self, end: int, ids: pl.Series) -> None:
        """Note that events with these ids are committed, up to offset `end`."""
        self.next = end
        self._ids.update(dict.fromkeys(_hashes(ids)))
        for old in list(itertools.islice(self._ids, max(0, len(self._ids) - self._n_ids))):
            del self._ids[old]


def _hashes(ids: pl.Series | list[str]) -> list[int]:
    # 64 bits: among a million ids, the probability that any two collide is one in forty million
    return pl.Series(ids, dtype=pl.String).hash().to_list()
