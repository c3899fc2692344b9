"""aiokafka's event loop, errors and messages in the words of the matrix, for the files beside this.

Every coroutine runs on one event loop in a background thread, as it would in an asyncio program.
"""

import asyncio
import threading

from aiokafka import errors

from driver import BrokerError, PRODUCER_FENCED, UNKNOWN_TOPIC_OR_PARTITION
from records import Record, Stored

TIMEOUT_S = 20


class EventLoop:
    """An event loop in a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def start(self, coroutine):
        """Starts a coroutine on the loop; returns a concurrent future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine, timeout_s=TIMEOUT_S * 2):
        """Runs a coroutine to its end and translates its exception."""
        try:
            return self.start(asyncio.wait_for(coroutine, timeout_s)).result()
        except errors.ProducerFenced as error:  # has no code of its own
            raise BrokerError(PRODUCER_FENCED, repr(error)) from error
        except errors.KafkaError as error:
            if getattr(error, "errno", None) is None:
                raise
            raise BrokerError(error.errno, repr(error)) from error


def raise_for_code(code, message=""):
    """Raises the `BrokerError` of a response's error code unless it is 0."""
    if code:
        raise BrokerError(code, message)


def stored(message):
    """A consumed message as `Stored`."""
    record = Record(
        message.key, message.value, tuple(message.headers), message.timestamp, message.partition
    )
    return Stored(message.offset, record, message.timestamp_type)


def isolation(committed):
    """aiokafka's name of the isolation level."""
    return "read_committed" if committed else "read_uncommitted"


async def send(producer, topic, record):
    """Hands a record to a producer; returns the future of its acknowledgement."""
    try:
        return await producer.send(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.partition,
            timestamp_ms=record.timestamp,
        )
    except AssertionError as error:  # how it says that metadata has no such partition
        if "Unrecognized partition" not in str(error):
            raise
        raise BrokerError(UNKNOWN_TOPIC_OR_PARTITION, str(error)) from error
