"""What kafka-python's admin client tells of transactions, and ends of partitions by isolation."""

import kafka
from kafka.admin import AbortTransactionSpec, OffsetSpec, TransactionState

from kafka_python_calls import translated
from records import numbered
from runner import claim, claim_equal, eventually
from scenarios.transactions import await_stable


def _described(driver, transactional_id):
    with translated():
        return driver.admin.describe_transactions([transactional_id])[transactional_id]


def transactions_are_listed_and_described(driver, run):
    topic, transactional_id = run.name(), run.name("id")
    driver.ready_topic(topic, partitions=2)
    producer = driver.transactor(transactional_id, timeout_ms=45_000)
    claim_equal(_described(driver, transactional_id).state, TransactionState.EMPTY, "first state")
    producer.begin()
    producer.send(topic, numbered(4, partitions=2))
    found = _described(driver, transactional_id)
    claim_equal(found.state, TransactionState.ONGOING, "state of the open transaction")
    claim_equal(found.transaction_timeout_ms, 45_000, "timeout")
    partitions = {kafka.TopicPartition(topic, p) for p in range(2)}
    claim_equal(found.topic_partitions, partitions, "partitions of the open transaction")
    for state, holds in ((TransactionState.ONGOING, True), (TransactionState.EMPTY, False)):
        (listed,) = driver.admin.list_transactions(state_filters=[state.value]).values()
        names = {entry.transactional_id: entry.producer_id for entry in listed}
        claim_equal(transactional_id in names, holds, f"listed as {state.value}")
        claim_equal(names.get(transactional_id, found.producer_id), found.producer_id, "its id")
    # It has not run for an hour, and is not hanging.
    for entries in driver.admin.list_transactions(duration_filter_ms=3_600_000).values():
        claim(transactional_id not in {e.transactional_id for e in entries}, "listed by duration")
    claim_equal(driver.admin.find_hanging_transactions(), [], "hanging transactions")
    producer.commit()
    done = TransactionState.COMPLETE_COMMIT
    eventually(lambda: _described(driver, transactional_id).state == done, "the last state")
    producer.close()


def a_transaction_is_aborted_by_the_admin_client(driver, run):
    topic = run.name()
    partition = kafka.TopicPartition(topic, 0)
    driver.ready_topic(topic)
    producer = driver.transactor(run.name("id"))
    producer.begin()
    producer.send(topic, numbered(5))
    (state,) = driver.admin.describe_producers([partition])[partition].active_producers
    claim_equal(state.current_transaction_start_offset, 0, "start of the transaction")
    claim_equal(state.last_sequence, 4, "last sequence")
    spec = AbortTransactionSpec(partition, state.producer_id, state.producer_epoch)
    with translated():
        driver.admin.abort_transaction(spec)
    await_stable(driver, topic, 6)
    (state,) = driver.admin.describe_producers([partition])[partition].active_producers
    claim_equal(state.current_transaction_start_offset, -1, "start after the abort")


def offsets_are_listed_by_isolation(driver, run):
    topic = run.name()
    partition = kafka.TopicPartition(topic, 0)
    driver.ready_topic(topic)
    driver.produce(topic, numbered(3))
    producer = driver.transactor(run.name("id"))
    producer.begin()
    producer.send(topic, numbered(2))

    def end(level):
        specs = {partition: OffsetSpec.LATEST}
        return driver.admin.list_partition_offsets(specs, isolation_level=level)[partition].offset

    claim_equal((end("read_committed"), end("read_uncommitted")), (3, 5), "ends of an open one")
    producer.abort()
    await_stable(driver, topic, 6)
    claim_equal((end("read_committed"), end("read_uncommitted")), (6, 6), "ends after the abort")
    producer.close()


CASES = (
    transactions_are_listed_and_described,
    a_transaction_is_aborted_by_the_admin_client,
    offsets_are_listed_by_isolation,
)


def cases(driver):
    """(name, function) of every case in this file."""

    def bind(function):
        return lambda run: function(driver, run)

    return [(function.__name__, bind(function)) for function in CASES]
