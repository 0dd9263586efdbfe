"""Which values of the environment are secrets. How they are masked in the log is in tests/project/test_logs.py."""

from __future__ import annotations

import os

import pytest

from recomart_lib.core import redaction

VALUE = "some value"


@pytest.mark.parametrize(
    "name",
    [
        *[
            "API_KEY",
            "SHOP_AUTH",
            "BEARER",
            "PW",
            "DB_PASS",
            "PGPASSWORD",
            "X_TOKENS",
            "KEY2",
            "lower_secret",
            "RECOMART_X",
        ],
        *["RECOMART_WEBHOOK", "AWS_SECRET_ACCESS_KEY", "AUTHORIZATION", "GIT_CREDENTIALS", "MYSQL_PWD", "PRIVATEKEY"],
    ],
)
def test_names_of_secrets(name):
    assert redaction.secrets({name: VALUE}, ()) == {VALUE}


@pytest.mark.parametrize(
    "name",
    [
        *[
            "PWD",
            "OLDPWD",
            "HOME",
            "KEYBOARD",
            "MONKEY",
            "COMPASS",
            "PASSENGER",
            "AUTHOR",
            "TOKENIZERS",
            "RECOMART_ROOT",
        ],
        *["RECOMART_RUN_ID", "SSH_AUTH_SOCK", "DATABASE_URL"],
    ],
)
def test_names_of_other_values(name):
    assert redaction.secrets({name: VALUE}, ()) == set()


def test_configured_variables_may_be_short_and_guessed_ones_may_not():
    assert redaction.secrets({"X": "abcd", "KEY": "abcd"}, {"X"}) == {"abcd"}
    assert redaction.secrets({"KEY": "abcd"}, ()) == set()
    assert redaction.secrets({"X": "abc"}, {"X"}) == set()


def test_a_path_is_no_secret_but_a_word_that_is_a_folder_s_name_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "key.pem").touch()
    environment = {"KEY": str(tmp_path), "KEY_FILE": str(tmp_path / "key.pem"), "TOKEN": "reports"}
    assert redaction.secrets(environment, ()) == {"reports"}
    assert redaction.secrets({"KEY": "/" + "x" * 5_000}, ())


def test_addresses_with_a_login_are_secrets_whatever_their_names():
    address = "postgresql://me:hidden1@db/shop"
    assert redaction.secrets({"ANY": address, "OTHER": "https://db/shop"}, ()) == {address, "hidden1"}
    assert redaction.secrets({"STORE_DSN": "host=db password=hidden1"}, ()) == {"host=db password=hidden1", "hidden1"}


@pytest.mark.parametrize(
    ("name", "address", "password"),
    [
        ("ANY", "postgresql://me:hid%2Fden1@db/shop", "hid/den1"),
        ("STORAGE_CONNECTION_STRING", "AccountName=shop;AccountKey=hidden+1/==;EndpointSuffix=x", "hidden+1/=="),
        ("BUS_CONNECTION_STRING", "Endpoint=sb://x/;SharedAccessKeyName=me;SharedAccessKey=hidden1=", "hidden1="),
    ],
)
def test_the_password_of_an_address_is_a_secret_as_the_server_gets_it(name, address, password):
    assert {address, password} <= redaction.secrets({name: address}, ())


def test_the_longer_of_two_secrets_is_masked_whole(monkeypatch):
    for name in [name for name in os.environ if redaction.secrets({name: os.environ[name]}, ())]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("A_KEY", "sesame")
    monkeypatch.setenv("B_KEY", "open sesame now")
    assert redaction.redact("say open sesame now, not sesame") == "say ***, not ***"
