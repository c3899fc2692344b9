//! The native consumer in groups of both protocols: partitions move, listeners are told, offsets
//! are committed, members come, go, come back and die.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::{BoxFuture, join_all};
use ringbrook_client::config::{ConsumerConfig, ProducerConfig, Properties};
use ringbrook_client::consumer::{
    Consumer, ConsumerRecord, GroupMembershipOperation, RebalanceContext, RebalanceListener,
};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::Ground;

pub(crate) type Member = Consumer<String, String>;

pub(crate) const CLASSIC: &[(&str, &str)] = &[];
pub(crate) const COOPERATIVE: &[(&str, &str)] =
    &[("partition.assignment.strategy", "cooperative-sticky")];
pub(crate) const STICKY: &[(&str, &str)] = &[("partition.assignment.strategy", "sticky")];
pub(crate) const ROUND_ROBIN: &[(&str, &str)] = &[("partition.assignment.strategy", "roundrobin")];
pub(crate) const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];
const ALL: [&[(&str, &str)]; 5] = [CLASSIC, COOPERATIVE, STICKY, ROUND_ROBIN, NEXT];
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One call of a listener: its name, the partitions it was called with.
pub(crate) type Call = (&'static str, Vec<i32>);

/// What a listener was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Call>>>);

impl Told {
    fn note(&self, what: &'static str, partitions: &[TopicPartition]) {
        let indexes = partitions.iter().map(|it| it.partition).collect();
        self.calls().push((what, indexes));
    }

    pub(crate) fn len(&self) -> usize {
        self.calls().len()
    }

    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls())
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().expect("no call panics while it notes")
    }
}

impl RebalanceListener for Told {
    fn on_partitions_assigned<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.note("assigned", partitions);
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.note("revoked", partitions);
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_lost<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.note("lost", partitions);
        Box::pin(std::future::ready(()))
    }
}

impl Ground {
    pub(crate) fn member(&self, group: &str, settings: &[(&str, &str)]) -> anyhow::Result<Member> {
        let mut properties: Properties = settings.iter().copied().collect();
        properties.set("bootstrap.servers", self.broker.address().to_string());
        properties.set("group.id", group);
        properties.set_default("auto.offset.reset", "earliest");
        let config = ConsumerConfig::from_properties(&properties)?;
        Ok(Consumer::new(config, StringSerializer, StringSerializer)?)
    }

    pub(crate) async fn produce(
        &self,
        topic: &str,
        partition: i32,
        values: &[String],
    ) -> anyhow::Result<()> {
        send_to(
            &producer_of(self.broker.address())?,
            topic,
            partition,
            values,
        )
        .await
    }
}

pub(crate) fn producer_of(address: SocketAddr) -> anyhow::Result<Producer<String, String>> {
    let address = address.to_string();
    let servers = vec![address.parse().map_err(anyhow::Error::msg)?];
    Ok(Producer::builder(ProducerConfig::new(servers))
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?)
}

/// Sends values to a partition and waits until all are there.
pub(crate) async fn send_to(
    producer: &Producer<String, String>,
    topic: &str,
    partition: i32,
    values: &[String],
) -> anyhow::Result<()> {
    let mut sent = Vec::new();
    for value in values {
        let record = ProducerRecord::<String, String>::new(topic, value.clone());
        sent.push(producer.send(record.with_partition(partition)).await?);
    }
    for delivery in sent {
        delivery.await?;
    }
    Ok(())
}

pub(crate) fn indexes(member: &Member) -> BTreeSet<i32> {
    member.assignment().iter().map(|it| it.partition).collect()
}

/// Polls all members side by side until `is_done`; returns what was read.
pub(crate) async fn poll_until(
    members: &[&Member],
    mut is_done: impl FnMut(&[ConsumerRecord<String, String>]) -> bool,
) -> anyhow::Result<Vec<ConsumerRecord<String, String>>> {
    let mut read = Vec::new();
    let polling = async {
        while !is_done(&read) {
            let polls = members.iter().map(|it| it.poll(Duration::from_millis(50)));
            for records in join_all(polls).await {
                read.extend(records?);
            }
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(DEADLINE, polling).await;
    let seen: Vec<_> = members.iter().map(|it| it.assignment()).collect();
    in_time.with_context(|| format!("not in time; assigned: {seen:?}"))??;
    Ok(read)
}

/// All partitions have one owner each, evenly.
pub(crate) fn is_split(members: &[&Member], partitions: i32) -> bool {
    let shares: Vec<_> = members.iter().map(|it| indexes(it)).collect();
    let all: BTreeSet<_> = shares.iter().flatten().copied().collect();
    let count: usize = shares.iter().map(BTreeSet::len).sum();
    let (min, max) = (
        shares.iter().map(BTreeSet::len).min(),
        shares.iter().map(BTreeSet::len).max(),
    );
    all.len() == count && all == (0..partitions).collect() && max <= min.map(|it| it + 1)
}

pub(crate) fn values(read: &[ConsumerRecord<String, String>]) -> BTreeSet<String> {
    read.iter().filter_map(|it| it.value.clone()).collect()
}

pub(crate) fn is(error: &ClientError, codes: &[ResponseError]) -> bool {
    error
        .response_error()
        .is_some_and(|code| codes.contains(&code))
}

#[tokio::test]
async fn client_groups_share_partitions_and_hand_them_over() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for settings in ALL {
        let topic = ground.topic("groups", 4).await?;
        let group = unique("groups");
        let (first, second) = (
            ground.member(&group, settings)?,
            ground.member(&group, settings)?,
        );
        first.subscribe([topic.as_str()])?;
        poll_until(&[&first], |_| is_split(&[&first], 4)).await?;
        second.subscribe([topic.as_str()])?;
        poll_until(&[&first, &second], |_| is_split(&[&first, &second], 4)).await?;
        let sent: Vec<_> = (0..4).map(|it| format!("to {it}")).collect();
        for (partition, value) in (0..4).zip(&sent) {
            ground
                .produce(&topic, partition, std::slice::from_ref(value))
                .await?;
        }
        let read = poll_until(&[&first, &second], |read| 4 <= read.len()).await?;
        assert_eq!(read.len(), 4, "{settings:?}");
        assert_eq!(values(&read), sent.iter().cloned().collect());
        second.close().await?;
        let read = poll_until(&[&first], |_| is_split(&[&first], 4)).await?;
        assert_eq!(
            values(&read),
            BTreeSet::new(),
            "{settings:?}: committed by closing"
        );
        first.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_tell_listeners_what_comes_and_goes() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for settings in [CLASSIC, COOPERATIVE, NEXT] {
        let topic = ground.topic("groups-told", 2).await?;
        let group = unique("groups-told");
        let (first, second) = (
            ground.member(&group, settings)?,
            ground.member(&group, settings)?,
        );
        let (told, told_second) = (Told::default(), Told::default());
        first.subscribe_with([topic.as_str()], told.clone())?;
        poll_until(&[&first], |_| is_split(&[&first], 2)).await?;
        assert_eq!(told.take(), [("assigned", vec![0, 1])], "{settings:?}");
        second.subscribe_with([topic.as_str()], told_second.clone())?;
        poll_until(&[&first, &second], |_| is_split(&[&first, &second], 2)).await?;
        let calls = told.take();
        if settings == CLASSIC {
            // Which one it keeps depends on the ids of the members, which are random.
            let kept: Vec<_> = indexes(&first).into_iter().collect();
            assert_eq!(calls, [("revoked", vec![0, 1]), ("assigned", kept)]);
        } else {
            let kept: Vec<_> = indexes(&first).into_iter().collect();
            let gone = vec![1 - kept[0]];
            let moved = calls.iter().filter(|(_, it)| !it.is_empty());
            let moved: Vec<_> = moved.cloned().collect();
            assert_eq!(moved, [("revoked", gone.clone())], "{settings:?}");
            let got = told_second.take();
            assert!(got.contains(&("assigned", gone)), "{got:?}");
        }
        first.unsubscribe().await?;
        assert!(matches!(&told.take()[..], [.., ("revoked", it)] if it.len() == 1));
        assert!(first.assignment().is_empty());
        poll_until(&[&second], |_| is_split(&[&second], 2)).await?;
        second.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_commit_in_every_way() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        let topic = ground.topic("groups-commit", 1).await?;
        let partition = TopicPartition::new(topic.as_str(), 0);
        let sent: Vec<_> = (0..10).map(|it| it.to_string()).collect();
        ground.produce(&topic, 0, &sent).await?;
        let settings = [protocol, &[("enable.auto.commit", "false")]].concat();
        let member = ground.member(&unique("groups-commit"), &settings)?;
        member.subscribe([topic.as_str()])?;
        let read = poll_until(&[&member], |read| read.len() == 10).await?;
        let at = async |expected: i64| {
            let committed = member.committed(std::slice::from_ref(&partition)).await?;
            let offset = committed.get(&partition).map(|it| it.offset);
            ensure!(
                offset.unwrap_or(-1) == expected,
                "{offset:?} and not {expected}"
            );
            Ok(())
        };
        at(-1).await?;
        member.commit_record(&read[2]).await?;
        at(3).await?;
        member
            .commit_offsets([(partition.clone(), 5.into())].into())
            .await?;
        at(5).await?;
        let (done, outcome) = tokio::sync::oneshot::channel();
        let offsets = [(partition.clone(), 7.into())].into();
        member.commit_offsets_async(offsets, |result| done.send(result).unwrap())?;
        outcome.await??;
        at(7).await?;
        member.commit_sync().await?;
        at(10).await?;
        let negative = [(partition.clone(), (-1).into())].into();
        assert!(member.commit_offsets(negative).await.is_err());
        let identity = member.group_metadata()?;
        assert!(0 < identity.generation_id && !identity.member_id.is_empty());
        member.close().await?;
        let closed = member.commit_sync().await.unwrap_err();
        assert!(matches!(closed, ClientError::Closed(_)), "{closed}");
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_take_members_out_that_do_not_poll() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        let topic = ground.topic("groups-late", 2).await?;
        let group = unique("groups-late");
        let late = [protocol, &[("max.poll.interval.ms", "1500")]].concat();
        let (slow, alive) = (
            ground.member(&group, &late)?,
            ground.member(&group, protocol)?,
        );
        let told = Told::default();
        slow.subscribe_with([topic.as_str()], told.clone())?;
        alive.subscribe([topic.as_str()])?;
        poll_until(&[&slow, &alive], |_| is_split(&[&slow, &alive], 2)).await?;
        let had: Vec<_> = indexes(&slow).into_iter().collect();
        told.take();
        poll_until(&[&alive], |_| is_split(&[&alive], 2)).await?;
        let late =
            slow.commit_offsets([(TopicPartition::new(topic.as_str(), had[0]), 0.into())].into());
        let refused = late.await.unwrap_err();
        assert!(is(&refused, &[ResponseError::UnknownMemberId]), "{refused}");
        poll_until(&[&slow, &alive], |_| is_split(&[&slow, &alive], 2)).await?;
        assert_eq!(told.take()[0], ("lost", had), "{protocol:?}");
        slow.close().await?;
        alive.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_keep_the_place_of_static_members() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        let topic = ground.topic("groups-static", 2).await?;
        let group = unique("groups-static");
        let named = |name| [protocol, &[("group.instance.id", name)]].concat();
        let first = ground.member(&group, &named("a"))?;
        let second = ground.member(&group, &named("b"))?;
        first.subscribe([topic.as_str()])?;
        second.subscribe([topic.as_str()])?;
        poll_until(&[&first, &second], |_| is_split(&[&first, &second], 2)).await?;
        let (had, others) = (indexes(&first), indexes(&second));
        first.close().await?;
        let again = ground.member(&group, &named("a"))?;
        again.subscribe([topic.as_str()])?;
        poll_until(&[&again, &second], |_| indexes(&again) == had).await?;
        assert_eq!(indexes(&second), others, "{protocol:?}: nobody moved");
        again
            .close_with(GroupMembershipOperation::LeaveGroup, DEADLINE)
            .await?;
        poll_until(&[&second], |_| is_split(&[&second], 2)).await?;
        second.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_follow_patterns() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in [CLASSIC, NEXT] {
        let prefix = unique("groups-pattern");
        let quick = [protocol, &[("metadata.max.age.ms", "300")]].concat();
        let member = ground.member(&unique("groups-pattern"), &quick)?;
        let topic = ground.topic(&prefix, 2).await?;
        member.subscribe_pattern(&format!("{prefix}.*"), None)?;
        poll_until(&[&member], |_| member.assignment().len() == 2).await?;
        ground.topic(&prefix, 1).await?;
        poll_until(&[&member], |_| member.assignment().len() == 3).await?;
        assert!(member.subscription().contains(topic.as_str()));
        member.close().await?;
    }
    let classic = ground.member(&unique("groups-pattern"), CLASSIC)?;
    assert!(classic.subscribe_broker_pattern("t.*", None).is_err());
    Ok(())
}

/// The broker looks for new topics every ten seconds at most.
#[tokio::test]
async fn client_groups_follow_patterns_of_the_broker() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let (group, prefix) = (
        unique("groups-broker-pattern"),
        unique("groups-broker-pattern"),
    );
    let (first, second) = (ground.member(&group, NEXT)?, ground.member(&group, NEXT)?);
    let pattern = format!("{prefix}-(?i:[0-9A-F]+)");
    first.subscribe_broker_pattern(&pattern, None)?;
    let before = ground.topic(&prefix, 2).await?;
    poll_until(&[&first], |_| first.assignment().len() == 2).await?;
    second.subscribe_broker_pattern(&pattern, None)?;
    let (after, other) = (
        ground.topic(&prefix, 2).await?,
        ground.topic("groups-other", 1).await?,
    );
    let members = [&first, &second];
    poll_until(&members, |_| {
        members.iter().all(|it| it.assignment().len() == 2)
    })
    .await?;
    for topic in [&before, &after, &other] {
        ground.produce(topic, 0, &[format!("to {topic}")]).await?;
    }
    let read = poll_until(&members, |read| read.len() == 2).await?;
    let expected = [&before, &after].map(|it| format!("to {it}"));
    assert_eq!(values(&read), expected.into());
    first.close().await?;
    second.close().await?;
    let wrong = ground.member(&group, NEXT)?;
    wrong.subscribe_broker_pattern("(", None)?;
    let refused = poll_until(&[&wrong], |_| false).await.unwrap_err();
    let refused = refused.downcast_ref().expect("a client's error");
    assert!(
        is(refused, &[ResponseError::InvalidRegularExpression]),
        "{refused}"
    );
    Ok(())
}
