//! What a load is: topics, records, clients and their settings, how fast and for how long.
//!
//! A workload is a TOML file whose names are the fields below, or a YAML file of the
//! OpenMessaging benchmark (`open_messaging`), or a preset by its name (`presets`). One workload
//! may stand for many that differ (`sweep`).

mod open_messaging;
mod presets;
mod sweep;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::schedule::Arrival;
pub(crate) use sweep::{BASE, Sweep, Variant, cells, with_field};

/// How fast records are sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "String")]
pub(crate) enum Load {
    /// Open loop: records per second of all producers together, on a schedule.
    Rate(f64),
    /// Open loop, at this share of the rate that `Max`, and an open loop after it, reached with the
    /// workload's own settings.
    PercentOfMax(f64),
    /// Closed loop: as fast as the buffers take records. Latency says little then.
    Max,
    /// Looks for the greatest rate at which the p99 of response times stays within the limit.
    FindMax,
}

impl FromStr for Load {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let hint =
            || format!("\"{text}\" is no load: give records per second, 80%, max or find-max");
        let positive = |number: &str| {
            let number: f64 = number.trim().parse().with_context(hint)?;
            ensure!(0.0 < number && number.is_finite(), hint());
            Ok(number)
        };
        Ok(match text {
            "max" => Self::Max,
            "find-max" => Self::FindMax,
            _ => match text.strip_suffix('%') {
                Some(percent) => Self::PercentOfMax(positive(percent)?),
                None => Self::Rate(positive(text)?),
            },
        })
    }
}

impl TryFrom<toml::Value> for Load {
    type Error = anyhow::Error;

    fn try_from(value: toml::Value) -> anyhow::Result<Self> {
        match value {
            toml::Value::String(text) => text.parse(),
            other => other.to_string().parse(),
        }
    }
}

impl From<Load> for String {
    fn from(load: Load) -> Self {
        match load {
            Load::Rate(rate) => rate.to_string(),
            Load::PercentOfMax(percent) => format!("{percent}%"),
            Load::Max => "max".to_owned(),
            Load::FindMax => "find-max".to_owned(),
        }
    }
}

/// When every record is read back and compared with what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verify {
    /// By the consumers of the load if it has any, else after the load.
    Always,
    /// As `Always`, but not with `acks=0`, when nobody knows what was acknowledged.
    WhereKnown,
    /// Not at all.
    Off,
}

/// A load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Workload {
    /// In reports.
    pub(crate) name: String,
    pub(crate) topics: u32,
    pub(crate) partitions_per_topic: i32,
    pub(crate) replication_factor: i16,
    /// Bytes of a record's value; 24 at least.
    pub(crate) record_bytes: usize,
    /// How much of a value is repetition.
    pub(crate) compressible_percent: u8,
    pub(crate) keys: Keys,
    /// Different keys, if there are any.
    pub(crate) key_count: u32,
    /// Producers; each sends to all topics in turn.
    pub(crate) producers: u32,
    /// Groups; each reads everything.
    pub(crate) consumer_groups: u32,
    pub(crate) consumers_per_group: u32,
    pub(crate) load: Load,
    pub(crate) arrival: Arrival,
    /// Load before measuring begins.
    pub(crate) warm_up_s: f64,
    pub(crate) measured_s: f64,
    /// For `find-max`: the p99 of response times that is still good, in milliseconds.
    pub(crate) p99_limit_ms: f64,
    pub(crate) verify: Verify,
    /// Of payloads, keys and arrivals.
    pub(crate) seed: u64,
    /// Times that each cell is measured, on a fresh topic each.
    pub(crate) repetitions: u32,
    /// Transactions of every producer end this long after they began; 0 for no such limit. With
    /// neither limit there are no transactions.
    pub(crate) transaction_ms: u64,
    /// Transactions of every producer end with so many records; 0 for no such limit.
    pub(crate) transaction_records: u64,
    /// Every run has a broker of its own, so that its memory and files tell of that run alone.
    pub(crate) fresh_broker: bool,
    /// Shares of the maximum are of what the workload reaches before anything varies: all cells
    /// have the same rates then.
    pub(crate) shares_of_base: bool,
    /// Which of the variants this is; empty without any.
    pub(crate) variant: String,
    /// Settings of the broker that is started for the run, by Kafka's names.
    pub(crate) broker: BTreeMap<String, String>,
    /// Settings of the producers, by Kafka's names.
    pub(crate) producer: BTreeMap<String, String>,
    /// Settings of the consumers, by Kafka's names.
    pub(crate) consumer: BTreeMap<String, String>,
    /// Settings of the topics, by Kafka's names.
    pub(crate) topic: BTreeMap<String, String>,
    /// What varies from cell to cell, in every combination.
    pub(crate) sweep: Sweep,
    /// What varies one at a time, while the others stay as the workload says.
    pub(crate) axes: Sweep,
    /// Several fields that vary together; another dimension of `sweep`.
    pub(crate) variants: Vec<Variant>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            name: "load".to_owned(),
            topics: 1,
            partitions_per_topic: 8,
            replication_factor: 1,
            record_bytes: 1024,
            compressible_percent: 50,
            keys: Keys::None,
            key_count: 100_000,
            producers: 1,
            consumer_groups: 0,
            consumers_per_group: 1,
            load: Load::Max,
            arrival: Arrival::Uniform,
            warm_up_s: 10.0,
            measured_s: 30.0,
            p99_limit_ms: 20.0,
            verify: Verify::Always,
            seed: 1,
            repetitions: 1,
            transaction_ms: 0,
            transaction_records: 0,
            fresh_broker: false,
            shares_of_base: false,
            variant: String::new(),
            broker: BTreeMap::new(),
            producer: BTreeMap::new(),
            consumer: BTreeMap::new(),
            topic: BTreeMap::new(),
            sweep: Sweep::new(),
            axes: Sweep::new(),
            variants: Vec::new(),
        }
    }
}

impl Workload {
    /// A preset of this name, or the file of this path.
    ///
    /// # Errors
    /// There is neither, the file does not say what a load is, or its values contradict.
    pub(crate) fn open(name_or_path: &str) -> anyhow::Result<Self> {
        let workload = match presets::text(name_or_path) {
            Some(text) => Self::from_toml(text)?,
            None => Self::from_file(Path::new(name_or_path))
                .with_context(|| format!("the workload {name_or_path}"))?,
        };
        workload.check()?;
        Ok(workload)
    }

    fn from_file(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            let names: Vec<_> = presets::names().collect();
            bail!("there is no such file; presets are {}", names.join(", "));
        }
        let text = std::fs::read_to_string(path)?;
        let extension = path.extension().and_then(|it| it.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            return open_messaging::read(&text);
        }
        Self::from_toml(&text)
    }

    fn from_toml(text: &str) -> anyhow::Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// They do not; says what to change.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(0 < self.topics, "topics has to be at least 1");
        ensure!(0 < self.producers, "producers has to be at least 1");
        ensure!(0 < self.repetitions, "repetitions has to be at least 1");
        ensure!(
            0 < self.partitions_per_topic,
            "partitions_per_topic has to be at least 1"
        );
        ensure!(
            super::payload::STAMP_BYTES <= self.record_bytes,
            "record_bytes has to be at least {}: every value carries a stamp",
            super::payload::STAMP_BYTES
        );
        ensure!(
            self.compressible_percent <= 100,
            "compressible_percent goes from 0 to 100"
        );
        ensure!(
            self.consumer_groups == 0 || 0 < self.consumers_per_group,
            "consumers_per_group has to be at least 1, or consumer_groups 0"
        );
        let seconds = [self.warm_up_s, self.measured_s];
        ensure!(
            seconds.iter().all(|it| it.is_finite() && 0.0 <= *it) && 0.0 < self.measured_s,
            "warm_up_s and measured_s have to be seconds, measured_s above 0"
        );
        let acks = self.producer.get("acks").map(String::as_str);
        ensure!(
            self.verify != Verify::Always || acks != Some("0"),
            "with acks=0 nobody knows what was acknowledged: set verify = \"off\""
        );
        ensure!(
            !self.is_transactional() || matches!(acks, None | Some("all" | "-1")),
            "transactions need acks=all"
        );
        Ok(())
    }

    /// Whether producers send in transactions.
    pub(crate) fn is_transactional(&self) -> bool {
        0 < self.transaction_ms || 0 < self.transaction_records
    }

    /// Whether records are looked for.
    pub(crate) fn is_verified(&self) -> bool {
        match self.verify {
            Verify::Always => true,
            Verify::WhereKnown => self.producer_setting("acks") != "0",
            Verify::Off => false,
        }
    }

    /// Whether it needs a broker that is started for it.
    pub(crate) fn needs_own_broker(&self) -> bool {
        self.fresh_broker || !self.broker.is_empty()
    }

    /// A setting of the producers, or Kafka's default.
    pub(crate) fn producer_setting(&self, name: &str) -> &str {
        let default = match name {
            "linger.ms" => "5",
            "batch.size" => "16384",
            "acks" => "all",
            "compression.type" => "none",
            _ => "",
        };
        self.producer.get(name).map_or(default, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_workload_with_cells() {
        for name in presets::names() {
            let workload = Workload::open(name).expect(name);
            assert_eq!(workload.name, name);
            assert!(!cells(&workload).expect(name).is_empty());
        }
    }

    #[test]
    fn loads_are_numbers_shares_and_words() {
        let load = |text: &str| text.parse::<Load>();
        assert_eq!(load("1000").expect("a rate"), Load::Rate(1000.0));
        assert_eq!(load("80%").expect("a share"), Load::PercentOfMax(80.0));
        assert_eq!(load("max").expect("a word"), Load::Max);
        for wrong in ["", "-1", "0", "fast", "inf", "%"] {
            let error = load(wrong).expect_err(wrong).to_string();
            assert!(error.contains("find-max"), "{error}");
        }
    }

    #[test]
    fn a_file_may_say_numbers_and_words() {
        let text = "load = 5000\nkeys = \"zipf\"\n[producer]\n\"linger.ms\" = \"20\"";
        let workload = Workload::from_toml(text).expect("valid");
        assert_eq!(workload.load, Load::Rate(5000.0));
        assert_eq!(workload.keys, Keys::Zipf);
        assert_eq!(workload.producer_setting("linger.ms"), "20");
        assert_eq!(workload.producer_setting("batch.size"), "16384");
    }

    #[test]
    fn an_unknown_field_and_a_contradiction_are_errors() {
        let error = Workload::from_toml("recordbytes = 5").expect_err("unknown");
        assert!(error.to_string().contains("recordbytes"), "{error}");
        let acks = Workload::from_toml("[producer]\nacks = \"0\"").expect("valid by itself");
        let error = acks.check().expect_err("cannot verify").to_string();
        assert!(error.contains("verify"), "{error}");
        let known = Workload {
            verify: Verify::WhereKnown,
            ..acks
        };
        known.check().expect("not verified then");
        assert!(!known.is_verified() && Workload::default().is_verified());
    }

    #[test]
    fn transactions_end_by_time_or_by_records_and_need_every_acknowledgement() {
        assert!(!Workload::default().is_transactional());
        for text in ["transaction_ms = 100", "transaction_records = 1000"] {
            let workload = Workload::from_toml(text).expect(text);
            workload.check().expect(text);
            assert!(workload.is_transactional(), "{text}");
        }
        let text = "transaction_ms = 100\n[producer]\nacks = \"1\"";
        let workload = Workload::from_toml(text).expect("valid by itself");
        let error = workload.check().expect_err("acks=1").to_string();
        assert!(error.contains("acks=all"), "{error}");
    }
}
