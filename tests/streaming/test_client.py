"""Kafka clients: a wrong property is one sentence, and no error or log line holds a secret."""

from __future__ import annotations

import logging
import traceback

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from recomart.project.params import Stream
from recomart.streaming import client, consumer, dead_letters, producer, quarantine, status
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log
from recomart_lib.validate.settings import Validate

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)


def stream(**settings: object) -> Stream:
    return Stream(bootstrap_servers="127.0.0.1:1", **settings)


def refusal(kind, settings: Stream, *more: dict) -> str:
    with pytest.raises(UserError) as refused:
        client.create(kind, settings, *more)
    error = refused.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert PASSWORD not in "".join(traceback.format_exception(error))
    return str(error)


@pytest.mark.parametrize("kind", [Consumer, Producer, AdminClient])
@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"no.such": "1"}, 'stream.client.no.such: librdkafka refuses this: No such configuration property: "no.such"'),
        ({"socket.timeout.ms": "soon"}, "stream.client.socket.timeout.ms: librdkafka refuses this"),
        (
            {"security.protocol": "sasl_tls"},
            'stream.client.security.protocol: librdkafka refuses this: Invalid value "',
        ),
        (
            {"security.protocol": "sasl_ssl", "sasl.mechanisms": "NONESUCH"},
            "librdkafka refuses this: ",
        ),
        ({"security.protocol": "ssl", "ssl.ca.location": "/no/such.pem"}, "stream.client.ssl.ca.location: librdkafka"),
    ],
)
def test_a_wrong_property_is_one_sentence_with_file_and_key(kind, properties, reason):
    text = refusal(kind, stream(client=properties), {"group.id": "g"} if kind is Consumer else {})
    assert text.startswith("params.yaml: ")
    assert reason in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "name", ["security.protocol", "ssl.endpoint.identification.algorithm", "session.timeout.ms", "client.dns.lookup"]
)
def test_the_value_of_a_variable_is_in_no_error(name):
    text = refusal(Consumer, stream(consumer={name: "${KAFKA_PASSWORD}"}), {"group.id": "g", name: "${KAFKA_PASSWORD}"})
    assert f"stream.consumer.{name}" in text
    assert PASSWORD not in text


def test_a_variable_may_not_bring_in_what_the_file_must_not_say(monkeypatch):
    monkeypatch.setenv("KEYTAB", 'x"; touch evil; "')
    with pytest.raises(UserError, match="keytab: only letters") as refused:
        client.client(stream(client={"sasl.kerberos.keytab": "${KEYTAB}"}))
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f'Invalid value "{PASSWORD}" for x', 'Invalid value "***" for x'),
        (f'Invalid value "{PASSWORD[:12]}', 'Invalid value "***'),  # librdkafka cuts its errors
        (f"{PASSWORD} and {PASSWORD}!", "*** and ***!"),
        ("nothing to hide, correct-h is a word", "nothing to hide, *** is a word"),
        ("correct is no secret", "correct is no secret"),
    ],
)
def test_secrets_are_masked_even_if_they_are_cut(text, shown):
    assert client.redacted(stream(client={"sasl.password": "${KAFKA_PASSWORD}"}), text) == shown


def test_short_values_and_lines_of_long_ones_are_masked(monkeypatch):
    monkeypatch.setenv("SHORT", "abc")
    monkeypatch.setenv(
        "PEM", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
    )
    settings = stream(client={"client.id": "$SHORT", "ssl.key.pem": "${PEM}"})
    assert client.redacted(settings, "value 'abc', not abcd; near kqhkiG9w0BAQEF") == "value '***', not abcd; near ***"


def test_log_lines_of_librdkafka_are_masked(caplog):
    settings = stream(client={"client.id": "${KAFKA_PASSWORD}", "log_level": 7, "debug": "conf"})
    with caplog.at_level(logging.DEBUG, "recomart"):
        client.create(Producer, settings).poll(0.2)
    assert "client.id" in caplog.text or caplog.records
    assert PASSWORD not in caplog.text


def test_errors_of_the_cluster_are_masked():
    settings = stream(client={"sasl.password": "${KAFKA_PASSWORD}"})
    problem = KafkaException(KafkaError(KafkaError._AUTHENTICATION, f"bad password {PASSWORD}"))
    assert client.reason(settings, problem) == "Kafka at 127.0.0.1:1: bad password ***."
    with pytest.raises(UserError) as refused:
        consumer._sentence(problem, settings)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_a_broker_that_cannot_be_reached_is_one_sentence_and_one_log_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(client._Log, "_logged_at", {})
    for module, name in ((producer, "TIMEOUT_S"), (status, "TIMEOUT_S"), (consumer, "TRANSACTION_S")):
        monkeypatch.setattr(module, name, 1)
    zone, settings = commit_log.Zone(tmp_path, "s", "UTC"), stream()
    for call in (
        lambda: producer.produce(commit_log.read(zone), settings),
        lambda: status.broker_ends(zone, settings),
        lambda: consumer.run(zone, settings, Validate(), lambda: False, 1),
    ):
        with pytest.raises(UserError, match=r"^Kafka at 127\.0\.0\.1:1: .*\.$"):
            call()
    lines = [record for record in caplog.records if "Connection refused" in record.getMessage()]
    assert len(lines) <= 2  # a producer's and a consumer's


def test_each_command_reports_a_wrong_property(tmp_path):
    """`stream consume`, `status`, `produce` and `quarantine`."""
    zone, settings = commit_log.Zone(tmp_path, "s", "UTC"), stream(client={"no.such": "1"})
    letters = commit_log.dead_letters(zone)
    calls = [
        lambda: consumer.run(zone, settings, Validate(), lambda: False, 1),
        lambda: status.broker_ends(zone, settings),
        lambda: producer.produce(letters.clear(), settings),
        lambda: dead_letters.send(settings, letters),
    ]
    for call in calls:
        with pytest.raises(UserError, match=r"params\.yaml: stream\.client\.no\.such: librdkafka refuses this"):
            call()
    assert quarantine.send(zone, settings) == 0


class Breaks:
    """A client whose first connections break, `code` telling how."""

    def __init__(self, n: int, code: int = KafkaError._TRANSPORT) -> None:
        self.n, self.code, self.asked = n, code, []

    def list_topics(self, *topic: str, timeout: float) -> str:
        self.asked.append(topic)
        if len(self.asked) > self.n:
            return "topics"
        raise KafkaException(KafkaError(self.code))


def test_a_connection_that_breaks_at_first_is_tried_again():
    broken = Breaks(2)
    assert client.metadata(broken, "events") == "topics"
    assert broken.asked == [("events",)] * 3


@pytest.mark.parametrize(
    "broken, timeout_s", [(Breaks(9, KafkaError.TOPIC_AUTHORIZATION_FAILED), 30), (Breaks(9), 0.1)]
)
def test_a_refusal_and_the_end_of_the_time_are_final(broken, timeout_s):
    with pytest.raises(KafkaException):
        client.metadata(broken, timeout_s=timeout_s)
    assert broken.asked == [()]
