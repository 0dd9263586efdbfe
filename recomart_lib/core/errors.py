"""The two errors that users see as a message; every other exception is a bug and shows its traceback."""


class UserError(Exception):
    """A mistake that the user can fix: the message names the file, key or column, the value and what to do."""


class GateError(UserError):
    """Data quality is too low to continue; the message names the rules that cost most."""
