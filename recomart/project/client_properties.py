"""Which properties of librdkafka params.yaml may set: none that loads code or runs a command, and no secret as text.

Property names are compared as librdkafka and its Python client compare them: exactly, after one leading `topic.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# librdkafka reads names as C strings: what follows a NUL, or another unusual character, is not a part of them
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
# libraries that are loaded, a shell command, and what only a program can set (functions, a logger)
CODE = re.compile(
    r"plugin\.library\.paths|ssl\.engine\..*|ssl_engine_.*|ssl\.providers|sasl\.kerberos\.kinit\.cmd"
    r"|.*_cb|on_[a-z]+|logger|interceptors|opaque|default\.topic\.config|default_topic_conf"
)
# also names that only Java's clients know: they, too, are copied into configurations
SECRET = re.compile(
    r"password|passphrase|passwd|secret|token$|jaas|credentials$|user\.info$|key\.pem$|ssl_key$|keystore\.key$"
    r"|sasl\.oauthbearer\.config$",
    re.IGNORECASE,
)
PLACES = (".location", ".file", ".url")  # where a secret is, or is fetched, is none
VARIABLE = re.compile(r"\$\{\w+\}")
LOGIN = re.compile(r"://[^/?#\s,]*@")
PRIVATE_KEY = re.compile(r"PRIVATE KEY-----")
# librdkafka puts these into the command line of kinit
KERBEROS = re.compile(r"sasl\.kerberos\.(keytab|principal|service\.name)")
KERBEROS_VALUE = re.compile(r"[\w./@:][\w./@:-]*")
LOOPBACK = r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])"
UNENCRYPTED = re.compile(rf"http://(?!{LOOPBACK}(:\d+)?(/|$))", re.IGNORECASE)

NO_CODE = "this property loads code or runs a command, or only a program can set it. Remove it"
NO_SECRET = (
    "a secret must not be in this file. Write ${NAME}, and set the environment variable NAME. If the file was used "
    "with the secret, change the secret: reports, data/runs and Git may hold a copy"
)
CLIENTS = ("client", "consumer", "producer")


def mistakes(stream: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path of keys below `stream`, what is wrong) for the section `stream` as it is written; never with a value."""
    if sentence := _login(stream.get("bootstrap_servers")):
        yield ("bootstrap_servers",), sentence
    for part in CLIENTS:
        properties = stream.get(part, {})
        if not isinstance(properties, Mapping):
            yield (part,), "expected properties, each on a line of its own, like `sasl.username: recomart`"
            continue
        for name, value in properties.items():
            if sentence := mistake(name, value) or _literal_secret(name, value) or _no_scalar(value):
                yield (part, str(name)), sentence


def mistake(name: object, value: object) -> str | None:
    """What is wrong with a property, whether `${NAME}` in its value is replaced or not; None: it may be set."""
    if not NAME.fullmatch(str(name)):
        return "no property of librdkafka has such a name"
    plain = _plain(name)
    if CODE.fullmatch(plain.lower()):
        return NO_CODE
    if not isinstance(value, str):
        return None
    if "\0" in value:
        return "the value contains a NUL character"
    if KERBEROS.fullmatch(plain) and not VARIABLE.fullmatch(value) and not KERBEROS_VALUE.fullmatch(value):
        return "only letters, digits and ._/@:- are allowed here, as librdkafka puts the value into a command line"
    if plain.endswith(".url") and UNENCRYPTED.match(value):
        return "the address must begin with https://, as the client sends its secret there (http only to this machine)"
    return _login(value)


def _literal_secret(name: object, value: object) -> str | None:
    plain = _plain(name)
    if isinstance(value, str) and PRIVATE_KEY.search(value):
        return NO_SECRET
    is_secret = SECRET.search(plain) and not plain.lower().endswith(PLACES)
    is_variable = isinstance(value, str) and VARIABLE.fullmatch(value)
    return NO_SECRET if is_secret and not is_variable else None


def _no_scalar(value: object) -> str | None:
    return None if isinstance(value, str | int | float) else "expected a text, a number, true or false"


def _login(value: object) -> str | None:
    has_login = isinstance(value, str) and LOGIN.search(value)
    return "a login must not be part of an address; use properties such as sasl.password" if has_login else None


def _plain(name: object) -> str:
    return str(name).removeprefix("topic.")
