"""Client properties in params.yaml: nothing that loads code or runs a command, and no secret as text."""

from __future__ import annotations

import pytest

from recomart.project import client_properties, params
from recomart.project.params import Stream
from recomart_lib.core import config
from recomart_lib.core.errors import UserError

CODE = [
    "plugin.library.paths",
    "topic.plugin.library.paths",
    "Plugin.Library.Paths",
    "ssl.engine.location",
    "ssl.engine.id",
    "ssl_engine_callback_data",
    "ssl.providers",
    "sasl.kerberos.kinit.cmd",
    "oauth_cb",
    "error_cb",
    "on_commit",
    "logger",
    "interceptors",
    "default.topic.config",
]
SECRETS = [
    "sasl.password",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.jaas.config",
    "ssl_key",
    "SASL.Password",
]
ALLOWED = {
    "security.protocol": "SASL_SSL",
    "ssl.ca.location": "/etc/ca.pem",
    "ssl.ca.pem": "-----BEGIN CERTIFICATE-----",
    "ssl.key.location": "/etc/key.pem",
    "ssl.keystore.location": "/etc/keystore.p12",
    "sasl.username": "recomart",
    "sasl.oauthbearer.client.id": "recomart",
    "sasl.oauthbearer.client.credentials.client.id": "recomart",
    "sasl.oauthbearer.token.endpoint.url": "https://login.example.com/token",
    "sasl.oauthbearer.assertion.private.key.file": "/etc/key.pem",
    "sasl.kerberos.keytab": "/etc/krb/recomart.keytab",
    "sasl.kerberos.principal": "recomart/host@EXAMPLE.COM",
    "topic.acks": "all",
    "linger.ms": 5,
    "enable.ssl.certificate.verification": True,
}


def file_with(folder, *lines: str):
    path = folder / "params.yaml"
    path.write_text("\n".join(["stream:", "  client:", *(f"    {line}" for line in lines), ""]))
    return path


@pytest.mark.parametrize("part", client_properties.CLIENTS)
@pytest.mark.parametrize("name", CODE)
def test_what_loads_code_is_refused_with_its_line_and_without_its_value(tmp_path, part, name):
    path = tmp_path / "params.yaml"
    path.write_text(f"stream:\n  {part}:\n    linger.ms: 5\n    {name}: ${{HOME}}/evil\n")
    with pytest.raises(UserError) as refused:
        params.load(path)
    assert f"stream.{part}.{name}: this property loads code" in str(refused.value)
    assert "(line 4)" in str(refused.value)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "value", ["hunter22", "'12345678'", "12345678", "x${NAME}", "$NAME", "[hunter22]", "2026-11-27x"]
)
def test_a_secret_as_text_is_refused_and_not_shown(tmp_path, name, value):
    with pytest.raises(UserError) as refused:
        params.load(file_with(tmp_path, f"{name}: {value}"))
    assert f"{tmp_path / 'params.yaml'}: 1 mistake" in str(refused.value)
    assert f"stream.client.{name}: a secret must not be in this file" in str(refused.value)
    assert "(line 3)" in str(refused.value)
    assert value.strip("'[]") not in str(refused.value).replace("${NAME}", "")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_from_the_environment_is_accepted(tmp_path, name):
    loaded = params.load(file_with(tmp_path, f"{name}: ${{KAFKA_PASSWORD}}"))
    assert loaded.stream.client == {name: "${KAFKA_PASSWORD}"}


@pytest.mark.parametrize("name", ALLOWED)
def test_locations_addresses_and_all_else_stay_allowed(name):
    assert Stream(client={name: ALLOWED[name]}).client == {name: ALLOWED[name]}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('"plugin.library.paths\\0x": /tmp/x.so', "no property of librdkafka has such a name"),
        ('" plugin.library.paths": /tmp/x.so', "no property of librdkafka has such a name"),
        ("sasl.oauthbearer.token.endpoint.url: https://me:hunter22@login.example.com", "login must not be part"),
        ("sasl.oauthbearer.token.endpoint.url: https://hunter22@login.example.com", "login must not be part"),
        ("sasl.oauthbearer.token.endpoint.url: http://login.example.com", "must begin with https://"),
        ("sasl.oauthbearer.token.endpoint.url: http://localhost.example.com", "must begin with https://"),
        ("ssl.certificate.pem: '-----BEGIN PRIVATE KEY-----hunter22'", "a secret must not be in this file"),
        ("sasl.kerberos.keytab: 'x\"; touch hunter22; \"'", "command line"),
        ("sasl.kerberos.principal: a b", "command line"),
        ("sasl: [{password: hunter22}]", "expected a text, a number"),
        ('ssl.ca.location: "a\\0b"', "NUL"),
    ],
)
def test_siblings_are_refused_and_not_shown(tmp_path, line, sentence):
    with pytest.raises(UserError) as refused:
        params.load(file_with(tmp_path, line))
    assert sentence in str(refused.value)
    assert "(line 3)" in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_a_client_that_is_no_mapping_is_not_shown(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("stream:\n  client: sasl.password=hunter22\n  bootstrap_servers: SSL://a:hunter22@k:9092\n")
    with pytest.raises(UserError) as refused:
        params.load(path)
    assert "2 mistake(s)" in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_http_to_this_machine_is_allowed():
    for host in ("localhost", "localhost:8080/token", "127.0.0.1:8080", "[::1]/x"):
        assert client_properties.mistake("sasl.oauthbearer.token.endpoint.url", f"http://{host}") is None


def test_other_ways_to_the_settings_are_checked_too():
    with pytest.raises(ValueError, match=r"producer\.sasl\.password: a secret") as refused:
        Stream(producer={"sasl.password": "hunter22"})
    assert refused.value.errors()[0]["loc"] == ()


def test_the_launchpad_refuses_a_secret_without_showing_it(tmp_path):
    with pytest.raises(UserError) as refused:
        config.validated(params.Params, {"stream": {"client": {"sasl.password": "hunter22"}}}, tmp_path / "launchpad")
    assert "client.sasl.password: a secret must not be in this file" in str(refused.value)
    assert "hunter22" not in str(refused.value)
