"""`Driver` and `Member` on kafka-python."""

import contextlib
import re
import time

import kafka
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from driver import BrokerError, Driver, GroupView, PollingMember
from kafka_python_calls import TIMEOUT_S, isolation, send, stored, translated
from kafka_python_transactor import KafkaPythonPuller, KafkaPythonTransactor
from runner import Claim


def raise_for_text(text):
    """Admin calls that answer with text: "OK", or one that begins with "[Error 40]"."""
    if text != "OK":
        code = re.match(r"\[Error (-?\d+)\]", text)
        raise BrokerError(int(code.group(1)) if code else -1, text)


class _Handed(kafka.ConsumerRebalanceListener):
    def __init__(self, member):
        self._member = member

    def on_partitions_revoked(self, revoked):
        self._member.revoked.append({entry.partition for entry in revoked})

    def on_partitions_assigned(self, assigned):
        self._member.handed_over()


class KafkaPythonMember(PollingMember):
    """A subscribed kafka-python consumer; `options` are passed to `KafkaConsumer`."""

    def __init__(self, topic, **options):
        self.revoked = []
        self._topic, self._options = topic, options
        super().__init__()

    def handed_over(self):
        """Counts one assignment."""
        self._handed += 1

    def _open(self):
        # Offsets are committed when partitions are lost, on commit() and on close().
        self._consumer = kafka.KafkaConsumer(
            auto_commit_interval_ms=3_600_000,
            heartbeat_interval_ms=500,
            reconnect_backoff_max_ms=500,
            **self._options,
        )
        self._consumer.subscribe([self._topic], listener=_Handed(self))
        # Let it learn the topic's partitions before it joins: otherwise kafka-python takes the
        # first metadata for a change, rejoins at once, and sometimes loses its assignment.
        self._consumer.topics()

    def _poll(self):
        try:
            with translated():
                batches = self._consumer.poll(timeout_ms=100)
        except errors.KafkaConnectionError:  # the broker is away for a moment
            batches = {}
        records = [stored(message) for batch in batches.values() for message in batch]
        return records, [entry.partition for entry in self._consumer.assignment()]

    def _commit(self, wait):
        with translated():
            self._consumer.commit() if wait else self._consumer.commit_async()

    def _close(self):
        self._consumer.close()


class KafkaPythonDriver(Driver):
    """The scenarios with kafka-python."""

    name = "kafka-python"
    null_headers = False
    null_records = False
    lacks = {"config errors": "describe_configs drops the error code of a resource"}

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        # Cases share the admin client; at its default of 5 it fails instead of queueing.
        self.admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, max_in_flight_requests_per_connection=1000
        )

    @contextlib.contextmanager
    def consumer(self, **options):
        """A consumer that is closed at the end of the block, without committing."""
        options = {"enable_auto_commit": False, "fetch_max_wait_ms": 100, **options}
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.bootstrap, **options)
        try:
            with translated():
                yield consumer
        finally:
            consumer.close()

    # Records.

    def produce(
        self, topic, records, codec="none", acks="all", idempotent=False, before_close=None
    ):
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if codec == "none" else codec,
            acks=acks,
            enable_idempotence=idempotent,
            linger_ms=20,
            # The broker's limit is what the scenarios are about, not the client's.
            max_request_size=10_000_000,
            delivery_timeout_ms=TIMEOUT_S * 1000,
            request_timeout_ms=TIMEOUT_S * 1000 // 2,
        )
        try:
            with translated():
                futures = [send(producer, topic, record) for record in records]
                offsets = [future.get(timeout=TIMEOUT_S).offset for future in futures]
            if before_close:
                before_close()
            return offsets
        finally:
            producer.close(timeout=TIMEOUT_S)

    def read(self, topic, starts, count, reset=None, committed=False):
        options = {"auto_offset_reset": reset or "none", "isolation_level": isolation(committed)}
        with self.consumer(**options) as consumer:
            consumer.assign([kafka.TopicPartition(topic, partition) for partition in starts])
            for partition, offset in starts.items():
                consumer.seek(kafka.TopicPartition(topic, partition), offset)
            found, deadline = [], time.monotonic() + TIMEOUT_S
            while len(found) < count:
                if deadline < time.monotonic():
                    raise Claim(f"{len(found)} of {count} records within {TIMEOUT_S} s")
                for batch in consumer.poll(timeout_ms=200).values():
                    found += [stored(message) for message in batch]
            return found

    def offsets_for_times(self, topic, times):
        with self.consumer() as consumer:
            asked = {kafka.TopicPartition(topic, p): ms for p, ms in times.items()}
            found = consumer.offsets_for_times(asked)
            return {entry.partition: at.offset if at else None for entry, at in found.items()}

    def watermarks(self, topic, partition):
        with self.consumer() as consumer:
            asked = kafka.TopicPartition(topic, partition)
            return consumer.beginning_offsets([asked])[asked], consumer.end_offsets([asked])[asked]

    def end_offset(self, topic, partition, committed):
        with self.consumer(isolation_level=isolation(committed)) as consumer:
            asked = kafka.TopicPartition(topic, partition)
            return consumer.end_offsets([asked])[asked]

    # Transactions.

    def transactor(self, transactional_id, timeout_ms=60_000, codec="none"):
        return KafkaPythonTransactor(
            bootstrap_servers=self.bootstrap,
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            compression_type=None if codec == "none" else codec,
        )

    def puller(self, topic, group, client_id="puller"):
        options = {"bootstrap_servers": self.bootstrap, "client_id": client_id}
        return KafkaPythonPuller(topic, group, **options)

    # Groups.

    def member(self, topic, group, client_id, instance_id=None, reset="earliest", **options):
        return KafkaPythonMember(
            topic,
            bootstrap_servers=self.bootstrap,
            group_id=group,
            client_id=client_id,
            group_instance_id=instance_id,
            auto_offset_reset=reset,
            **options,
        )

    def commit(self, group, topic, offsets, metadata=""):
        with self.consumer(group_id=group) as consumer:
            consumer.commit(
                {
                    kafka.TopicPartition(topic, p): OffsetAndMetadata(offset, metadata, -1)
                    for p, offset in offsets.items()
                }
            )

    def committed(self, group, topic, partitions):
        with self.consumer(group_id=group) as consumer:
            found = {
                p: consumer.committed(kafka.TopicPartition(topic, p), metadata=True)
                for p in partitions
            }
            return {p: at and (at.offset, at.metadata) for p, at in found.items()}

    def list_groups(self):
        with translated():
            return {group["group_id"] for group in self.admin.list_groups()}

    def describe_group(self, group):
        with translated():
            found = self.admin.describe_groups([group])[group]
        members = {}
        for member in found["members"]:
            assigned = member["member_assignment"]["assigned_partitions"]
            members[member["client_id"]] = {
                (entry["topic"], partition)
                for entry in assigned
                for partition in entry["partitions"]
            }
        return GroupView(found["group_state"], found["protocol_data"], members)

    def delete_group(self, group):
        with translated():
            answer = self.admin.delete_groups([group])[group]
        if answer != "OK":  # otherwise the name of an exception class
            raise BrokerError(getattr(errors, answer).errno, answer)

    # Topics, configurations, cluster.

    def create_topic(self, topic, partitions=1, configs=None, replication=1, validate_only=False):
        options = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": configs or {},
        }
        with translated():
            self.admin.create_topics({topic: options}, validate_only=validate_only)

    def delete_topic(self, topic):
        with translated():
            self.admin.delete_topics([topic])

    def list_topics(self):
        with translated():
            return set(self.admin.list_topics())

    def describe_topic(self, topic):
        with translated():
            (found,) = self.admin.describe_topics([topic])
        if found["error_code"]:
            raise BrokerError(found["error_code"], topic)
        return {
            entry["partition_index"]: (
                entry["leader_id"],
                entry["replica_nodes"],
                entry["isr_nodes"],
            )
            for entry in found["partitions"]
        }

    def create_partitions(self, topic, total):
        with translated():
            self.admin.create_partitions({topic: total})

    def delete_records(self, topic, before):
        asked = {kafka.TopicPartition(topic, p): offset for p, offset in before.items()}
        with translated():
            found = self.admin.delete_records(asked)
        return {entry.partition: at["low_watermark"] for entry, at in found.items()}

    def _configs(self, kind, name):
        with translated():
            found = self.admin.describe_configs([ConfigResource(kind, name)], config_filter="all")
        return {key: at["value"] for key, at in found[kind.name.lower()][name].items()}

    def topic_configs(self, topic):
        return self._configs(ConfigResourceType.TOPIC, topic)

    def broker_configs(self, broker):
        return self._configs(ConfigResourceType.BROKER, str(broker))

    def alter_topic_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        with translated():
            raise_for_text(self.admin.alter_configs([resource])["topic"][topic])

    def describe_cluster(self):
        with translated():
            found = self.admin.describe_cluster()
        brokers = [(b["broker_id"], b["host"], b["port"]) for b in found["brokers"]]
        return found["cluster_id"], found["controller_id"], brokers
