//! Workloads as flat names and texts, to find out in what many of them differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A workload by the names that sweeps have, such as `producer.linger.ms`.
pub(crate) type Fields = BTreeMap<String, String>;

/// The name of the set of fields that varies together.
pub(crate) const VARIANT: &str = "variant";
/// Settings that say when the disk is flushed.
pub(crate) const FLUSHING: [&str; 6] = [
    "broker.log.flush.before.ack",
    "broker.log.flush.interval.messages",
    "broker.log.flush.interval.ms",
    "topic.flush.before.ack",
    "topic.flush.messages",
    "topic.flush.ms",
];
/// What says nothing about the load itself.
const LEFT_OUT: [&str; 5] = ["name", "repetitions", "sweep", "axes", "variants"];
/// What settings are when a workload does not say, so that saying so makes no difference.
const DEFAULTS: [(&str, &str); 5] = [
    ("producer.acks", "all"),
    ("producer.batch.size", "16384"),
    ("producer.compression.type", "none"),
    ("producer.linger.ms", "5"),
    ("topic.compression.type", "producer"),
];

/// A workload, which is the `config` of a result in `run.json`.
pub(crate) fn flatten(config: &Value) -> Fields {
    let defaults = DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut fields = Fields::from(defaults);
    for (name, value) in config.as_object().into_iter().flatten() {
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        match value.as_object() {
            None => drop(fields.insert(name.clone(), text(value))),
            Some(settings) => {
                let settings = settings.iter();
                fields.extend(settings.map(|(it, value)| (format!("{name}.{it}"), text(value))));
            }
        }
    }
    fields
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The names of the fields that are not the same in all of `many`; not those that follow from the
/// variant.
pub(crate) fn varying<'a>(many: impl IntoIterator<Item = &'a Fields>) -> Vec<String> {
    let many: Vec<_> = many.into_iter().collect();
    let names: BTreeSet<_> = many.iter().flat_map(|fields| fields.keys()).collect();
    let names = names.into_iter().filter(|name| {
        let value = |fields: &Fields| fields.get(*name).cloned();
        let has_others = many.windows(2).any(|pair| value(pair[0]) != value(pair[1]));
        has_others && (*name == VARIANT || !follows_from_variant(&many, name))
    });
    names.cloned().collect()
}

/// Whether variants differ and each has one value of the field.
fn follows_from_variant(many: &[&Fields], name: &str) -> bool {
    let mut by_variant: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for fields in many {
        let values = by_variant.entry(fields.get(VARIANT)).or_default();
        values.insert(fields.get(name));
    }
    1 < by_variant.len() && by_variant.values().all(|values| values.len() == 1)
}

/// The fields `names` as a label: `linger.ms 5, producers 4`.
pub(crate) fn label(fields: &Fields, names: &[String]) -> String {
    let parts = names.iter().filter_map(|name| {
        let value = fields.get(name);
        if name == VARIANT {
            return value.filter(|value| !value.is_empty()).cloned();
        }
        let value = value.map_or("default", String::as_str);
        Some(format!("{} {value}", short(name)))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// As people say it.
pub(crate) fn short(name: &str) -> &str {
    match name {
        "partitions_per_topic" => "partitions",
        "consumer_groups" => "groups",
        "record_bytes" => "bytes",
        "topic.compression.type" => "topic codec",
        "producer.compression.type" => "codec",
        _ => name
            .strip_prefix("producer.")
            .or_else(|| name.strip_prefix("broker."))
            .unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload::Workload;
    use super::*;

    fn fields(text: &str) -> Fields {
        let workload: Workload = toml::from_str(text).expect("valid");
        flatten(&serde_json::to_value(workload).expect("JSON"))
    }

    #[test]
    fn a_default_that_is_said_makes_no_difference() {
        let said = fields("name = \"said\"\n[producer]\n\"linger.ms\" = \"5\"");
        assert_eq!(said, fields("name = \"unsaid\""));
        let other = fields("[producer]\n\"linger.ms\" = \"20\"");
        assert_eq!(varying([&said, &other]), ["producer.linger.ms"]);
    }

    #[test]
    fn what_follows_from_the_variant_is_not_named() {
        let variants = [
            fields("variant = \"a\"\nproducers = 1\n[broker]\n\"x\" = \"1\""),
            fields("variant = \"a\"\nproducers = 4\n[broker]\n\"x\" = \"1\""),
            fields("variant = \"b\"\nproducers = 1\n[broker]\n\"x\" = \"2\""),
        ];
        let names = varying(&variants);
        assert_eq!(names, ["producers", "variant"]);
        assert_eq!(label(&variants[1], &names), "producers 4, a");
    }

    #[test]
    fn equal_workloads_differ_in_nothing() {
        let one = fields("");
        assert!(varying([&one, &one]).is_empty() && label(&one, &[]).is_empty());
        assert!(varying([]).is_empty());
    }
}
