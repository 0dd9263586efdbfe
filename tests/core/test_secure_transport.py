"""Where secrets may be sent: over https, or to this computer."""

from __future__ import annotations

import pytest

from recomart_lib.core.secure_transport import is_loopback, may_carry_secret


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_this_computer(host):
    assert is_loopback(host)
    assert may_carry_secret("http", host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.org",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "127.1",
        "0x7f.1",
        "10.0.0.1",
        "0.0.0.0",
        "::",
    ],
)
def test_other_computers_need_https(host):
    assert not may_carry_secret("http", host)
    assert may_carry_secret("https", host)
    assert not may_carry_secret("ftp", host)
