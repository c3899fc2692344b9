"""`Driver` and `Member` on confluent-kafka (librdkafka)."""

import confluent_kafka as ck
from confluent_kafka import admin as cka

from confluent_calls import TIMEOUT_S, broker_error, call, isolation, settled, stored
from confluent_transactor import ConfluentPuller, ConfluentTransactor
from driver import BrokerError, Driver, GroupView, PollingMember
from runner import Claim


class ConfluentMember(PollingMember):
    """A subscribed confluent consumer; `options` go to librdkafka, such as the assignor."""

    def __init__(self, bootstrap, topic, group, client_id, instance_id, reset, options):
        self.revoked, self.gained = [], []
        self._topic = topic
        self._conf = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "client.id": client_id,
            "auto.offset.reset": reset,
            # Offsets are committed when partitions are lost, on commit() and on close().
            "auto.commit.interval.ms": 3_600_000,
            "topic.metadata.refresh.interval.ms": 1000,
            **options,
        }
        if instance_id:
            self._conf["group.instance.id"] = instance_id
        super().__init__()

    def _open(self):
        self._consumer = ck.Consumer(self._conf)
        callbacks = {"on_assign": self._on_assign, "on_revoke": self._on_revoke}
        self._consumer.subscribe([self._topic], **callbacks)

    def _on_assign(self, _consumer, partitions):
        self._handed += 1
        self.gained.append({entry.partition for entry in partitions})

    def _on_revoke(self, _consumer, partitions):
        self.revoked.append({entry.partition for entry in partitions})

    def _poll(self):
        records = []
        for message in self._consumer.consume(500, 0.1):
            if message.error():
                raise broker_error(message.error())
            records.append(stored(message))
        return records, [entry.partition for entry in self._consumer.assignment()]

    def _commit(self, wait):
        call(self._consumer.commit, asynchronous=not wait)

    def _close(self):
        self._consumer.close()


class ConfluentDriver(Driver):
    """All scenarios work with confluent-kafka."""

    name = "confluent-kafka"
    metadata_suffix = 1  # confluent-kafka ends commit metadata with a NUL
    partitions_max = 100_000  # above it, librdkafka refuses to ask

    # What members get: the protocol that the clients balance, or the one that the broker does.
    CLASSIC = {"partition.assignment.strategy": "range"}
    NEXT = {"group.protocol": "consumer"}

    def __init__(self, bootstrap, member_options=None):
        super().__init__(bootstrap)
        self._member_options = self.CLASSIC if member_options is None else member_options
        self._conf = {"bootstrap.servers": bootstrap}
        self.admin = cka.AdminClient(self._conf)
        self._end_readers = {
            committed: self._group_consumer("unused", **{"isolation.level": isolation(committed)})
            for committed in (False, True)
        }

    def for_broker(self, bootstrap):
        return ConfluentDriver(bootstrap, self._member_options)

    def _group_consumer(self, group, **conf):
        return ck.Consumer({**self._conf, "group.id": group, "enable.auto.commit": False, **conf})

    # Records.

    def produce(
        self, topic, records, codec="none", acks="all", idempotent=False, before_close=None
    ):
        producer = ck.Producer(
            {
                **self._conf,
                "compression.type": codec,
                "acks": acks,
                "enable.idempotence": idempotent,
                "linger.ms": 20,
                # The broker's limit is what the scenarios are about, not the client's.
                "message.max.bytes": 10_000_000,
                "message.timeout.ms": TIMEOUT_S * 1000,
            }
        )
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
                producer.produce,
                topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=delivered(index),
                timestamp=record.timestamp or 0,
                headers=list(record.headers),
            )
        remaining = producer.flush(TIMEOUT_S)
        if failures:
            raise broker_error(failures[0])
        if remaining:
            raise Claim(f"{remaining} messages not delivered within {TIMEOUT_S} s")
        if before_close:
            before_close()
        return [offsets[index] for index in range(len(records))]

    def read(self, topic, starts, count, reset=None, committed=False):
        consumer = self._group_consumer(
            "unused",
            **{
                "auto.offset.reset": reset or "error",
                "fetch.wait.max.ms": 100,
                "isolation.level": isolation(committed),
            },
        )
        try:
            consumer.assign([ck.TopicPartition(topic, p, o) for p, o in starts.items()])
            found = []
            while len(found) < count:
                messages = consumer.consume(count - len(found), TIMEOUT_S)
                if not messages:
                    raise Claim(f"{len(found)} of {count} records within {TIMEOUT_S} s")
                for message in messages:
                    if message.error():
                        raise self._reset_error(message.error())
                    found.append(stored(message))
            return found
        finally:
            consumer.close()

    @staticmethod
    def _reset_error(error):
        """With auto.offset.reset=error librdkafka wraps the broker's code in _AUTO_OFFSET_RESET."""
        if error.code() == ck.KafkaError._AUTO_OFFSET_RESET and "out of range" in error.str():
            return BrokerError(ck.KafkaError.OFFSET_OUT_OF_RANGE, error.str())
        return broker_error(error)

    def offsets_for_times(self, topic, times):
        consumer = self._group_consumer("unused")
        try:
            asked = [ck.TopicPartition(topic, p, ms) for p, ms in times.items()]
            found = call(consumer.offsets_for_times, asked, TIMEOUT_S)
            end = ck.OFFSET_END
            return {e.partition: None if e.offset == end else e.offset for e in found}
        finally:
            consumer.close()

    def watermarks(self, topic, partition):
        consumer = self._group_consumer("unused")
        try:
            asked = ck.TopicPartition(topic, partition)
            return call(consumer.get_watermark_offsets, asked, TIMEOUT_S, cached=False)
        finally:
            consumer.close()

    def end_offset(self, topic, partition, committed):
        asked = ck.TopicPartition(topic, partition)
        consumer = self._end_readers[committed]
        return call(consumer.get_watermark_offsets, asked, TIMEOUT_S, cached=False)[1]

    # Transactions.

    def transactor(self, transactional_id, timeout_ms=60_000, codec="none"):
        return ConfluentTransactor(self.bootstrap, transactional_id, timeout_ms, codec)

    def puller(self, topic, group, client_id="puller"):
        options = self._member_options
        return ConfluentPuller(self.bootstrap, topic, group, client_id, **options)

    # Groups.

    def member(self, topic, group, client_id, instance_id=None, reset="earliest", **options):
        options = {**self._member_options, **options}
        return ConfluentMember(
            self.bootstrap, topic, group, client_id, instance_id, reset, options
        )

    def commit(self, group, topic, offsets, metadata=""):
        consumer = self._group_consumer(group)
        try:
            entries = [ck.TopicPartition(topic, p, o, metadata) for p, o in offsets.items()]
            for entry in call(consumer.commit, offsets=entries, asynchronous=False):
                if entry.error:
                    raise broker_error(entry.error)
        finally:
            consumer.close()

    def committed(self, group, topic, partitions):
        # A reader of committed records would wait while a transaction has pending offsets.
        consumer = self._group_consumer(group, **{"isolation.level": isolation(False)})
        try:
            asked = [ck.TopicPartition(topic, partition) for partition in partitions]
            found = call(consumer.committed, asked, TIMEOUT_S)
            return {
                e.partition: (e.offset, e.metadata or "") if e.offset >= 0 else None for e in found
            }
        finally:
            consumer.close()

    def list_groups(self):
        listing = settled(self.admin.list_consumer_groups(request_timeout=TIMEOUT_S))
        return {group.group_id for group in listing.valid}

    def describe_group(self, group):
        found = settled(self.admin.describe_consumer_groups([group])[group])
        members = {
            member.client_id: {
                (entry.topic, entry.partition) for entry in member.assignment.topic_partitions
            }
            for member in found.members
        }
        return GroupView(found.state.name.capitalize(), found.partition_assignor, members)

    def delete_group(self, group):
        settled(self.admin.delete_consumer_groups([group])[group])

    # Topics, configurations, cluster.

    def create_topic(self, topic, partitions=1, configs=None, replication=1, validate_only=False):
        new = cka.NewTopic(topic, partitions, replication, config=configs or {})
        settled(self.admin.create_topics([new], validate_only=validate_only)[topic])

    def delete_topic(self, topic):
        settled(self.admin.delete_topics([topic])[topic])

    def list_topics(self):
        return set(call(self.admin.list_topics, timeout=TIMEOUT_S).topics)

    def describe_topic(self, topic):
        collection = ck.TopicCollection([topic])
        found = settled(self.admin.describe_topics(collection)[topic])
        return {
            p.id: (p.leader.id, [node.id for node in p.replicas], [node.id for node in p.isr])
            for p in found.partitions
        }

    def create_partitions(self, topic, total):
        settled(self.admin.create_partitions([cka.NewPartitions(topic, total)])[topic])

    def delete_records(self, topic, before):
        asked = [ck.TopicPartition(topic, p, offset) for p, offset in before.items()]
        answers = self.admin.delete_records(asked)
        return {entry.partition: settled(f).low_watermark for entry, f in answers.items()}

    def _configs(self, kind, name):
        resource = cka.ConfigResource(kind, str(name))
        found = settled(self.admin.describe_configs([resource])[resource])
        return {key: entry.value for key, entry in found.items()}

    def topic_configs(self, topic):
        return self._configs(cka.ResourceType.TOPIC, topic)

    def broker_configs(self, broker):
        return self._configs(cka.ResourceType.BROKER, broker)

    def alter_topic_config(self, topic, name, value, operation="SET"):
        entry = cka.ConfigEntry(
            name, value, incremental_operation=cka.AlterConfigOpType[operation]
        )
        resource = cka.ConfigResource(cka.ResourceType.TOPIC, topic, incremental_configs=[entry])
        settled(self.admin.incremental_alter_configs([resource])[resource])

    def describe_cluster(self):
        found = settled(self.admin.describe_cluster())
        brokers = [(node.id, node.host, node.port) for node in found.nodes]
        return found.cluster_id, found.controller.id, brokers
