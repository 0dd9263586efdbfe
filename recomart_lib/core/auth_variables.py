"""Which environment variables a shop file may name for its API: whoever writes the file may not choose any of them.

A shop file also says to which server the value is sent. So that it cannot fetch any secret of the environment, it may
name variables that begin with RECOMART_, and those that params.yaml lists; never the project's own.
"""

from __future__ import annotations

import re

PREFIX = "RECOMART_"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OWN = {
    f"{PREFIX}{word}" for word in ("ROOT", "RUN_ID", "WEBHOOK", "REPORTS_URL", "DATA", "SCREENSHOTS", "WRITE_DOCS")
}  # variables that configure the project


def problem(name: str) -> str | None:
    """Why no shop file and no setting may name this variable; None if it may be named."""
    if not NAME.fullmatch(name):
        return "the name of an environment variable has letters, digits and _ only"
    return "the project's own variables are not sent to anyone" if name.upper() in OWN else None
