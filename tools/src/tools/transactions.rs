//! `kafka-transactions`: transactions, the producers of partitions, and transactions that hang
//! (Kafka's `TransactionsCommand`, KIP-664).

mod abort;
mod hanging;
mod table;

use std::time::Duration;

use clap::{Arg, Command};
use ringbrook_client::admin::ListTransactionsOptions;
use ringbrook_client::clock::now_ms;
use ringbrook_client::{Admin, ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use self::table::{Column, column, print};
use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, message_of, run_async, value,
};

/// `kafka-transactions`.
pub const TOOL: Tool = Tool {
    name: "transactions",
    about: "This tool is used to analyze the transactional state of producers in the cluster. It \
            can be used to detect and recover from hanging transactions.",
    examples: &[
        (
            "All transactional ids, or those with a transaction open for more than a minute",
            "--bootstrap-server localhost:9092 list --duration-filter 60000",
        ),
        (
            "One of them",
            "--bootstrap-server localhost:9092 describe --transactional-id payments-1",
        ),
        (
            "Transactions that partitions take for open while no coordinator knows them",
            "--bootstrap-server localhost:9092 find-hanging --topic payments",
        ),
        (
            "Abort such a one",
            "--bootstrap-server localhost:9092 abort --topic payments --partition 0 \
             --start-offset 1234",
        ),
    ],
    options,
    run,
    has_json: true,
};

const LISTED: &[Column] = &[
    column("TransactionalId", "transactional_id"),
    column("Coordinator", "coordinator"),
    column("ProducerId", "producer_id"),
    column("TransactionState", "state"),
];

const DESCRIBED: &[Column] = &[
    column("CoordinatorId", "coordinator"),
    column("TransactionalId", "transactional_id"),
    column("ProducerId", "producer_id"),
    column("ProducerEpoch", "producer_epoch"),
    column("TransactionState", "state"),
    column("TransactionTimeoutMs", "timeout_ms"),
    column("CurrentTransactionStartTimeMs", "start_time_ms"),
    column("TransactionDurationMs", "duration_ms"),
    column("TopicPartitions", "partitions"),
];

const PRODUCERS: &[Column] = &[
    column("ProducerId", "producer_id"),
    column("ProducerEpoch", "producer_epoch"),
    column("LatestCoordinatorEpoch", "coordinator_epoch"),
    column("LastSequence", "last_sequence"),
    column("LastTimestamp", "last_timestamp"),
    column("CurrentTransactionStartOffset", "transaction_start_offset"),
];

fn options(command: Command) -> Command {
    let global = |arg: Arg| arg.global(true);
    let sub = |name, about| Command::new(name).about(about).infer_long_args(true);
    let topic = || value("topic", "topic", "topic name");
    let partition = || value("partition", "partition", "partition number");
    let list = sub("list", "list transactions").args([
        value(
            "duration-filter",
            "ms",
            "Duration (in millis) to filter by: if < 0, all transactions will be returned; \
             otherwise, only transactions running longer than this duration will be returned",
        ),
        value(
            "transactional-id-pattern",
            "regex",
            "Transactional id regular expression pattern to filter by",
        ),
    ]);
    let describe = sub(
        "describe",
        "describe the state of an active transactional-id",
    )
    .arg(value("transactional-id", "id", "transactional id"));
    let producers = sub(
        "describe-producers",
        "describe the states of active producers for a topic partition",
    )
    .args([
        value(
            "broker-id",
            "id",
            "optional broker id to describe the producer state on a specific replica",
        ),
        topic(),
        partition(),
    ]);
    bootstrap_options(command)
        .mut_arg("bootstrap-server", global)
        .mut_arg("command-config", global)
        .subcommands([list, describe, producers])
        .subcommand(
            sub(
                "abort",
                "abort a hanging transaction (requires administrative privileges)",
            )
            .args([topic(), partition()])
            .args(abort::options()),
        )
        .subcommand(
            sub("find-hanging", "find hanging transactions")
                .args([topic(), partition()])
                .args(hanging::options()),
        )
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let Some((name, options)) = options.subcommand() else {
        return Err(Failure::Usage("too few arguments".to_owned()));
    };
    require(&options, "bootstrap-server")?;
    run_async(async {
        match name {
            "list" => list(&options, context).await,
            "describe" => describe(&options, context).await,
            "describe-producers" => describe_producers(&options, context).await,
            "abort" => abort::abort(&options, context).await,
            _ => hanging::find(&options, context).await,
        }
    })
}

/// Kafka's tool parses its command line with another library than the others, in other words.
fn require(options: &Options<'_>, name: &str) -> Result<(), Failure> {
    if options.has(name) {
        return Ok(());
    }
    let text = format!("argument --{name} is required");
    Err(Failure::Usage(text))
}

fn number<T: std::str::FromStr>(options: &Options<'_>, name: &str) -> Result<T, Failure> {
    require(options, name)?;
    let number = options.number(name)?;
    number.ok_or_else(|| Failure::Usage(format!("argument --{name} is required")))
}

/// The partition that `--topic` and `--partition` name.
fn partition(options: &Options<'_>) -> Result<TopicPartition, Failure> {
    require(options, "topic")?;
    let index: i32 = number(options, "partition")?;
    let topic = options.text("topic").unwrap_or_default();
    Ok(TopicPartition::new(topic, index))
}

/// As Kafka's tool tells of an error.
fn failed(what: &str, error: &ClientError) -> Failure {
    let message = message_of(error);
    Failure::Message(format!(
        "{what}: {message}. Enable debug logging for additional detail."
    ))
}

async fn list(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let open_longer_than = options.number::<i64>("duration-filter")?;
    // A negative one filters nothing.
    let open_longer_than = open_longer_than.and_then(|ms| u64::try_from(ms).ok());
    let wanted = ListTransactionsOptions {
        open_longer_than: open_longer_than.map(Duration::from_millis),
        transactional_id_pattern: options.text("transactional-id-pattern").map(str::to_owned),
        ..ListTransactionsOptions::default()
    };
    let listed = context.admin(options)?.list_transactions(&wanted).await;
    let listed = listed.and_then(|listed| listed.all());
    let listed = listed.map_err(|error| failed("Failed to list transactions", &error))?;
    let rows = listed.into_iter().map(|it| {
        vec![
            json!(it.transactional_id),
            json!(it.coordinator_id),
            json!(it.producer_id),
            json!(it.state.name()),
        ]
    });
    print(context, LISTED, rows.collect())
}

async fn describe(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    require(options, "transactional-id")?;
    let id = options.text("transactional-id").unwrap_or_default();
    let admin = context.admin(options)?;
    let described = admin.describe_transactions([id]).await;
    let it = described.only(&id.to_owned()).map_err(|error| {
        let what = format!("Failed to describe transaction state of transactional-id `{id}`");
        if error.response_error() != Some(ResponseError::TransactionalIdNotFound) {
            return failed(&what, &error);
        }
        // Words of Kafka's client.
        Failure::Message(format!(
            "{what}: DescribeTransactions request for transactionalId `{id}` failed because the ID \
             could not be found. Enable debug logging for additional detail."
        ))
    })?;
    let partitions: Vec<_> = it.partitions.iter().map(ToString::to_string).collect();
    let row = vec![
        json!(it.coordinator_id),
        json!(id),
        json!(it.producer_id),
        json!(it.producer_epoch),
        json!(it.state.name()),
        json!(u64::try_from(it.transaction_timeout.as_millis()).unwrap_or(u64::MAX)),
        json!(it.start_time_ms),
        json!(it.start_time_ms.map(|start| now_ms() - start)),
        json!(partitions.join(",")),
    ];
    print(context, DESCRIBED, vec![row])
}

async fn describe_producers(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let partition = partition(options)?;
    let broker = options.number::<i32>("broker-id")?;
    let admin: Admin = context.admin(options)?;
    let described = admin.describe_producers([partition.clone()], broker).await;
    let producers = described.only(&partition).map_err(|error| {
        let place = broker.map_or("leader".to_owned(), |id| format!("broker {id}"));
        let what = format!("Failed to describe producers for partition {partition} on {place}");
        failed(&what, &error)
    })?;
    let rows = producers.into_iter().map(|it| {
        vec![
            json!(it.producer_id),
            json!(it.producer_epoch),
            json!(it.coordinator_epoch.unwrap_or(-1)),
            json!(it.last_sequence),
            json!(it.last_timestamp),
            json!(it.current_transaction_start_offset),
        ]
    });
    print(context, PRODUCERS, rows.collect())
}
