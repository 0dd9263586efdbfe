"""What the library logs: short lines on the console, and complete ones in logs/recomart.log.

Several processes write the file at once (a stage and its kernel, stream consumers), and any of them may be the one that
finds it full: ConcurrentRotatingFileHandler writes and rotates under one lock, where RotatingFileHandler loses lines.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import PurePath

import psutil
from concurrent_log_handler import ConcurrentRotatingFileHandler
from tqdm import tqdm

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

RUN = "RECOMART_RUN_ID"  # set it to name a run yourself, as Dagster, Airflow and CI do
LINE = "%(asctime)s %(levelname)s %(run)s %(stage)s %(name)s %(message)s"
FILE_ONLY = {"file_only": True}  # log.error(..., extra=FILE_ONLY): the console is told in another way
MAX_BYTES, N_OLD = 5_000_000, 5
COLOURS = {logging.DEBUG: 90, logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 31}  # of the terminal
SECRET = re.compile(r"TOKEN|SECRET|PASS|PW|KEY|CREDENTIAL", re.IGNORECASE)  # in names of environment variables
LOGIN = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")  # user:password in an address


def start(stage: str = "-", run: str | None = None, level: str | None = None) -> None:
    """Log to the console (stderr) and, inside a project, to logs/recomart.log. Called again, it starts anew.

    Parameters
    ----------
    stage
        Whose lines they are, like `06_train`.
    run
        The run's id; default: `run_id()`.
    level
        debug, info, warning or error; default: what params.yaml says (info while it cannot be read: whatever
        needs it will tell what is wrong).
    """
    root, wanted = logging.getLogger(), (level or configured_level()).upper()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Console | _File)]:
        root.removeHandler(handler)
        handler.close()
    for package in ("recomart", "recomart_lib"):
        logging.getLogger(package).setLevel(wanted)
    root.setLevel(max(logging.WARNING, logging.getLevelName(wanted)))  # what others find worth a warning
    root.addHandler(_Console())
    try:
        root.addHandler(_File(stage, run or run_id()))
    except UserError:
        return  # not in a project: there is no place for a file
    except OSError as problem:
        log.warning("no log file is written: %s", problem)


def start_in_kernel(stage: str, run: str, level: str, terminal: bool) -> None:
    """`start` for a notebook's kernel that a stage started, whose stderr the stage passes on (see `Relay`).

    Parameters
    ----------
    terminal
        Whether it ends on a terminal: then lines are coloured, and tqdm draws its bars there.
    """
    sys.modules["ipywidgets"] = None  # nobody could see a widget: bars are text ...
    warnings.filterwarnings("ignore", "IProgress not found")  # ... as tqdm regrets
    if terminal:
        sys.stderr.isatty = lambda: True
    start(stage, run, level)


def kernel_line(stage: str) -> str:
    """The line of Python that makes a kernel log as this process does."""
    facts = (stage, run_id(), configured_level(), sys.stderr.isatty())
    return f"__import__('recomart.project.logs').logs.start_in_kernel{facts!r}"


def configured_level() -> str:
    """What params.yaml says, or the default while it cannot be read."""
    from recomart.project import params  # kernels are told, and need not wait for pydantic

    try:
        return params.load().logging.level
    except UserError:
        return params.Logging().level


def run_id() -> str:
    """One name for all that belongs together: what RECOMART_RUN_ID says, else when the outermost `dvc` began.

    Returns
    -------
    str
        Start in UTC and process number, like `20261124-165002-1234`; of this process where no `dvc` runs it.
    """
    if named := os.environ.get(RUN):
        return re.sub(r"[^\w.:+-]", "_", named)[:100]
    here = psutil.Process()
    first = ([process for process in here.parents() if _is_dvc(process)] or [here])[-1]
    return f"{datetime.fromtimestamp(first.create_time(), UTC):%Y%m%d-%H%M%S}-{first.pid}"


def _is_dvc(process: psutil.Process) -> bool:
    """`dvc repro`, `python -m dvc repro`, `python /somewhere/bin/dvc repro`."""
    try:
        return any(PurePath(word).name in ("dvc", "dvc.exe") for word in process.cmdline()[:3])
    except psutil.Error:
        return False  # somebody else's, or gone


class Relay:
    """A file for a kernel's stderr: passes it on as it is, lines and bars."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Formatter(logging.Formatter):
    """Lines without secrets: values of environment variables that sound secret, and logins in addresses."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        super().__init__(*arguments, **keywords)
        self._secrets = [value for name, value in os.environ.items() if SECRET.search(name) and len(value) >= 6]

    def format(self, record: logging.LogRecord) -> str:
        text = LOGIN.sub("***", super().format(record))
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Short(_Formatter):
    """For people who watch: the time here, the level if it is not the usual one, the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self.formatTime(record, '%H:%M:%S')} {level}{record.message}"
        coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ and record.levelno in COLOURS
        return f"\033[{COLOURS[record.levelno]}m{text}\033[0m" if coloured else text


class _Complete(_Formatter):
    """For those who look later: one record is one line (a traceback adds its own), with the time in UTC."""

    converter = time.gmtime
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return re.sub(r"\s*[\r\n]+\s*", " / ", super().formatMessage(record).strip())


class _Console(logging.Handler):
    """Lines on stderr, between tqdm's bars."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Short())
        self.addFilter(lambda record: not getattr(record, "file_only", False))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with tqdm.external_write_mode(file=sys.stderr):
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()
        except Exception:
            self.handleError(record)  # logging never ends what it tells of


class _File(ConcurrentRotatingFileHandler):
    """logs/recomart.log of the project; the five before it are recomart.log.1 and so on."""

    def __init__(self, stage: str, run: str) -> None:
        path = paths.output(paths.LOGS, "recomart.log")
        path.open("a").close()  # an error, if there is one, is told now
        super().__init__(str(path), maxBytes=MAX_BYTES, backupCount=N_OLD, encoding="utf-8")
        self.setFormatter(_Complete(LINE, defaults={"run": run, "stage": stage}))
