"""data/streaming/fresh.db: opened, checked, and rebuilt if it is damaged, as the streaming zone has all its events.

SQLite reports damage in many ways: the file is empty, cut, no database, or has other tables than ours. A full disk, a
missing right, or another process that holds the file is no damage.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError
from recomart_lib.stream.log_once import log_once

log = logging.getLogger(__name__)

FILE = paths.STREAMING / "fresh.db"
TABLE = """
create table fresh (topic text, partition integer, offset integer, event_id text, user_id text,
    item_id text, event_type text, timestamp integer, quantity real, price real, rating real, order_id text,
    weight real, primary key (topic, partition, offset)) without rowid;
create index of_user on fresh (user_id);
create table shop (name text);
create table late (minute text, class integer, n integer, primary key (minute, class)) without rowid;
"""
INSERT = f"insert into fresh values ({', '.join('?' * 13)}) on conflict (topic, partition, offset) do nothing"
COUNT_LATE = "insert into late values (?, ?, ?) on conflict (minute, class) do update set n = n + excluded.n"
# a file in which SQLite cannot prepare these has other tables, columns or keys
STATEMENTS = (
    INSERT,
    COUNT_LATE,
    "insert into shop values (?)",
    "select event_id, user_id, item_id, event_type, timestamp, quantity, price, rating, order_id, weight from fresh",
)
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
CUT = sqlite3.SQLITE_IOERR_SHORT_READ
WAIT_S = 30


def writer(root: Path) -> sqlite3.Connection:
    """A connection that writes; creates the file if it is missing, and rebuilds it, empty, if it is damaged.

    Raises
    ------
    UserError
        If the file cannot be opened for another reason, such as a missing right.
    """
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.exists() and (db := _sound(path)):
            return db
        with FileLock(f"{path}.lock", timeout=WAIT_S):
            return (path.exists() and _sound(path, log.warning)) or _rebuilt(path)
    except (sqlite3.Error, Timeout) as problem:
        raise UserError(f"{FILE} cannot be opened: {problem}. The events are durable; nothing is lost.") from None


def read(root: Path, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query; none if the file is missing, or damaged: then one warning says so.

    Raises
    ------
    UserError
        If the file cannot be read for another reason.
    """
    path = root / FILE
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query, parameters).fetchall()
    except sqlite3.Error as problem:
        if not is_damage(problem):
            raise UserError(f"{FILE} cannot be read: {problem}.") from None
        log_once(
            log.warning,
            f"{FILE} is damaged ({problem}): events since the last run of 05_features are left out. The next "
            "`recomart stream consume` rebuilds it from the streaming zone.",
        )
        return []


def is_damage(problem: sqlite3.Error) -> bool:
    """Whether an error means that the file's content is wrong, and not that it cannot be opened, read or written."""
    code = getattr(problem, "sqlite_errorcode", None)
    if code is None:  # Python's own: text that is no UTF-8
        return isinstance(problem, sqlite3.OperationalError)
    return code == CUT or code & 0xFF in DAMAGE


def _sound(path: Path, report: Callable[..., None] = log.debug) -> sqlite3.Connection | None:
    """A connection to the file; None if it is damaged, which is reported."""
    db = sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False)
    try:
        for statement in STATEMENTS:
            db.execute(f"explain {statement}", [None] * statement.count("?"))
        if db.execute("pragma quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.OperationalError("it fails SQLite's check")
    except sqlite3.Error as problem:
        db.close()
        if not is_damage(problem):
            raise
        report("%s is damaged (%s): it is rebuilt from the streaming zone.", FILE, problem)
        return None
    return db


def _rebuilt(path: Path) -> sqlite3.Connection:
    """A new, empty file in the place of a damaged or missing one; the caller holds the lock.

    It is created in a scratch folder: SQLite does not wait for its turn to switch to a write-ahead log; a file that
    comes with one needs no switch.
    """
    for suffix in ("-wal", "-shm", "-journal", ""):  # a log that is left would be played into the new file
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fresh-") as folder:
        new = Path(folder) / path.name
        with closing(sqlite3.connect(new)) as db:
            db.execute("pragma journal_mode = wal")
            db.executescript(TABLE)
        with suppress(FileExistsError):  # an earlier version of RecoMart takes no lock
            os.link(new, path)
    return sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False)
