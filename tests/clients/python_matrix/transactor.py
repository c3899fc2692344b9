"""What the scenarios about transactions ask of a Python client, beside `Driver`."""

import abc


class Transactor(abc.ABC):
    """A transactional producer. Its methods raise `BrokerError` for an error that has a Kafka
    code; one that is fenced says PRODUCER_FENCED or INVALID_PRODUCER_EPOCH, as its requests'
    versions make the broker say. Used by one thread at a time."""

    @abc.abstractmethod
    def begin(self):
        """Begins a transaction, which is a matter of the client alone."""

    @abc.abstractmethod
    def send(self, topic, records):
        """Sends `records` in order, waits until the broker has them, and returns their offsets."""

    @abc.abstractmethod
    def send_offsets(self, metadata, topic, offsets):
        """Makes {partition: offset} part of the transaction; `metadata` is a `Puller`'s."""

    @abc.abstractmethod
    def commit(self):
        """Commits; the markers may be written a little later."""

    @abc.abstractmethod
    def abort(self):
        """Aborts; the markers may be written a little later."""

    @abc.abstractmethod
    def close(self):
        """Closes the producer. Not for one that is to be lost with its transaction open: a
        library may abort it here. Such a one is left alone."""


class Puller(abc.ABC):
    """A consumer in a group that commits nothing by itself and reads committed records only. It is
    driven by the one thread that made it. What it owns changes only within `pull`, except where the
    library has no group metadata either."""

    @abc.abstractmethod
    def pull(self):
        """What has come within a fifth of a second, as a list of `Stored`."""

    @abc.abstractmethod
    def seek(self, offsets):
        """Goes on at {partition: offset}; the partitions are among those it owns."""

    @abc.abstractmethod
    def assignment(self):
        """The partition numbers it owns now, as a frozenset."""

    @abc.abstractmethod
    def metadata(self):
        """Its group as `Transactor.send_offsets` wants it: with its member id and generation
        where the library knows of them."""

    @abc.abstractmethod
    def close(self):
        """Leaves the group."""
