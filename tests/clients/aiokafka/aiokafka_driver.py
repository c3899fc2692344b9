"""`Driver` and `Member` on aiokafka.

Every coroutine runs on one event loop in a background thread, as it would in an asyncio program;
the blocking methods of `Driver` hand their work to that loop and wait for it.
"""

import asyncio
import contextlib

import aiokafka
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from aiokafka_calls import TIMEOUT_S, EventLoop, isolation, raise_for_code, send, stored
from aiokafka_transactor import AiokafkaPuller, AiokafkaTransactor
from driver import Driver, GroupView, Member
from runner import Claim


class _Handed(aiokafka.ConsumerRebalanceListener):
    def __init__(self):
        self.count = 0

    def on_partitions_revoked(self, revoked):
        """Nothing to do: aiokafka commits by itself."""

    def on_partitions_assigned(self, assigned):
        self.count += 1


class AiokafkaMember(Member):
    """A subscribed aiokafka consumer whose task on the loop keeps polling it."""

    def __init__(self, loop, topic, **options):
        self._loop, self._seen, self._handed = loop, [], _Handed()
        self._consumer = self._loop.run(self._open(topic, options))
        self._task = self._loop.start(self._poll())

    async def _open(self, topic, options):
        # Offsets are committed when partitions are lost, on commit() and on close().
        consumer = aiokafka.AIOKafkaConsumer(auto_commit_interval_ms=3_600_000, **options)
        consumer.subscribe([topic], listener=self._handed)
        await consumer.start()
        return consumer

    async def _poll(self):
        while True:
            batches = await self._consumer.getmany(timeout_ms=100)
            self._seen += [stored(message) for batch in batches.values() for message in batch]

    def _check(self):
        if self._task.done() and not self._task.cancelled():
            self._task.result()

    def assignment(self):
        self._check()
        return frozenset(entry.partition for entry in self._consumer.assignment())

    def stored(self):
        self._check()
        return list(self._seen)

    def rebalances(self):
        self._check()
        return self._handed.count

    def commit(self, wait):
        if wait:
            self._loop.run(self._consumer.commit())
        else:
            self._loop.start(self._consumer.commit())

    def close(self):
        self._check()
        self._task.cancel()
        self._loop.run(self._consumer.stop())


class AiokafkaDriver(Driver):
    """The scenarios with aiokafka."""

    name = "aiokafka"
    null_records = False
    lacks = {
        "delete groups": "the admin client has no such call",
        "group metadata": "offsets in a transaction come with the name of the group only",
    }

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.loop = EventLoop()
        self.admin = self.loop.run(self._open_admin())

    async def _open_admin(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        return admin

    @contextlib.asynccontextmanager
    async def consumer(self, **options):
        """A started consumer that is stopped at the end of the block, without committing."""
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, **options
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    def known_code(self, code):
        return errors.for_code(code).errno

    # Records.

    def produce(
        self, topic, records, codec="none", acks="all", idempotent=False, before_close=None
    ):
        return self.loop.run(self._produce(topic, records, codec, acks, idempotent, before_close))

    async def _produce(self, topic, records, codec, acks, idempotent, before_close):
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if codec == "none" else codec,
            acks=acks,
            enable_idempotence=idempotent,
            linger_ms=20,
            # The broker's limit is what the scenarios are about, not the client's.
            max_request_size=10_000_000,
            request_timeout_ms=TIMEOUT_S * 1000,
        )
        await producer.start()
        try:
            futures = [await send(producer, topic, record) for record in records]
            answers = [await future for future in futures]
            if before_close:
                await asyncio.to_thread(before_close)
            return [answer.offset if answer else -1 for answer in answers]
        finally:
            await producer.stop()

    def read(self, topic, starts, count, reset=None, committed=False):
        options = {"auto_offset_reset": reset or "none", "fetch_max_wait_ms": 100}
        options["isolation_level"] = isolation(committed)
        return self.loop.run(self._read(topic, starts, count, options))

    async def _read(self, topic, starts, count, options):
        async with self.consumer(**options) as consumer:
            consumer.assign([TopicPartition(topic, partition) for partition in starts])
            for partition, offset in starts.items():
                consumer.seek(TopicPartition(topic, partition), offset)
            found = []
            while len(found) < count:
                batches = await consumer.getmany(timeout_ms=TIMEOUT_S * 1000)
                if not batches:
                    raise Claim(f"{len(found)} of {count} records within {TIMEOUT_S} s")
                found += [stored(message) for batch in batches.values() for message in batch]
            return found

    def offsets_for_times(self, topic, times):
        return self.loop.run(self._offsets_for_times(topic, times))

    async def _offsets_for_times(self, topic, times):
        async with self.consumer() as consumer:
            asked = {TopicPartition(topic, p): ms for p, ms in times.items()}
            found = await consumer.offsets_for_times(asked)
            return {entry.partition: at.offset if at else None for entry, at in found.items()}

    def watermarks(self, topic, partition):
        return self.loop.run(self._watermarks(TopicPartition(topic, partition)))

    async def _watermarks(self, partition):
        async with self.consumer() as consumer:
            first = await consumer.beginning_offsets([partition])
            end = await consumer.end_offsets([partition])
            return first[partition], end[partition]

    def end_offset(self, topic, partition, committed):
        return self.loop.run(self._end_offset(TopicPartition(topic, partition), committed))

    async def _end_offset(self, partition, committed):
        async with self.consumer(isolation_level=isolation(committed)) as consumer:
            return (await consumer.end_offsets([partition]))[partition]

    # Transactions.

    def transactor(self, transactional_id, timeout_ms=60_000, codec="none"):
        return AiokafkaTransactor(
            self.loop,
            bootstrap_servers=self.bootstrap,
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            compression_type=None if codec == "none" else codec,
        )

    def puller(self, topic, group, client_id="puller"):
        options = {"bootstrap_servers": self.bootstrap, "client_id": client_id}
        return AiokafkaPuller(self.loop, topic, group, **options)

    # Groups.

    def member(self, topic, group, client_id, instance_id=None, reset="earliest", **options):
        return AiokafkaMember(
            self.loop,
            topic,
            bootstrap_servers=self.bootstrap,
            group_id=group,
            client_id=client_id,
            group_instance_id=instance_id,
            auto_offset_reset=reset,
            **options,
        )

    def commit(self, group, topic, offsets, metadata=""):
        self.loop.run(self._commit(group, topic, offsets, metadata))

    async def _commit(self, group, topic, offsets, metadata):
        async with self.consumer(group_id=group) as consumer:
            consumer.assign([TopicPartition(topic, partition) for partition in offsets])
            entries = offsets.items()
            await consumer.commit(
                {TopicPartition(topic, p): OffsetAndMetadata(o, metadata) for p, o in entries}
            )

    def committed(self, group, topic, partitions):
        asked = [TopicPartition(topic, partition) for partition in partitions]
        found = self.loop.run(self.admin.list_consumer_group_offsets(group, partitions=asked))
        return {
            entry.partition: (at.offset, at.metadata) if at.offset >= 0 else None
            for entry, at in found.items()
        }

    def list_groups(self):
        return {group[0] for group in self.loop.run(self.admin.list_consumer_groups())}

    def describe_group(self, group):
        (response,) = self.loop.run(self.admin.describe_consumer_groups([group]))
        code, _, state, _, protocol, members = response.groups[0][:6]
        raise_for_code(code)
        assigned = {}
        for _, client_id, _, _, assignment, *_ in members:
            decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
            assigned[client_id] = {(e.topic, e.partition) for e in decoded.partitions()}
        return GroupView(state, protocol, assigned)

    # Topics, configurations, cluster.

    def create_topic(self, topic, partitions=1, configs=None, replication=1, validate_only=False):
        new = NewTopic(topic, partitions, replication, topic_configs=configs or {})
        response = self.loop.run(self.admin.create_topics([new], validate_only=validate_only))
        for _, code, message in response.topic_errors:
            raise_for_code(code, message)

    def delete_topic(self, topic):
        response = self.loop.run(self.admin.delete_topics([topic]))
        for _, code in response.topic_error_codes:
            raise_for_code(code)

    def list_topics(self):
        return set(self.loop.run(self.admin.list_topics()))

    def describe_topic(self, topic):
        (found,) = self.loop.run(self.admin.describe_topics([topic]))
        raise_for_code(found["error_code"], topic)
        return {
            entry["partition"]: (entry["leader"], entry["replicas"], entry["isr"])
            for entry in found["partitions"]
        }

    def create_partitions(self, topic, total):
        self.loop.run(self.admin.create_partitions({topic: NewPartitions(total)}))

    def delete_records(self, topic, before):
        asked = {TopicPartition(topic, p): RecordsToDelete(o) for p, o in before.items()}
        found = self.loop.run(self.admin.delete_records(asked))
        return {entry.partition: log_start for entry, log_start in found.items()}

    def _configs(self, kind, name):
        resource = ConfigResource(kind, name)
        (response,) = self.loop.run(self.admin.describe_configs([resource]))
        code, message, _, _, entries = response.resources[0]
        raise_for_code(code, message)
        return {entry[0]: entry[1] for entry in entries}

    def topic_configs(self, topic):
        return self._configs(ConfigResourceType.TOPIC, topic)

    def broker_configs(self, broker):
        return self._configs(ConfigResourceType.BROKER, str(broker))

    def alter_topic_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        (response,) = self.loop.run(self.admin.alter_configs([resource]))
        for code, message, _, _ in response.resources:
            raise_for_code(code, message)

    def describe_cluster(self):
        found = self.loop.run(self.admin.describe_cluster())
        brokers = [(b["node_id"], b["host"], b["port"]) for b in found["brokers"]]
        return found["cluster_id"], found["controller_id"], brokers
