"""What aiokafka can do beyond the shared scenarios."""

import asyncio

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.structs import TopicPartition

from aiokafka_calls import stored
from records import claim_records, numbered
from runner import claim_equal, eventually


def sticky_assignor_splits_evenly_as_members_join(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=6)
    options = {"partition_assignment_strategy": (StickyPartitionAssignor,)}
    members = []
    for count in (1, 2, 3):
        members.append(driver.member(topic, group, f"member-{count}", **options))

        def is_even():
            owned = [member.assignment() for member in members]
            return {len(part) for part in owned} == {6 // count} and _is_exact_cover(owned)

        eventually(is_even, f"{count} members with {6 // count} partitions each")
    claim_equal(driver.describe_group(group).protocol, "sticky", "protocol")
    for member in members:
        member.close()


def _is_exact_cover(owned):
    return sorted(partition for part in owned for partition in part) == list(range(6))


def async_iteration_and_seek(driver, run):
    topic, sent = run.name(), numbered(20)
    driver.ready_topic(topic)
    driver.produce(topic, sent, "gzip")

    async def iterate():
        async with driver.consumer() as consumer:
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            found = []
            async for message in consumer:
                found.append(stored(message))
                if len(found) == 20:
                    break
            consumer.seek(partition, 15)
            again = [stored(await consumer.getone()) for _ in range(5)]
            await consumer.seek_to_end(partition)
            return found, again, await consumer.position(partition)

    found, again, end = driver.loop.run(iterate())
    claim_records(found, sent)
    claim_records(again, sent[15:], 15)
    claim_equal(end, 20, "position after seek_to_end")


def paused_partitions_deliver_nothing_until_resumed(driver, run):
    topic, sent = run.name(), numbered(20, partitions=2)
    driver.ready_topic(topic, partitions=2)
    driver.produce(topic, sent)

    async def consume():
        async with driver.consumer(auto_offset_reset="earliest") as consumer:
            first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
            consumer.assign([first, second])
            consumer.pause(first)
            running = []
            while len(running) < 10:
                running.append(stored(await asyncio.wait_for(consumer.getone(), 20)))
            consumer.resume(first)
            resumed = []
            while len(resumed) < 10:
                resumed.append(stored(await asyncio.wait_for(consumer.getone(), 20)))
            return running, resumed

    running, resumed = driver.loop.run(consume())
    claim_records(running, sent[1::2])
    claim_records(resumed, sent[0::2])


SLOW = (sticky_assignor_splits_evenly_as_members_join,)
QUICK = (async_iteration_and_seek, paused_partitions_deliver_nothing_until_resumed)


def cases(driver):
    """(name, function) of every case in this file."""

    def bind(function):
        return lambda run: function(driver, run)

    return [(function.__name__, bind(function)) for function in SLOW + QUICK]
