"""Where secrets may be sent: over https, or to this computer."""

from __future__ import annotations

import pytest

from recomart_lib.core.secure_transport import has_login, is_loopback, may_carry_secret


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


@pytest.mark.parametrize(
    "address",
    [
        "https://me:pw@x/",
        "https://token@x",
        "HTTP://me:p%40@x",
        "https://me:p/w@x/",
        "ftp://me:pw@x",
        "//me:pw@x",
        "me:pw@x/a",
        " https:/me:pw@x",
    ],
)
def test_a_login_is_found_in_an_address(address):
    assert has_login(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://x",
        "https://x:8080/@me/orders",
        "https://x/a?mail=me@x",
        "https://x/#me@x",
        "http://[::1]:80/@me",
        "x",
        None,
    ],
)
def test_other_addresses_have_no_login(address):
    assert not has_login(address)
