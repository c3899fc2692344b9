"""What kafka-python can do beyond the shared scenarios."""

import uuid

import kafka
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetSpec
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata

import driver as codes
from kafka_python_calls import translated
from kafka_python_driver import raise_for_text
from records import numbered
from runner import claim, claim_equal, eventually
from scenarios.refusals import claim_refused


def log_dirs_describe_the_size_of_each_partition(driver, run):
    topic = run.name()
    driver.ready_topic(topic, partitions=2)
    driver.produce(topic, numbered(50))
    (broker,) = driver.admin.describe_log_dirs([topic])
    sizes = {
        partition["partition_index"]: partition["partition_size"]
        for log_dir in broker["log_dirs"]
        for entry in log_dir["topics"]
        for partition in entry["partitions"]
    }
    claim_equal(sorted(sizes), [0, 1], "described partitions")
    claim(sizes[0] > 50 * len("key-0value-0"), f"size {sizes[0]} with 50 records")
    claim_equal(sizes[1], 0, "size of the empty partition")


def describe_topic_partitions_lists_every_partition(driver, run):
    topic = run.name()
    driver.ready_topic(topic, partitions=5)
    (found,) = driver.admin.describe_topic_partitions([topic])["topics"]
    claim_equal([p["partition_index"] for p in found["partitions"]], list(range(5)), "partitions")
    claim_equal({p["error_code"] for p in found["partitions"]}, {0}, "error codes")


def group_offsets_are_altered_reset_and_deleted(driver, run):
    topic, group = run.name(), run.name("group")
    partition = kafka.TopicPartition(topic, 0)
    driver.ready_topic(topic)
    driver.produce(topic, numbered(9))
    with translated():
        answer = driver.admin.alter_group_offsets(group, {partition: OffsetAndMetadata(4, "m", -1)})
    claim_equal(answer[partition].errno, 0, "error code of the change")
    claim_equal(driver.committed(group, topic, [0]), {0: (4, "m")}, "altered offset")
    driver.admin.reset_group_offsets(group, {partition: OffsetSpec.LATEST})
    claim_equal(driver.committed(group, topic, [0])[0][0], 9, "offset reset to the end")
    answer = driver.admin.delete_group_offsets(group, [partition])
    claim_equal(answer[partition].errno, 0, "error code of the deletion")
    claim_equal(driver.committed(group, topic, [0]), {0: None}, "deleted offset")


def legacy_alter_configs_replaces_and_reset_restores_defaults(driver, run):
    topic = run.name()
    driver.ready_topic(topic, configs={"retention.ms": "1000", "segment.ms": "7000000"})
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "2000"})
    answer = driver.admin.alter_configs([resource], incremental=False)
    raise_for_text(answer["topic"][topic])
    eventually(lambda: driver.topic_configs(topic)["retention.ms"] == "2000", "altered value")
    claim_equal(driver.topic_configs(topic)["segment.ms"], "7000000", "value sent along")
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})
    raise_for_text(driver.admin.reset_configs([resource])["topic"][topic])
    eventually(lambda: driver.topic_configs(topic)["retention.ms"] == "604800000", "the default")


def topics_are_described_and_deleted_by_id(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    (by_name,) = driver.admin.describe_topics([topic])
    topic_id = uuid.UUID(str(by_name["topic_id"]))
    (by_id,) = driver.admin.describe_topics([topic_id])
    claim_equal(by_id["name"], topic, "name of the topic with that id")
    driver.admin.delete_topics([topic_id])
    eventually(lambda: topic not in driver.list_topics(), "the topic is gone")


def cooperative_sticky_takes_only_the_partitions_that_move(driver, run):
    topic, group, every = run.name(), run.name("group"), frozenset(range(4))
    driver.ready_topic(topic, partitions=4)
    options = {"partition_assignment_strategy": (CooperativeStickyAssignor,)}
    first = driver.member(topic, group, "first", **options)
    eventually(lambda: first.assignment() == every, "the first member owns all")
    second = driver.member(topic, group, "second", **options)
    eventually(
        lambda: len(second.assignment()) == 2 and first.assignment() | second.assignment() == every,
        lambda: f"an even split: {first.assignment()}, {second.assignment()}",
    )
    moved = set(second.assignment())
    claim_equal([s for s in first.revoked if s], [moved], "partitions taken from the first")
    second.close()
    eventually(lambda: first.assignment() == every, "the first member owns all again")
    first.close()


def members_are_removed_by_the_admin_client(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    member = driver.member(topic, group, "member", instance_id="static-one")
    eventually(lambda: len(member.assignment()) == 4, "an assignment")
    member.close()
    claim_equal(driver.describe_group(group).state, "Stable", "a static member that is away stays")
    claim_refused(codes.NON_EMPTY_GROUP, lambda: driver.delete_group(group))
    driver.admin.remove_group_members(group, [MemberToRemove(group_instance_id="static-one")])
    eventually(lambda: driver.describe_group(group).state == "Empty", "an empty group")
    driver.delete_group(group)


SLOW = (
    cooperative_sticky_takes_only_the_partitions_that_move,
    members_are_removed_by_the_admin_client,
)
QUICK = (
    log_dirs_describe_the_size_of_each_partition,
    describe_topic_partitions_lists_every_partition,
    group_offsets_are_altered_reset_and_deleted,
    legacy_alter_configs_replaces_and_reset_restores_defaults,
    topics_are_described_and_deleted_by_id,
)


def cases(driver):
    """(name, function) of every case in this file."""

    def bind(function):
        return lambda run: function(driver, run)

    return [(function.__name__, bind(function)) for function in SLOW + QUICK]
