"""Producing and reading back: bytes, headers, nulls, order, acks, timestamps, idempotence."""

import random
import time

from records import (
    LOG_APPEND_TIME,
    Record,
    awkward,
    awkward_headers,
    claim_partitions,
    claim_records,
    numbered,
    recent_ms,
)
from runner import claim, claim_equal, eventually
from scenarios import scenario
from stored_batches import CODEC_IDS, stored_batches


def round_trip(driver, run, codec):
    """Awkward records come back equal, and the broker really stores batches of that codec."""
    topic, sent = run.name(), awkward(driver.null_records)
    driver.ready_topic(topic)
    claim_equal(driver.produce(topic, sent, codec), list(range(len(sent))), "produced offsets")
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)
    stored = {batch.codec for batch in stored_batches(driver.bootstrap, topic)}
    claim(CODEC_IDS[codec] in stored, f"no stored batch uses {codec}: codec ids {stored}")
    # Libraries leave a batch alone when compressing would not make it smaller.
    claim(stored <= {CODEC_IDS[codec], 0}, f"stored codec ids {stored}")


@scenario()
def headers_keep_order_duplicates_and_nulls(driver, run):
    topic, sent = run.name(), awkward_headers(driver.null_headers)
    driver.ready_topic(topic)
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)


@scenario()
def partitions_keep_their_order_at_dense_offsets(driver, run):
    topic, sent = run.name(), numbered(400, partitions=4)
    driver.ready_topic(topic, partitions=4)
    driver.produce(topic, sent, "lz4")
    claim_partitions(driver.read(topic, {0: 0, 1: 0, 2: 0, 3: 0}, len(sent)), sent)


@scenario()
def acks_0_1_and_all_deliver(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    sent = []
    # Acks 0 last: the broker drops what it gets before it has taken up the new partition.
    for acks in ("all", 1, 0):
        records = numbered(20, f"acks-{acks}")
        sent += records

        # With acks 0 there is no answer to wait for, and a connection that is closed at once may
        # take its last requests with it: the producer stays open until the records are there.
        def are_there():
            return driver.watermarks(topic, 0)[1] == len(sent)

        driver.produce(topic, records, acks=acks, before_close=lambda: eventually(are_there, acks))
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)


@scenario()
def a_record_of_900_kb_round_trips(driver, run):
    topic = run.name()
    value = random.Random(21).randbytes(900_000)
    sent = [Record(b"big", value, (), recent_ms()), Record(b"small", b"after", (), recent_ms())]
    driver.ready_topic(topic)
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, 2), sent)


@scenario()
def log_append_time_topics_carry_the_brokers_clock(driver, run):
    topic, sent = run.name(), numbered(10)
    driver.ready_topic(topic, configs={"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    driver.produce(topic, sent)
    after = int(time.time() * 1000)
    stored = driver.read(topic, {0: 0}, len(sent))
    for entry in stored:
        claim_equal(entry.timestamp_type, LOG_APPEND_TIME, "timestamp type")
        stamp = entry.record.timestamp
        claim(before <= stamp <= after, f"{stamp} is not within {before}..{after}")
    claim_equal([entry.record.value for entry in stored], [r.value for r in sent], "values")


@scenario(needs="idempotence")
def idempotent_producer_writes_dense_sequences_once(driver, run):
    topic, sent = run.name(), numbered(500)
    driver.ready_topic(topic)
    driver.produce(topic, sent, idempotent=True)
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)
    batches = stored_batches(driver.bootstrap, topic)
    claim_equal(len({batch.producer_id for batch in batches}), 1, "number of producer ids")
    claim(batches[0].producer_id >= 0, "the batches carry no producer id")
    for batch in batches:  # the only producer, from sequence 0: sequences equal offsets
        claim_equal(batch.base_sequence, batch.base_offset, "base sequence")


@scenario()
def topic_codec_recompresses_what_producers_send(driver, run):
    topic, sent = run.name(), awkward(driver.null_records)
    driver.ready_topic(topic, configs={"compression.type": "zstd"})
    driver.produce(topic, sent, "gzip")
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)
    codecs = {batch.codec for batch in stored_batches(driver.bootstrap, topic)}
    claim_equal(codecs, {CODEC_IDS["zstd"]}, "stored codec ids")


@scenario()
def producing_to_an_absent_topic_creates_it(driver, run):
    topic, sent = run.name(), numbered(5)
    driver.produce(topic, sent)
    claim_records(driver.read(topic, {0: 0}, len(sent)), sent)
