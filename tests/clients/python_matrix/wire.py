"""A minimal Kafka connection: one request, one response, no client library.

For what the libraries hide (`stored_batches`) and what kcat cannot do (create a topic with
several partitions). Uses only the standard library, and request versions that are not flexible.
"""

import socket
import struct

_CORRELATION_ID = 7
_RESPONSE_MAX_BYTES = 64 << 20


def text(value):
    """A string with its length, as the older request versions write it."""
    encoded = value.encode()
    return struct.pack(">h", len(encoded)) + encoded


class Connection:
    """A connection to one broker; a context manager."""

    def __init__(self, bootstrap, timeout_s=20):
        host, port = bootstrap.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def ask(self, key, version, body):
        """Sends a request and returns the response's body, without its header."""
        request = struct.pack(">hhi", key, version, _CORRELATION_ID) + text("matrix") + body
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", self._receive(4))
        if not 4 <= size <= _RESPONSE_MAX_BYTES:
            raise ValueError(f"a response of {size} bytes")
        response = self._receive(size)
        (correlation_id,) = struct.unpack_from(">i", response)
        if correlation_id != _CORRELATION_ID:
            raise ValueError(f"correlation id {correlation_id}")
        return response[4:]

    def _receive(self, count):
        received = bytearray()
        while len(received) < count:
            chunk = self._socket.recv(count - len(received))
            if not chunk:
                raise ConnectionError("the broker closed the connection within a response")
            received += chunk
        return bytes(received)


def create_topic(bootstrap, topic, partitions):
    """Creates a topic with CreateTopics version 2; raises unless the broker agrees."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihii", partitions, 1, 0, 0)
    body += struct.pack(">ib", 20_000, 0)
    with Connection(bootstrap) as connection:
        response = connection.ask(19, 2, body)
    (name_bytes,) = struct.unpack_from(">h", response, 8)
    (code,) = struct.unpack_from(">h", response, 10 + name_bytes)
    if code:
        raise ValueError(f"CreateTopics failed with error code {code}")
