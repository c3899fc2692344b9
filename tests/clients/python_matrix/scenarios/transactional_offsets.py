"""Consumed offsets as part of a transaction, and the consume-transform-produce loop."""

import random
import threading
from collections import Counter

import driver as codes
from records import numbered
from runner import claim, claim_equal, eventually
from scenarios import scenario
from scenarios.refusals import claim_refused
from scenarios.transactions import await_stable

PARTITIONS = 4
INPUT_COUNT = 200
BATCH = 20  # records of a transaction in the consume-transform-produce loop


def _pull(puller, count):
    """Pulls until `count` records have come."""
    pulled = []

    def has_all():
        pulled.extend(puller.pull())
        return count <= len(pulled)

    eventually(has_all, lambda: f"{count} records, not {len(pulled)}")
    return pulled


@scenario()
def offsets_in_a_transaction_count_only_once_it_is_committed(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic)
    driver.produce(topic, numbered(20))
    puller = driver.puller(topic, group)
    _pull(puller, 20)
    producer = driver.transactor(run.name("id"))

    def committed():
        return driver.committed(group, topic, [0])[0]

    for offset, is_commit, before, after in (
        (4, False, None, None),
        (7, True, None, (7, "")),
        (9, False, (7, ""), (7, "")),
        (12, True, (7, ""), (12, "")),
    ):
        producer.begin()
        producer.send_offsets(puller.metadata(), topic, {0: offset})
        claim_equal(committed(), before, f"committed offset while {offset} is pending")
        producer.commit() if is_commit else producer.abort()
        eventually(lambda after=after: committed() == after, f"{after} committed")
    claim(group in driver.list_groups(), "the group is not listed")
    puller.seek({0: committed()[0]})
    claim_equal([e.offset for e in _pull(puller, 8)], list(range(12, 20)), "offsets read again")
    producer.close()
    puller.close()


@scenario(needs="group metadata", slow=True)
def offsets_of_an_old_generation_are_refused(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    driver.produce(topic, numbered(40, partitions=PARTITIONS))
    first = driver.puller(topic, group, "first")
    _pull(first, 40)
    stale = first.metadata()
    second = driver.member(topic, group, "second")

    def has_moved():
        first.pull()
        return len(first.assignment()) == len(second.assignment()) == 2

    eventually(has_moved, "an even split")
    producer = driver.transactor(run.name("id"))
    producer.begin()
    (moved, *_) = second.assignment()
    claim_refused(
        codes.ILLEGAL_GENERATION, lambda: producer.send_offsets(stale, topic, {moved: 10})
    )
    producer.abort()
    producer.begin()
    (own, *_) = first.assignment()
    producer.send_offsets(first.metadata(), topic, {own: 10})
    producer.commit()
    eventually(
        lambda: driver.committed(group, topic, [own])[own] == (10, ""), "the offset is committed"
    )
    producer.close()
    first.close()
    second.close()


class _Transformer:
    """A worker of the consume-transform-produce loop, in a thread of its own: every record of the
    source goes once to the sink, in transactions that also hold the consumed offsets."""

    def __init__(self, driver, run, name, chance):
        self._driver, self._chance, self._name = driver, chance, name
        self._source, self._sink = run.name("source"), run.name("sink")
        self._group, self._id = run.name("group"), run.name(name)
        self._stop, self._abandon = threading.Event(), threading.Event()
        self._failure = None
        self.commits = self.aborts = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            producer = self._driver.transactor(self._id)
            puller = self._driver.puller(self._source, self._group, self._name)
            while not self._stop.is_set():
                pulled = puller.pull()
                if pulled:
                    self._transact(producer, puller, pulled[:BATCH], pulled[BATCH:])
                if self._abandon.is_set() and self.commits:
                    self._leave_open(producer, puller)
                    return
            producer.close()
            puller.close()
        except Exception as error:  # handed to the thread that asks next
            self._failure = error

    def _transact(self, producer, puller, pulled, rest):
        producer.begin()
        try:
            producer.send(self._sink, [entry.record for entry in pulled])
            producer.send_offsets(puller.metadata(), self._source, _ends(pulled))
            is_commit = self._chance.random() < 0.7
        except codes.BrokerError:  # a rebalance came between
            is_commit = False
        producer.commit() if is_commit else producer.abort()
        self.commits += is_commit
        self.aborts += not is_commit
        # Not to the committed offsets: some clients would not wait for those of the transaction
        # that has just been committed.
        puller.seek(_ends(pulled) | _starts(rest) if is_commit else _starts(pulled + rest))

    def _leave_open(self, producer, puller):
        """What a crash leaves: a transaction with records that nobody ends."""
        producer.begin()
        producer.send(self._sink, numbered(5, "of a crashed worker"))
        puller.close()

    def check(self):
        """Raises what the thread died of."""
        if self._failure:
            raise self._failure

    def crash(self, feed):
        """Ends the worker with an open transaction once it has committed something. `feed` sends
        more input, so that there is some also when another worker was faster."""
        self._abandon.set()

        def has_ended():
            if self._thread.is_alive():
                feed()
            return not self._thread.is_alive()

        eventually(has_ended, f"{self._name} commits something and crashes")
        self.check()

    def stop(self):
        """Ends the worker between two transactions."""
        self._stop.set()
        self._join()

    def _join(self):
        self._thread.join(40)
        self.check()
        claim(not self._thread.is_alive(), f"{self._name} does not end")


def _starts(pulled):
    """{partition: first offset} of what was pulled, whose offsets ascend in each partition."""
    return {entry.record.partition: entry.offset for entry in reversed(pulled)}


def _ends(pulled):
    """{partition: offset after the last}."""
    return {entry.record.partition: entry.offset + 1 for entry in pulled}


@scenario(slow=True)
def transformed_records_arrive_exactly_once(driver, run):
    source, sink, group = run.name("source"), run.name("sink"), run.name("group")
    seed = run.seed()
    chance = random.Random(seed)
    for topic in (source, sink):
        driver.ready_topic(topic, partitions=PARTITIONS)
    sent = []

    def feed(count=PARTITIONS):
        records = numbered(count, f"input-{len(sent)}", PARTITIONS)
        driver.produce(source, records)
        sent.extend(records)

    feed(INPUT_COUNT)
    workers = [_Transformer(driver, run, "one", chance)]
    # Without the generation in the transaction a worker that lost a partition is not fenced.
    if "group metadata" not in driver.lacks:
        workers.append(_Transformer(driver, run, "two", chance))
    # The successor has the same transactional id, so that it ends what the first one left open.
    workers.pop(0).crash(feed)
    workers.append(_Transformer(driver, run, "one", chance))

    def is_done():
        for worker in workers:
            worker.check()
        found = driver.committed(group, source, range(PARTITIONS))
        return all(at == (len(sent) // PARTITIONS, "") for at in found.values())

    eventually(is_done, f"everything is transformed (seed {seed})", timeout_s=45)
    for worker in workers:
        worker.stop()
    # A record behind everything in each partition shows that nothing else is visible before it.
    last = numbered(PARTITIONS, "last", PARTITIONS)
    driver.produce(sink, last)
    for record in last:
        end = driver.end_offset(sink, record.partition, committed=False)
        await_stable(driver, sink, end, record.partition)
    starts = dict.fromkeys(range(PARTITIONS), 0)
    found = driver.read(sink, starts, len(sent) + PARTITIONS, committed=True)
    counts = Counter(entry.record.value for entry in found)
    wanted = Counter(record.value for record in sent + last)
    claim_equal(counts - wanted, Counter(), f"too much in the sink (seed {seed})")
    claim_equal(wanted - counts, Counter(), f"too little in the sink (seed {seed})")
