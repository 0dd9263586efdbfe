"""The client of a stage's kernel: Jupyter's own, but that it does not wait for output when the kernel has started."""

from __future__ import annotations

from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type

LONGEST_WAIT_S = 0.02


class PromptChannel(AsyncZMQSocketChannel):
    """The channel of a kernel's output, which waits for a message for 0.02 s where Jupyter waits longer.

    Once the kernel answers, Jupyter's `wait_for_ready` reads output until there is none for 0.2 s: that of no cell,
    which nbclient leaves out anyway. While cells run, nbclient waits for output without a limit, and so does this.
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message; raises `queue.Empty` if none comes in time."""
        return await super().get_msg(None if timeout is None else min(timeout, LONGEST_WAIT_S))


class PromptClient(AsyncKernelClient):
    """A client whose channel of output is a `PromptChannel`."""

    iopub_channel_class = Type(PromptChannel)
