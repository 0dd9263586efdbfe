"""A broker with nothing to install: the one inside librdkafka, in a process of its own. For demos and small tests.

It keeps about 5 MB per partition, nothing over a restart, and knows no security. Only this module knows it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from recomart_lib.core.errors import UserError

STARTS_S = 30  # within so many seconds it must have told its address


@contextmanager
def embedded() -> Iterator[str]:
    """A broker that lives as long as the `with` block, or as this process if it is killed.

    Topics are made when they are first written to or subscribed, with four partitions.

    Yields
    ------
    str
        Its address, for `bootstrap.servers`.

    Raises
    ------
    UserError
        If it could not be started.
    """
    command = [sys.executable, "-m", "recomart.streaming.embedded_broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise UserError("The embedded broker could not be started; what it said stands above.")
            yield address
        finally:
            process.stdin.close()  # it waits for this
            process.wait(STARTS_S)


def serve() -> None:
    """Be the broker: tell the address on standard output, then live until standard input ends."""
    broker = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    found = broker.list_topics(timeout=STARTS_S).brokers.values()
    sys.stdout.write("".join(f"{broker.host}:{broker.port}\n" for broker in found))
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve()
