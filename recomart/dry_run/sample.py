"""Read a shop's files with the pipeline's readers, and keep a sample that the stages' own code can work on.

Events of whole users are kept, and of users and items the rows that those events need: foreign keys hold, or break, as
in all of the data. What needs no row (numbers of rows and lines, when each product was seen first) is counted for all
rows that were read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from recomart.dry_run.sampler import Sampler
from recomart.dry_run.table_reader import Problem, Reading, SampleTable, TableReader
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import KEYS, TABLES
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest

SAMPLE_ROWS = 300_000  # of each table
MAX_ROWS = 5_000_000  # of each table that are read at most


@dataclass
class Sample:
    """The tables that could be read, what was read of each, and what 01 would stop at."""

    tables: dict[str, SampleTable] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of the users whose events are in the sample."""
        return self.readings["events"].share if "events" in self.readings else 1.0

    @property
    def is_whole(self) -> bool:
        """Whether the sample is all of the data."""
        return all(each.is_complete and each.share == 1 for each in self.readings.values())


def read(
    shop: Shop, source: Path, settings: Ingest, sample_rows: int = SAMPLE_ROWS, max_rows: int = MAX_ROWS
) -> Sample:
    """Read all delivered tables; what stage 01 would stop at is a `Problem`, and the rest is read.

    Parameters
    ----------
    source
        The folder with the shop's files.
    sample_rows
        The most rows of a table that are kept, if its keys allow it.
    max_rows
        The number of rows of a table after which reading ends.
    """
    sample, tables = Sample(), {}
    for table in reversed(shop.delivered):  # events first: they say which users and items are needed
        reader = TableReader(shop, table, source, settings, _sampler(table, tables.get("events"), sample, sample_rows))
        try:
            tables[table] = reader.read(max_rows)
            sample.readings[table] = reader.reading
        except UserError as problem:
            sample.problems.append(Problem(table, f"{problem}"))
        sample.problems += reader.problems
    order = [table for table in shop.delivered if table in tables]
    sample.tables = {table: tables[table] for table in order}
    sample.readings = {table: sample.readings[table] for table in order}
    return sample


def _sampler(table: str, events: SampleTable | None, sample: Sample, sample_rows: int) -> Sampler:
    """Users whose events are in the sample are in it as well, as they are chosen by the same hash."""
    key = "user_id" if table == "events" else KEYS[table]
    others = [name for name in TABLES[table] if name not in (key, KEYS["events"])]
    needed = events.rows.get_column(key).unique() if events and table == "items" else None
    return Sampler(key, others, sample_rows, sample.share if table == "users" else 0.0, needed)
