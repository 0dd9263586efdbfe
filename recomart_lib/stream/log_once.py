"""Log a message once in a process: what is met again with each batch or request is still one message."""

from __future__ import annotations

from collections.abc import Callable

_logged: set[str] = set()


def log_once(report: Callable[..., None], message: str) -> None:
    """Log a message, unless this process has logged it before; `report` is a method of a logger, like `log.error`."""
    if message not in _logged:
        _logged.add(message)
        report("%s", message)
