"""The id that Kafka gives a topic when it is created (KIP-516): a topic that was recreated has another one."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from recomart.project.params import Stream
from recomart.streaming.client import create, metadata

log = logging.getLogger(__name__)

TIMEOUT_S = 20
PAUSES_S = [0.1, 0.2, 0.5, 1, 2, 4]  # until the controller knows a topic that was made just now
NONE_GIVEN = {KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}
WITHOUT_ID = "a recreated topic is noticed only while it is shorter than the log"


class TopicIds:
    """Asks a broker for the id of the topic in params.yaml."""

    def __init__(self, settings: Stream) -> None:
        self._topic = settings.topic
        self._admin = create(AdminClient, settings, {"log_level": 0})
        self._has_controller, self._is_logged = False, False

    def get(self, consumer: Consumer) -> str | None:
        """The id of the topic; None if the broker gives none, or has no such topic.

        Raises
        ------
        KafkaException
            If the broker does not answer, or its parts disagree for long whether there is such a topic.
        """
        for pause in PAUSES_S:
            cluster = metadata(consumer, self._topic, TIMEOUT_S)
            # the embedded broker names none, has no ids, and would leave the request unanswered
            self._has_controller = cluster.controller_id in cluster.brokers
            request = self.request()
            topic_id = answer(request)
            if topic_id or cluster.topics[self._topic].error or not _is_unknown(request):
                break
            time.sleep(pause)  # the topic was made just now, and the controller does not know it yet
        else:
            raise request.exception()
        if topic_id is None and not self._is_logged:
            log.info("%s: the broker gives no topic id: %s", self._topic, WITHOUT_ID)
            self._is_logged = True
        return topic_id

    def request(self) -> Future | None:
        """Ask for the id without waiting for the answer (see `answer`); None: the broker gives no ids (see `get`)."""
        if not self._has_controller:
            return None
        return self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=TIMEOUT_S)[self._topic]


def _is_unknown(request: Future | None) -> bool:
    problem = request.exception() if request else None
    return isinstance(problem, KafkaException) and problem.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def answer(request: Future | None) -> str | None:
    """The topic's id from a `TopicIds.request`: None if there is none, or no such topic."""
    if request is None:
        return None
    try:
        topic_id = request.result(2 * TIMEOUT_S).topic_id
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer about the topic's id")) from None
    except KafkaException as problem:
        if problem.args[0].code() in {*NONE_GIVEN, KafkaError.UNKNOWN_TOPIC_OR_PART}:
            return None
        raise
    has_bits = topic_id.get_most_significant_bits() or topic_id.get_least_significant_bits()
    return str(topic_id) if has_bits else None
