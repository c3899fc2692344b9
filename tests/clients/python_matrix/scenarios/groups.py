"""Consumer groups (classic protocol): rebalance, static members, commits, description."""

from collections import Counter

import driver as codes
from records import numbered
from runner import claim, claim_equal, eventually
from scenarios import scenario
from scenarios.refusals import claim_refused

PARTITIONS = 4
EVERY_PARTITION = frozenset(range(PARTITIONS))


def _produce(driver, topic, prefix, count=40):
    """Produces `count` records spread over all partitions and returns their values."""
    sent = numbered(count, prefix, PARTITIONS)
    driver.produce(topic, sent)
    return {record.value for record in sent}


def _values(*members):
    return Counter(entry.record.value for member in members for entry in member.stored())


def _await_values(expected, *members):
    eventually(
        lambda: expected <= set(_values(*members)),
        lambda: f"{len(expected - set(_values(*members)))} values are missing",
    )


def _await_split(first, second):
    """Waits until both own two partitions and together all of them."""
    eventually(
        lambda: len(first.assignment()) == len(second.assignment()) == 2
        and first.assignment() | second.assignment() == EVERY_PARTITION,
        lambda: f"an even split: {sorted(first.assignment())}, {sorted(second.assignment())}",
    )


@scenario(slow=True)
def a_group_splits_partitions_and_hands_them_over(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    expected = _produce(driver, topic, "alone")
    first = driver.member(topic, group, "first")
    eventually(lambda: first.assignment() == EVERY_PARTITION, "the first member owns all")
    _await_values(expected, first)

    second = driver.member(topic, group, "second")
    _await_split(first, second)
    more = _produce(driver, topic, "shared")
    _await_values(expected | more, first, second)
    owned = second.assignment()
    for entry in second.stored():
        claim(entry.record.partition in owned, f"{entry} came to the wrong member")

    first.close()
    eventually(lambda: second.assignment() == EVERY_PARTITION, "the second member owns all")
    last = _produce(driver, topic, "handed over")
    _await_values(expected | more | last, first, second)
    second.close()
    # Positions were committed at each handover, so nothing was delivered twice.
    repeated = {value for value, count in _values(first, second).items() if count != 1}
    claim(not repeated, f"{len(repeated)} values were delivered more than once")
    total = sum(offset for offset, _ in driver.committed(group, topic, range(4)).values())
    claim_equal(total, 120, "sum of the committed offsets")


@scenario(needs="static membership", slow=True)
def a_static_member_returns_to_its_partitions_without_a_rebalance(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    first = driver.member(topic, group, "first", instance_id="one")
    second = driver.member(topic, group, "second", instance_id="two")
    _await_split(first, second)
    # Records that came through both show that the rebalance is over for both.
    _await_values(_produce(driver, topic, "both"), first, second)
    before, owned = first.rebalances(), second.assignment()
    second.close()
    values = _produce(driver, topic, "while away")
    second = driver.member(topic, group, "second", instance_id="two")
    eventually(lambda: second.assignment() == owned, "the old partitions")
    _await_values(values, first, second)
    claim_equal(first.rebalances(), before, "rebalances of the member that stayed")
    claim_equal(len(first.assignment()), 2, "partitions of the member that stayed")
    first.close()
    second.close()


@scenario(slow=True)
def members_commit_sync_and_async_and_successors_resume(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    for wait in (True, False):
        values = _produce(driver, topic, f"wait {wait}")
        before = driver.committed(group, topic, [0]).get(0)
        member = driver.member(topic, group, "member")
        _await_values(values, member)
        claim_equal(set(_values(member)), values, "values since the last commit")
        member.commit(wait)
        goal = (before[0] if before else 0) + 10
        eventually(
            lambda: (driver.committed(group, topic, [0]).get(0) or (0, ""))[0] == goal,
            f"offset {goal} committed",
        )
        member.close()


@scenario()
def offsets_and_metadata_are_committed_per_group(driver, run):
    topic = run.name()
    driver.ready_topic(topic, partitions=2)
    driver.produce(topic, numbered(20, partitions=2))
    one, two = run.name("one"), run.name("two")
    claim_equal(driver.committed(one, topic, [0, 1]), {0: None, 1: None}, "unknown group")
    driver.commit(one, topic, {0: 7, 1: 3}, "checkpoint \u00e9")
    driver.commit(two, topic, {0: 1})
    driver.commit(two, topic, {0: 5})
    expected = {0: (7, "checkpoint \u00e9"), 1: (3, "checkpoint \u00e9")}
    claim_equal(driver.committed(one, topic, [0, 1]), expected, "offsets of the first group")
    expected = {0: (5, ""), 1: None}
    claim_equal(driver.committed(two, topic, [0, 1]), expected, "offsets of the second group")
    claim({one, two} <= driver.list_groups(), "a group with offsets is not listed")


@scenario()
def commit_metadata_above_4096_characters_is_refused(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic)
    longest = 4096 - driver.metadata_suffix
    driver.commit(group, topic, {0: 0}, "m" * longest)
    claim_refused(
        codes.OFFSET_METADATA_TOO_LARGE,
        lambda: driver.commit(group, topic, {0: 0}, "m" * (longest + 1)),
    )


@scenario(slow=True)
def a_group_without_offsets_starts_where_reset_says(driver, run):
    topic = run.name()
    driver.ready_topic(topic, partitions=PARTITIONS)
    old = _produce(driver, topic, "old")
    earliest = driver.member(topic, run.name("earliest"), "earliest")
    latest = driver.member(topic, run.name("latest"), "latest", reset="latest")
    eventually(lambda: latest.assignment() == EVERY_PARTITION, "an assignment")
    _await_values(old, earliest)
    # The member's position is settled once it has received something: send until that is so.
    rounds = []

    def send_one_round():
        rounds.append(_produce(driver, topic, f"new {len(rounds)}", PARTITIONS))
        return {entry.record.partition for entry in latest.stored()} == EVERY_PARTITION

    eventually(send_one_round, "records for the member that starts at the end")
    final = _produce(driver, topic, "final")
    _await_values(final, latest)
    _await_values(old | final, earliest)
    claim(not old & set(_values(latest)), "the member at the end got old records")
    earliest.close()
    latest.close()


@scenario(slow=True)
def groups_are_listed_and_described_while_members_come_and_go(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    member = driver.member(topic, group, "only-member")
    eventually(lambda: member.assignment() == EVERY_PARTITION, "an assignment")
    claim(group in driver.list_groups(), "the group is not listed")
    view = driver.describe_group(group)
    claim_equal(view.state, "Stable", "state")
    claim(view.protocol, "no partition assignment strategy is described")
    expected = {"only-member": {(topic, partition) for partition in EVERY_PARTITION}}
    claim_equal(view.members, expected, "members")
    member.close()
    view = driver.describe_group(group)
    claim_equal((view.state, view.members), ("Empty", {}), "state after the last member left")


@scenario(needs="delete groups", slow=True)
def only_empty_groups_can_be_deleted(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=PARTITIONS)
    values = _produce(driver, topic, "value")
    member = driver.member(topic, group, "member")
    _await_values(values, member)
    claim_refused(codes.NON_EMPTY_GROUP, lambda: driver.delete_group(group))
    member.commit(True)
    member.close()
    driver.delete_group(group)
    claim(group not in driver.list_groups(), "the deleted group is listed")
    claim_equal(driver.committed(group, topic, [0]), {0: None}, "offsets of a deleted group")
    claim_refused(codes.GROUP_ID_NOT_FOUND, lambda: driver.delete_group(group))
