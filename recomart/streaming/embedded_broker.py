"""A broker that needs no installation: the one inside librdkafka, in its own process. For demos and small tests.

It keeps about 5 MB per partition, loses everything on restart, and has no security.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from recomart_lib.core.errors import UserError

START_TIMEOUT_S = 30


@contextmanager
def embedded() -> Iterator[str]:
    """Run a broker for the duration of the `with` block; it also ends if this process is killed.

    Topics are created on first write or subscription, with four partitions.

    Yields
    ------
    str
        Its address, for `bootstrap.servers`.

    Raises
    ------
    UserError
        If it cannot be started, or did not run to the end of the block.
    """
    command = [sys.executable, "-m", "recomart.streaming.embedded_broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise UserError("The embedded broker could not be started; see its output above.")
            yield address
            if process.poll() is not None:
                raise UserError(f"The embedded broker ended too early, with the exit status {process.returncode}.")
        finally:
            process.stdin.close()  # it ends when its input ends
            process.wait(START_TIMEOUT_S)


def serve() -> None:
    """Run the broker: print its address to standard output, then wait until standard input ends."""
    broker = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    brokers = broker.list_topics(timeout=START_TIMEOUT_S).brokers.values()
    sys.stdout.write("".join(f"{broker.host}:{broker.port}\n" for broker in brokers))
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve()
