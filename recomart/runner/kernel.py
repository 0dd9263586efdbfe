"""The kernel of a stage's notebook: where its sockets are, and what it does at its start."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path
from jupyter_core.utils import run_sync
from traitlets.config import Config

from recomart.project import logs, processes
from recomart.runner.kernel_client import PromptClient
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

# kernels communicate through sockets that only their user may access; a TCP port is open to all users of the machine
TRANSPORT = "tcp" if os.name == "nt" else "ipc"
MAX_BASE = 60  # characters of the folder of sockets: the whole path of a socket has at most 103
# The imports of every notebook, while the stage is still checked; `__import__` leaves no name in the notebook. Python
# does not look for garbage in what they make, neither then nor later.
IMPORT_LINES = (
    "__import__('gc').disable()",
    "__import__('recomart_lib.core', fromlist=['plots', 'tables']).__name__;",
    "__import__('gc').freeze()",
    "__import__('gc').enable()",
)
# String hashes, and with them the order of sets, are random otherwise. With an arena per thread, glibc keeps a quarter
# more memory than is in use.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}


def start(stage: str) -> AsyncKernelManager:
    """Start the kernel of a stage's notebook; it need not be ready yet.

    Raises
    ------
    UserError
        If the folder for its sockets cannot be used.
    """
    lines = (processes.KERNEL_LINE, logs.kernel_line(stage), *IMPORT_LINES)
    arguments = [f"--IPKernelApp.exec_lines={line}" for line in lines]
    # by default it also looks where IPython kept kernels ten years ago, and imports IPython for it: 0.2 s
    specs = KernelSpecManager(kernel_dirs=jupyter_path("kernels"))
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=specs, client_factory=PromptClient, config=_config()
    )
    run_sync(manager.start_kernel)(
        extra_arguments=["--HistoryManager.hist_file=:memory:", *arguments],
        cwd=str(paths.root()),
        env={**os.environ, **ENVIRONMENT},
    )
    return manager


def _config() -> Config:
    """Jupyter's settings: a private place for the kernel's sockets and key."""
    folder = _make_sockets_folder()
    manager = {"transport": TRANSPORT, "connection_file": str(folder / "kernel.json")}
    if TRANSPORT == "ipc":
        manager["ip"] = str(folder / "kernel")
    return Config({"KernelManager": manager})


def sockets_folder(root: Path) -> Path:
    """The folder of a project's sockets; the path of a socket must be short, which the project's need not be."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    place = hashlib.sha256(f"{socket.gethostname()}:{root}".encode()).hexdigest()[:12]
    base = tempfile.gettempdir()
    return Path(base if len(base) <= MAX_BASE else "/tmp", f"recomart-{user}-{place}")


def _make_sockets_folder() -> Path:
    """An empty folder for this user only. What a killed stage has left in it is deleted: the project's lock is ours."""
    remove_sockets()
    folder = sockets_folder(paths.root())
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise UserError(f"{folder} is not a folder of yours, so that the kernel cannot use it. Delete it.") from None
    return folder


def remove_sockets() -> None:
    """Delete the sockets of the project's kernel."""
    shutil.rmtree(sockets_folder(paths.root()), ignore_errors=True)
