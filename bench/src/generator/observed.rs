//! What the cells of a study came to, without their histograms: what advice and conclusions are
//! drawn from. Either of runs that just ended, or read from the `run.json` of a study. Pure but for
//! the reading.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::keys::Keys;
use super::measured::{Flag, Measured};
use super::workload::Workload;

/// One cell; of its repetitions the median each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    pub(crate) workload: Workload,
    /// Records per second wanted; nothing in a closed loop.
    pub(crate) target_rate: Option<f64>,
    pub(crate) records_per_s: f64,
    pub(crate) requests_per_s: f64,
    pub(crate) batches_per_s: f64,
    /// Of batches before compression, headers included.
    pub(crate) bytes_per_s: f64,
    /// Of response times.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU seconds per second.
    pub(crate) client_cores: f64,
    /// The same of the broker, if its process is known.
    pub(crate) broker_cores: Option<f64>,
    pub(crate) client_threads: u32,
    /// Times per second that the disk was told to flush its cache, if known.
    pub(crate) flushes_per_s: Option<f64>,
    pub(crate) is_overloaded: bool,
    pub(crate) is_client_bound: bool,
}

impl Observed {
    /// What a run came to.
    pub(crate) fn of(measured: &Measured) -> Self {
        let per_s = |count: u64| count as f64 / measured.elapsed_s;
        let batching = &measured.batching;
        let response = measured.latencies().response;
        Self {
            workload: measured.workload.clone(),
            target_rate: measured.target_rate,
            records_per_s: measured.records_per_s(),
            requests_per_s: per_s(batching.requests),
            batches_per_s: per_s(batching.batches),
            bytes_per_s: per_s(batching.bytes),
            p50_ms: response.ms(50.0),
            p99_ms: response.ms(99.0),
            client_cores: measured.client_cpu_s / measured.elapsed_s,
            broker_cores: measured.broker.map(|it| it.cpu_s / measured.elapsed_s),
            client_threads: measured.client_threads,
            flushes_per_s: measured.disk_flushes.map(per_s),
            is_overloaded: measured.has(Flag::Overloaded),
            is_client_bound: measured.has(Flag::ClientBound),
        }
    }

    pub(crate) fn batch_bytes(&self) -> f64 {
        self.bytes_per_s / self.batches_per_s.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn linger_ms(&self) -> f64 {
        number(self.workload.producer_setting("linger.ms"))
    }

    pub(crate) fn batch_size(&self) -> f64 {
        number(self.workload.producer_setting("batch.size"))
    }

    /// Whether its latencies are those of a load that fits.
    pub(crate) fn is_sustained(&self) -> bool {
        self.target_rate.is_some() && !self.is_overloaded
    }

    /// The busier of client and broker, as a share of what each can use.
    pub(crate) fn utilisation(&self) -> f64 {
        let client = self.client_cores / f64::from(self.client_threads.max(1));
        client.max(self.broker_cores.unwrap_or_default())
    }

    /// CPU seconds of client and broker per 10^9 bytes of values.
    pub(crate) fn cpu_s_per_gb(&self) -> f64 {
        let gb_per_s = self.records_per_s * self.workload.record_bytes as f64 / 1e9;
        (self.client_cores + self.broker_cores.unwrap_or_default()) / gb_per_s
    }

    /// What a reader calls the settings.
    pub(crate) fn settings(&self) -> String {
        format!(
            "linger.ms {}, batch.size {}",
            self.linger_ms(),
            self.batch_size()
        )
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

/// Cells that have everything in common but the load and the settings of batching.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Record size, keys, and what else tells it from the other groups.
    pub(crate) label: String,
    /// In the order of their rates, then of linger.ms and batch.size.
    pub(crate) cells: Vec<Observed>,
}

impl Group {
    /// Open loops of one rate each, slowest first; those without a rate are left out.
    pub(crate) fn by_rate(&self) -> Vec<Vec<&Observed>> {
        let mut rates: BTreeMap<u64, Vec<&Observed>> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(rate) = cell.target_rate {
                // Positive floats have the order of their bits.
                rates.entry(rate.to_bits()).or_default().push(cell);
            }
        }
        rates.into_values().collect()
    }
}

/// What cells of a group differ in.
const WITHIN_GROUPS: [&str; 4] = ["name", "load", "producer.linger.ms", "producer.batch.size"];
/// What a model of costs takes into account, beside these.
const WITHIN_MODELS: [&str; 5] = [
    "record_bytes",
    "keys",
    "partitions_per_topic",
    "topics",
    "producers",
];

/// Groups of cells that differ in load and batching only.
pub(crate) fn groups(cells: &[Observed]) -> Vec<Group> {
    split(cells, &WITHIN_GROUPS, true)
}

/// Groups of cells that one model has to explain: they differ in what it takes into account.
pub(crate) fn model_groups(cells: &[Observed]) -> Vec<Group> {
    let within: Vec<_> = WITHIN_GROUPS.into_iter().chain(WITHIN_MODELS).collect();
    split(cells, &within, false)
}

fn split(cells: &[Observed], within: &[&str], names_records: bool) -> Vec<Group> {
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<Observed>> = BTreeMap::new();
    for cell in cells {
        let mut fields = fields(&cell.workload);
        fields.retain(|name, _| !within.contains(&name.as_str()));
        groups.entry(fields).or_default().push(cell.clone());
    }
    let differs = |name: &str| {
        let mut values = groups.keys().map(|fields| fields.get(name));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let all = groups.iter().map(|(fields, cells)| {
        let mut words = Vec::new();
        if let Some(cell) = cells.first().filter(|_| names_records) {
            let has_keys = cell.workload.keys != Keys::None;
            let keys = if has_keys {
                "with keys"
            } else {
                "without keys"
            };
            words.push(format!(
                "records of {} B {keys}",
                cell.workload.record_bytes
            ));
        }
        let known = ["record_bytes", "keys"];
        let others = fields.iter().filter(|(name, _)| {
            differs(name) && !(names_records && known.contains(&name.as_str()))
        });
        words.extend(others.map(|(name, value)| format!("{name}={value}")));
        let mut cells = cells.clone();
        cells.sort_by(|a, b| {
            order(a)
                .partial_cmp(&order(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        Group {
            label: words.join(", "),
            cells,
        }
    });
    all.collect()
}

fn order(cell: &Observed) -> (f64, f64, f64) {
    let rate = cell.target_rate.unwrap_or(f64::INFINITY);
    (rate, cell.linger_ms(), cell.batch_size())
}

/// The fields of a workload as texts, those of tables by their path.
fn fields(workload: &Workload) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let value = serde_json::json!(workload);
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(table) => {
                for (inner, value) in table {
                    all.insert(format!("{name}.{inner}"), text(value));
                }
            }
            other => {
                all.insert(name.clone(), text(other));
            }
        }
    }
    all
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Repetitions become one cell with the medians; it is flagged if one of them is.
pub(crate) fn medians(runs: Vec<Observed>) -> Vec<Observed> {
    let mut cells: BTreeMap<BTreeMap<String, String>, Vec<Observed>> = BTreeMap::new();
    for run in runs {
        cells.entry(fields(&run.workload)).or_default().push(run);
    }
    let merged = cells.into_values().filter_map(|runs| {
        let of = |value: fn(&Observed) -> f64| median(runs.iter().map(value).collect());
        let of_any = |value: fn(&Observed) -> Option<f64>| {
            let values: Option<Vec<_>> = runs.iter().map(value).collect();
            values.map(median)
        };
        let first = runs.first()?;
        Some(Observed {
            workload: first.workload.clone(),
            target_rate: of_any(|it| it.target_rate),
            records_per_s: of(|it| it.records_per_s),
            requests_per_s: of(|it| it.requests_per_s),
            batches_per_s: of(|it| it.batches_per_s),
            bytes_per_s: of(|it| it.bytes_per_s),
            p50_ms: of(|it| it.p50_ms),
            p99_ms: of(|it| it.p99_ms),
            client_cores: of(|it| it.client_cores),
            broker_cores: of_any(|it| it.broker_cores),
            client_threads: first.client_threads,
            flushes_per_s: of_any(|it| it.flushes_per_s),
            is_overloaded: runs.iter().any(|it| it.is_overloaded),
            is_client_bound: runs.iter().any(|it| it.is_client_bound),
        })
    });
    merged.collect()
}

/// The middle value; of an even number the mean of the two in the middle; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (
        values.get(middle),
        middle.checked_sub(1).and_then(|it| values.get(it)),
    ) {
        (Some(upper), Some(lower)) if values.len().is_multiple_of(2) => (upper + lower) / 2.0,
        (Some(only), _) => *only,
        (None, _) => 0.0,
    }
}

#[derive(Deserialize)]
struct RunFile {
    results: Vec<Value>,
}

/// What is taken from a result in `run.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunResult {
    config: Workload,
    target_rate: Option<f64>,
    elapsed_seconds: f64,
    aggregated_publish_rate: f64,
    #[serde(rename = "aggregatedPublishResponseLatency50pct")]
    p50_ms: f64,
    #[serde(rename = "aggregatedPublishResponseLatency99pct")]
    p99_ms: f64,
    batching: RunBatching,
    cpu: RunCpu,
    disk_flushes: Option<u64>,
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct RunBatching {
    batches: u64,
    requests: u64,
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunCpu {
    broker_seconds: Option<f64>,
    client_seconds: f64,
    client_threads: Option<u32>,
}

/// The cells of the study in `dir`.
///
/// # Errors
/// There is no `run.json`, or a result in it lacks what every result has.
pub(crate) fn read(dir: &Path) -> anyhow::Result<Vec<Observed>> {
    let path = dir.join("run.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Observed>> {
    let file: RunFile = serde_json::from_str(text)?;
    let runs = file.results.into_iter().map(|result| {
        let name = result["workload"].as_str().unwrap_or("?").to_owned();
        let result: RunResult =
            serde_json::from_value(result).with_context(|| format!("the result {name}"))?;
        Ok(result.into())
    });
    Ok(medians(runs.collect::<anyhow::Result<_>>()?))
}

impl From<RunResult> for Observed {
    fn from(result: RunResult) -> Self {
        let elapsed_s = result.elapsed_seconds;
        let per_s = |count: u64| count as f64 / elapsed_s;
        let has = |flag: Flag| result.flags.iter().any(|it| it == flag.name());
        Self {
            is_overloaded: has(Flag::Overloaded),
            is_client_bound: has(Flag::ClientBound),
            workload: result.config,
            target_rate: result.target_rate,
            records_per_s: result.aggregated_publish_rate,
            requests_per_s: per_s(result.batching.requests),
            batches_per_s: per_s(result.batching.batches),
            bytes_per_s: per_s(result.batching.bytes),
            p50_ms: result.p50_ms,
            p99_ms: result.p99_ms,
            client_cores: result.cpu.client_seconds / elapsed_s,
            broker_cores: result.cpu.broker_seconds.map(|it| it / elapsed_s),
            client_threads: result.cpu.client_threads.unwrap_or(1),
            flushes_per_s: result.disk_flushes.map(per_s),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
