//! `kafka-dump-log`: what is in the files of a partition, without a broker (Kafka's
//! `DumpLogSegments`). Reads what Kafka wrote as well as what Ringbrook wrote, as both use the same
//! formats, and changes nothing.

mod batch_file;
mod index_file;
mod log_file;
mod message_parser;
mod producer_snapshot;
mod time_index_file;

use std::path::Path;

use clap::Command;

use self::batch_file::{BatchFile, offset_of};
use self::index_file::{IndexMode, OffsetIndexFile, dump_offset_index, dump_txn_index};
use self::log_file::LogDump;
use self::message_parser::MessageParser;
use self::producer_snapshot::dump_producer_snapshot;
use self::time_index_file::{TimeIndexErrors, dump_time_index};
use crate::frame::{Context, Failure, Options, Tool, flag, optional_value, value};

/// `kafka-dump-log`.
pub const TOOL: Tool = Tool {
    name: "dump-log",
    about: "This tool helps to parse a log file and dump its contents to the console, useful for \
            debugging a seemingly corrupt log segment.",
    examples: &[
        (
            "The batches and records of a segment",
            "--files /data/orders-0/00000000000000000000.log --print-data-log",
        ),
        (
            "Committed offsets and groups",
            "--files /data/__consumer_offsets-0/00000000000000000000.log --offsets-decoder",
        ),
        (
            "Whether indexes are sound",
            "--files 00000000000000000000.index,00000000000000000000.timeindex \
             --index-sanity-check",
        ),
    ],
    options,
    run,
    has_json: false,
};

const MAX_MESSAGE_SIZE: u32 = 5 * 1024 * 1024;
/// The offsets of batches without their place, by file: where one does not follow the other.
type Pairs = Vec<(String, Vec<(i64, i64)>)>;

fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "files",
            "file1, file2, ...",
            "REQUIRED: The comma separated list of data and index log files to be dumped.",
        ))
        .arg(flag(
            "print-data-log",
            "Print the contents of records too. Set by every decoder option.",
        ))
        .arg(flag(
            "deep-iteration",
            "Show records, not only batches. Set by --print-data-log.",
        ))
        .arg(flag(
            "skip-record-metadata",
            "Show only the contents of records; this leaves out control records.",
        ))
        .arg(flag(
            "verify-index-only",
            "Verify indexes without printing them.",
        ))
        .arg(flag(
            "index-sanity-check",
            "Only the check by which a broker decides at its start to rebuild an index.",
        ))
        .arg(value("max-message-size", "size", "Size of largest message.").default_value("5242880"))
        .arg(value(
            "max-bytes",
            "size",
            "Read no more bytes of each log.",
        ));
    decoder_options(command)
}

fn decoder_options(command: Command) -> Command {
    command
        .arg(optional_value(
            "key-decoder-class",
            "class",
            "How keys are shown: StringDecoder, IntegerDecoder, LongDecoder or DefaultDecoder \
             (base64).",
        ))
        .arg(optional_value(
            "value-decoder-class",
            "class",
            "How values are shown, as for keys.",
        ))
        .arg(flag(
            "offsets-decoder",
            "Records are those of __consumer_offsets.",
        ))
        .arg(flag(
            "transaction-log-decoder",
            "Records are those of __transaction_state.",
        ))
        .arg(flag(
            "cluster-metadata-decoder",
            "Records are those of Kafka's __cluster_metadata.",
        ))
        .arg(flag(
            "share-group-state-decoder",
            "Records are those of __share_group_state.",
        ))
}

/// What is told only when all files have been read.
#[derive(Debug, Default)]
struct Findings {
    index_mismatches: Pairs,
    time_index: TimeIndexErrors,
    gaps: Pairs,
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["files"])?;
    let parser = MessageParser::new(options)?;
    let prints_data = options.has("print-data-log") || parser.is_chosen();
    let log_dump = LogDump {
        prints_records: prints_data || options.has("deep-iteration"),
        prints_data,
        prints_metadata: !options.has("skip-record-metadata"),
        bytes_max: options.number::<u32>("max-bytes")?,
        parser,
    };
    let mode = IndexMode {
        is_sanity_check: options.has("index-sanity-check"),
        is_quiet: options.has("verify-index-only"),
        message_size_max: options
            .number("max-message-size")?
            .unwrap_or(MAX_MESSAGE_SIZE),
    };
    let mut findings = Findings::default();
    for file in options.text("files").unwrap_or_default().split(',') {
        context.line(format_args!("Dumping {file}"))?;
        dump(Path::new(file), &log_dump, &mode, &mut findings, context)?;
    }
    tell(&findings, context);
    Ok(())
}

fn dump(
    file: &Path,
    log_dump: &LogDump,
    mode: &IndexMode,
    findings: &mut Findings,
    context: &mut Context,
) -> Result<(), Failure> {
    match file.extension().and_then(|suffix| suffix.to_str()) {
        Some("log" | "checkpoint") => log_dump.dump(file, &mut findings.gaps, context),
        Some("index") => {
            let mismatches = dump_offset_index(file, mode, context)?;
            note(&mut findings.index_mismatches, file, mismatches);
            Ok(())
        }
        Some("timeindex") => dump_time_index(file, mode, &mut findings.time_index, context),
        Some("snapshot") => dump_producer_snapshot(file, context),
        Some("txnindex") => dump_txn_index(file, context),
        _ => {
            context.warn(format_args!("Ignoring unknown file {}", file.display()));
            Ok(())
        }
    }
}

fn note(pairs: &mut Pairs, file: &Path, found: Vec<(i64, i64)>) {
    if !found.is_empty() {
        pairs.push((absolute(file), found));
    }
}

/// A file's name in messages about it, as Kafka's are.
fn absolute(file: &Path) -> String {
    let path = std::path::absolute(file);
    path.as_deref().unwrap_or(file).display().to_string()
}

fn tell(findings: &Findings, context: &mut Context) {
    for (file, mismatches) in &findings.index_mismatches {
        context.warn(format_args!("Mismatches in :{file}"));
        for (index_offset, log_offset) in mismatches.iter().rev() {
            context.warn(format_args!(
                "  Index offset: {index_offset}, log offset: {log_offset}"
            ));
        }
    }
    findings.time_index.tell(context);
    for (file, gaps) in &findings.gaps {
        context.warn(format_args!("Non-consecutive offsets in {file}"));
        for (before, offset) in gaps {
            context.warn(format_args!("  {before} is followed by {offset}"));
        }
    }
}

/// A failure about a file, with its name.
fn failed(file: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::Message(format!("{}: {what}", file.display()))
}

#[cfg(test)]
mod tests;
