"""Groups of the consumer protocol (KIP-848), which the broker balances: the shared scenarios about
groups with members of that protocol, and what only it can do."""

import confluent_kafka as ck
from confluent_kafka import admin as cka

import driver as codes
import own_broker
from confluent_calls import settled
from confluent_driver import ConfluentDriver
from records import numbered
from runner import claim, claim_equal, eventually
from scenarios import groups, restarts, transactional_offsets

EVERY_PARTITION = frozenset(range(4))


def _described(driver, group):
    return settled(driver.admin.describe_consumer_groups([group])[group])


def _listed(driver, **filters):
    listing = settled(driver.admin.list_consumer_groups(**filters))
    return {group.group_id: group for group in listing.valid}


def _failure(member):
    """Waits until the member has failed and returns its error."""

    def failure():
        try:
            member.assignment()
        except codes.BrokerError as error:
            return error
        return None

    return eventually(failure, "the member fails")


def _moves(driver, run, assignor):
    """Only what must move is taken from the first member, and comes back when the second leaves."""
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    options = {"group.remote.assignor": assignor}
    first = driver.member(topic, group, "first", **options)
    eventually(lambda: first.assignment() == EVERY_PARTITION, "the first member owns all")
    second = driver.member(topic, group, "second", **options)
    eventually(
        lambda: len(second.assignment()) == 2
        and first.assignment() | second.assignment() == EVERY_PARTITION,
        lambda: f"an even split: {first.assignment()}, {second.assignment()}",
    )
    moved = set(second.assignment())
    claim_equal([s for s in first.revoked if s], [moved], "partitions taken from the first")
    if assignor == "range":
        claim_equal(sorted(moved) in ([0, 1], [2, 3]), True, f"{moved} is a range")
    claim_equal(_described(driver, group).partition_assignor, assignor, "assignor")
    sent = numbered(40, partitions=4)
    driver.produce(topic, sent)
    wanted = sorted(record.value for record in sent)
    eventually(
        lambda: sorted(e.record.value for m in (first, second) for e in m.stored()) == wanted,
        "every record exactly once",
    )
    second.close()
    eventually(lambda: first.assignment() == EVERY_PARTITION, "the first member owns all again")
    claim_equal(first.gained[-1], moved, "partitions given back")
    first.close()


def uniform_assignment_moves_only_what_must_move(driver, run):
    _moves(driver, run, "uniform")


def range_assignment_moves_only_what_must_move(driver, run):
    _moves(driver, run, "range")


def an_unknown_assignor_is_refused(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    member = driver.member(topic, run.name("group"), "m", **{"group.remote.assignor": "best"})
    error = _failure(member)
    claim("assignor" in str(error).lower(), f"another error: {error}")


def a_static_instance_that_is_there_is_not_replaced(driver, run):
    """Other than in a classic group, where the second member fences the first."""
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    first = driver.member(topic, group, "first", instance_id="same")
    eventually(lambda: first.assignment() == EVERY_PARTITION, "the first owns all")
    second = driver.member(topic, group, "second", instance_id="same")
    error = _failure(second)
    claim("instance" in str(error).lower(), f"another error: {error}")
    claim_equal(first.assignment(), EVERY_PARTITION, "partitions of the first")
    first.close()


def a_regular_expression_subscribes_to_topics_of_now_and_later(driver, run):
    names = [run.name(f"topic-{suffix}") for suffix in ("a", "b", "later")]
    for name in names[:2] + [run.name("other")]:
        driver.ready_topic(name, partitions=2)
    group = run.name("group")
    member = driver.member(f"^{run.name('topic')}-[a-z]+$", group, "member")

    def owned():
        found = _described(driver, group).members
        return {e.topic for m in found for e in m.assignment.topic_partitions}

    eventually(lambda: owned() == set(names[:2]), lambda: f"the topics that match, not {owned()}")
    driver.ready_topic(names[2], partitions=2)
    eventually(lambda: owned() == set(names), lambda: f"the new topic too, not {owned()}", 45)
    sent = numbered(4)
    driver.produce(names[2], sent)
    values = [record.value for record in sent]
    eventually(lambda: [e.record.value for e in member.stored()] == values, "its records")
    member.close()


def an_invalid_regular_expression_is_refused(driver, run):
    # A back reference: librdkafka takes it, RE2 knows none.
    member = driver.member(r"^(a)\1$", run.name("group"), "member")
    error = _failure(member)
    claim("regular expression" in str(error).lower(), f"another error: {error}")


def groups_are_listed_and_described_by_type(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    member = driver.member(topic, group, "only-member", instance_id="only")
    eventually(lambda: member.assignment() == EVERY_PARTITION, "an assignment")
    eventually(lambda: _described(driver, group).state == ck.ConsumerGroupState.STABLE, "stability")
    found = _described(driver, group)
    claim_equal(found.type, ck.ConsumerGroupType.CONSUMER, "type")
    (described,) = found.members
    claim_equal((described.client_id, described.group_instance_id), ("only-member", "only"), "ids")
    for what, assignment in (
        ("assignment", described.assignment),
        ("target assignment", described.target_assignment),
    ):
        partitions = {(e.topic, e.partition) for e in assignment.topic_partitions}
        claim_equal(partitions, {(topic, p) for p in EVERY_PARTITION}, what)
    for kind, holds in (
        (ck.ConsumerGroupType.CONSUMER, True),
        (ck.ConsumerGroupType.CLASSIC, False),
    ):
        listed = _listed(driver, types={kind})
        claim_equal(group in listed, holds, f"listed as {kind}")
    stable = _listed(driver, states={ck.ConsumerGroupState.STABLE})
    claim_equal(stable[group].type, ck.ConsumerGroupType.CONSUMER, "type in the list")
    claim(group not in _listed(driver, states={ck.ConsumerGroupState.EMPTY}), "listed as empty")
    member.close()


def a_group_moves_to_the_consumer_protocol_and_back(driver, run):
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    classic = ConfluentDriver(driver.bootstrap)
    members, sent = [], []

    def exchange(kind, name, leaving=None):
        joined = kind.member(topic, group, name)
        members.append(joined)
        eventually(joined.assignment, f"{name} owns something")
        if leaving:
            leaving.close()
        records = numbered(40, name, 4)
        sent.extend(record.value for record in records)
        driver.produce(topic, records)
        eventually(
            lambda: {e.record.value for m in members for e in m.stored()} == set(sent),
            f"all values once {name} has joined",
        )
        return joined

    def kind_of_group():
        return _listed(driver)[group].type

    first = exchange(classic, "classic-1")
    claim_equal(kind_of_group(), ck.ConsumerGroupType.CLASSIC, "type at first")
    first = exchange(driver, "next-1", first)
    claim_equal(kind_of_group(), ck.ConsumerGroupType.CONSUMER, "type after the upgrade")
    first = exchange(classic, "classic-2", first)
    eventually(lambda: kind_of_group() == ck.ConsumerGroupType.CLASSIC, "a classic group again")
    first.close()
    delivered = sorted(e.record.value for m in members for e in m.stored())
    claim_equal(delivered, sorted(sent), "delivered values")


def an_old_epoch_commits_for_the_partitions_that_the_member_kept(driver, run):
    """Since Kafka 4.3 (KIP-1251) a commit is measured against the epoch at which the partition was
    assigned, not against the member's epoch."""
    topic, group = run.name(), run.name("group")
    driver.ready_topic(topic, partitions=4)
    first = driver.puller(topic, group, "first")

    def owns(count):
        first.pull()
        return len(first.assignment()) == count

    eventually(lambda: owns(4), "an assignment")
    old = first.metadata()
    second = driver.member(topic, group, "second")
    eventually(lambda: owns(2) and len(second.assignment()) == 2, "an even split")
    (kept, *_) = first.assignment()
    producer = driver.transactor(run.name("id"))
    producer.begin()
    producer.send_offsets(old, topic, {kept: 7})
    producer.commit()
    eventually(
        lambda: driver.committed(group, topic, [kept])[kept] == (7, ""), "the offset is committed"
    )
    producer.close()
    first.close()
    second.close()


def a_group_has_session_and_heartbeat_settings_of_its_own(driver, run):
    group = run.name("group")
    kind = cka.ResourceType.GROUP
    for name, value in (
        ("consumer.session.timeout.ms", "1500"),
        ("consumer.heartbeat.interval.ms", "300"),
    ):
        set_to = cka.AlterConfigOpType.SET
        entry = cka.ConfigEntry(name, value, incremental_operation=set_to)
        resource = cka.ConfigResource(kind, group, incremental_configs=[entry])
        settled(driver.admin.incremental_alter_configs([resource])[resource])

        def is_set(name=name, value=value):
            resource = cka.ConfigResource(kind, group)
            found = settled(driver.admin.describe_configs([resource])[resource])
            return found[name].value == value

        eventually(is_set, f"{name} is {value}")


OWN = (
    a_regular_expression_subscribes_to_topics_of_now_and_later,
    a_group_moves_to_the_consumer_protocol_and_back,
    uniform_assignment_moves_only_what_must_move,
    range_assignment_moves_only_what_must_move,
    a_static_instance_that_is_there_is_not_replaced,
    an_old_epoch_commits_for_the_partitions_that_the_member_kept,
    an_invalid_regular_expression_is_refused,
    an_unknown_assignor_is_refused,
    groups_are_listed_and_described_by_type,
    a_group_has_session_and_heartbeat_settings_of_its_own,
)
# Shared scenarios, here with members of the consumer protocol.
SHARED = (
    groups.a_group_splits_partitions_and_hands_them_over,
    groups.a_static_member_returns_to_its_partitions_without_a_rebalance,
    groups.members_commit_sync_and_async_and_successors_resume,
    groups.a_group_without_offsets_starts_where_reset_says,
    groups.groups_are_listed_and_described_while_members_come_and_go,
    groups.only_empty_groups_can_be_deleted,
    transactional_offsets.offsets_of_an_old_generation_are_refused,
    transactional_offsets.transformed_records_arrive_exactly_once,
    transactional_offsets.offsets_in_a_transaction_count_only_once_it_is_committed,
)


def cases(driver):
    """(name, function) of every case in this file."""
    following = ConfluentDriver(driver.bootstrap, ConfluentDriver.NEXT)
    shared = SHARED
    if own_broker.is_available():
        shared += (restarts.groups_go_on_when_the_broker_is_stopped_or_killed,)

    def bind(function):
        return lambda run: function(following, run)

    return [(f"next_{function.__name__}", bind(function)) for function in OWN + shared]
