"""Text that leaves a process - to a log, a terminal, a report, a web server - has no secrets of its environment.

A secret is the value of an environment variable that the configuration names (`configure`), whose name says so
(DB_PASSWORD, SHOP_AUTH, API_KEY), or that has a login in a URL (DATABASE_URL). In its place stands ***. Logins in other
URLs, and bearer tokens, are replaced as well. Short values are not: they could be words.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

from recomart_lib.core import auth_variables

MASK = "***"
MIN_LENGTH = 6  # characters of a secret
MIN_LENGTH_CONFIGURED = 4  # ... in a variable that the configuration names
MIN_LINE = 16  # characters of a line of a private key or another secret with several lines: replaced by itself, too
WORDS = "PASS|PWD|PW|KEY|CREDENTIAL|CRED|AUTH|AUTHORIZATION|BEARER|COOKIE|JWT"
ENDS_OF_WORDS = "TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|(?:API|ACCESS|SECRET|PRIVATE)KEY"  # also of PGPASSWORD
SECRET_NAME = re.compile(rf"(?:(?:^|_)(?:{WORDS})|{ENDS_OF_WORDS})S?\d*(?:_|$)")
ADDRESS_NAME = re.compile(r"(?:^|_)(?:URL|URI|DSN|CONN|CONNSTR|CONNECTION|CONNECTION_STRING)$")
# variables of a shell or desktop, not secrets: their values are in most paths and messages
NO_SECRETS = {"PWD", "OLDPWD", "HOME", "USER", "USERNAME", "LOGNAME", "PATH", "HOSTNAME", "SHELL", "SSH_AUTH_SOCK"}
NO_SECRETS |= auth_variables.OWN - {"RECOMART_WEBHOOK"}  # a webhook's address is its password
LOGIN = re.compile(r"(?<=://)[^\s/?#'\"<>]+(?=@)")  # user:password, or a token, in a URL
BEARER = re.compile(r"(?i)(?<=\bbearer )[A-Za-z0-9._~+/=-]{8,}")
VARIABLE = re.compile(r"\$\{?(\w+)")
QUERY = re.compile(r"(?i)(?:password|passwd|pwd|secret|token|key|\bsig|signature)=([^&;\s]+)")  # also AccountKey=

_configured: set[str] = set()


def variables(text: str) -> set[str]:
    """The environment variables that a text of the configuration names: ${NAME} or $NAME (see `config.expand_env`)."""
    return set(VARIABLE.findall(text))


def configure(variables: Iterable[str]) -> None:
    """From now on, the values of these variables are secrets, whatever their names."""
    _configured.update(variables)


def redact(text: str) -> str:
    """The text with *** for each secret."""
    text = BEARER.sub(MASK, LOGIN.sub(MASK, text))
    for form in _forms(tuple(os.environ.items()), frozenset(_configured)):
        text = text.replace(form, MASK)
    return text


@lru_cache(maxsize=1)
def _forms(environment: tuple[tuple[str, str], ...], configured: frozenset[str]) -> list[str]:
    """How the secrets may be written in a text; the longest first, as one may contain another."""
    forms = {form for secret in secrets(dict(environment), configured) for form in _written(secret)}
    return sorted(forms, key=lambda form: (-len(form), form))


def secrets(environment: Mapping[str, str], configured: Iterable[str]) -> set[str]:
    """The secrets among the values of an environment."""
    found: set[str] = set()
    for name, value in environment.items():
        if name.upper() in NO_SECRETS or _is_path(value):
            continue
        least = MIN_LENGTH_CONFIGURED if name in configured else MIN_LENGTH
        is_secret = name in configured or _has_secret_name(name.upper())
        parts = [value] if is_secret else []
        found.update(part for part in (*parts, *_parts_of_address(name.upper(), value)) if len(part) >= least)
    return found


def _is_path(value: str) -> bool:
    """Whether the value is the path of a file or folder, no secret: most paths in messages begin with a folder."""
    try:
        return Path(value).is_absolute() and Path(value).exists()
    except (OSError, ValueError):  # too long for a path
        return False


def _has_secret_name(name: str) -> bool:
    # a shop file may name each variable that begins with RECOMART_, see auth_variables
    return name.startswith(auth_variables.PREFIX) or SECRET_NAME.search(name) is not None


def _parts_of_address(name: str, value: str) -> list[str]:
    """Of an address with a login or a password: the address, and the password as it is; empty for other values."""
    login = LOGIN.search(value)
    passwords = QUERY.findall(value) if ADDRESS_NAME.search(name) else []
    if login:
        passwords.append(login[0].partition(":")[2])
    return [value, *passwords, *map(unquote, passwords)] if passwords else []


def _written(secret: str) -> set[str]:
    """A secret as it is, and escaped as in URLs, JSON, Python and HTML; of several lines, also each long line."""
    lines = [line.strip() for line in secret.splitlines()[1:-1] if len(line.strip()) >= MIN_LINE]
    escaped = {quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    return {secret, *escaped, json.dumps(secret)[1:-1], repr(secret)[1:-1], *lines}
