"""`Transactor` and `Puller` on confluent-kafka (librdkafka)."""

import time

import confluent_kafka as ck

from confluent_calls import TIMEOUT_S, broker_error, call, stored
from driver import BrokerError
from runner import Claim
from transactor import Puller, Transactor


class ConfluentTransactor(Transactor):
    """A transactional confluent producer; `options` go to librdkafka."""

    def __init__(self, bootstrap, transactional_id, timeout_ms, codec, **options):
        self._producer = ck.Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": timeout_ms,
                "compression.type": codec,
                "linger.ms": 5,
                "reconnect.backoff.max.ms": 500,
                **options,
            }
        )
        self._retried(self._producer.init_transactions)

    @staticmethod
    def _retried(action, *arguments):
        """librdkafka asks its user to repeat a call that ended with a retriable error."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return action(*arguments, TIMEOUT_S)
            except ck.KafkaException as error:
                if not error.args[0].retriable() or deadline < time.monotonic():
                    raise broker_error(error.args[0]) from error

    def begin(self):
        call(self._producer.begin_transaction)

    def send(self, topic, records):
        offsets, failures = {}, []

        def delivered(index):
            def report(error, message):
                if error:
                    failures.append(error)
                else:
                    offsets[index] = message.offset()

            return report

        for index, record in enumerate(records):
            call(
                self._producer.produce,
                topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=delivered(index),
                timestamp=record.timestamp or 0,
                headers=list(record.headers),
            )
        remaining = call(self._producer.flush, TIMEOUT_S)
        if failures:
            raise self._cause(failures[0])
        if remaining:
            raise Claim(f"{remaining} messages not delivered within {TIMEOUT_S} s")
        return [offsets[index] for index in range(len(records))]

    def _cause(self, failure):
        """Messages are purged when the producer has been fenced: its own state says why."""
        if failure.code() in (ck.KafkaError._PURGE_QUEUE, ck.KafkaError._PURGE_INFLIGHT):
            try:
                self._retried(self._producer.commit_transaction)
            except BrokerError as error:
                return error
        return broker_error(failure)

    def send_offsets(self, metadata, topic, offsets):
        entries = [ck.TopicPartition(topic, p, offset) for p, offset in offsets.items()]
        self._retried(self._producer.send_offsets_to_transaction, entries, metadata)

    def commit(self):
        self._retried(self._producer.commit_transaction)

    def abort(self):
        self._retried(self._producer.abort_transaction)

    def close(self):
        self._producer.close()


class ConfluentPuller(Puller):
    """A confluent consumer that is driven by hand."""

    def __init__(self, bootstrap, topic, group, client_id, **options):
        self._consumer = ck.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "client.id": client_id,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                "reconnect.backoff.max.ms": 500,
                **options,
            }
        )
        self._is_changed = False
        # With callbacks, partitions come and go only within consume().
        callbacks = {"on_assign": self._on_change, "on_revoke": self._on_change}
        self._consumer.subscribe([topic], **callbacks)

    def _on_change(self, _consumer, _partitions):
        self._is_changed = True

    def pull(self):
        found = []
        self._is_changed = False
        for message in self._consumer.consume(500, 0.2):
            if message.error():
                raise broker_error(message.error())
            found.append(stored(message))
        if self._is_changed:
            # What came before the change and after it may overlap.
            self._go_to_committed()
            return []
        return found

    def _go_to_committed(self):
        for entry in call(self._consumer.committed, self._consumer.assignment(), TIMEOUT_S):
            if entry.offset < 0:
                entry.offset = ck.OFFSET_BEGINNING
            call(self._consumer.seek, entry)

    def seek(self, offsets):
        for entry in self._consumer.assignment():
            if entry.partition in offsets:
                entry.offset = offsets[entry.partition]
                call(self._consumer.seek, entry)

    def assignment(self):
        return frozenset(entry.partition for entry in self._consumer.assignment())

    def metadata(self):
        return self._consumer.consumer_group_metadata()

    def close(self):
        self._consumer.close()
