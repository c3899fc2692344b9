"""What confluent-kafka can do beyond the shared scenarios."""

import confluent_kafka as ck
from confluent_kafka import admin as cka

import driver as codes
from confluent_calls import settled
from records import numbered
from runner import claim, claim_equal, eventually


def _cooperative_member(driver, run, client_id):
    strategy = {"partition.assignment.strategy": "cooperative-sticky"}
    return driver.member(run.name(), run.name("group"), client_id, **strategy)


def cooperative_sticky_takes_only_the_partitions_that_move(driver, run):
    every = frozenset(range(4))
    driver.ready_topic(run.name(), partitions=4)
    first = _cooperative_member(driver, run, "first")
    eventually(lambda: first.assignment() == every, "the first member owns all")
    second = _cooperative_member(driver, run, "second")
    eventually(
        lambda: len(second.assignment()) == 2
        and first.assignment() | second.assignment() == every,
        lambda: f"an even split: {first.assignment()}, {second.assignment()}",
    )
    moved = set(second.assignment())
    claim_equal([s for s in first.revoked if s], [moved], "partitions taken from the first")
    claim_equal(driver.describe_group(run.name("group")).protocol, "cooperative-sticky", "protocol")
    sent = numbered(40, partitions=4)
    driver.produce(run.name(), sent)
    wanted = sorted(record.value for record in sent)
    eventually(
        lambda: sorted(e.record.value for m in (first, second) for e in m.stored()) == wanted,
        "every record exactly once",
    )
    second.close()
    eventually(lambda: first.assignment() == every, "the first member owns all again")
    claim_equal(first.gained[-1], moved, "partitions given back")
    first.close()


def admin_alters_and_lists_group_offsets(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic)
    driver.produce(topic, numbered(5))
    driver.commit(group, topic, {0: 1})
    wanted = ck.ConsumerGroupTopicPartitions(group, [ck.TopicPartition(topic, 0, 4)])
    settled(driver.admin.alter_consumer_group_offsets([wanted])[group])
    asked = [ck.ConsumerGroupTopicPartitions(group)]
    found = settled(driver.admin.list_consumer_group_offsets(asked)[group])
    claim_equal(
        [(e.topic, e.partition, e.offset) for e in found.topic_partitions],
        [(topic, 0, 4)],
        "all offsets of the group",
    )


def admin_lists_earliest_latest_and_largest_timestamp_offsets(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    sent = numbered(9)
    driver.produce(topic, sent[:3] + sent[8:] + sent[3:8])
    partition = ck.TopicPartition(topic, 0)
    for spec, expected in (
        (cka.OffsetSpec.earliest(), 0),
        (cka.OffsetSpec.latest(), 9),
        (cka.OffsetSpec.max_timestamp(), 3),
        (cka.OffsetSpec.for_timestamp(sent[3].timestamp), 3),
        (cka.OffsetSpec.for_timestamp(sent[2].timestamp), 2),
    ):
        found = settled(driver.admin.list_offsets({partition: spec})[partition])
        claim_equal(found.offset, expected, f"offset for {spec}")


def offsets_are_listed_by_isolation_and_stability(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic)
    driver.produce(topic, numbered(3))
    driver.commit(group, topic, {0: 1})
    partition = ck.TopicPartition(topic, 0)

    def end(level):
        asked = {partition: cka.OffsetSpec.latest()}
        return settled(driver.admin.list_offsets(asked, isolation_level=level)[partition]).offset

    def listed(require_stable):
        asked = [ck.ConsumerGroupTopicPartitions(group, [partition])]
        answers = driver.admin.list_consumer_group_offsets(asked, require_stable=require_stable)
        (entry,) = settled(answers[group]).topic_partitions
        return entry.error.code() if entry.error else entry.offset

    producer = driver.transactor(run.name("id"))
    puller = driver.puller(topic, group)
    eventually(puller.pull, "an assignment with records")
    producer.begin()
    producer.send(topic, numbered(2))
    producer.send_offsets(puller.metadata(), topic, {0: 2})
    levels = ck.IsolationLevel.READ_COMMITTED, ck.IsolationLevel.READ_UNCOMMITTED
    claim_equal([end(level) for level in levels], [3, 5], "ends while the transaction is open")
    claim_equal(listed(False), 1, "committed offset while another is pending")
    claim_equal(listed(True), codes.UNSTABLE_OFFSET_COMMIT, "answer that must be stable")
    producer.commit()
    eventually(lambda: listed(True) == 2, "the offset of the transaction")
    eventually(lambda: [end(level) for level in levels] == [6, 6], "ends after the transaction")
    puller.close()
    producer.close()


def configs_can_be_appended_subtracted_and_deleted(driver, run):
    topic = run.name()
    driver.ready_topic(topic)

    def altered(name, value, operation, expected):
        driver.alter_topic_config(topic, name, value, operation)
        eventually(lambda: driver.topic_configs(topic)[name] == expected, f"{name}={expected}")

    altered("cleanup.policy", "compact", "APPEND", "delete,compact")
    altered("cleanup.policy", "delete", "SUBTRACT", "compact")
    altered("retention.ms", "1000", "SET", "1000")
    altered("retention.ms", None, "DELETE", "604800000")


def seek_moves_a_running_consumer(driver, run):
    topic, sent = run.name(), numbered(30)
    driver.ready_topic(topic)
    driver.produce(topic, sent)
    consumer = ck.Consumer({"bootstrap.servers": driver.bootstrap, "group.id": run.name("group")})
    try:
        consumer.assign([ck.TopicPartition(topic, 0, 0)])
        claim_equal([m.value() for m in consumer.consume(5, 20)], [r.value for r in sent[:5]], "5")
        consumer.seek(ck.TopicPartition(topic, 0, 20))
        found = consumer.consume(10, 20)
        claim_equal([m.offset() for m in found], list(range(20, 30)), "offsets after seek")
        claim_equal([m.value() for m in found], [r.value for r in sent[20:]], "values after seek")
    finally:
        consumer.close()


def subscribing_to_an_absent_topic_reports_it(driver, run):
    consumer = ck.Consumer(
        {
            "bootstrap.servers": driver.bootstrap,
            "group.id": run.name("group"),
            "allow.auto.create.topics": False,
        }
    )
    try:
        consumer.subscribe([run.name()])
        message = eventually(lambda: consumer.poll(0.2), "an error event")
        claim(message.error(), "a message from an absent topic")
        code = ck.KafkaError.UNKNOWN_TOPIC_OR_PART
        claim_equal(message.error().code(), code, "error code")
        claim(run.name() not in driver.list_topics(), "the topic was created")
    finally:
        consumer.close()


def a_second_static_member_with_the_same_id_fences_the_first(driver, run):
    driver.ready_topic(run.name(), partitions=4)
    arguments = (run.name(), run.name("group"))
    first = driver.member(*arguments, "first", instance_id="same")
    eventually(lambda: len(first.assignment()) == 4, "the first owns all")
    second = driver.member(*arguments, "second", instance_id="same")
    eventually(lambda: len(second.assignment()) == 4, "the second owns all")

    def fenced():
        try:
            first.assignment()
        except codes.BrokerError as error:
            return error
        return None

    # librdkafka reports the fencing as a fatal error of its own, with the reason in its text.
    error = eventually(fenced, "the first is told")
    claim("fenced" in str(error).lower(), f"another error: {error}")
    second.close()


SLOW = (
    cooperative_sticky_takes_only_the_partitions_that_move,
    a_second_static_member_with_the_same_id_fences_the_first,
)
QUICK = (
    offsets_are_listed_by_isolation_and_stability,
    admin_alters_and_lists_group_offsets,
    admin_lists_earliest_latest_and_largest_timestamp_offsets,
    configs_can_be_appended_subtracted_and_deleted,
    seek_moves_a_running_consumer,
    subscribing_to_an_absent_topic_reports_it,
)


def cases(driver):
    """(name, function) of every case in this file."""

    def bind(function):
        return lambda run: function(driver, run)

    return [(function.__name__, bind(function)) for function in SLOW + QUICK]
