"""The two errors that are meant for people; everything else is a bug and shows its traceback."""


class UserError(Exception):
    """A mistake that the user can mend: the message names the file, key or column, the value and what to do."""


class GateError(UserError):
    """The data is not good enough to go on; the message names the rules that cost most."""
