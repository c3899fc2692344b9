"""kcat -G: members of consumer groups, as separate processes."""

from collections import Counter

from kcat import GroupMember, kcat
from runner import claim_equal, eventually
from wire import create_topic

EVERY_PARTITION = {0, 1, 2, 3}


def _produce(run, prefix):
    """Produces ten values to each of the four partitions and returns them."""
    values = set()
    for partition in EVERY_PARTITION:
        own = [b"%s-%d-%d" % (prefix.encode(), partition, i) for i in range(10)]
        lines = b"\n".join(own) + b"\n"
        kcat(run.bootstrap, "-P", "-t", run.name(), "-p", str(partition), stdin=lines)
        values.update(own)
    return values


def _await_split(first, second):
    eventually(
        lambda: len(first.assignment()) == len(second.assignment()) == 2
        and first.assignment() | second.assignment() == EVERY_PARTITION,
        lambda: f"an even split: {first.log()} {second.log()}",
    )


def _hand_over(run, *options):
    """Two members share a topic, the first leaves; returns the first's rebalances."""
    topic, group = run.name(), run.name("group")
    create_topic(run.bootstrap, topic, len(EVERY_PARTITION))
    expected = _produce(run, "alone")
    first = GroupMember(run.bootstrap, group, topic, *options)
    eventually(lambda: expected <= set(first.values()), "the first member reads everything")
    claim_equal(first.assignment(), EVERY_PARTITION, "partitions of the first member")
    second = GroupMember(run.bootstrap, group, topic, *options)
    _await_split(first, second)
    expected |= _produce(run, "shared")

    def all_read():
        return expected <= set(first.values()) | set(second.values())

    eventually(all_read, "both members read everything")
    rebalances = first.rebalances()
    first.close()
    eventually(lambda: second.assignment() == EVERY_PARTITION, "the second member owns all")
    expected |= _produce(run, "handed over")
    eventually(all_read, "the second member reads everything")
    second.close()
    # Both committed when they lost their partitions, so nothing was delivered twice.
    counts = Counter(first.values() + second.values())
    claim_equal(counts, Counter(expected), "values and how often they were delivered")

    more = _produce(run, "after the commit")
    third = GroupMember(run.bootstrap, group, topic, *options)
    eventually(lambda: more <= set(third.values()), "the third member reads the new records")
    third.close()
    claim_equal(Counter(third.values()), Counter(more), "values of the member that resumes")
    return rebalances


def a_group_splits_hands_over_and_resumes_from_its_commits(run):
    _hand_over(run)


def cooperative_sticky_takes_only_the_partitions_that_move(run):
    rebalances = _hand_over(run, "-X", "partition.assignment.strategy=cooperative-sticky")
    revoked = [len(moved) for is_assignment, moved in rebalances if moved and not is_assignment]
    claim_equal(revoked, [2], "sizes of what was revoked")


def a_static_member_returns_without_a_rebalance(run):
    topic, group = run.name(), run.name("group")
    create_topic(run.bootstrap, topic, len(EVERY_PARTITION))
    first = GroupMember(run.bootstrap, group, topic, "-X", "group.instance.id=one")
    second = GroupMember(run.bootstrap, group, topic, "-X", "group.instance.id=two")
    _await_split(first, second)
    before, owned = first.rebalances(), second.assignment()
    second.close()
    values = _produce(run, "while away")
    second = GroupMember(run.bootstrap, group, topic, "-X", "group.instance.id=two")
    eventually(lambda: second.assignment() == owned, "the old partitions")
    eventually(lambda: values <= set(first.values() + second.values()), "all values")
    claim_equal(first.rebalances(), before, "rebalances of the member that stayed")
    first.close()
    second.close()


CASES = [
    (function.__name__, function)
    for function in (
        a_group_splits_hands_over_and_resumes_from_its_commits,
        cooperative_sticky_takes_only_the_partitions_that_move,
        a_static_member_returns_without_a_rebalance,
    )
]
