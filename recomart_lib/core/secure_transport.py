"""Secrets are sent over https, or to this computer: where they may go."""

from __future__ import annotations

from ipaddress import ip_address


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
