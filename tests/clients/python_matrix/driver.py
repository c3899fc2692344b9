"""What the shared scenarios ask of a Python client, in one vocabulary.

Each client directory implements `Driver` and `Member` with its own library and nothing else, so
that a scenario is written once and every library executes it in its own way. What a library
cannot do is listed in `Driver.lacks` with the reason, and the scenarios that need it are not
registered for that client.
"""

import abc
import dataclasses
import threading

from runner import eventually

OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
MESSAGE_TOO_LARGE = 10
OFFSET_METADATA_TOO_LARGE = 12
INVALID_TOPIC = 17
ILLEGAL_GENERATION = 22
INVALID_TIMESTAMP = 32
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REPLICATION_FACTOR = 38
INVALID_CONFIG = 40
INVALID_PRODUCER_EPOCH = 47
INVALID_TRANSACTION_TIMEOUT = 50
POLICY_VIOLATION = 44
NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69
INVALID_RECORD = 87
UNSTABLE_OFFSET_COMMIT = 88
PRODUCER_FENCED = 90


class BrokerError(Exception):
    """An error with a Kafka error code, whatever exception the library dressed it in."""

    def __init__(self, code, message=""):
        super().__init__(f"error code {code}: {message}")
        self.code = code


@dataclasses.dataclass(frozen=True)
class GroupView:
    """A described group: `members` maps client id to the set of assigned (topic, partition)."""

    state: str
    protocol: str
    members: dict


class Member(abc.ABC):
    """A consumer that is subscribed to topics as a member of a group and keeps polling."""

    @abc.abstractmethod
    def assignment(self):
        """The partition numbers this member owns now, as a frozenset."""

    @abc.abstractmethod
    def stored(self):
        """Everything received so far, in the order of receipt, as a list of `Stored`."""

    @abc.abstractmethod
    def rebalances(self):
        """How often the group protocol has handed this member an assignment."""

    @abc.abstractmethod
    def commit(self, wait):
        """Commits the position: `wait` for the broker's answer, or asynchronously."""

    @abc.abstractmethod
    def close(self):
        """Closes the consumer: a dynamic member leaves the group, a static one does not."""


class PollingMember(Member):
    """A member for blocking libraries: one thread owns the consumer and polls it."""

    def __init__(self):
        self._seen, self._owned, self._handed = [], frozenset(), 0
        self._requests, self._stop, self._failure = [], threading.Event(), None
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    @abc.abstractmethod
    def _open(self):
        """Creates and subscribes the consumer, in the polling thread."""

    @abc.abstractmethod
    def _poll(self):
        """Polls once for at most a tenth of a second; returns (records, owned partitions)."""

    @abc.abstractmethod
    def _commit(self, wait):
        """Commits in the polling thread."""

    @abc.abstractmethod
    def _close(self):
        """Closes the consumer in the polling thread."""

    def _loop(self):
        try:
            self._open()
            try:
                while not self._stop.is_set():
                    records, owned = self._poll()
                    self._seen.extend(records)
                    self._owned = frozenset(owned)
                    while self._requests:
                        wait, done = self._requests.pop(0)
                        self._commit(wait)
                        done.set()
            finally:
                self._close()
        except Exception as error:  # handed to the thread that asks next
            self._failure = error

    def _check(self):
        if self._failure:
            raise self._failure

    def assignment(self):
        self._check()
        return self._owned

    def stored(self):
        self._check()
        return list(self._seen)

    def rebalances(self):
        self._check()
        return self._handed

    def commit(self, wait):
        done = threading.Event()
        self._requests.append((wait, done))
        if not done.wait(20):
            self._check()
            raise TimeoutError("the member did not commit within 20 s")

    def close(self):
        self._stop.set()
        self._thread.join(30)
        self._check()
        if self._thread.is_alive():
            raise TimeoutError("the member did not close within 30 s")


class Driver(abc.ABC):
    """One client library. Every method may be called from several threads at once and raises
    `BrokerError` for an error that has a Kafka code."""

    name = ""
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    null_headers = True
    null_records = True  # a record may have neither key nor value
    metadata_suffix = 0  # characters that the library adds to commit metadata on its own
    partitions_max = 2_147_483_647  # the highest count that the library passes on
    lacks = {}

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def for_broker(self, bootstrap):
        """The same driver for another broker."""
        return type(self)(bootstrap)

    def known_code(self, code):
        """`code` as this library reports it: -1 when it has no name for that code."""
        return code

    # Records.

    @abc.abstractmethod
    def produce(
        self, topic, records, codec="none", acks="all", idempotent=False, before_close=None
    ):
        """Sends `records` in order and returns their offsets (without meaning for acks 0). The
        producer is closed at the end, after `before_close` has returned."""

    @abc.abstractmethod
    def read(self, topic, starts, count, reset=None, committed=False):
        """Reads `count` records of the partitions in `starts` ({partition: offset}) without a
        group. `reset` says what an offset out of range does: None raises. `committed` asks for
        isolation level read_committed instead of read_uncommitted."""

    @abc.abstractmethod
    def offsets_for_times(self, topic, times):
        """{partition: first offset at or after the ms in `times`, or None}."""

    @abc.abstractmethod
    def watermarks(self, topic, partition):
        """(log start offset, high watermark)."""

    @abc.abstractmethod
    def end_offset(self, topic, partition, committed):
        """The offset where a consumer that starts at the end begins: the last stable offset for
        read_committed (`committed`), the high watermark otherwise."""

    # Transactions.

    @abc.abstractmethod
    def transactor(self, transactional_id, timeout_ms=60_000, codec="none"):
        """A `Transactor` that has got its producer id."""

    @abc.abstractmethod
    def puller(self, topic, group, client_id="puller"):
        """A `Puller` that reads committed records from the earliest offset on."""

    # Groups.

    @abc.abstractmethod
    def member(self, topic, group, client_id, instance_id=None, reset="earliest"):
        """Starts a `Member` that commits what it has handed out when it loses partitions."""

    @abc.abstractmethod
    def commit(self, group, topic, offsets, metadata=""):
        """Commits {partition: offset} without joining the group."""

    @abc.abstractmethod
    def committed(self, group, topic, partitions):
        """{partition: (offset, metadata) or None}."""

    @abc.abstractmethod
    def list_groups(self):
        """The ids of all groups, as a set."""

    @abc.abstractmethod
    def describe_group(self, group):
        """The group as a `GroupView`."""

    def delete_group(self, group):
        """Deletes a group."""
        raise NotImplementedError

    # Topics, configurations, cluster.

    @abc.abstractmethod
    def create_topic(self, topic, partitions=1, configs=None, replication=1, validate_only=False):
        """Creates a topic (or only asks whether that would work)."""

    def ready_topic(self, topic, partitions=1, configs=None):
        """Creates a topic and waits until the brokers' metadata shows all its leaders, which may
        be a little after the creation was acknowledged."""
        self.create_topic(topic, partitions, configs)

        def has_leaders():
            try:
                found = self.describe_topic(topic)
            except BrokerError as error:
                if error.code != UNKNOWN_TOPIC_OR_PARTITION:
                    raise
                return False
            return len(found) == partitions and all(leader >= 0 for leader, _, _ in found.values())

        eventually(has_leaders, f"{topic} has leaders")

    @abc.abstractmethod
    def delete_topic(self, topic):
        """Deletes a topic."""

    @abc.abstractmethod
    def list_topics(self):
        """The names of all topics, as a set."""

    @abc.abstractmethod
    def describe_topic(self, topic):
        """{partition: (leader, replicas, in-sync replicas)}."""

    @abc.abstractmethod
    def create_partitions(self, topic, total):
        """Extends a topic to `total` partitions."""

    @abc.abstractmethod
    def delete_records(self, topic, before):
        """Deletes records below {partition: offset}; returns {partition: log start offset}."""

    @abc.abstractmethod
    def topic_configs(self, topic):
        """{name: value} of all configurations of a topic."""

    @abc.abstractmethod
    def broker_configs(self, broker):
        """{name: value} of all configurations of a broker."""

    @abc.abstractmethod
    def alter_topic_config(self, topic, name, value):
        """Sets one configuration of a topic."""

    @abc.abstractmethod
    def describe_cluster(self):
        """(cluster id or None, controller id, [(broker id, host, port)])."""
