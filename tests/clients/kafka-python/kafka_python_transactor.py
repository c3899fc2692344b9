"""`Transactor` and `Puller` on kafka-python."""

import kafka
from kafka.structs import OffsetAndMetadata

from kafka_python_calls import TIMEOUT_S, send, stored, translated
from transactor import Puller, Transactor


class KafkaPythonTransactor(Transactor):
    """A transactional kafka-python producer."""

    def __init__(self, **options):
        self._producer = kafka.KafkaProducer(
            linger_ms=5, max_block_ms=TIMEOUT_S * 1000, reconnect_backoff_max_ms=500, **options
        )
        with translated():
            self._producer.init_transactions()

    def begin(self):
        with translated():
            self._producer.begin_transaction()

    def send(self, topic, records):
        with translated():
            futures = [send(self._producer, topic, record) for record in records]
            self._producer.flush(TIMEOUT_S)
            return [future.get(timeout=TIMEOUT_S).offset for future in futures]

    def send_offsets(self, metadata, topic, offsets):
        entries = {
            kafka.TopicPartition(topic, p): OffsetAndMetadata(offset, "", -1)
            for p, offset in offsets.items()
        }
        with translated():
            self._producer.send_offsets_to_transaction(entries, metadata)

    def commit(self):
        with translated():
            self._producer.commit_transaction()

    def abort(self):
        with translated():
            self._producer.abort_transaction()

    def close(self):
        self._producer.close(timeout=TIMEOUT_S)


class KafkaPythonPuller(Puller):
    """A kafka-python consumer that is driven by hand."""

    def __init__(self, topic, group, **options):
        self._consumer = kafka.KafkaConsumer(
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            heartbeat_interval_ms=500,
            reconnect_backoff_max_ms=500,
            **options,
        )
        self._consumer.subscribe([topic])
        # As for a member: without the partitions it would rejoin and may lose its assignment.
        self._consumer.topics()

    def pull(self):
        with translated():
            batches = self._consumer.poll(timeout_ms=200)
        return [stored(message) for batch in batches.values() for message in batch]

    def seek(self, offsets):
        for partition in self._consumer.assignment():
            if partition.partition in offsets:
                self._consumer.seek(partition, offsets[partition.partition])

    def assignment(self):
        return frozenset(entry.partition for entry in self._consumer.assignment())

    def metadata(self):
        return self._consumer.group_metadata()

    def close(self):
        self._consumer.close()
