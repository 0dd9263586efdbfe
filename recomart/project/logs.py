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
import traceback
from datetime import UTC, datetime
from types import TracebackType

import psutil
from concurrent_log_handler import ConcurrentRotatingFileHandler
from tqdm import tqdm

from recomart.project import processes, workarounds
from recomart_lib.core import disk, paths, redaction
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import printable, printable_lines

log = logging.getLogger(__name__)

RUN_ID = "RECOMART_RUN_ID"  # environment variable that sets the run id, as Dagster, Airflow and CI do
LINE = "%(asctime)s %(levelname)s %(run)s %(stage)s %(name)s %(message)s"
FILE_ONLY = {"file_only": True}  # log.error(..., extra=FILE_ONLY): for what the console shows in another way
MAX_BYTES, N_BACKUPS = 5_000_000, 5
COLOURS = {logging.DEBUG: 90, logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 31}  # ANSI codes
AUTH_VARIABLES = re.compile(r"^\s*auth_variables:.*(?:\n\s*-\s.*)*", re.MULTILINE)  # the key with its list
COMMENT = re.compile(r"#.*")
LOGGING = re.compile(r"^logging:.*(?:\n(?:[ \t#].*)?(?=\n|\Z))*", re.MULTILINE)  # the section: until the next key
LEVEL = re.compile(r"\blevel[\"']?:\s*[\"']?(debug|info|warning|error)\b")
CONFIGURATION = ("params.yaml", "feature_store.yaml")


def start(stage: str = "-", run: str | None = None, level: str | None = None, secrets: list[str] | None = None) -> None:
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
    secrets
        The environment variables that the configuration names; default: `configured_variables()`.
    """
    redaction.configure(configured_variables() if secrets is None else secrets)
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


def start_in_kernel(stage: str, run: str, level: str, terminal: bool, secrets: list[str]) -> None:
    """`start` in a stage's notebook kernel, whose stderr the stage forwards (see `StderrRelay`).

    Parameters
    ----------
    terminal
        Whether stderr is forwarded to a terminal: then lines are coloured, and tqdm draws its bars.
    secrets
        The environment variables that the configuration names.
    """
    workarounds.use_text_progress_bars()
    if terminal:
        sys.stderr.isatty = lambda: True
    start(stage, run, level, secrets)


def kernel_line(stage: str) -> str:
    """The line of Python that sets up the logging of a kernel like that of this process."""
    arguments = (stage, run_id(), configured_level(), sys.stderr.isatty(), sorted(configured_variables()))
    return f"__import__('recomart.project.logs', fromlist=['*']).start_in_kernel{arguments!r}"


def configured_level() -> str:
    """The level in params.yaml, or info. The file is not parsed: that would take longer than the start of a kernel."""
    section = LOGGING.search(_text("params.yaml"))
    level = LEVEL.search(COMMENT.sub("", section[0])) if section else None
    return level[1] if level else "info"


def configured_variables() -> set[str]:
    """The environment variables that the project's files name as ${NAME}, or for shop files: their values are secrets.

    The files are not parsed: they may be invalid, which the command itself reports.
    """
    texts = [_text(name) for name in CONFIGURATION]
    lists = [COMMENT.sub("", match[0]) for text in texts for match in AUTH_VARIABLES.finditer(text)]
    return set().union(*map(redaction.variables, texts)) | set(re.findall(r"\w+", " ".join(lists)))


def _text(name: str) -> str:
    """A file of the project; empty if it cannot be read."""
    try:
        return paths.place(name).read_text(encoding="utf-8", errors="replace")
    except (UserError, OSError):
        return ""


def show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does (see `sys.excepthook`), without secrets and control characters."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable_lines(redaction.redact(text)))


def run_id() -> str:
    """The id that all stages of a run share: RECOMART_RUN_ID, else start and process id of the outermost `dvc`.

    Returns
    -------
    str
        Start in UTC and process id, like `20261124-165002-1234`; those of this process if no `dvc` started it.
    """
    if run := os.environ.get(RUN_ID):
        return re.sub(r"[^\w.:+-]", "_", run)[:100]
    outermost = processes.outermost_dvc() or psutil.Process()
    return f"{datetime.fromtimestamp(outermost.create_time(), UTC):%Y%m%d-%H%M%S}-{outermost.pid}"


class StderrRelay:
    """A file object that forwards a kernel's stderr without secrets; progress bars are as they are."""

    def write(self, text: str) -> None:
        sys.stderr.write(redaction.redact(text))

    def flush(self) -> None:
        sys.stderr.flush()


class _Formatter(logging.Formatter):
    """Secrets are replaced, and control characters escaped: what is in the data cannot look like another record.

    A message may have several lines; those of a traceback come below it, each after `margin`.
    """

    margin = ""

    def format(self, record: logging.LogRecord) -> str:
        record.message = redaction.redact(record.getMessage())
        record.asctime = self.formatTime(record, self.datefmt)
        below = [self.formatException(record.exc_info)] if record.exc_info else []
        below += [self.formatStack(record.stack_info)] if record.stack_info else []
        lines = [line for text in below for line in printable_lines(redaction.redact(text)).split("\n")]
        return "\n".join([self.formatMessage(record), *(self.margin + line for line in lines)])


class _ConsoleFormatter(_Formatter):
    """Local time, the level unless it is INFO, and the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self.formatTime(record, '%H:%M:%S')} {level}{printable_lines(record.message)}"
        coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ and record.levelno in COLOURS
        return f"\033[{COLOURS[record.levelno]}m{text}\033[0m" if coloured else text


class _FileFormatter(_Formatter):
    """One line per record, with all fields and the time in UTC; a traceback adds its lines, indented by a bar."""

    converter = time.gmtime
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    margin = "    | "

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        lines = re.split(r"[\r\n]", super().formatMessage(record))
        return printable(" / ".join(line.strip() for line in lines if line.strip()))


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
