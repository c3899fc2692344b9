//! `kafka-transactions find-hanging`: transactions that a partition takes for open, for longer than
//! any may be, while no coordinator is going to end them.

use std::collections::{BTreeMap, BTreeSet};

use clap::Arg;
use ringbrook_client::admin::{ListTransactionsOptions, ProducerState, TransactionDescription};
use ringbrook_client::clock::now_ms;
use ringbrook_client::{Admin, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::table::{Column, column, print};
use super::{failed, number};
use crate::frame::{Context, Failure, Options, value};

const HANGING: &[Column] = &[
    column("Topic", "topic"),
    column("Partition", "partition"),
    column("ProducerId", "producer_id"),
    column("ProducerEpoch", "producer_epoch"),
    column("CoordinatorEpoch", "coordinator_epoch"),
    column("StartOffset", "start_offset"),
    column("LastTimestamp", "last_timestamp"),
    column("Duration(min)", "duration_min"),
];

/// Topics and partitions of one request, as in Kafka's tool.
const BATCH_LEN: usize = 500;
const MINUTE_MS: i64 = 60_000;

/// A transaction that a partition takes for open.
type Open = (TopicPartition, ProducerState);

pub(super) fn options() -> [Arg; 2] {
    [
        value(
            "broker-id",
            "id",
            "broker id to search for hanging transactions",
        ),
        value(
            "max-transaction-timeout",
            "minutes",
            "maximum transaction timeout in minutes to limit the scope of the search (15 minutes \
             by default)",
        )
        .default_value("15"),
    ]
}

pub(super) async fn find(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let broker = options.number::<i32>("broker-id")?;
    let topic = options.text("topic");
    let message = |text: &str| Failure::Message(text.to_owned());
    if topic.is_none() && broker.is_none() {
        return Err(message(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope \
             of the search",
        ));
    }
    if topic.is_none() && options.has("partition") {
        return Err(message(
            "The --partition argument requires --topic to be provided",
        ));
    }
    let minutes = options.number::<i32>("max-transaction-timeout")?;
    let open_longer_ms = i64::from(minutes.unwrap_or(15)) * MINUTE_MS;
    let admin = context.admin(options)?;
    let partitions = match topic {
        Some(topic) if options.has("partition") => {
            vec![TopicPartition::new(topic, number(options, "partition")?)]
        }
        Some(topic) => partitions_of(&admin, vec![topic.to_owned()], broker).await?,
        None => {
            let topics = admin.list_topics(true).await;
            let topics = topics.map_err(|error| failed("Failed to list topics", &error))?;
            let topics = topics.into_iter().map(|topic| topic.name).collect();
            partitions_of(&admin, topics, broker).await?
        }
    };
    let now_ms = now_ms();
    let mut open = open_transactions(&admin, &partitions, broker).await?;
    open.retain(|(_, it)| open_longer_ms < now_ms - it.last_timestamp);
    let known = known_transactions(&admin, &open).await?;
    let rows = open.iter().filter(|it| is_hanging(it, &known));
    let rows = rows.map(|(partition, it)| {
        vec![
            json!(&*partition.topic),
            json!(partition.partition),
            json!(it.producer_id),
            json!(it.producer_epoch),
            json!(it.coordinator_epoch.unwrap_or(-1)),
            json!(it.current_transaction_start_offset.unwrap_or(-1)),
            json!(it.last_timestamp),
            json!((now_ms - it.last_timestamp) / MINUTE_MS),
        ]
    });
    print(context, HANGING, rows.collect())
}

/// Whether no coordinator is going to end it: none knows the producer, or the one that does knows
/// nothing of the partition.
fn is_hanging((partition, producer): &Open, known: &BTreeMap<i64, TransactionDescription>) -> bool {
    let description = known.get(&producer.producer_id);
    description.is_none_or(|it| !it.partitions.contains(partition))
}

async fn partitions_of(
    admin: &Admin,
    topics: Vec<String>,
    broker: Option<i32>,
) -> Result<Vec<TopicPartition>, Failure> {
    let mut partitions = Vec::new();
    for topics in topics.chunks(BATCH_LEN) {
        let described = admin.describe_topics(topics.iter().cloned()).await.all();
        let described = described.map_err(|error| {
            let what = format!("Failed to describe {} topics", topics.len());
            failed(&what, &error)
        })?;
        for topic in described.into_values() {
            let has_replica = |replicas: &[i32]| broker.is_none_or(|id| replicas.contains(&id));
            let wanted = topic.partitions.iter();
            let wanted = wanted.filter(|it| has_replica(&it.replicas));
            partitions
                .extend(wanted.map(|it| TopicPartition::new(topic.name.as_str(), it.partition)));
        }
    }
    Ok(partitions)
}

async fn open_transactions(
    admin: &Admin,
    partitions: &[TopicPartition],
    broker: Option<i32>,
) -> Result<Vec<Open>, Failure> {
    let mut open = Vec::new();
    for partitions in partitions.chunks(BATCH_LEN) {
        let described = admin.describe_producers(partitions.iter().cloned(), broker);
        let described = described.await.all().map_err(|error| {
            let broker = broker.map_or("Optional.empty".to_owned(), |id| format!("Optional[{id}]"));
            let what = format!(
                "Failed to describe producers for {} partitions on broker {broker}",
                partitions.len()
            );
            failed(&what, &error)
        })?;
        for (partition, producers) in described {
            let producers = producers.into_iter();
            let producers = producers.filter(|it| it.current_transaction_start_offset.is_some());
            open.extend(producers.map(|it| (partition.clone(), it)));
        }
    }
    Ok(open)
}

/// What coordinators know of the producers, by producer id.
async fn known_transactions(
    admin: &Admin,
    open: &[Open],
) -> Result<BTreeMap<i64, TransactionDescription>, Failure> {
    let producer_ids: BTreeSet<i64> = open.iter().map(|(_, it)| it.producer_id).collect();
    // Without a filter all transactions of the cluster would be listed.
    if producer_ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = ListTransactionsOptions {
        producer_ids: producer_ids.iter().copied().collect(),
        ..ListTransactionsOptions::default()
    };
    let listed = admin.list_transactions(&wanted).await;
    let listed = listed.and_then(|listed| listed.all()).map_err(|error| {
        let what = format!(
            "Failed to list transactions for {} producers",
            producer_ids.len()
        );
        failed(&what, &error)
    })?;
    let ids = listed.iter().map(|it| it.transactional_id.clone());
    let described = admin.describe_transactions(ids).await.into_map();
    let mut known = BTreeMap::new();
    for it in &listed {
        match described.get(&it.transactional_id) {
            Some(Ok(description)) => {
                known.insert(it.producer_id, description.clone());
            }
            // It has expired since.
            Some(Err(error))
                if error.response_error() == Some(ResponseError::TransactionalIdNotFound) => {}
            Some(Err(error)) => {
                let what = format!("Failed to describe {} transactions", listed.len());
                return Err(failed(&what, error));
            }
            None => {}
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringbrook_client::admin::TransactionState;

    use super::*;

    #[test]
    fn what_a_coordinator_will_end_does_not_hang() {
        let partition = |index| TopicPartition::new("t", index);
        let producer = ProducerState {
            producer_id: 7,
            producer_epoch: 0,
            last_sequence: 0,
            last_timestamp: 0,
            coordinator_epoch: None,
            current_transaction_start_offset: Some(0),
        };
        let description = TransactionDescription {
            coordinator_id: 1,
            state: TransactionState::Ongoing,
            producer_id: 7,
            producer_epoch: 0,
            transaction_timeout: Duration::from_secs(60),
            start_time_ms: Some(0),
            partitions: vec![partition(0)],
        };
        let known = BTreeMap::from([(7, description)]);
        assert!(!is_hanging(&(partition(0), producer), &known));
        assert!(is_hanging(&(partition(1), producer), &known));
        assert!(is_hanging(&(partition(0), producer), &BTreeMap::new()));
    }
}
