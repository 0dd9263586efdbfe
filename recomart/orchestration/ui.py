"""Start Dagster for a browser on this machine: webserver, report pages, daemon and code server.

This is `dagster dev` with one difference: `dagster dev` lets no middleware in front of its webserver, and that
webserver executes whatever any web page in the same browser posts to it. See `guard`.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvicorn
import yaml
from dagster import DagsterInstance
from dagster import __version__ as dagster_version
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers

from recomart.orchestration import metadata, webserver
from recomart_lib.core import files, paths
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

DEFINITIONS = "recomart.orchestration.definitions"
SETTINGS = Path(__file__).with_name("templates") / "dagster.yaml"
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}  # both: browsers try both for localhost
NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
CHECK_S = 2  # how often the daemon is checked
STOP_S = 20  # seconds for open requests, and for the daemon, to end


def serve(root: Path, port: int, reports_port: int) -> None:
    """Serve the web UI at `port` and the reports at `reports_port` of this machine until Ctrl-C or SIGTERM.

    Raises
    ------
    UserError
        If a port is taken, or if the daemon has ended by itself.
    """
    _treat_as_ctrl_c()
    with ExitStack() as stack:
        stack.enter_context(suppress(KeyboardInterrupt))
        sockets = [sock for number in (port, reports_port) for sock in _listen(number, stack)]
        _prepare(root, reports_port)
        instance = stack.enter_context(DagsterInstance.get())
        workspace = stack.enter_context(_code_server(instance, root))
        daemon = stack.enter_context(_daemon(workspace))
        target = WorkspaceFileTarget(paths=[str(workspace)])
        context = stack.enter_context(WorkspaceProcessContext(instance, target, version=dagster_version))
        _run(webserver.application(context, root / paths.REPORTS, port, reports_port), sockets, daemon, port)


def _treat_as_ctrl_c() -> None:
    """End at SIGTERM, and when the terminal is closed (unless `nohup` says to ignore that), as at Ctrl-C."""
    setup_interrupt_handlers()
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        # the web server then ends in order; an exception in the middle of its work may be lost
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _listen(port: int, stack: ExitStack) -> Iterator[socket.socket]:
    """Listen at each loopback address that this machine has: from another machine, nothing can connect."""
    for family, address in LOOPBACK.items():
        try:
            sock = stack.enter_context(socket.socket(family))
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # free as soon as nobody listens
            sock.bind((address, port))
            sock.listen()
        except OSError as error:
            if family == socket.AF_INET6 and error.errno in NO_IPV6:
                continue
            raise UserError(
                f"Port {port} cannot be used: {error.strerror}. If the web UI is running already, open "
                f"http://localhost:{port}; otherwise choose other ports: recomart ui --port N --reports-port N"
            ) from None
        yield sock


def _prepare(root: Path, reports_port: int) -> None:
    """Dagster's folder in the project, and the variables that its processes inherit."""
    os.chdir(root)  # Dagster shows notebooks below the current folder only
    home = root / ".dagster"
    home.mkdir(mode=0o700, exist_ok=True)  # it holds the logs of runs
    files.copy(SETTINGS, home / SETTINGS.name)
    os.environ |= {"DAGSTER_HOME": str(home), "RECOMART_ROOT": str(root)}
    os.environ |= {"DAGSTER_IS_DEV_CLI": "1", "DAGSTER_verbose": ""}  # as `dagster dev` does: short tracebacks
    os.environ.setdefault(metadata.REPORTS_URL, f"http://localhost:{reports_port}")
    configure_loggers()


@contextmanager
def _code_server(instance: DagsterInstance, root: Path) -> Iterator[Path]:
    """The server that loads the definitions; if it dies, it is started again and the log says so.

    Yields
    ------
    Path
        The workspace file with its address, for webserver and daemon.
    """
    target = ModuleTarget(DEFINITIONS, attribute=None, working_directory=str(root), location_name=None)
    with ProxyServerManager(instance, target, "warning") as servers, tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": servers.get_code_server_specs()}), encoding="utf-8")
        yield workspace


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "recomart.orchestration.daemon", "--workspace", str(workspace)]
    # a session of its own: Ctrl-C in the terminal does not interrupt it while it starts
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.stdin.close()  # ends it
        try:
            process.wait(STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C: immediately
            process.kill()
            process.wait()


def _run(app: object, sockets: list[socket.socket], daemon: subprocess.Popen, port: int) -> None:
    """Answer requests until Ctrl-C, or until the daemon ends."""

    async def stop_without_daemon() -> None:
        server.should_exit |= daemon.poll() is not None

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            callback_notify=stop_without_daemon,
            timeout_notify=CHECK_S,
        )
    )
    log.info("The web UI is at http://localhost:%s. Ctrl-C stops it.", port)
    server.run(sockets)
    if daemon.poll() is not None:
        raise UserError(
            f"The Dagster daemon ended by itself (exit status {daemon.returncode}; its messages are above): "
            "without it, no run starts. The web UI has been stopped. Start it again: recomart ui"
        )
