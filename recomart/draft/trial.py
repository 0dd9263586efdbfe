"""Read the start of each table with the pipeline's own readers, as the drafted shop file says: is anything rejected?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from recomart.draft import shop_yaml
from recomart.draft.drafting import Draft
from recomart_lib.core import files, shops, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import percent
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import reader

MIN_SHARE = 0.02  # of the rows that are rejected for one column


class Trial(NamedTuple):
    """How many rows of a table's first part were read and rejected, and for which of our columns; no values.

    `problem`: why the table cannot be read at all.
    """

    table: str
    n_rows: int
    n_rejected: int
    columns: dict[str, int]
    problem: str = ""

    @property
    def doubtful(self) -> dict[str, float]:
        """Our columns for which many rows are rejected, with the share."""
        total = max(self.n_rows + self.n_rejected, 1)
        return {ours: n / total for ours, n in self.columns.items() if n >= MIN_SHARE * total}


def checked_text(draft: Draft, limits: Ingest) -> str:
    """The text of a shop file with which the files were read: columns with many rejected rows are marked in it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{draft.name}.yaml"
        files.write_text(path, shop_yaml.text(draft))
        trials = read(shops.read(path), draft.folder, limits)
    for trial in trials:
        table = next(table for table in draft.mapping.tables if table.name == trial.table)
        if trial.problem:
            draft.remarks.append(f"{trial.table} cannot be read yet: {trial.problem}")
        for choice in table.choices:
            share = trial.doubtful.get("price" if choice.ours == "total" else choice.ours)
            if share:
                choice.trouble = f"{percent(share)} of the rows are rejected, as this is no value of the column's kind"
    return shop_yaml.text(draft)


def read(shop: Shop, source: Path, limits: Ingest) -> list[Trial]:
    """The trials of all delivered tables."""
    return [_read(shop, table, source, limits) for table in shop.delivered]


def _read(shop: Shop, table: str, source: Path, limits: Ingest) -> Trial:
    try:
        path = source_files.files(shop, table, source, limits.follow_links)[0]
        others = reader.joined(shop, table, source, limits)
        chunk = next(reader.chunks(path, shop, table, limits=limits, others=others))
    except UserError as problem:
        return Trial(table, 0, 0, {}, str(problem))
    columns = Counter(reason.partition(":")[0] for reason in chunk.rejects.get_column("reason"))
    return Trial(table, chunk.rows.height, chunk.rejects.height, dict(columns))
