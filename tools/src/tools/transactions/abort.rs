//! `kafka-transactions abort`: ends a transaction that hangs.

use clap::Arg;
use ringbrook_client::admin::AbortTransactionSpec;
use ringbrook_client::{Admin, TopicPartition};

use super::{failed, partition};
use crate::frame::{Context, Failure, Options, value};

pub(super) fn options() -> [Arg; 4] {
    [
        value(
            "start-offset",
            "offset",
            "start offset of the transaction to abort (brokers on versions 3.0 and above)",
        ),
        value(
            "producer-id",
            "id",
            "producer id (older brokers need this and the two others)",
        ),
        value("producer-epoch", "epoch", "producer epoch"),
        value("coordinator-epoch", "epoch", "coordinator epoch"),
    ]
}

pub(super) async fn abort(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let partition = partition(options)?;
    let start_offset = options.number::<i64>("start-offset")?;
    let spec = match (start_offset, options.number::<i64>("producer-id")?) {
        (None, None) => {
            let text = "The transaction to abort must be identified either with --start-offset \
                        (for brokers on 3.0 or above) or with --producer-id, --producer-epoch, and \
                        --coordinator-epoch (for older brokers)";
            return Err(Failure::Message(text.to_owned()));
        }
        (Some(start_offset), _) => {
            let admin = context.admin(options)?;
            find(&admin, partition, start_offset).await?
        }
        (None, Some(producer_id)) => {
            let missing = |name| Failure::Message(format!("Missing required argument --{name}"));
            let epoch = options.number::<i16>("producer-epoch")?;
            let producer_epoch = epoch.ok_or_else(|| missing("producer-epoch"))?;
            let epoch = options.number::<i32>("coordinator-epoch")?;
            let epoch = epoch.ok_or_else(|| missing("coordinator-epoch"))?;
            AbortTransactionSpec {
                partition,
                producer_id,
                producer_epoch,
                // What a producer that never ended a transaction shows as -1.
                coordinator_epoch: epoch.max(0),
            }
        }
    };
    let aborted = context.admin(options)?.abort_transaction(&spec).await;
    aborted.map_err(|error| {
        let AbortTransactionSpec {
            partition,
            producer_id,
            producer_epoch,
            coordinator_epoch,
        } = &spec;
        let spec = format!(
            "AbortTransactionSpec(topicPartition={partition}, producerId={producer_id}, \
             producerEpoch={producer_epoch}, coordinatorEpoch={coordinator_epoch})"
        );
        failed(&format!("Failed to abort transaction {spec}"), &error)
    })
}

/// The transaction that is open since `start_offset`.
async fn find(
    admin: &Admin,
    partition: TopicPartition,
    start_offset: i64,
) -> Result<AbortTransactionSpec, Failure> {
    let described = admin.describe_producers([partition.clone()], None).await;
    let producers = described.only(&partition).map_err(|error| {
        let what = format!("Failed to validate producer state for partition {partition}");
        failed(&what, &error)
    })?;
    let mut producers = producers.into_iter();
    let found = producers.find(|it| it.current_transaction_start_offset == Some(start_offset));
    let Some(found) = found else {
        return Err(Failure::Message(format!(
            "Could not find any open transactions starting at offset {start_offset} on partition \
             {partition}"
        )));
    };
    let epoch = i16::try_from(found.producer_epoch);
    Ok(AbortTransactionSpec {
        partition,
        producer_id: found.producer_id,
        producer_epoch: epoch.map_err(|_| {
            Failure::Message(format!(
                "the broker says epoch {} of producer {}, which no producer can have",
                found.producer_epoch, found.producer_id
            ))
        })?,
        coordinator_epoch: found.coordinator_epoch.unwrap_or(0),
    })
}
