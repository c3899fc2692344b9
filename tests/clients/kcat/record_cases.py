"""kcat as producer, consumer and asker for metadata and offsets."""

import random

from kcat import claim_fails, consume, kcat, metadata, send_files
from runner import claim, claim_equal, eventually
from stored_batches import CODEC_IDS, stored_batches
from wire import create_topic

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def _values():
    noise = random.Random(30)
    line = b"a line of text that any codec makes smaller; " * 30
    special = [bytes(range(256)), b"\x00", b"\n\n", noise.randbytes(9000), line * 50]
    return special + [line[i:] + b"%d" % i for i in range(20)]


def _round_trip(run, codec):
    topic, values = run.name(), _values()
    send_files(run.bootstrap, topic, values, "-z", codec, "-X", "linger.ms=50")
    found = consume(run.bootstrap, topic, "-o", "beginning")
    claim_equal([entry.offset for entry in found], list(range(len(values))), "offsets")
    for entry, value in zip(found, values):
        claim(entry.record.value == value, f"value of offset {entry.offset} differs")
        claim_equal(entry.record.key, None, "key")
    codecs = {batch.codec for batch in stored_batches(run.bootstrap, topic)}
    claim(CODEC_IDS[codec] in codecs, f"no stored batch uses {codec}: codec ids {codecs}")
    # librdkafka leaves a batch alone when compressing would not make it smaller.
    claim(codecs <= {CODEC_IDS[codec], 0}, f"stored codec ids {codecs}")


def keys_are_split_off_at_the_delimiter(run):
    topic = run.name()
    lines = b"k1:v1\nk2:v:2\n:no key\nno delimiter\n"
    kcat(run.bootstrap, "-P", "-t", topic, "-K", ":", stdin=lines)
    found = [(e.record.key, e.record.value) for e in consume(run.bootstrap, topic)]
    expected = [(b"k1", b"v1"), (b"k2", b"v:2"), (b"", b"no key"), (None, b"no delimiter")]
    claim_equal(found, expected, "keys and values")


def null_and_empty_stay_distinct(run):
    topic = run.name()
    kcat(run.bootstrap, "-P", "-t", topic, "-K", ":", stdin=b"k:\n:v\n")
    kcat(run.bootstrap, "-P", "-t", topic, "-K", ":", "-Z", stdin=b"k:\n:v\n")
    found = [(e.record.key, e.record.value) for e in consume(run.bootstrap, topic)]
    claim_equal(found, [(b"k", b""), (b"", b"v"), (b"k", None), (None, b"v")], "keys and values")


def headers_keep_order_and_duplicates(run):
    topic = run.name()
    headers = (("z", b"1"), ("same", b"first"), ("a", b"2"), ("same", b"second"), ("empty", b""))
    arguments = [part for name, value in headers for part in ("-H", f"{name}={value.decode()}")]
    kcat(run.bootstrap, "-P", "-t", topic, *arguments, "-H", "null", stdin=b"value\n")
    (entry,) = consume(run.bootstrap, topic)
    claim_equal(entry.record.headers, headers + (("null", None),), "headers")


def a_record_of_900_kb_round_trips(run):
    topic, value = run.name(), random.Random(31).randbytes(900_000)
    send_files(run.bootstrap, topic, [value, b"after"])
    found = [entry.record.value for entry in consume(run.bootstrap, topic)]
    claim(found == [value, b"after"], "the values differ")


def every_partition_keeps_its_order(run):
    topic = run.name()
    create_topic(run.bootstrap, topic, 3)
    for partition in range(3):
        lines = b"".join(b"%d-%d\n" % (partition, i) for i in range(100))
        kcat(run.bootstrap, "-P", "-t", topic, "-p", str(partition), stdin=lines)
    found = consume(run.bootstrap, topic)
    for partition in range(3):
        entries = [e for e in found if e.record.partition == partition]
        claim_equal([e.offset for e in entries], list(range(100)), "offsets")
        expected = [b"%d-%d" % (partition, i) for i in range(100)]
        claim_equal([e.record.value for e in entries], expected, "values")


def metadata_json_lists_broker_topic_and_partitions(run):
    topic = run.name()
    create_topic(run.bootstrap, topic, 3)
    kcat(run.bootstrap, "-P", "-t", topic, "-p", "0", stdin=b"settle the metadata\n")
    found = metadata(run.bootstrap, "-t", topic)
    (broker,) = found["brokers"]
    claim_equal(broker["name"].rsplit(":", 1)[1], run.bootstrap.rsplit(":", 1)[1], "port")
    claim_equal(found["controllerid"], broker["id"], "controller id")
    (entry,) = found["topics"]
    claim_equal(entry["topic"], topic, "topic")
    expected = [
        {"partition": p, "leader": broker["id"], "replicas": [{"id": broker["id"]}],
         "isrs": [{"id": broker["id"]}]}
        for p in range(3)
    ]
    claim_equal(sorted(entry["partitions"], key=lambda p: p["partition"]), expected, "partitions")
    every = {entry["topic"] for entry in metadata(run.bootstrap)["topics"]}
    claim(topic in every, "the topic is missing among all topics")


def offsets_by_time_are_exact(run):
    topic = run.name()
    for index in range(4):
        kcat(run.bootstrap, "-P", "-t", topic, stdin=b"%d\n%d\n" % (index, index))
    stamps = [entry.record.timestamp for entry in consume(run.bootstrap, topic)]
    claim_equal(len(stamps), 8, "records")

    def asked(timestamp):
        printed = kcat(run.bootstrap, "-Q", "-t", f"{topic}:0:{timestamp}").decode()
        return int(printed.rsplit("offset ", 1)[1])

    for stamp in sorted(set(stamps)):
        first = next(i for i, found in enumerate(stamps) if stamp <= found)
        claim_equal(asked(stamp), first, f"offset for {stamp}")
    claim_equal(asked(stamps[0] - 10_000), 0, "offset for an earlier time")
    claim_equal(asked(max(stamps) + 1), -1, "offset for a later time")
    claim_equal((asked(-2), asked(-1)), (0, 8), "beginning and end")
    later = consume(run.bootstrap, topic, "-o", f"s@{stamps[4]}")
    first = next(i for i, found in enumerate(stamps) if stamps[4] <= found)
    claim_equal([e.offset for e in later], list(range(first, 8)), "offsets read from a time on")


def reading_starts_where_asked(run):
    topic = run.name()
    kcat(run.bootstrap, "-P", "-t", topic, stdin=b"".join(b"%d\n" % i for i in range(20)))
    for start, expected in (("5", range(5, 20)), ("-3", range(17, 20)), ("beginning", range(20))):
        found = consume(run.bootstrap, topic, "-o", start)
        claim_equal([e.offset for e in found], list(expected), f"offsets from {start}")
    claim_equal(consume(run.bootstrap, topic, "-o", "end"), [], "records from the end")


def acks_0_1_and_all_and_idempotence_deliver(run):
    topic, sent = run.name(), []
    # Acks 0 last: the broker drops what it gets before it has taken up the new partition.
    for option in ("enable.idempotence=true", "acks=all", "acks=1", "acks=0"):
        values = [b"%s %d" % (option.encode(), i) for i in range(200)]
        sent += values
        lines = b"".join(value + b"\n" for value in values)
        kcat(run.bootstrap, "-P", "-t", topic, "-X", option, stdin=lines)

        # With acks 0 the broker may still be reading when kcat has gone.
        def are_there():
            printed = kcat(run.bootstrap, "-Q", "-t", f"{topic}:0:-1")
            return int(printed.rsplit(b"offset ", 1)[1]) == len(sent)

        eventually(are_there, f"{len(sent)} records, the last with {option}")
    found = consume(run.bootstrap, topic, "-o", "beginning")
    claim_equal([entry.record.value for entry in found], sent, "values")
    producer_ids = {
        batch.producer_id
        for batch in stored_batches(run.bootstrap, topic)
        if batch.base_offset < 200
    }
    claim(-1 not in producer_ids, "an idempotent batch carries no producer id")


def errors_have_kafkas_meaning(run):
    topic, where = run.name(), run.bootstrap
    kcat(where, "-P", "-t", topic, stdin=b"one\ntwo\n")
    send = ("-P", "-X", "message.timeout.ms=10000", "-t")
    claim_fails(where, *send, topic, "-p", "7", stdin=b"x\n", saying="Unknown partition")
    claim_fails(where, *send, "not a name", stdin=b"x\n", saying="Invalid topic")
    absent = ("-C", "-e", "-X", "allow.auto.create.topics=false", "-t", run.name("absent"))
    claim_fails(where, *absent, saying="Unknown topic or partition")
    outside = ("-C", "-e", "-t", topic, "-o", "50", "-X", "topic.auto.offset.reset=error")
    claim_fails(where, *outside, saying="Offset out of range")


def a_record_above_the_limit_is_refused(run):
    topic = run.name()
    kcat(run.bootstrap, "-P", "-t", topic, stdin=b"fits\n")
    large = b"x" * 2_000_000 + b"\n"
    options = ("-X", "message.max.bytes=10000000", "-t", topic)
    claim_fails(run.bootstrap, "-P", *options, stdin=large, saying="Message size too large")
    kcat(run.bootstrap, "-P", *options, "-z", "gzip", stdin=large)
    sizes = [len(entry.record.value) for entry in consume(run.bootstrap, topic)]
    claim_equal(sizes, [4, 2_000_000], "sizes of the values")


def _codec_cases():
    def bind(codec):
        return lambda run: _round_trip(run, codec)

    return [(f"{codec}_batches_round_trip_byte_exact", bind(codec)) for codec in CODECS]


CASES = [
    (function.__name__, function)
    for function in (
        keys_are_split_off_at_the_delimiter,
        null_and_empty_stay_distinct,
        headers_keep_order_and_duplicates,
        a_record_of_900_kb_round_trips,
        every_partition_keeps_its_order,
        metadata_json_lists_broker_topic_and_partitions,
        offsets_by_time_are_exact,
        reading_starts_where_asked,
        acks_0_1_and_all_and_idempotence_deliver,
        errors_have_kafkas_meaning,
        a_record_above_the_limit_is_refused,
    )
] + _codec_cases()
