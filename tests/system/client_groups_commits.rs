//! Commits in every way there is: whoever reads on in the group's place begins exactly there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::consumer::{ConsumerRecord, Offsets, RebalanceContext, RebalanceListener};
use ringbrook_tests::unique;

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member, is_split, poll_until};

const CLASSIC: &[(&str, &str)] = &[("heartbeat.interval.ms", "200")];
const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// How many of the ten records the first member processes.
const PROCESSED: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sync,
    Async,
    PerRecord,
    Offsets,
    ByTime,
    ByClose,
    ByListener,
    Never,
}

const WAYS: [Way; 8] = [
    Way::Sync,
    Way::Async,
    Way::PerRecord,
    Way::Offsets,
    Way::ByTime,
    Way::ByClose,
    Way::ByListener,
    Way::Never,
];

/// Commits what was processed when its partitions are taken.
#[derive(Clone, Default)]
struct AtLast(Arc<Mutex<Offsets>>);

impl RebalanceListener for AtLast {
    fn on_partitions_revoked<'a>(
        &'a self,
        consumer: &'a RebalanceContext,
        _partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let offsets = self.0.lock().expect("nobody panics").clone();
            consumer
                .commit_offsets(offsets)
                .await
                .expect("it still is a member");
        })
    }
}

/// Commits after `record`, in one of the ways that an application asks for.
async fn commit(
    way: Way,
    member: &Member,
    record: &ConsumerRecord<String, String>,
    at_last: &AtLast,
) -> anyhow::Result<()> {
    let next: Offsets = [(record.topic_partition(), (record.offset + 1).into())].into();
    match way {
        Way::Sync => member.commit_sync().await?,
        Way::PerRecord => member.commit_record(record).await?,
        Way::Offsets => member.commit_offsets(next).await?,
        Way::Async => {
            let (done, outcome) = tokio::sync::oneshot::channel();
            member.commit_async(move |result| done.send(result).expect("the test waits"))?;
            outcome.await??;
        }
        Way::ByListener => *at_last.0.lock().expect("nobody panics") = next,
        Way::ByTime | Way::ByClose | Way::Never => {}
    }
    Ok(())
}

/// Reads the first records one by one.
async fn process(way: Way, member: &Member, at_last: &AtLast) -> anyhow::Result<()> {
    let mut processed = 0;
    while processed < PROCESSED {
        let records = tokio::time::timeout(DEADLINE, member.poll(DEADLINE)).await??;
        for record in records {
            ensure!(record.value == Some(processed.to_string()), "{record:?}");
            commit(way, member, &record, at_last).await?;
            processed += 1;
        }
    }
    Ok(())
}

async fn handed_over(
    ground: &Ground,
    protocol: &[(&str, &str)],
    way: Way,
) -> anyhow::Result<Vec<String>> {
    let topic = ground.topic("groups-handed-over", 1).await?;
    let group = unique("groups-handed-over");
    let all: Vec<_> = (0..10).map(|it| it.to_string()).collect();
    ground.produce(&topic, 0, &all).await?;
    let auto = match way {
        Way::ByTime => [
            ("enable.auto.commit", "true"),
            ("auto.commit.interval.ms", "50"),
        ],
        Way::ByClose => [
            ("enable.auto.commit", "true"),
            ("auto.commit.interval.ms", "900000"),
        ],
        _ => [
            ("enable.auto.commit", "false"),
            ("auto.commit.interval.ms", "50"),
        ],
    };
    let settings = [protocol, &auto, &[("max.poll.records", "1")]].concat();
    let first = ground.member(&group, &settings)?;
    let at_last = AtLast::default();
    first.subscribe_with([topic.as_str()], at_last.clone())?;
    process(way, &first, &at_last).await?;
    if way == Way::ByTime {
        // Each poll counts what the one before returned as processed.
        first.pause(&[TopicPartition::new(topic.as_str(), 0)])?;
        let partition = TopicPartition::new(topic.as_str(), 0);
        let committed = async {
            loop {
                ensure!(first.poll(Duration::from_millis(20)).await?.is_empty());
                let found = first.committed(std::slice::from_ref(&partition)).await?;
                if found.get(&partition).is_some_and(|it| it.offset == 4) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(DEADLINE, committed)
            .await
            .context("no commit by time")??;
    }
    first.close().await?;
    let second = ground.member(&group, &settings)?;
    second.subscribe([topic.as_str()])?;
    let is_last = |it: &ConsumerRecord<String, String>| it.value.as_deref() == Some("9");
    let read = poll_until(&[&second], |read| read.last().is_some_and(is_last)).await?;
    second.close().await?;
    Ok(read.into_iter().filter_map(|it| it.value).collect())
}

#[tokio::test]
async fn client_groups_commits_of_every_kind_survive_the_member() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        for way in WAYS {
            let begin = if way == Way::Never { 0 } else { PROCESSED };
            let expected: Vec<_> = (begin..10).map(|it| it.to_string()).collect();
            let read = handed_over(&ground, protocol, way).await?;
            assert_eq!(read, expected, "{protocol:?} {way:?}");
        }
    }
    Ok(())
}

/// While others join, a member goes on committing: everything that the coordinator took holds.
#[tokio::test]
async fn client_groups_commits_in_the_middle_of_a_rebalance_hold() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        let topic = ground.topic("groups-busy", 2).await?;
        let group = unique("groups-busy");
        let settings = [protocol, &[("enable.auto.commit", "false")]].concat();
        let (first, second) = (
            ground.member(&group, &settings)?,
            ground.member(&group, &settings)?,
        );
        first.subscribe([topic.as_str()])?;
        poll_until(&[&first], |_| is_split(&[&first], 2)).await?;
        for partition in 0..2 {
            ground
                .produce(&topic, partition, &["a".to_owned(), "b".to_owned()])
                .await?;
        }
        poll_until(&[&first], |read| read.len() == 4).await?;
        // The group rebalances from now on, and the first one does not poll: it commits.
        second.subscribe([topic.as_str()])?;
        for offset in 0..20 {
            ensure!(second.poll(Duration::from_millis(20)).await?.is_empty());
            let offsets = (0..2).map(|it| (TopicPartition::new(topic.as_str(), it), 1.into()));
            first
                .commit_offsets(offsets.collect())
                .await
                .with_context(|| {
                    format!("{protocol:?}: commit {offset} while the group waits for the committer")
                })?;
        }
        // What it had read and not committed is read again by whoever gets it.
        let read = poll_until(&[&first, &second], |_| is_split(&[&first, &second], 2)).await?;
        let mut read: Vec<_> = read.into_iter().filter_map(|it| it.value).collect();
        let expected = if protocol == CLASSIC { 2 } else { 1 };
        let is_enough = |more: &[_]| expected <= read.len() + more.len();
        let more = poll_until(&[&first, &second], is_enough).await?;
        read.extend(more.into_iter().filter_map(|it| it.value));
        ensure!(read.iter().all(|it| it == "b"), "{protocol:?}: {read:?}");
        first.close().await?;
        second.close().await?;
    }
    Ok(())
}
