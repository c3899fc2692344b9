//! The ratios between the cells of one study: what batching gains, what the disk costs, and others
//! that BENCHMARKS.md has under R2 to R10; and what `partitions` take. Pure: results of `run.json`
//! in, rows out.

mod partitions;

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::fields::{FLUSHING, Fields, VARIANT, flatten, label, varying};
use crate::report::Series;

/// On which side of a ratio a cell stands, and what it is called there.
enum Side {
    Dividend(String),
    Divisor(String),
}

use Side::{Dividend, Divisor};

/// A ratio between two kinds of cells that are alike otherwise.
struct Rule {
    id: &'static str,
    meaning: &'static str,
    quantity: fn(&Value) -> Option<f64>,
    /// What may differ between the two sides.
    differing: &'static [&'static str],
    side: fn(&Fields) -> Option<Side>,
}

const RULES: [Rule; 9] = [
    Rule {
        id: "R2",
        meaning: "on disk before or by interval / never, records/s",
        quantity: records_per_s,
        differing: &FLUSHING,
        side: by_flushing,
    },
    Rule {
        id: "R6",
        meaning: "large batches / one record per batch, records/s",
        quantity: records_per_s,
        differing: &["producer.batch.size", "producer.linger.ms"],
        side: by_batch_size,
    },
    Rule {
        id: "R6b",
        meaning: "linger.ms 5 / linger.ms 0 at 80 % of the maximum, p99 of response times",
        quantity: response_p99,
        differing: &["producer.linger.ms"],
        side: by_linger,
    },
    Rule {
        id: "R7",
        meaning: "batches kept as they come / compressed again, records/s",
        quantity: records_per_s,
        differing: &["topic.compression.type"],
        side: by_topic_codec,
    },
    Rule {
        id: "R7",
        meaning: "batches kept as they come / compressed again, broker CPU-s/GB",
        quantity: broker_cpu,
        differing: &["topic.compression.type"],
        side: by_topic_codec,
    },
    Rule {
        id: "R8",
        meaning: "codec / none, CPU-s/GB of client and broker",
        quantity: whole_cpu,
        differing: &["producer.compression.type"],
        side: by_codec,
    },
    Rule {
        id: "R10",
        meaning: "with tail readers / without, records/s",
        quantity: records_per_s,
        differing: &["consumer_groups"],
        side: by_groups,
    },
    Rule {
        id: "S8",
        meaning: "idempotent or transactional / plain, records/s",
        quantity: records_per_s,
        differing: &TRANSACTIONAL,
        side: by_kind_at_max,
    },
    Rule {
        id: "S8",
        meaning: "idempotent or transactional / plain at one rate, p99 of response times",
        quantity: response_p99,
        differing: &TRANSACTIONAL,
        side: by_kind_at_a_rate,
    },
];

const TRANSACTIONAL: [&str; 3] = [
    "transaction_ms",
    "transaction_records",
    "producer.enable.idempotence",
];

fn records_per_s(result: &Value) -> Option<f64> {
    result["aggregatedPublishRate"].as_f64()
}

fn response_p99(result: &Value) -> Option<f64> {
    result["aggregatedPublishResponseLatency99pct"].as_f64()
}

fn broker_cpu(result: &Value) -> Option<f64> {
    result["cpu"]["brokerSecondsPerGB"].as_f64()
}

fn whole_cpu(result: &Value) -> Option<f64> {
    Some(broker_cpu(result)? + result["cpu"]["clientSecondsPerGB"].as_f64()?)
}

fn of<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// Rates of open loops are given, not measured.
fn is_closed(fields: &Fields) -> bool {
    of(fields, "load") == "max"
}

fn by_flushing(fields: &Fields) -> Option<Side> {
    let given = |topic: &str, broker: &str| {
        let of_topic = fields.get(topic).or_else(|| fields.get(broker));
        of_topic.map(String::as_str)
    };
    let is_before_ack =
        given("topic.flush.before.ack", "broker.log.flush.before.ack") != Some("false");
    let messages = given("topic.flush.messages", "broker.log.flush.interval.messages");
    let ms = given("topic.flush.ms", "broker.log.flush.interval.ms");
    is_closed(fields).then(|| match (is_before_ack, messages, ms) {
        (true, ..) => Dividend("each batch before its acknowledgement".to_owned()),
        (false, Some(messages), _) => Dividend(format!("every {messages} records")),
        (false, None, Some(ms)) => Dividend(format!("every {ms} ms")),
        (false, None, None) => Divisor("never".to_owned()),
    })
}

fn by_batch_size(fields: &Fields) -> Option<Side> {
    let bytes: u64 = of(fields, "producer.batch.size").parse().ok()?;
    match bytes {
        _ if !is_closed(fields) => None,
        1 => Some(Divisor("one record".to_owned())),
        16_384.. => Some(Dividend(format!("batch.size {bytes}"))),
        _ => None,
    }
}

fn by_linger(fields: &Fields) -> Option<Side> {
    match (of(fields, "load"), of(fields, "producer.linger.ms")) {
        ("80%", "5") => Some(Dividend(String::new())),
        ("80%", "0") => Some(Divisor(String::new())),
        _ => None,
    }
}

fn by_topic_codec(fields: &Fields) -> Option<Side> {
    let (codec, of_topic) = (
        of(fields, "producer.compression.type"),
        of(fields, "topic.compression.type"),
    );
    match of_topic {
        _ if !is_closed(fields) => None,
        "producer" => Some(Dividend(String::new())),
        _ if codec == of_topic => None,
        _ => Some(Divisor(format!("{codec} to {of_topic}"))),
    }
}

fn by_codec(fields: &Fields) -> Option<Side> {
    if of(fields, "topic.compression.type") != "producer" || !is_closed(fields) {
        return None;
    }
    Some(match of(fields, "producer.compression.type") {
        "none" => Divisor(String::new()),
        codec => Dividend(codec.to_owned()),
    })
}

fn by_groups(fields: &Fields) -> Option<Side> {
    is_closed(fields).then(|| match of(fields, "consumer_groups") {
        "0" => Divisor(String::new()),
        groups => Dividend(format!("{groups} groups")),
    })
}

fn by_kind_at_max(fields: &Fields) -> Option<Side> {
    is_closed(fields).then(|| by_kind(fields))
}

fn by_kind_at_a_rate(fields: &Fields) -> Option<Side> {
    (!is_closed(fields)).then(|| by_kind(fields))
}

fn by_kind(fields: &Fields) -> Side {
    let (ms, records) = (
        of(fields, "transaction_ms"),
        of(fields, "transaction_records"),
    );
    let is_plain = of(fields, "producer.enable.idempotence") == "false";
    match (ms, records) {
        ("0", "0") if is_plain => Divisor(String::new()),
        ("0", "0") => Dividend("idempotent".to_owned()),
        (ms, "0") => Dividend(format!("transactions of {ms} ms")),
        (_, records) => Dividend(format!("transactions of {records} records")),
    }
}

/// A ratio that was measured.
#[derive(Debug)]
pub(crate) struct Row {
    /// As in BENCHMARKS.md.
    pub(crate) id: &'static str,
    pub(crate) meaning: &'static str,
    /// Between which cells.
    pub(crate) cells: String,
    /// A quotient per repetition.
    ratios: Series,
    /// Of cells on either side.
    pub(crate) flags: String,
}

impl Row {
    /// `median (least-greatest)`; only the quotient when there is one.
    pub(crate) fn value(&self) -> String {
        let median = self.ratios.median();
        if self.ratios.0.len() == 1 {
            return format!("{median:.3}");
        }
        let (min, max) = (self.ratios.min(), self.ratios.max());
        format!("{median:.3} ({min:.3}-{max:.3})")
    }

    pub(crate) fn runs(&self) -> usize {
        self.ratios.0.len()
    }
}

/// Cells that are alike but for their repetition.
#[derive(Default)]
struct Cell {
    values: Series,
    flags: Vec<String>,
}

/// Cells that may be divided by one another, by what they are called on either side.
#[derive(Default)]
struct Group {
    dividends: BTreeMap<String, Cell>,
    divisors: BTreeMap<String, Cell>,
}

/// Every ratio that the results allow, in the order of the rules, then what partitions take.
pub(crate) fn rows<'a>(results: impl IntoIterator<Item = &'a Value>) -> Vec<Row> {
    let results = results.into_iter();
    let results: Vec<_> = results.map(|it| (flatten(&it["config"]), it)).collect();
    let ratios = RULES.iter().flat_map(|rule| rule.rows(&results));
    ratios.chain(partitions::rows(&results)).collect()
}

impl Rule {
    fn rows(&self, results: &[(Fields, &Value)]) -> Vec<Row> {
        let mut groups: BTreeMap<Fields, Group> = BTreeMap::new();
        for (fields, result) in results {
            let (Some(side), Some(value)) = ((self.side)(fields), (self.quantity)(result)) else {
                continue;
            };
            let mut alike = fields.clone();
            // A variant's name says no more than its fields.
            alike.retain(|name, _| name != VARIANT && !self.differing.contains(&name.as_str()));
            let group = groups.entry(alike).or_default();
            let cell = match side {
                Dividend(name) => group.dividends.entry(name).or_default(),
                Divisor(name) => group.divisors.entry(name).or_default(),
            };
            cell.values.0.push(value);
            let flags = result["flags"].as_array().into_iter().flatten();
            cell.flags
                .extend(flags.filter_map(|flag| flag.as_str().map(str::to_owned)));
        }
        groups.retain(|_, it| !it.dividends.is_empty() && !it.divisors.is_empty());
        let names = varying(groups.keys());
        let rows = groups.iter().flat_map(|(alike, group)| {
            let pairs = group
                .dividends
                .iter()
                .flat_map(|dividend| group.divisors.iter().map(move |it| (dividend, it)));
            let common = label(alike, &names);
            pairs.map(move |(dividend, divisor)| self.row(&common, dividend, divisor))
        });
        rows.collect()
    }

    fn row(&self, common: &str, dividend: (&String, &Cell), divisor: (&String, &Cell)) -> Row {
        let sides = [dividend.0.as_str(), divisor.0.as_str()];
        let sides: Vec<_> = sides.into_iter().filter(|side| !side.is_empty()).collect();
        let parts = [sides.join(" / "), common.to_owned()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let mut flags = [&dividend.1.flags[..], &divisor.1.flags].concat();
        // It is what closed loops are.
        flags.retain(|flag| flag != "saturated");
        flags.sort();
        flags.dedup();
        Row {
            id: self.id,
            meaning: self.meaning,
            cells: parts.join("; "),
            ratios: dividend.1.values.over(&divisor.1.values),
            flags: flags.join(" "),
        }
    }
}

/// The rows as Markdown; nothing without any.
pub(crate) fn markdown(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines = rows.iter().map(|row| {
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.id,
            row.meaning,
            row.cells,
            row.value(),
            row.runs(),
            row.flags
        )
    });
    format!(
        "| ratio | what | cells | median (least-greatest) | runs | flags |\n\
         |---|---|---|---|---|---|\n{}",
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests;
