//! `kafka-delete-records`: deletes the oldest records of partitions (Kafka's
//! `DeleteRecordsCommand`).

use std::collections::BTreeMap;

use clap::Command;
use ringbrook_client::TopicPartition;
use ringbrook_client::admin::RecordsToDelete;
use serde_json::json;

use crate::frame::{
    Context, Failure, JsonFile, Options, Tool, bootstrap_options, number_of,
    partitions_in_java_order, run_async, value,
};

/// `kafka-delete-records`.
pub const TOOL: Tool = Tool {
    name: "delete-records",
    about: "This tool helps to delete records of the given partitions down to the specified \
            offset.",
    examples: &[(
        "Delete what the file says: {\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \
         \"offset\": 100}], \"version\": 1}; offset -1 deletes all",
        "--bootstrap-server localhost:9092 --offset-json-file offsets.json",
    )],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    bootstrap_options(command).arg(value(
        "offset-json-file",
        "Offset json file path",
        "REQUIRED: The JSON file with the first offset to keep of each partition.",
    ))
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["bootstrap-server", "offset-json-file"])?;
    let file = JsonFile::read(options.text("offset-json-file").unwrap_or_default())?;
    let wanted = wanted(&file)?;
    let results = run_async(async {
        let admin = context.admin(options)?;
        if !context.is_json() {
            context.line("Executing records delete operation")?;
        }
        Ok(admin.delete_records(&wanted).await.into_map())
    })?;
    let results: Vec<_> = results.into_iter().collect();
    let results = partitions_in_java_order(results, |(partition, _)| partition);
    if context.is_json() {
        let results = results.into_iter().map(|(partition, result)| {
            let error = result.as_ref().err().cloned().map(Failure::from);
            json!({
                "topic": *partition.topic,
                "partition": partition.partition,
                "low_watermark": result.ok().map(|deleted| deleted.low_watermark),
                "error": error.map(|error| error.exception()),
            })
        });
        return context.json(&results.collect::<Vec<_>>());
    }
    context.line("Records delete operation completed:")?;
    for (partition, result) in results {
        let said = match result {
            Ok(deleted) => format!("low_watermark: {}", deleted.low_watermark),
            Err(error) => format!("error: {}", Failure::from(error).exception()),
        };
        context.line(format_args!("partition: {partition}\t{said}"))?;
    }
    Ok(())
}

fn wanted(file: &JsonFile) -> Result<BTreeMap<TopicPartition, RecordsToDelete>, Failure> {
    let mut wanted = BTreeMap::new();
    let mut twice = Vec::new();
    for (partition, object) in file.partitions()? {
        let records = match number_of(object, "offset")? {
            -1 => RecordsToDelete::All,
            offset => RecordsToDelete::BeforeOffset(offset),
        };
        if wanted.insert(partition.clone(), records).is_some() {
            twice.push(partition.to_string());
        }
    }
    if twice.is_empty() {
        return Ok(wanted);
    }
    twice.dedup();
    Err(Failure::Message(format!(
        "Offset json file contains duplicate topic partitions: {}",
        twice.join(",")
    )))
}
