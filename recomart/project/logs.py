"""Logging: short lines on the console, and complete ones in logs/recomart.log.

Several processes write to the file at the same time (a stage and its kernel, stream consumers), and any of them may
have to rotate it. ConcurrentRotatingFileHandler writes and rotates under one lock; RotatingFileHandler loses lines.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import PurePath

import psutil
from concurrent_log_handler import ConcurrentRotatingFileHandler
from tqdm import tqdm

from recomart.project import workarounds
from recomart_lib.core import disk, paths
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

RUN_ID = "RECOMART_RUN_ID"  # environment variable that sets the run id, as Dagster, Airflow and CI do
LINE = "%(asctime)s %(levelname)s %(run)s %(stage)s %(name)s %(message)s"
FILE_ONLY = {"file_only": True}  # log.error(..., extra=FILE_ONLY): for what the console shows in another way
MAX_BYTES, N_BACKUPS = 5_000_000, 5
COLOURS = {logging.DEBUG: 90, logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 31}  # ANSI codes
SECRET = re.compile(
    r"TOKEN|SECRET|PASS|PW|KEY|CREDENTIAL", re.IGNORECASE
)  # names of environment variables with secrets
LOGIN = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")  # user:password in a URL


def start(stage: str = "-", run: str | None = None, level: str | None = None) -> None:
    """Log to the console (stderr) and, inside a project, to logs/recomart.log. Another call replaces the handlers.

    Parameters
    ----------
    stage
        The stage that logs, like `06_train`.
    run
        The run id; default: `run_id()`.
    level
        debug, info, warning or error; default: the level in params.yaml (info if the file is invalid: the command
        itself reports the error).
    """
    root, level = logging.getLogger(), (level or configured_level()).upper()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Console | _File)]:
        root.removeHandler(handler)
        handler.close()
    for package in ("recomart", "recomart_lib"):
        logging.getLogger(package).setLevel(level)
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))  # of other packages, only warnings
    root.addHandler(_Console())
    try:
        root.addHandler(_File(stage, run or run_id()))
    except UserError:
        return  # outside a project there is no log file
    except OSError as error:
        log.warning("no log file is written: %s", disk.explained(error) or error)


def start_in_kernel(stage: str, run: str, level: str, terminal: bool) -> None:
    """`start` in a stage's notebook kernel, whose stderr the stage forwards (see `StderrRelay`).

    Parameters
    ----------
    terminal
        Whether stderr is forwarded to a terminal: then lines are coloured, and tqdm draws its bars.
    """
    workarounds.use_text_progress_bars()
    if terminal:
        sys.stderr.isatty = lambda: True
    start(stage, run, level)


def kernel_line(stage: str) -> str:
    """The line of Python that sets up the logging of a kernel like that of this process."""
    arguments = (stage, run_id(), configured_level(), sys.stderr.isatty())
    return f"__import__('recomart.project.logs', fromlist=['*']).start_in_kernel{arguments!r}"


def configured_level() -> str:
    """The level in params.yaml, or the default if the file is invalid."""
    from recomart.project import params  # kernels get the level as an argument, and skip this import

    try:
        return params.load().logging.level
    except UserError:
        return params.Logging().level


def run_id() -> str:
    """The id that all stages of a run share: RECOMART_RUN_ID, else start and process id of the outermost `dvc`.

    Returns
    -------
    str
        Start in UTC and process id, like `20261124-165002-1234`; those of this process if no `dvc` started it.
    """
    if run := os.environ.get(RUN_ID):
        return re.sub(r"[^\w.:+-]", "_", run)[:100]
    current = psutil.Process()
    outermost = ([process for process in current.parents() if _is_dvc(process)] or [current])[-1]
    return f"{datetime.fromtimestamp(outermost.create_time(), UTC):%Y%m%d-%H%M%S}-{outermost.pid}"


def _is_dvc(process: psutil.Process) -> bool:
    """Whether the command is `dvc ...`, `python -m dvc ...` or `python /path/to/bin/dvc ...`."""
    try:
        return any(PurePath(word).name in ("dvc", "dvc.exe") for word in process.cmdline()[:3])
    except psutil.Error:
        return False  # another user's process, or one that has ended


class StderrRelay:
    """A file object that forwards a kernel's stderr unchanged, including progress bars."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Formatter(logging.Formatter):
    """Masks secrets: values of environment variables with a secret's name, and logins in URLs."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        super().__init__(*arguments, **keywords)
        self._secrets = [value for name, value in os.environ.items() if SECRET.search(name) and len(value) >= 6]

    def format(self, record: logging.LogRecord) -> str:
        text = LOGIN.sub("***", super().format(record))
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _ConsoleFormatter(_Formatter):
    """Local time, the level unless it is INFO, and the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self.formatTime(record, '%H:%M:%S')} {level}{record.message}"
        coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ and record.levelno in COLOURS
        return f"\033[{COLOURS[record.levelno]}m{text}\033[0m" if coloured else text


class _FileFormatter(_Formatter):
    """One line per record, with all fields and the time in UTC; a traceback adds its lines."""

    converter = time.gmtime
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return re.sub(r"\s*[\r\n]+\s*", " / ", super().formatMessage(record).strip())


class _Console(logging.Handler):
    """Writes to stderr without breaking tqdm's bars."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_ConsoleFormatter())
        self.addFilter(lambda record: not getattr(record, "file_only", False))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with tqdm.external_write_mode(file=sys.stderr):
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()
        except Exception:
            self.handleError(record)  # logging never stops the program


class _File(ConcurrentRotatingFileHandler):
    """The project's logs/recomart.log; older files are recomart.log.1 to recomart.log.5."""

    def __init__(self, stage: str, run: str) -> None:
        path = paths.output(paths.LOGS, "recomart.log")
        path.open("a").close()  # raises now if the file cannot be written
        super().__init__(str(path), maxBytes=MAX_BYTES, backupCount=N_BACKUPS, encoding="utf-8")
        self.setFormatter(_FileFormatter(LINE, defaults={"run": run, "stage": stage}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Say once that the file cannot be written, as on a full disk, and go on without it."""
        logging.getLogger().removeHandler(self)
        problem = sys.exc_info()[1]
        log.warning("the log file ends here: %s", disk.explained(problem) or problem)
