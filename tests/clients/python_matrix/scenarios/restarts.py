"""Brokers that go away, by a clean stop and by a kill -9, in the middle of a transaction or of a
group's life."""

import own_broker
from records import numbered
from runner import claim_equal, eventually
from scenarios import OWN_BROKER, scenario
from scenarios.transactions import await_stable, claim_fenced, claim_read, transaction


@scenario(needs=OWN_BROKER, slow=True)
def transactions_go_on_when_the_broker_is_stopped_or_killed_within(driver, run):
    with own_broker.own_broker() as broker:
        own = driver.for_broker(broker.bootstrap)
        topic, group = run.name(), run.name("group")
        own.ready_topic(topic)
        early = numbered(10, "before")
        own.produce(topic, early)
        puller, pulled = own.puller(topic, group), []

        def has_pulled(count):
            # Pulling is also what lets a member take part when the restart makes it join again.
            pulled.extend(puller.pull())
            return count <= len(pulled)

        eventually(lambda: has_pulled(10), "records before the transactions")
        lost = own.transactor(run.name("lost"))
        expected, offset = dict(enumerate(early)), 10
        for end in (broker.kill, broker.stop):
            first, second = numbered(5, f"{end.__name__} first"), numbered(5, "second")
            lost.begin()
            offsets = lost.send(topic, numbered(3, "lost"))
            claim_equal(offsets, list(range(offset, offset + 3)), "offsets that are lost")
            # A producer for each round: librdkafka does not find its way back to the coordinator of
            # a group that it once sent offsets to.
            producer = own.transactor(run.name(f"id-{end.__name__}"))
            producer.begin()
            before = producer.send(topic, first)
            producer.send_offsets(puller.metadata(), topic, {0: offset})
            end()
            broker.start()
            after = producer.send(topic, second)
            claim_equal(before[-1] + 1, after[0], "offset behind the restart")
            producer.commit()
            producer.close()
            # The successor aborts what its predecessor left open.
            successor = own.transactor(run.name("lost"))
            claim_fenced(lost.commit)
            lost = successor
            expected |= dict(zip(before + after, first + second))
            offset += 15
            await_stable(own, topic, offset)
            committed = (offset - 15, "")
            eventually(
                lambda wanted=committed: own.committed(group, topic, [0])[0] == wanted,
                f"{committed} of the group",
            )
            eventually(lambda: has_pulled(len(expected)), "a member goes on reading")
        last = numbered(1, "last")
        expected |= dict(zip(transaction(lost, topic, last), last))
        await_stable(own, topic, offset + 2)
        claim_read(own, topic, expected, committed=True)
        eventually(lambda: has_pulled(len(expected)), "a member reads to the end")
        claim_equal([entry.offset for entry in pulled], sorted(expected), "offsets it got")
        for closed in (puller, lost):
            closed.close()


@scenario(needs=OWN_BROKER, slow=True)
def groups_go_on_when_the_broker_is_stopped_or_killed(driver, run):
    with own_broker.own_broker() as broker:
        own = driver.for_broker(broker.bootstrap)
        topic, group = run.name(), run.name("group")
        own.ready_topic(topic, partitions=4)
        members = [own.member(topic, group, name) for name in ("first", "second")]

        def is_split():
            owned = [member.assignment() for member in members]
            return {len(part) for part in owned} == {2} and len(frozenset.union(*owned)) == 4

        def values():
            return {entry.record.value for member in members for entry in member.stored()}

        eventually(is_split, "an even split")
        expected, rounds = set(), 0
        for end in (None, broker.kill, broker.stop):
            if end:
                end()
                broker.start()
            sent = numbered(40, f"round {rounds}", 4)
            own.produce(topic, sent)
            expected |= {record.value for record in sent}
            rounds += 1
            eventually(lambda: expected <= values(), f"all values of round {rounds}")
            eventually(is_split, f"an even split in round {rounds}")
            for member in members:
                member.commit(True)
            found = own.committed(group, topic, range(4))
            wanted = {partition: (10 * rounds, "") for partition in range(4)}
            claim_equal(found, wanted, f"committed offsets in round {rounds}")
        for member in members:
            member.close()
