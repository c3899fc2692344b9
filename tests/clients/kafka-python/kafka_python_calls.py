"""kafka-python's errors and messages in the words of the matrix, for the files beside this."""

import contextlib

from kafka import errors

from driver import BrokerError, UNKNOWN_TOPIC_OR_PARTITION
from records import Record, Stored
from runner import eventually

TIMEOUT_S = 20


@contextlib.contextmanager
def translated():
    """Turns kafka-python's exceptions into `BrokerError`."""
    try:
        yield
    except errors.BrokerResponseError as error:
        raise BrokerError(error.errno, str(error)) from error
    except errors.KafkaError as error:
        # Some errors of transactions carry the name of the broker's only in their text.
        named = getattr(errors, str(error).split()[-1], None)
        if not hasattr(named, "errno"):
            raise
        raise BrokerError(named.errno, str(error)) from error


def stored(message):
    """A consumed message as `Stored`."""
    record = Record(
        message.key, message.value, tuple(message.headers), message.timestamp, message.partition
    )
    return Stored(message.offset, record, message.timestamp_type)


def isolation(committed):
    """kafka-python's name of the isolation level."""
    return "read_committed" if committed else "read_uncommitted"


def send(producer, topic, record):
    """Hands a record to a producer; returns the future of its acknowledgement."""
    return eventually(lambda: _send(producer, topic, record), "a producer with an epoch")


def _send(producer, topic, record):
    """As `send`; None while the producer asks for another epoch, since only the answer to that
    tells whether it is fenced."""
    try:
        return producer.send(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.partition,
            timestamp_ms=record.timestamp,
        )
    except errors.IllegalStateError as error:
        if "BUMPING_PRODUCER_EPOCH" not in str(error):
            raise
        return None
    except ValueError as error:  # how it says that metadata has no such partition
        if "Unrecognized partition" not in str(error):
            raise
        raise BrokerError(UNKNOWN_TOPIC_OR_PARTITION, str(error)) from error
