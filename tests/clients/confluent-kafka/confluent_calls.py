"""librdkafka's errors, results and messages in the words of the matrix."""

import confluent_kafka as ck

from driver import BrokerError, PRODUCER_FENCED, UNKNOWN_TOPIC_OR_PARTITION
from records import LOG_APPEND_TIME, Record, Stored

TIMEOUT_S = 20
# librdkafka's own code for a partition that the topic's metadata does not list.
UNKNOWN_PARTITION = ck.KafkaError._UNKNOWN_PARTITION


# What librdkafka reports instead of the broker's code.
OWN_CODES = {
    UNKNOWN_PARTITION: UNKNOWN_TOPIC_OR_PARTITION,
    ck.KafkaError._FENCED: PRODUCER_FENCED,
}


def broker_error(error):
    """The `BrokerError` for a librdkafka error."""
    return BrokerError(OWN_CODES.get(error.code(), error.code()), error.str())


def isolation(committed):
    """librdkafka's name of the isolation level."""
    return "read_committed" if committed else "read_uncommitted"


def call(action, *arguments, **options):
    """Calls `action` and translates its exception."""
    try:
        return action(*arguments, **options)
    except ck.KafkaException as error:
        raise broker_error(error.args[0]) from error


def settled(future):
    """The result of an admin future."""
    return call(future.result, TIMEOUT_S)


def stored(message):
    """A consumed message as `Stored`."""
    kind, timestamp = message.timestamp()
    headers = tuple(message.headers() or ())
    record = Record(message.key(), message.value(), headers, timestamp, message.partition())
    is_append_time = kind == ck.TIMESTAMP_LOG_APPEND_TIME
    return Stored(message.offset(), record, LOG_APPEND_TIME if is_append_time else 0)
