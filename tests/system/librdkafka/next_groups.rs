//! librdkafka's members of groups that the broker balances (KIP-848).

use std::collections::BTreeSet;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use ringbrook_tests::unique;

use super::{Cluster, DEADLINE, assigned, payload, poll, poll_until};

const NEXT: (&str, &str) = ("group.protocol", "consumer");

impl Cluster {
    fn next_member(
        &self,
        group: &str,
        topic: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<BaseConsumer> {
        let mut all = vec![NEXT];
        all.extend(settings);
        let consumer = self.consumer_with(group, &all)?;
        consumer.subscribe(&[topic])?;
        Ok(consumer)
    }
}

fn await_split(first: &BaseConsumer, second: &BaseConsumer) -> anyhow::Result<()> {
    poll_until(&[first, second], || {
        let (one, two) = (assigned(first)?, assigned(second)?);
        Ok(one.len() == 2 && two.len() == 2 && &one | &two == (0..4).collect())
    })
}

#[test]
fn the_broker_shares_partitions_among_members() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let all: BTreeSet<_> = (0..4).collect();
    for assignor in ["uniform", "range"] {
        let (topic, group) = (unique("rdkafka-next"), unique("rdkafka-next"));
        cluster.create_topic(&topic, 4)?;
        let settings = [("group.remote.assignor", assignor)];
        let first = cluster.next_member(&group, &topic, &settings)?;
        poll_until(&[&first], || Ok(assigned(&first)? == all))?;
        let second = cluster.next_member(&group, &topic, &settings)?;
        await_split(&first, &second)?;
        for partition in 0..4 {
            cluster.send_values(&topic, partition, &[format!("to {partition}")])?;
        }
        let mut read = poll(&first, 2)?;
        read.extend(poll(&second, 2)?);
        let read: BTreeSet<_> = read.iter().map(payload).collect();
        let expected = (0..4).map(|partition| format!("to {partition}"));
        assert_eq!(read, expected.collect(), "{assignor}");
        first.commit_consumer_state(CommitMode::Sync)?;
        second.commit_consumer_state(CommitMode::Sync)?;
        drop(second);
        poll_until(&[&first], || Ok(assigned(&first)? == all))?;
        let committed = first.committed(DEADLINE)?;
        let offsets: Vec<_> = committed
            .elements()
            .iter()
            .map(|it| it.offset().to_raw())
            .collect();
        assert_eq!(offsets, [Some(1); 4], "{assignor}");
    }
    Ok(())
}

#[test]
fn a_static_member_comes_back_to_its_partitions() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, group) = (unique("rdkafka-static"), unique("rdkafka-static"));
    cluster.create_topic(&topic, 4)?;
    let join = |id| cluster.next_member(&group, &topic, &[("group.instance.id", id)]);
    let (first, second) = (join("one")?, join("two")?);
    await_split(&first, &second)?;
    let (kept, away) = (assigned(&first)?, assigned(&second)?);
    drop(second);
    let second = join("two")?;
    poll_until(&[&first, &second], || {
        assert_eq!(assigned(&first)?, kept, "the member that stayed");
        Ok(assigned(&second)? == away)
    })
}

#[test]
fn members_of_both_protocols_share_a_group() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, group) = (unique("rdkafka-mixed"), unique("rdkafka-mixed"));
    cluster.create_topic(&topic, 4)?;
    let all: BTreeSet<_> = (0..4).collect();
    let classic = cluster.consumer(&group)?;
    classic.subscribe(&[&topic])?;
    poll_until(&[&classic], || Ok(assigned(&classic)? == all))?;
    let next = cluster.next_member(&group, &topic, &[])?;
    await_split(&classic, &next)?;
    drop(classic);
    poll_until(&[&next], || Ok(assigned(&next)? == all))?;
    let classic = cluster.consumer(&group)?;
    classic.subscribe(&[&topic])?;
    await_split(&classic, &next)?;
    drop(next);
    poll_until(&[&classic], || Ok(assigned(&classic)? == all))
}
