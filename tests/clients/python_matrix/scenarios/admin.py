"""Topics, partitions, configurations and the cluster, through the admin client."""

import driver as codes
from records import claim_partitions, claim_records, numbered
from runner import claim, claim_equal, eventually
from scenarios import scenario
from scenarios.refusals import claim_refused


@scenario()
def created_topics_are_listed_and_described(driver, run):
    topic = run.name()
    driver.create_topic(topic, partitions=3)
    eventually(lambda: topic in driver.list_topics(), "the topic is listed")
    _, _, brokers = driver.describe_cluster()
    broker = brokers[0][0]
    expected = {partition: (broker, [broker], [broker]) for partition in range(3)}
    claim_equal(driver.describe_topic(topic), expected, "described partitions")
    claim_refused(codes.TOPIC_ALREADY_EXISTS, lambda: driver.create_topic(topic))


@scenario(needs="validate_only")
def validate_only_creates_nothing(driver, run):
    topic = run.name()
    driver.create_topic(topic, partitions=3, validate_only=True)
    claim(topic not in driver.list_topics(), "the topic exists")
    claim_refused(
        codes.INVALID_PARTITIONS,
        lambda: driver.create_topic(topic, partitions=0, validate_only=True),
    )


@scenario()
def the_cluster_is_described(driver, run):
    cluster_id, controller, brokers = driver.describe_cluster()
    claim(cluster_id, "no cluster id")
    claim_equal([broker[0] for broker in brokers], [controller], "broker ids")
    port = int(run.bootstrap.rsplit(":", 1)[1])
    claim_equal(brokers[0][2], port, "advertised port")


@scenario()
def partitions_can_be_added_but_never_removed(driver, run):
    topic, sent = run.name(), numbered(40, partitions=4)
    driver.ready_topic(topic)
    driver.create_partitions(topic, 4)
    eventually(lambda: len(driver.describe_topic(topic)) == 4, "four partitions")
    driver.produce(topic, sent)
    claim_partitions(driver.read(topic, {0: 0, 1: 0, 2: 0, 3: 0}, 40), sent)
    for total in (4, 3):
        claim_refused(
            codes.INVALID_PARTITIONS, lambda total=total: driver.create_partitions(topic, total)
        )


@scenario()
def topic_configs_are_described_and_altered(driver, run):
    topic = run.name()
    driver.ready_topic(topic, configs={"retention.ms": "7654321"})
    found = driver.topic_configs(topic)
    claim_equal(found["retention.ms"], "7654321", "retention.ms set at creation")
    claim_equal(found["cleanup.policy"], "delete", "default cleanup.policy")
    claim_equal(found["max.message.bytes"], "1048588", "default max.message.bytes")
    driver.alter_topic_config(topic, "retention.ms", "1234567")
    eventually(
        lambda: driver.topic_configs(topic)["retention.ms"] == "1234567", "altered retention.ms"
    )
    claim_refused(
        codes.INVALID_CONFIG, lambda: driver.alter_topic_config(topic, "retention.ms", "never")
    )
    claim_equal(driver.topic_configs(topic)["retention.ms"], "1234567", "after a refusal")


@scenario()
def broker_configs_are_described(driver, run):
    _, controller, _ = driver.describe_cluster()
    found = driver.broker_configs(controller)
    claim_equal(found["node.id"], str(controller), "node.id")
    claim_equal(found["message.max.bytes"], "1048588", "message.max.bytes")
    claim("log.retention.hours" in found, "log.retention.hours is not described")


@scenario()
def a_deleted_topic_is_gone_and_its_name_is_free(driver, run):
    topic, sent = run.name(), numbered(5)
    driver.ready_topic(topic, partitions=2)
    driver.produce(topic, sent)
    driver.delete_topic(topic)
    eventually(lambda: topic not in driver.list_topics(), "the topic is still listed")
    claim_refused(codes.UNKNOWN_TOPIC_OR_PARTITION, lambda: driver.delete_topic(topic))
    driver.ready_topic(topic)
    again = numbered(3, "second life")
    claim_equal(driver.produce(topic, again), [0, 1, 2], "offsets in the new topic")
    claim_records(driver.read(topic, {0: 0}, 3), again)
