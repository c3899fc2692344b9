"""`Transactor` and `Puller` on aiokafka; their coroutines run on the driver's event loop."""

import aiokafka
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from aiokafka_calls import TIMEOUT_S, send, stored
from transactor import Puller, Transactor


class AiokafkaTransactor(Transactor):
    """A transactional aiokafka producer."""

    def __init__(self, loop, **options):
        self._loop = loop
        self._producer = self._loop.run(self._open(options))

    async def _open(self, options):
        producer = aiokafka.AIOKafkaProducer(
            linger_ms=5, request_timeout_ms=TIMEOUT_S * 1000, **options
        )
        await producer.start()
        return producer

    def begin(self):
        self._loop.run(self._producer.begin_transaction())

    def send(self, topic, records):
        return self._loop.run(self._send(topic, records))

    async def _send(self, topic, records):
        futures = [await send(self._producer, topic, record) for record in records]
        return [(await future).offset for future in futures]

    def send_offsets(self, metadata, topic, offsets):
        entries = {TopicPartition(topic, p): OffsetAndMetadata(o, "") for p, o in offsets.items()}
        self._loop.run(self._producer.send_offsets_to_transaction(entries, metadata))

    def commit(self):
        self._loop.run(self._producer.commit_transaction())

    def abort(self):
        self._loop.run(self._producer.abort_transaction())

    def close(self):
        self._loop.run(self._producer.stop())


class AiokafkaPuller(Puller):
    """An aiokafka consumer that is driven by hand."""

    def __init__(self, loop, topic, group, **options):
        self._loop, self._group = loop, group
        self._consumer = self._loop.run(self._open(topic, {"group_id": group, **options}))

    async def _open(self, topic, options):
        consumer = aiokafka.AIOKafkaConsumer(
            topic,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            **options,
        )
        await consumer.start()
        return consumer

    def pull(self):
        batches = self._loop.run(self._consumer.getmany(timeout_ms=200))
        return [stored(message) for batch in batches.values() for message in batch]

    def seek(self, offsets):
        self._loop.run(self._seek(offsets))

    async def _seek(self, offsets):
        for partition in self._consumer.assignment():
            if partition.partition in offsets:
                self._consumer.seek(partition, offsets[partition.partition])

    def assignment(self):
        return frozenset(entry.partition for entry in self._consumer.assignment())

    def metadata(self):
        return self._group

    def close(self):
        self._loop.run(self._consumer.stop())
