"""Secrets are sent over https, or to this computer: where they may go."""

from __future__ import annotations

import re
from ipaddress import ip_address

# before the host of an address, with or without its scheme; a password may have a / that was not escaped
LOGIN = re.compile(r"(?:[a-z+]+:)?[/\\]*(?:[^/?#]*@|[^/?#:\[]+:(?!\d*(?:[/?#]|$)).*@)", re.IGNORECASE)
NO_LOGIN = (
    "a login must not be part of an address, as others can read this file and what is made of it. If it was used with "
    "a password, change that"
)


def has_login(address: object) -> bool:
    """Whether an address has a user's name, a password or a token before its host: https://me:password@host/."""
    return isinstance(address, str) and LOGIN.match(address.strip()) is not None


def is_loopback(host: str) -> bool:
    """Whether a host, as written in a URL, is this computer: localhost, 127.0.0.0/8 or ::1.

    Other spellings, like 127.1, and names that may lead elsewhere do not count.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def may_carry_secret(scheme: str, host: str) -> bool:
    """Whether a request to this scheme and host may have a secret: nobody on the way can read it."""
    return scheme == "https" or (scheme == "http" and is_loopback(host))
