"""Transactions of one producer after another: what readers see of committed, aborted and open ones,
and what becomes of producers that are fenced or too late."""

import random

import driver as codes
from records import awkward, claim_records, numbered
from runner import claim, claim_equal, eventually
from scenarios import scenario
from scenarios.refusals import claim_refused
from stored_batches import CODEC_IDS, stored_batches

FENCED = (codes.INVALID_PRODUCER_EPOCH, codes.PRODUCER_FENCED)


def claim_fenced(action):
    """Claims that `action` fails because a newer producer has the transactional id, or because
    the coordinator has aborted the transaction for its timeout."""
    try:
        result = action()
    except codes.BrokerError as error:
        claim(error.code in FENCED, f"expected one of the codes {FENCED}, found {error}")
        return
    claim(False, f"expected one of the codes {FENCED}, but it succeeded with {result!r}")


def await_stable(driver, topic, offset, partition=0):
    """Waits until the last stable offset is `offset`: markers may come after the answer to the
    producer."""
    eventually(
        lambda: driver.end_offset(topic, partition, committed=True) == offset,
        lambda: f"the last stable offset is {offset}, not"
        f" {driver.end_offset(topic, partition, committed=True)}",
    )


def transaction(producer, topic, records, commit=True):
    """One transaction; returns the offsets of its records."""
    producer.begin()
    offsets = producer.send(topic, records)
    producer.commit() if commit else producer.abort()
    return offsets


def claim_read(driver, topic, expected, committed, start=0, partition=0):
    """Claims that a reader from `start` on gets exactly `expected` ({offset: record}) and then is
    at the end. The records need a later one behind them, else too many would go unnoticed."""
    wanted = [offset for offset in sorted(expected) if start <= offset]
    found = driver.read(topic, {partition: start}, len(wanted), committed=committed)
    claim_equal([entry.offset for entry in found], wanted, f"offsets, committed {committed}")
    for entry in found:
        claim_records([entry], [expected[entry.offset]], entry.offset)


def round_trip(driver, run, codec):
    """Committed batches of a codec come back equal, aborted ones do not, and all are stored as
    transactional batches of that codec with a marker behind each transaction."""
    topic, sent = run.name(), awkward(driver.null_records)
    driver.ready_topic(topic)
    producer = driver.transactor(run.name("id"), codec=codec)
    count = len(sent)
    for is_commit in (True, False, True):
        transaction(producer, topic, sent, is_commit)
    producer.close()
    await_stable(driver, topic, 3 * count + 3)
    expected = dict(zip(range(count), sent))
    expected |= dict(zip(range(2 * count + 2, 3 * count + 2), sent))
    claim_read(driver, topic, expected, committed=True)
    stored = stored_batches(driver.bootstrap, topic)
    claim(all(batch.is_transactional for batch in stored), "a batch is not transactional")
    markers = [batch.base_offset for batch in stored if batch.is_control]
    claim_equal(markers, [count, 2 * count + 1, 3 * count + 2], "offsets of the markers")
    found = {batch.codec for batch in stored if not batch.is_control}
    claim(CODEC_IDS[codec] in found, f"no stored batch uses {codec}: codec ids {found}")
    # Libraries leave a batch alone when compressing would not make it smaller.
    claim(found <= {CODEC_IDS[codec], 0}, f"stored codec ids {found}")


@scenario()
def aborted_records_between_committed_ones_are_passed_over(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    producer = driver.transactor(run.name("id"))
    first, lost = numbered(10, "first"), numbered(10, "lost")
    plain, last = numbered(3, "plain"), numbered(10, "last")
    claim_equal(transaction(producer, topic, first), list(range(10)), "offsets")
    claim_equal(transaction(producer, topic, lost, False), list(range(11, 21)), "offsets")
    await_stable(driver, topic, 22)  # with the markers at 10 and 21
    claim_equal(driver.produce(topic, plain), [22, 23, 24], "offsets of plain records")
    claim_equal(transaction(producer, topic, last), list(range(25, 35)), "offsets")
    producer.close()
    await_stable(driver, topic, 36)
    claim_equal(driver.end_offset(topic, 0, committed=False), 36, "end offset")
    committed = dict(enumerate(first)) | dict(enumerate(plain, 22)) | dict(enumerate(last, 25))
    for start in (0, 4, 15, 21, 25):
        claim_read(driver, topic, committed, True, start)
    claim_read(driver, topic, committed | dict(enumerate(lost, 11)), False)


@scenario()
def an_open_transaction_holds_back_readers_of_committed_records(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    before, behind = numbered(3, "before"), numbered(4, "behind")
    late, after = numbered(5, "late"), numbered(2, "after")
    driver.produce(topic, before)
    slow, quick = driver.transactor(run.name("slow")), driver.transactor(run.name("quick"))
    slow.begin()
    claim_equal(slow.send(topic, late), list(range(3, 8)), "offsets of the open transaction")
    claim_equal(transaction(quick, topic, behind), list(range(8, 12)), "offsets behind it")
    eventually(lambda: driver.end_offset(topic, 0, committed=False) == 13, "a marker at 12")
    driver.produce(topic, after)
    claim_equal(driver.end_offset(topic, 0, committed=True), 3, "last stable offset")
    claim_equal(driver.end_offset(topic, 0, committed=False), 15, "high watermark")
    every = dict(enumerate(before + late + behind)) | {13: after[0], 14: after[1]}
    claim_read(driver, topic, every, committed=False)

    puller, pulled = driver.puller(topic, run.name("group")), []

    def has(count):
        pulled.extend(puller.pull())
        return count <= len(pulled)

    eventually(lambda: has(3), "the records before the open transaction")
    for _ in range(3):
        has(4)
    claim_equal([entry.offset for entry in pulled], [0, 1, 2], "offsets that are visible")
    slow.commit()
    eventually(lambda: has(len(every)), "all records after the commit")
    claim_equal([entry.offset for entry in pulled], sorted(every), "offsets in their order")
    await_stable(driver, topic, 16)
    transaction(slow, topic, numbered(1, "lost"), commit=False)
    transaction(quick, topic, numbered(1, "seen"))
    await_stable(driver, topic, 20)
    eventually(lambda: has(len(every) + 1), "the record behind an aborted transaction")
    claim_equal(pulled[-1].record.value, b"seen-0", "the record behind an aborted transaction")
    for closed in (puller, slow, quick):
        closed.close()


@scenario()
def a_second_producer_with_the_same_id_fences_the_first(driver, run):
    topic, transactional_id = run.name(), run.name("id")
    driver.ready_topic(topic)
    first = driver.transactor(transactional_id)
    first.begin()
    first.send(topic, numbered(5, "lost"))
    second = driver.transactor(transactional_id)
    claim_fenced(first.commit)
    second.begin()
    second.send(topic, numbered(5, "lost too"))
    third = driver.transactor(transactional_id)
    claim_fenced(lambda: second.send(topic, numbered(5, "refused")))
    kept = numbered(5, "kept")
    # Aborted: 0 to 4 with a marker at 5, and 6 to 10 with a marker at 11.
    claim_equal(transaction(third, topic, kept), list(range(12, 17)), "offsets of the third")
    third.close()
    await_stable(driver, topic, 18)
    claim_read(driver, topic, dict(enumerate(kept, 12)), committed=True)


@scenario(slow=True)
def a_transaction_is_aborted_when_its_timeout_has_passed(driver, run):
    topic, transactional_id = run.name(), run.name("id")
    driver.ready_topic(topic)
    late = driver.transactor(transactional_id, timeout_ms=1000)
    late.begin()
    late.send(topic, numbered(5, "late"))
    claim_equal(driver.end_offset(topic, 0, committed=True), 0, "last stable offset")
    await_stable(driver, topic, 6)
    claim_fenced(late.commit)
    successor, kept = driver.transactor(transactional_id), numbered(5, "kept")
    claim_equal(transaction(successor, topic, kept), list(range(6, 11)), "offsets")
    successor.close()
    await_stable(driver, topic, 12)
    claim_read(driver, topic, dict(enumerate(kept, 6)), committed=True)


@scenario()
def transaction_timeouts_above_the_limit_are_refused(driver, run):
    # transaction.max.timeout.ms is 15 minutes.
    driver.transactor(run.name("id"), timeout_ms=900_000).close()
    claim_refused(
        codes.INVALID_TRANSACTION_TIMEOUT,
        lambda: driver.transactor(run.name("refused"), timeout_ms=900_001),
    )


@scenario()
def transactions_without_records_end_well(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    producer = driver.transactor(run.name("id"))
    for is_commit in (True, False, True, True, False):
        producer.begin()
        producer.commit() if is_commit else producer.abort()
    claim_equal(transaction(producer, topic, numbered(1)), [0], "offset of the first record")
    producer.close()
    await_stable(driver, topic, 2)


@scenario()
def producers_interleave_their_transactions_on_one_partition(driver, run):
    topic, seed = run.name(), run.seed()
    chance = random.Random(seed)
    driver.ready_topic(topic)
    producers = [driver.transactor(run.name(f"id-{i}")) for i in range(4)]
    is_open, pending, visible, every = [False] * 4, [{} for _ in range(4)], {}, {}

    def step(index, number):
        producer = producers[index]
        if not is_open[index]:
            producer.begin()
            is_open[index] = True
        records = numbered(chance.randint(1, 4), f"{index}-{number}")
        pending[index].update(zip(producer.send(topic, records), records))

    def end(index, is_commit):
        producers[index].commit() if is_commit else producers[index].abort()
        every.update(pending[index])
        visible.update(pending[index] if is_commit else {})
        is_open[index], pending[index] = False, {}

    ends = 0
    for number in range(60):
        index = chance.randrange(4)
        if is_open[index] and chance.random() < 0.4:
            end(index, chance.random() < 0.6)
            ends += 1
        else:
            step(index, number)
    for index in range(4):
        if is_open[index]:
            end(index, True)
            ends += 1
        producers[index].close()
    await_stable(driver, topic, len(every) + ends)
    try:
        claim_read(driver, topic, visible, committed=True)
        claim_read(driver, topic, every, committed=False)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error


@scenario()
def one_transaction_spans_many_partitions_and_topics(driver, run):
    topics, partitions = [run.name("one"), run.name("two")], 40
    for topic in topics:
        driver.ready_topic(topic, partitions=partitions)
    producer = driver.transactor(run.name("id"))
    sent = {
        is_commit: numbered(5 * partitions, f"commit {is_commit}", partitions)
        for is_commit in (True, False)
    }
    for is_commit in (True, False, True):
        producer.begin()
        for topic in topics:
            producer.send(topic, sent[is_commit])
        producer.commit() if is_commit else producer.abort()
    producer.close()
    for topic in topics:
        await_stable(driver, topic, 18, partitions - 1)
        starts = dict.fromkeys(range(partitions), 0)
        found = driver.read(topic, starts, 10 * partitions, committed=True)
        wanted = sorted(record.value for record in sent[True])
        claim_equal(sorted(e.record.value for e in found), sorted(wanted * 2), "values")
        offsets = [entry.offset for entry in found if entry.record.partition == 7]
        claim_equal(offsets, [*range(5), *range(12, 17)], "offsets in one partition")
