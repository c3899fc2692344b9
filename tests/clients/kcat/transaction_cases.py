"""kcat as a transactional producer: what it reads until the end of its input is one transaction.
And as a reader of committed records, which is librdkafka's default."""

import subprocess

from kcat import attempt, command, consume, kcat
from runner import claim, claim_equal, eventually
from wire import create_topic

UNCOMMITTED = ("-X", "isolation.level=read_uncommitted")
# kcat takes its input in pieces: it sends the lines before this much more has come, and this itself
# as a last value when the input ends.
MORE = b"m" * 4096
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def _lines(prefix, count=10):
    return b"".join(b"%s-%d\n" % (prefix.encode(), i) for i in range(count))


def _options(run, *more):
    return ("-P", "-t", run.name(), "-X", f"transactional.id={run.name('id')}", *more)


def _values(run, *options):
    found = consume(run.bootstrap, run.name(), "-o", "beginning", *options)
    return [(entry.offset, entry.record.value) for entry in found]


def _numbered(first, prefix, count=10):
    return [(first + i, b"%s-%d" % (prefix.encode(), i)) for i in range(count)]


class _OpenTransaction:
    """kcat in the middle of a transaction: its input has not ended."""

    def __init__(self, run, prefix):
        words = command(run.bootstrap, *_options(run, "-X", "linger.ms=0"))
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._process.stdin.write(_lines(prefix) + MORE)
        self._process.stdin.flush()

    def kill(self):
        """Leaves the transaction open."""
        self._process.kill()
        self._process.wait()

    def commit(self):
        """Ends the input; returns kcat's exit code."""
        self._process.stdin.close()
        return self._process.wait(30)


def each_run_is_one_committed_transaction_in_every_codec(run):
    create_topic(run.bootstrap, run.name(), 1)
    expected = []
    for index, codec in enumerate(CODECS):
        kcat(run.bootstrap, *_options(run, "-z", codec), stdin=_lines(codec))
        expected += _numbered(11 * index, codec)
    eventually(lambda: _values(run) == expected, lambda: f"{expected}, not {_values(run)}")


def an_open_transaction_is_read_only_uncommitted_until_it_ends(run):
    create_topic(run.bootstrap, run.name(), 1)
    kcat(run.bootstrap, "-P", "-t", run.name(), stdin=_lines("before"))
    transaction = _OpenTransaction(run, "open")
    before, within = _numbered(0, "before"), _numbered(10, "open")
    eventually(lambda: _values(run, *UNCOMMITTED) == before + within, "the open transaction")
    claim_equal(_values(run), before, "committed records")
    claim_equal(transaction.commit(), 0, "exit code")
    every = [*before, *within, (20, MORE)]
    eventually(lambda: _values(run) == every, "the committed transaction")


def the_transaction_of_a_killed_producer_is_aborted_by_the_next(run):
    create_topic(run.bootstrap, run.name(), 1)
    transaction = _OpenTransaction(run, "lost")
    lost = _numbered(0, "lost")
    eventually(lambda: _values(run, *UNCOMMITTED) == lost, "the open transaction")
    transaction.kill()
    claim_equal(_values(run), [], "committed records")
    kcat(run.bootstrap, *_options(run), stdin=_lines("kept"))
    kept = _numbered(11, "kept")
    eventually(lambda: _values(run) == kept, "the transaction of the next producer")
    claim_equal(_values(run, *UNCOMMITTED), lost + kept, "all records")


def a_fenced_producer_fails(run):
    create_topic(run.bootstrap, run.name(), 1)
    fenced = _OpenTransaction(run, "lost")
    eventually(lambda: len(_values(run, *UNCOMMITTED)) == 10, "the open transaction")
    kcat(run.bootstrap, *_options(run), stdin=_lines("kept"))
    claim(fenced.commit() != 0, "the fenced producer succeeded")
    eventually(lambda: _values(run) == _numbered(11, "kept"), "the second producer's records")


def a_transaction_timeout_above_the_limit_is_refused(run):
    create_topic(run.bootstrap, run.name(), 1)
    options = _options(run, "-X", "transaction.timeout.ms=900001")
    code, _, stderr = attempt(run.bootstrap, *options, stdin=_lines("x"))
    claim(code != 0, "kcat succeeded")
    claim("transaction timeout" in stderr.lower(), f"another complaint: {stderr!r}")


CASES = [
    (function.__name__, function)
    for function in (
        each_run_is_one_committed_transaction_in_every_codec,
        an_open_transaction_is_read_only_uncommitted_until_it_ends,
        the_transaction_of_a_killed_producer_is_aborted_by_the_next,
        a_fenced_producer_fails,
        a_transaction_timeout_above_the_limit_is_refused,
    )
]
