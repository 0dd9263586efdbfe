"""Which environment variables a shop file may name for its API: whoever writes the file may not choose any of them.

A shop file also says to which server the value is sent. So that it cannot fetch any secret of the environment, it may
name variables that begin with RECOMART_, and those that params.yaml lists; never the project's own.
"""

from __future__ import annotations

import re

PREFIX = "RECOMART_"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# variables that configure the project, or that its processes set for each other
WORDS = ("ROOT", "RUN_ID", "RUN_PROCESS", "LOCK_HELD_BY", "WEBHOOK", "REPORTS_URL", "DATA", "SCREENSHOTS", "WRITE_DOCS")
OWN = {f"{PREFIX}{word}" for word in WORDS}


def problem(name: str) -> str | None:
    """Why no shop file and no setting may name this variable; None if it may be named."""
    if not NAME.fullmatch(name):
        return "the name of an environment variable has letters, digits and _ only"
    return "the project's own variables are not sent to anyone" if name.upper() in OWN else None
