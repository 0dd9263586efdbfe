"""The Dagster daemon (queue, schedule, sensors), which ends when the process that started it ends.

`python -m recomart.orchestration.daemon --workspace FILE`, with a pipe as its standard input. A process that was killed
closes the pipe like one that ends by itself, so that no daemon is left behind.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

from dagster._daemon.cli import run_command
from dagster_shared.ipc import send_interrupt


def main() -> None:
    """`dagster-daemon run` until the standard input is closed."""
    with suppress(KeyboardInterrupt):
        threading.Thread(target=_interrupt_at_end_of_input, daemon=True).start()
        run_command.main(sys.argv[1:], prog_name="dagster-daemon run")


def _interrupt_at_end_of_input() -> None:
    sys.stdin.buffer.read()
    send_interrupt()


if __name__ == "__main__":
    main()
