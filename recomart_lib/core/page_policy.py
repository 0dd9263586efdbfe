"""The content security policy of a page: it loads nothing, and runs only the scripts that it was made with."""

from __future__ import annotations

import base64
import hashlib


def policy(*scripts: str) -> str:
    """The value of the page's Content-Security-Policy.

    Parameters
    ----------
    scripts
        The text of each script of the page's own, exactly as it stands between its tags. A script that came with the
        data has another hash, so browsers do not run it; nor do they run attributes like `onerror`.
    """
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src {allowed}"
    )
