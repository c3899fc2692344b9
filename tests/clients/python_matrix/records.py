"""The records that every Python client sends, and exact comparison with what comes back.

Pure data: no client and no broker is touched here. The scenarios use it.
"""

import dataclasses
import random
import time

from runner import claim, claim_equal

CREATE_TIME, LOG_APPEND_TIME = 0, 1


@dataclasses.dataclass(frozen=True)
class Record:
    """One record as a client sends it. `timestamp` is in ms; None lets the client choose."""

    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    timestamp: int | None = None
    partition: int = 0


@dataclasses.dataclass(frozen=True)
class Stored:
    """A record as a consumer got it: the offset and kind of timestamp come from the broker."""

    offset: int
    record: Record
    timestamp_type: int = CREATE_TIME


def recent_ms():
    """A base for timestamps: an hour ago, so that no retention or future limit is near."""
    return int(time.time() * 1000) - 3_600_000


def numbered(count, prefix="value", partitions=1, base_ms=None):
    """`count` small distinct records spread evenly over `partitions`, in send order."""
    base_ms = recent_ms() if base_ms is None else base_ms
    return [
        Record(b"key-%d" % i, b"%s-%d" % (prefix.encode(), i), (), base_ms + i, i % partitions)
        for i in range(count)
    ]


def awkward(allow_null=True):
    """Records at the edges: null against empty, every byte value, large, incompressible."""
    noise = random.Random(20)
    text = b"a line of text that any codec makes smaller; " * 40
    values = [
        (None, b"value without a key"),
        (b"", b"value with an empty key"),
        (b"tombstone", None),
        (b"empty", b""),
        (b"", b""),
        (bytes(range(256)), bytes(reversed(range(256)))),
        ("kl\u00fc\u00e7".encode(), "\u65e5\u672c\u8a9e \U0001f980".encode()),
        (b"k" * 1000, text),
        (b"large", text * 100),
        (b"noise", noise.randbytes(9000)),
        (b"\x00", b"\x00" * 5000),
    ]
    values += [(None, None)] if allow_null else []
    values += [(b"row-%d" % i, text[i:] + b"%d" % i) for i in range(60)]
    base_ms = recent_ms()
    return [
        Record(key, value, ((f"n{i % 3}", b"%d" % i),), base_ms + i * i)
        for i, (key, value) in enumerate(values)
    ]


def awkward_headers(allow_null=True):
    """Records whose headers repeat, stand in a telling order, or have empty or null values."""
    base_ms = recent_ms()
    null = (("null", None),) if allow_null else ()
    shapes = [
        (),
        (("a", b"1"),),
        (("same", b"first"), ("same", b"second"), ("same", b"first")),
        (("z", b"1"), ("a", b"2"), ("m", b"3")),
        (("empty", b""),) + null,
        (("", b"empty name"), ("\u00fcber", bytes(range(256)))),
        tuple((f"h{i}", b"%d" % i) for i in range(100)),
    ]
    return [
        Record(b"key-%d" % i, b"value-%d" % i, headers, base_ms + i)
        for i, headers in enumerate(shapes)
    ]


def claim_records(stored, sent, first_offset=0):
    """Claims that one partition holds exactly `sent`, at dense offsets from `first_offset`."""
    offsets = [entry.offset for entry in stored]
    claim_equal(offsets, list(range(first_offset, first_offset + len(sent))), "offsets")
    for entry, expected in zip(stored, sent):
        for field in ("key", "value", "headers", "timestamp", "partition"):
            found, wanted = getattr(entry.record, field), getattr(expected, field)
            if field == "timestamp" and wanted is None:
                continue
            if found != wanted:
                shown = f"{wanted!r:.120} sent, {found!r:.120} read"
                claim(False, f"{field} of offset {entry.offset}: {shown}")


def claim_partitions(stored, sent):
    """Like `claim_records` for records of several partitions, each compared on its own."""
    partitions = sorted({record.partition for record in sent})
    claim_equal(sorted({entry.record.partition for entry in stored}), partitions, "partitions")
    for partition in partitions:
        claim_records(
            [entry for entry in stored if entry.record.partition == partition],
            [record for record in sent if record.partition == partition],
        )
