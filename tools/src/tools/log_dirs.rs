//! `kafka-log-dirs`: which partitions lie in which log dirs of which brokers (Kafka's
//! `LogDirsCommand`).

use std::collections::{BTreeMap, BTreeSet};

use clap::Command;
use ringbrook_client::ClientError;
use ringbrook_client::admin::LogDirDescription;
use serde::Serialize;

use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, exception_name, flag,
    partitions_in_java_order, run_async, value,
};

/// `kafka-log-dirs`.
pub const TOOL: Tool = Tool {
    name: "log-dirs",
    about: "This tool helps to query log directory usage on the specified brokers.",
    examples: &[
        (
            "All log dirs of all brokers",
            "--bootstrap-server localhost:9092 --describe",
        ),
        (
            "Where a topic lies on two brokers, without the two lines of text before the JSON",
            "--bootstrap-server localhost:9092 --describe --topic-list orders --broker-list 1,2 \
             --output json",
        ),
    ],
    options,
    run,
    has_json: true,
};

/// As Kafka's tool prints it; the order of fields is Kafka's.
#[derive(Serialize)]
struct Document {
    brokers: Vec<Broker>,
    version: i32,
}

#[derive(Serialize)]
struct Broker {
    broker: i32,
    #[serde(rename = "logDirs")]
    log_dirs: Vec<LogDir>,
}

#[derive(Serialize)]
struct LogDir {
    partitions: Vec<Replica>,
    /// The class of Kafka's exception.
    error: Option<String>,
    #[serde(rename = "logDir")]
    path: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replica {
    partition: String,
    size: i64,
    offset_lag: i64,
    is_future: bool,
}

fn options(command: Command) -> Command {
    bootstrap_options(command).args([
        flag(
            "describe",
            "REQUIRED: Describe the log directories of brokers.",
        ),
        value(
            "topic-list",
            "topic1,topic2",
            "The topics to show; all by default.",
        ),
        value(
            "broker-list",
            "0,1,2",
            "The brokers to ask; all by default.",
        ),
    ])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["bootstrap-server", "describe"])?;
    let topics: BTreeSet<&str> = items(options.text("topic-list")).collect();
    let wanted = items(options.text("broker-list")).map(|id| {
        let wrong = |_| Failure::Message(format!("For input string: \"{id}\""));
        id.parse::<i32>().map_err(wrong)
    });
    let wanted: BTreeSet<i32> = wanted.collect::<Result<_, _>>()?;
    run_async(async {
        let admin = context.admin(options)?;
        let nodes = admin.describe_cluster().await?.nodes;
        let present: BTreeSet<i32> = nodes.iter().map(|node| node.id).collect();
        let absent: BTreeSet<i32> = wanted.difference(&present).copied().collect();
        if !absent.is_empty() {
            return Err(Failure::Message(format!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent \
                 brokers: {}",
                joined(&absent),
                joined(&present)
            )));
        }
        let asked = if wanted.is_empty() { present } else { wanted };
        let has_text = !context.is_json();
        if has_text {
            context.line("Querying brokers for log directories information")?;
        }
        let described = admin.describe_log_dirs(asked.iter().copied()).await.all()?;
        if has_text {
            context.line(format_args!(
                "Received log directory information from brokers {}",
                joined(&asked)
            ))?;
        }
        let brokers = described.into_iter().map(|(broker, dirs)| Broker {
            broker,
            log_dirs: log_dirs(dirs, &topics),
        });
        context.json(&Document {
            brokers: brokers.collect(),
            version: 1,
        })
    })
}

fn items(text: Option<&str>) -> impl Iterator<Item = &str> {
    let items = text.unwrap_or_default().split(',');
    items.filter(|item| !item.is_empty())
}

fn joined(ids: &BTreeSet<i32>) -> String {
    let ids: Vec<_> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}

fn log_dirs(dirs: BTreeMap<String, LogDirDescription>, topics: &BTreeSet<&str>) -> Vec<LogDir> {
    let dirs = dirs.into_iter().map(|(path, dir)| {
        let replicas = dir.replicas.into_iter();
        let replicas = replicas.filter(|(it, _)| topics.is_empty() || topics.contains(&*it.topic));
        let replicas = partitions_in_java_order(replicas.collect(), |(it, _)| it);
        let partitions = replicas.into_iter().map(|(it, replica)| Replica {
            partition: it.to_string(),
            size: replica.size,
            offset_lag: replica.offset_lag,
            is_future: replica.is_future,
        });
        LogDir {
            partitions: partitions.collect(),
            error: dir.error.as_ref().map(error_class),
            path,
        }
    });
    dirs.collect()
}

fn error_class(error: &ClientError) -> String {
    match error {
        ClientError::Broker(error) => exception_name(error.code),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use ringbrook_client::admin::ReplicaInfo;
    use ringbrook_client::{BrokerError, TopicPartition};

    use super::*;

    #[test]
    fn only_the_topics_asked_for_are_shown_in_kafkas_form() {
        let replica = ReplicaInfo {
            size: 7,
            offset_lag: 0,
            is_future: false,
        };
        let dir = LogDirDescription {
            error: Some(BrokerError::new(56, "dir").into()),
            replicas: ["a", "b"]
                .map(|topic| (TopicPartition::new(topic, 0), replica))
                .into(),
            total_bytes: None,
            usable_bytes: None,
        };
        let dirs = BTreeMap::from([("/d".to_owned(), dir)]);
        let shown = serde_json::to_string(&log_dirs(dirs, &["b"].into())).unwrap();
        assert_eq!(
            shown,
            "[{\"partitions\":[{\"partition\":\"b-0\",\"size\":7,\"offsetLag\":0,\
             \"isFuture\":false}],\"error\":\"org.apache.kafka.common.errors.\
             KafkaStorageException\",\"logDir\":\"/d\"}]"
        );
    }
}
