//! What the broker has to say when all is over, over raw frames: committed offsets, last stable
//! offsets, transactions and producers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::describe_producers_request::TopicRequest;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::{
    BrokerId, DescribeProducersRequest, GroupId, ListOffsetsRequest, ListTransactionsRequest,
    OffsetFetchRequest,
};

use crate::exactly_once::transfer::parse_input;
use crate::exactly_once::worker::{group, input_topic, output_topic};
use crate::exactly_once::{Lane, Source};
use crate::read_committed;
use crate::{Client, error, topic_name, wait_until};

/// How long the last markers and the loading of coordinators may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Newest versions whose fields are used here.
const OFFSET_FETCH: i16 = 8;
const LIST_OFFSETS: i16 = 7;
const LIST_TRANSACTIONS: i16 = 0;
const DESCRIBE_PRODUCERS: i16 = 0;
/// Timestamp that asks for the log end offset, or the last stable offset.
const LATEST: i64 = -1;
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// The topics of a campaign.
#[derive(Debug, Clone)]
pub struct Topics {
    /// What their names begin with.
    pub prefix: String,
    /// Input partitions of each lane.
    pub group_partitions: i32,
    /// Input partitions of the fixed lane.
    pub fixed_partitions: i32,
    /// Partitions of the output.
    pub output_partitions: i32,
}

impl Topics {
    fn lane_partitions(&self, lane: Lane) -> i32 {
        match lane {
            Lane::Group => self.group_partitions,
            Lane::Fixed => self.fixed_partitions,
        }
    }

    /// All input partitions.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let lanes = Lane::ALL.into_iter();
        lanes
            .flat_map(|lane| {
                let partitions = 0..self.lane_partitions(lane);
                partitions.map(move |partition| Source { lane, partition })
            })
            .collect()
    }

    pub(super) fn create(&self, client: &mut Client) -> anyhow::Result<()> {
        for lane in Lane::ALL {
            let partitions = self.lane_partitions(lane);
            if 0 < partitions {
                client.create_topic(&input_topic(&self.prefix, lane), partitions, &[])?;
            }
        }
        let output = output_topic(&self.prefix);
        client.create_topic(&output, self.output_partitions, &[])?;
        Ok(())
    }

    /// Checks that the input holds what was fed, dense from 0 on: the feeder's idempotence.
    pub(super) fn check_input(
        &self,
        client: &mut Client,
        fed: &BTreeMap<Source, i64>,
    ) -> anyhow::Result<()> {
        for (source, fed) in fed {
            let topic = input_topic(&self.prefix, source.lane);
            let mut next = 0;
            loop {
                let read = read_committed(client.wire(), &topic, source.partition, next)?;
                for record in &read.records {
                    let found = parse_input(&record.value)?;
                    ensure!(
                        found == (*source, record.offset) && record.offset == next,
                        "{found:?} is at offset {} of input {source}, expected {next}",
                        record.offset
                    );
                    next += 1;
                }
                if read.records.is_empty() {
                    break;
                }
            }
            ensure!(next == *fed, "{next} of {fed} records fed to {source}");
        }
        Ok(())
    }

    /// The offsets committed for the input, -1 where none is.
    pub(super) fn committed(&self, client: &mut Client) -> anyhow::Result<BTreeMap<Source, i64>> {
        let mut committed = BTreeMap::new();
        for lane in Lane::ALL {
            if 0 < self.lane_partitions(lane) {
                let offsets = patiently(|| self.committed_of(client, lane))?;
                committed.extend(offsets);
            }
        }
        Ok(committed)
    }

    fn committed_of(&self, client: &mut Client, lane: Lane) -> anyhow::Result<Vec<(Source, i64)>> {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name(&input_topic(&self.prefix, lane)))
            .with_partition_indexes((0..self.lane_partitions(lane)).collect());
        let name = StrBytes::from_string(group(&self.prefix, lane));
        let wanted = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(name))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![wanted])
            .with_require_stable(true);
        let answer = client.call(&request, OFFSET_FETCH)?;
        let answer = answer.groups.into_iter().next().context("a group")?;
        ok(answer.error_code, "OffsetFetch")?;
        let partitions = answer.topics.into_iter().flat_map(|it| it.partitions);
        let offsets = partitions.map(|it| {
            ok(it.error_code, "an offset")?;
            let partition = it.partition_index;
            Ok((Source { lane, partition }, it.committed_offset))
        });
        offsets.collect()
    }

    /// Waits until no transaction hangs anywhere.
    pub(super) fn check_settled(&self, client: &mut Client) -> anyhow::Result<()> {
        patiently(|| {
            self.check_stable(client)?;
            self.check_transactions(client)?;
            self.check_producers(client)
        })
    }

    /// The last stable offset is the log end offset in all output partitions.
    fn check_stable(&self, client: &mut Client) -> anyhow::Result<()> {
        let end = self.output_offsets(client, READ_UNCOMMITTED)?;
        let stable = self.output_offsets(client, READ_COMMITTED)?;
        ensure!(
            end == stable,
            "a transaction hangs: last stable offsets {stable:?}, log end offsets {end:?}"
        );
        Ok(())
    }

    fn output_offsets(&self, client: &mut Client, isolation: i8) -> anyhow::Result<Vec<i64>> {
        let partitions = (0..self.output_partitions).map(|partition| {
            ListOffsetsPartition::default()
                .with_partition_index(partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(LATEST)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(&output_topic(&self.prefix)))
            .with_partitions(partitions.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(vec![topic]);
        let answer = client.call(&request, LIST_OFFSETS)?;
        let partitions = answer.topics.into_iter().flat_map(|it| it.partitions);
        let offsets = partitions.map(|it| {
            ok(it.error_code, "ListOffsets")?;
            Ok(it.offset)
        });
        let offsets: Vec<_> = offsets.collect::<anyhow::Result<_>>()?;
        ensure!(offsets.len() == usize::try_from(self.output_partitions)?);
        Ok(offsets)
    }

    /// Each transactional id has come to an end, and there are some.
    fn check_transactions(&self, client: &mut Client) -> anyhow::Result<()> {
        let request = ListTransactionsRequest::default();
        let answer = client.call(&request, LIST_TRANSACTIONS)?;
        ok(answer.error_code, "ListTransactions")?;
        let states = answer.transaction_states.iter();
        let own: Vec<_> = states
            .filter(|it| it.transactional_id.starts_with(&*self.prefix))
            .collect();
        ensure!(!own.is_empty(), "no transactional id is listed");
        for state in own {
            let name = &*state.transaction_state;
            ensure!(
                ["Empty", "CompleteCommit", "CompleteAbort"].contains(&name),
                "{} is {name}",
                &*state.transactional_id
            );
        }
        Ok(())
    }

    /// No producer has a transaction open in the output.
    fn check_producers(&self, client: &mut Client) -> anyhow::Result<()> {
        let topic = TopicRequest::default()
            .with_name(topic_name(&output_topic(&self.prefix)))
            .with_partition_indexes((0..self.output_partitions).collect());
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let answer = client.call(&request, DESCRIBE_PRODUCERS)?;
        for partition in answer.topics.into_iter().flat_map(|it| it.partitions) {
            ok(partition.error_code, "DescribeProducers")?;
            for producer in &partition.active_producers {
                ensure!(
                    producer.current_txn_start_offset == -1,
                    "open in partition {}: {producer:?}",
                    partition.partition_index
                );
            }
        }
        Ok(())
    }
}

fn ok(code: i16, what: &str) -> anyhow::Result<()> {
    ensure!(code == 0, "{what}: {:?} ({code})", error(code));
    Ok(())
}

/// Tries until it succeeds; the last error when it does not in time.
fn patiently<T>(mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut last = None;
    wait_until(SETTLED_WITHIN, || match attempt() {
        Ok(value) => {
            last = Some(Ok(value));
            true
        }
        Err(error) => {
            last = Some(Err(error));
            false
        }
    });
    match last {
        Some(result) => result,
        None => bail!("not tried"),
    }
}
