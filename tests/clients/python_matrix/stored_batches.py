"""Reads the record batches of a partition as the broker stores them, by a Fetch request of its own.

A client library hides whether a batch was compressed and which producer wrote it. A library that
quietly sends uncompressed batches would pass a round trip through "gzip", so the scenarios look
here. Fetch version 4 is the oldest that current brokers serve and the simplest to decode.
"""

import dataclasses
import struct

from wire import Connection, text

CODEC_IDS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_FETCH_KEY, _FETCH_VERSION, _MAX_BYTES = 1, 4, 50 << 20
_BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
_LOG_OVERHEAD_BYTES = 12


@dataclasses.dataclass(frozen=True)
class StoredBatch:
    """The fields of a record batch header (magic 2) that a test may ask about."""

    base_offset: int
    last_offset: int
    codec: int
    is_log_append_time: bool
    is_transactional: bool
    is_control: bool
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int


def _fetch(connection, topic, partition, offset):
    """The record bytes of one partition from `offset` on."""
    body = struct.pack(">iiiibi", -1, 500, 1, _MAX_BYTES, 0, 1) + text(topic)
    body += struct.pack(">iiqi", 1, partition, offset, _MAX_BYTES)
    response = connection.ask(_FETCH_KEY, _FETCH_VERSION, body)
    (name_bytes,) = struct.unpack_from(">h", response, 8)
    position = 10 + name_bytes + 4
    _, error, _, _, aborted = struct.unpack_from(">ihqqi", response, position)
    if error:
        raise ValueError(f"Fetch failed with error code {error}")
    position += 26 + 16 * max(aborted, 0)
    (length,) = struct.unpack_from(">i", response, position)
    return response[position + 4 : position + 4 + length]


def _batches_of(records):
    position = 0
    while position + _BATCH_HEADER.size <= len(records):
        fields = _BATCH_HEADER.unpack_from(records, position)
        base_offset, batch_length, _, magic, _, attributes, last_offset_delta = fields[:7]
        end = position + _LOG_OVERHEAD_BYTES + batch_length
        if magic != 2 or len(records) < end:
            return
        yield StoredBatch(
            base_offset,
            base_offset + last_offset_delta,
            attributes & 7,
            bool(attributes & 8),
            bool(attributes & 16),
            bool(attributes & 32),
            *fields[9:13],
        )
        position = end


def stored_batches(bootstrap, topic, partition=0):
    """All batches of a partition from offset 0 on, in order, as `StoredBatch`."""
    found = []
    with Connection(bootstrap) as connection:
        while True:
            offset = found[-1].last_offset + 1 if found else 0
            batches = list(_batches_of(_fetch(connection, topic, partition, offset)))
            if not batches:
                return found
            found += batches
