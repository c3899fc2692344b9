"""Requests that the broker refuses, each with the error code that Kafka gives."""

import time

import driver as codes
from records import Record, claim_records, numbered, recent_ms
from runner import claim, claim_equal
from scenarios import scenario


def claim_refused(code, action):
    """Claims that `action` fails with Kafka's error `code`."""
    try:
        result = action()
    except codes.BrokerError as error:
        claim_equal(error.code, code, f"error code of: {error}")
        return
    claim(False, f"expected error code {code}, but it succeeded with {result!r}")


@scenario()
def invalid_topic_names_are_refused(driver, run):
    for topic in ("has a space", "a/b", "..", ".", "k\u00fc", "x" * 250):
        claim_refused(codes.INVALID_TOPIC, lambda topic=topic: driver.create_topic(topic))


@scenario()
def absent_topics_are_unknown(driver, run):
    topic = run.name()
    unknown = codes.UNKNOWN_TOPIC_OR_PARTITION
    claim_refused(unknown, lambda: driver.delete_topic(topic))
    claim_refused(unknown, lambda: driver.create_partitions(topic, 2))


@scenario(needs="config errors")
def configs_of_absent_topics_are_unknown(driver, run):
    unknown = codes.UNKNOWN_TOPIC_OR_PARTITION
    claim_refused(unknown, lambda: driver.topic_configs(run.name()))


@scenario()
def a_partition_that_does_not_exist_is_refused_and_others_work(driver, run):
    topic, sent = run.name(), numbered(3)
    driver.ready_topic(topic)
    absent = [Record(None, b"lost", (), recent_ms(), partition=5)]
    claim_refused(
        codes.UNKNOWN_TOPIC_OR_PARTITION, lambda: driver.produce(topic, absent)
    )
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, 3), sent)


@scenario()
def batches_above_max_message_bytes_are_refused(driver, run):
    topic, sent = run.name(), numbered(3)
    driver.ready_topic(topic, configs={"max.message.bytes": "5000"})
    large = [Record(None, b"x" * 6000, (), recent_ms())]
    claim_refused(codes.MESSAGE_TOO_LARGE, lambda: driver.produce(topic, large))
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, 3), sent)
    driver.produce(topic, large, "gzip")  # what counts is the size as stored
    claim_records(driver.read(topic, {0: 3}, 1), large, 3)


@scenario()
def compacted_topics_refuse_records_without_a_key(driver, run):
    topic = run.name()
    driver.ready_topic(topic, configs={"cleanup.policy": "compact"})
    keyless = [Record(None, b"value", (), recent_ms())]
    refused = driver.known_code(codes.INVALID_RECORD)
    claim_refused(refused, lambda: driver.produce(topic, keyless))
    sent = [Record(b"key", b"value", (), recent_ms()), Record(b"key", None, (), recent_ms())]
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, 2), sent)


@scenario()
def timestamps_hours_ahead_are_refused(driver, run):
    topic, sent = run.name(), numbered(1)
    driver.ready_topic(topic)
    ahead = [Record(b"k", b"v", (), int(time.time() * 1000) + 2 * 3_600_000)]
    claim_refused(codes.INVALID_TIMESTAMP, lambda: driver.produce(topic, ahead))
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, 1), sent)


@scenario()
def impossible_topics_are_refused(driver, run):
    topic = run.name()
    for code, options in (
        (codes.INVALID_PARTITIONS, {"partitions": 0}),
        (codes.INVALID_REPLICATION_FACTOR, {"replication": 5}),
        (codes.INVALID_CONFIG, {"configs": {"retention.ms": "soon"}}),
        (codes.INVALID_CONFIG, {"configs": {"segment.bytes": "1"}}),
        (codes.INVALID_CONFIG, {"configs": {"no.such.key": "1"}}),
    ):
        claim_refused(code, lambda options=options: driver.create_topic(topic, **options))
    claim(topic not in driver.list_topics(), "a refused topic exists")


@scenario()
def too_many_partitions_are_refused_before_anything_is_allocated(driver, run):
    topic = run.name()
    for count in (10_001, 100_000, 100_000_000, 2_147_483_647):
        if count <= driver.partitions_max:
            claim_refused(
                codes.POLICY_VIOLATION,
                lambda count=count: driver.create_topic(topic, partitions=count),
            )
