"""Reads the record batches of a partition as the broker stores them, by a Fetch request of its own.

A client library hides whether a batch was compressed and which producer wrote it. A library that
quietly sends uncompressed batches would pass a round trip through "gzip", so the scenarios look
here. Uses only the standard library; Fetch version 4 is the oldest that current brokers serve and
the simplest to decode.
"""

import dataclasses
import socket
import struct

CODEC_IDS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_FETCH_KEY, _FETCH_VERSION, _CORRELATION_ID = 1, 4, 7
_BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")


@dataclasses.dataclass(frozen=True)
class StoredBatch:
    """The fields of a record batch header (magic 2) that a test may ask about."""

    base_offset: int
    codec: int
    is_log_append_time: bool
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int


def _fetch_request(topic, partition, offset):
    name = topic.encode()
    body = struct.pack(">hhih", _FETCH_KEY, _FETCH_VERSION, _CORRELATION_ID, 6) + b"matrix"
    body += struct.pack(">iiiib", -1, 500, 1, 50 << 20, 0)
    body += struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">iiqi", 1, partition, offset, 50 << 20)
    return struct.pack(">i", len(body)) + body


def _receive(connection, count):
    chunks = b""
    while len(chunks) < count:
        chunk = connection.recv(count - len(chunks))
        if not chunk:
            raise ConnectionError("the broker closed the connection within a response")
        chunks += chunk
    return chunks


def _records_of(response):
    """The record bytes of the only partition in a Fetch response, version 4."""
    (correlation_id,) = struct.unpack_from(">i", response)
    if correlation_id != _CORRELATION_ID:
        raise ValueError(f"correlation id {correlation_id}")
    position = 4 + 4 + 4
    (name_length,) = struct.unpack_from(">h", response, position)
    position += 2 + name_length + 4
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
        base_offset, batch_length, _, magic, _, attributes = fields[:6]
        if magic != 2 or len(records) < position + 12 + batch_length:
            return
        yield StoredBatch(
            base_offset, attributes & 7, bool(attributes & 8), *fields[9:12], fields[12]
        ), fields[6]
        position += 12 + batch_length


def stored_batches(bootstrap, topic, partition=0):
    """All batches of a partition from offset 0 on, in order, as `StoredBatch`."""
    host, port = bootstrap.rsplit(":", 1)
    found, offset = [], 0
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        while True:
            connection.sendall(_fetch_request(topic, partition, offset))
            (size,) = struct.unpack(">i", _receive(connection, 4))
            batches = list(_batches_of(_records_of(_receive(connection, size))))
            if not batches:
                return found
            found += [batch for batch, _ in batches]
            offset = batches[-1][0].base_offset + batches[-1][1] + 1
