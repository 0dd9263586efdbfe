"""The only place where the project asks what time it is; durations use `time.monotonic`, the ages of files their own.

Moments that are stored (when a file was ingested, when a batch was committed) are compared again later, perhaps on
another machine. So a clock that is certainly wrong is refused here. A clock that may be wrong is reported by
01_ingest (see `ingest.clock_check`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from recomart_lib.core.errors import UserError

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # this version did not exist before


def now() -> datetime:
    """The current time in UTC.

    Raises
    ------
    UserError
        If the clock shows a time before this version existed, as after a restart with an empty battery: it would
        become the day of deliveries, and all events would be in the future.
    """
    moment = datetime.now(UTC)
    if moment < EARLIEST:
        raise UserError(
            f"The clock of this machine shows {moment:%Y-%m-%d %H:%M} UTC, which cannot be right. "
            "Set it, and run the command again: nothing was done."
        )
    return moment
